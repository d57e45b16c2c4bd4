"""What the instrument itself costs: how seconds grow, and what a sweep makes of its processes."""
