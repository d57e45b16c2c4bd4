"""Values that are kept at one point: what several oracle calls at the same y need is computed once.

A point is known by its numbers, not by its array, so that an array changed in place is a new point.
Values of a batch of instances, whose shape is another, are not kept.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from bilevel_core.arrays import Array, assign, vector_like
from bilevel_core.matrices import same


class Kept(NamedTuple):
    """The latest point, NaN where there is none, and values there; both are written over."""

    point: np.ndarray  # (m,)
    values: np.ndarray  # (k,)


def nothing_kept(m: int, k: int) -> Kept:
    """Room for k values at points of m coordinates."""
    return Kept(np.full(m, math.nan), np.empty(k))


def is_kept(kept: Kept, point: Array) -> bool:
    """Whether the values are those at this point."""
    return same(kept.point, point)


def begin(kept: Kept, point: Array) -> Array:
    """Room for the values at a new point, (k,) or (k, B); those of the old one are given up."""
    if kept.point.shape == point.shape:
        # What is cut short here leaves no point whose values are half new.
        assign(kept.point[:1], math.nan)
        return kept.values
    return vector_like(point, kept.values.shape[0])


def finish(kept: Kept, point: Array) -> None:
    """The values at this point are complete."""
    if kept.point.shape == point.shape:
        assign(kept.point, point)
