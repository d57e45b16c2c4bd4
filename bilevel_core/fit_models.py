"""The four models of a count as a function of kappa and eps, fitted on the log scale.

With k = log kappa and e = log(1/eps), the log count is

    power        c + a k + b e
    power_log    c + a k + b e + log(l),     l a known log factor, one of `OFFSETS`
    lower_order  c + a k + b e + log(1 + r / kappa)
    logarithmic  c + a k + log(d + e)        (linear convergence; the exponent of 1/eps is 0)

All are linear but for one shape number, r or d.  That one is profiled: every value on a grid is
tried with the best linear part, and the grid is zoomed around the best.  It cannot end in a local
minimum, and all replicates of the jackknife are solved at once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MODELS = ("power", "power_log", "lower_order", "logarithmic")


class LogFactor(NamedTuple):
    """The factor log(C kappa^a eps^-b), and how much its choice costs in the criterion."""

    kappa: int
    eps: int
    cost: int
    constant: float = 1.0

    def __call__(self, k: Floats, e: Floats) -> Floats:
        """Its value at k = log kappa, e = log(1/eps)."""
        return np.asarray(np.log(self.constant) + self.kappa * k + self.eps * e)


OFFSETS = {
    "log(1/eps)": LogFactor(0, 1, 1),
    "log(kappa)": LogFactor(1, 0, 1),
    "log(kappa/eps)": LogFactor(1, 1, 1),
    "log(kappa^2/eps)": LogFactor(2, 1, 3),
}
"""The log factors of `power_log`; they must be positive on the cells.

The last is that of unrolled differentiation: M kappa q^D <= sqrt(eps) asks for D of the order of
kappa log(kappa / sqrt(eps)).  It is close to the one before, so it has to earn its choice."""

CONSTANTS = (3, 10, 30, 100, 1000)
"""Constants that may stand inside a log factor."""

WITH_CONSTANT = {
    name: LogFactor(kappa, eps, 1, constant)
    for constant in CONSTANTS
    for name, kappa, eps in (
        (f"log({constant}/eps)", 0, 1),
        (f"log({constant} kappa)", 1, 0),
        (f"log({constant} kappa/eps)", 1, 1),
        (f"log({constant} kappa^2/eps)", 2, 1),
    )
}
"""Log factors that no count is fitted with, but that a tilde may hide."""

FACTORS = OFFSETS | WITH_CONSTANT

GRID = 161
ZOOM = 21
ZOOMS = 6


class Model(NamedTuple):
    """One model on one set of cells.

    design: (C, P), first the constant; kappa, eps: columns of the exponents, None where the axis
    has one level or the model has no such exponent; offset: name of the known log factor, or "";
    shape: (low, high) of the profiled number, transformed, or None.
    """

    name: str
    offset: str
    k: Floats
    e: Floats
    design: Floats
    kappa: int | None
    eps: int | None
    shape: tuple[float, float] | None

    @property
    def label(self) -> str:
        """Name with its log factor, as in "power_log log(kappa)"."""
        return f"{self.name} {self.offset}".strip()

    @property
    def parameters(self) -> int:
        """Number of fitted parameters."""
        return self.design.shape[1] + (self.shape is not None)


class Solution(NamedTuple):
    """R fits: linear parts (R, P), transformed shape numbers (R,), residuals (R, C)."""

    linear: Floats
    shape: Floats
    residuals: Floats

    def exponent(self, column: int | None) -> Floats:
        """Exponent of one axis in every fit, (R,); zeros for None."""
        return np.zeros(len(self.linear)) if column is None else self.linear[:, column]


class Curve(NamedTuple):
    """One fitted model: its linear part (P,) and transformed shape number."""

    model: Model
    linear: Floats
    shape: float

    def log_count(self, k: Floats, e: Floats) -> Floats:
        """Log count at k and e (equal shapes); an axis with one level stays at that level.

        NaN where the logarithm of a factor does not exist.
        """
        model = self.model
        k = k if model.kappa is not None else np.full_like(k, model.k[0])
        e = e if len(np.unique(model.e)) > 1 else np.full_like(e, model.e[0])
        with np.errstate(invalid="ignore", divide="ignore"):
            total = self.linear[0] + bend(model, k, e, np.array(self.shape))
        for column, axis in ((model.kappa, k), (model.eps, e)):
            total = total + (self.linear[column] * axis if column is not None else 0.0)
        return np.asarray(total)


def build(name: str, offset: str, k: Floats, e: Floats) -> Model | None:
    """The model on cells at k = log kappa, e = log(1/eps), or None where they cannot carry it.

    It takes two levels of an axis to fit its exponent, three of kappa for `lower_order`, and a log
    factor needs to be positive and to vary.
    """
    levels_k, levels_e = len(np.unique(k)), len(np.unique(e))
    with_eps = levels_e > 1 and name != "logarithmic"
    columns = [np.ones_like(k)] + [k] * (levels_k > 1) + [e] * with_eps
    design = np.column_stack(columns)
    apart = np.linalg.matrix_rank(np.column_stack([np.ones_like(k), k, e]))
    if len(k) == 0 or apart < 1 + (levels_k > 1) + (levels_e > 1):
        return None
    shape = None
    if name == "power_log":
        factor = FACTORS[offset](k, e)
        if factor.min() <= 0 or np.ptp(factor) == 0:
            return None
    if name == "lower_order":
        if levels_k < 3:
            return None
        # 1 + r/kappa_min >= 0.1; r <= kappa_max/2: at the top the term is at most a third
        shape = (np.log(0.1), float(np.log1p(np.exp(k.max() - k.min()) / 2)))
    if name == "logarithmic":
        if levels_e < 2:
            return None
        # d + e_min from a hundredth to a thousand times the range of e
        shape = (float(np.log(0.01 * np.ptp(e))), float(np.log(1000 * np.ptp(e))))
    kappa = 1 if levels_k > 1 else None
    eps = len(columns) - 1 if with_eps else None
    return Model(name, offset, k, e, design, kappa, eps, shape)


def known_offset(model: Model) -> Floats:
    """Logarithm of the known log factor in each cell, (C,); zeros without one."""
    return np.log(FACTORS[model.offset](model.k, model.e)) if model.offset else 0.0 * model.k


def bend(model: Model, k: Floats, e: Floats, shape: Floats) -> Floats:
    """What the model adds to its linear part at k and e, for each transformed shape number.

    shape: (..., 1) against k, e: (C,).
    """
    if model.offset:
        return np.log(FACTORS[model.offset](k, e)) + 0.0 * shape
    if model.name == "lower_order":
        return np.log1p(np.expm1(shape) * np.exp(model.k.min() - k))
    if model.name == "logarithmic":
        return np.log(np.exp(shape) + e - model.e.min())
    return 0.0 * (k + e + shape)


def solve(model: Model, means: Floats) -> Solution:
    """Least-squares fits of `means` (R, C), finite, each cell with the same weight."""
    inverse = np.linalg.pinv(model.design)
    remove = np.eye(len(model.k)) - model.design @ inverse
    shape = _profile(model, means, remove) if model.shape else np.zeros(len(means))
    bent = means - bend(model, model.k, model.e, shape[:, None])
    return Solution(bent @ inverse.T, shape, bent @ remove.T)


def _profile(model: Model, means: Floats, remove: Floats) -> Floats:
    assert model.shape is not None
    grid = np.broadcast_to(np.linspace(*model.shape, GRID), (len(means), GRID))
    rest = means @ remove.T
    for _ in range(ZOOMS):
        bends = bend(model, model.k, model.e, grid[:, :, None]) @ remove.T
        misfit = ((rest[:, None, :] - bends) ** 2).sum(axis=2)
        best = np.take_along_axis(grid, misfit.argmin(axis=1)[:, None], axis=1)[:, 0]
        step = grid[:, 1] - grid[:, 0]
        low = np.maximum(best - step, model.shape[0])
        high = np.minimum(best + step, model.shape[1])
        grid = np.linspace(low, high, ZOOM, axis=1)
    return np.asarray(best)
