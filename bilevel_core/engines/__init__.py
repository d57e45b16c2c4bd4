"""Two engines that run the same solver and problem functions: `compiled` (Numba) and `torch`."""

ENGINES = ("compiled", "torch")
