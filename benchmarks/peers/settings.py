"""What all variants share: numbers of inner and linear steps, and step sizes on the quadratics."""

INNER, LINEAR = 10, 10
ALPHA, BETA = 1.0, 1e-4
"""beta is small: an iterate that has arrived leaves numbers too small to be normal, whose
arithmetic is slow on some processors, and nothing else to compare."""
