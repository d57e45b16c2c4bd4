"""One comparison: the same outer steps by several libraries, and what bare products take."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Case(NamedTuple):
    """Variants that do the same work, and floors that do only its products."""

    title: str  # e.g. "hyper-cleaning 20000 x 784 x 10, AID-CG"
    unit: str  # what one unit is, e.g. "outer step with 10 inner and 10 linear steps"
    units: int  # units in one call of a variant
    # by engine; each call does the work, waits for it and returns the new x or the hypergradient
    ours: dict[str, Callable[[], np.ndarray]]
    # by library; JAX: jit + lax.scan (+ vmap), block_until_ready before returning
    peers: dict[str, Callable[[], np.ndarray]]
    floors: dict[str, Callable[[], None]]  # bare gemv / GEMM / SpMM of the same number of products
    target: float  # the most that ours over the best JAX variant may be; nan where none is set
    floor_target: float  # the same over the floor
