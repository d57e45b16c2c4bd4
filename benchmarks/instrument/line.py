"""Straight lines through points on the log-log plane, by least squares."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bilevel_core.errors import InputError

CONFIDENCE = 0.95


class Line(NamedTuple):
    """y = constant x^exponent; low, high: the exponent's 95 % interval, None for two points."""

    constant: float
    exponent: float
    low: float | None
    high: float | None

    def at(self, x: float) -> float:
        """The line's y at x."""
        return self.constant * x**self.exponent


def line(points: Sequence[tuple[float, float]]) -> Line:
    """The line through points (x, y), all > 0, with the interval of ordinary least squares.

    Raises:
        InputError: fewer than two different x, or a number that is not finite and > 0.
    """
    import statsmodels.api as sm

    x, y = (np.array([point[axis] for point in points], dtype=float) for axis in (0, 1))
    for value in (*x, *y):
        if not 0 < value < math.inf:
            raise InputError(f"points: expected finite numbers > 0, got {value:g}")
    if len(np.unique(x)) < 2:
        raise InputError(f"points: expected two different x, got {sorted(set(x.tolist()))}")
    found = sm.OLS(np.log(y), sm.add_constant(np.log(x))).fit()
    low, high = (None, None)
    if len(x) > 2:
        low, high = (float(end) for end in found.conf_int(1 - CONFIDENCE)[1])
    return Line(float(np.exp(found.params[0])), float(found.params[1]), low, high)
