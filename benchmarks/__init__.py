"""History benchmarks (asv suites) and, in `sweeps/`, the sweep specifications."""
