"""Exponents with intervals, the choice between models, and the drift of local slopes.

Three sources of doubt are kept apart:

- instances: the interval, from leaving out one instance at a time;
- the model: `model_error`, from leaving out the smallest or the largest level of an axis;
- integers: D, N and the like are rounded, which moves counts by a few per cent in ways that no
  model explains.  `RESOLUTION_KAPPA`, `RESOLUTION_EPS` and `RESOLUTION_CELL` state how much of
  that is no evidence against a model.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from bilevel_core.fit_cells import Cells, Floats, mean_covariance, replicate_means, strata
from bilevel_core.fit_models import FACTORS, OFFSETS, Model, build, solve

CONFIDENCE = 0.95

RESOLUTION_KAPPA = 0.02
"""Relative deviation shared by all cells of one kappa that is no evidence against a model."""

RESOLUTION_EPS = 0.02
"""The same for all cells of one eps: what a finite eps leaves of a sum that converges."""

RESOLUTION_CELL = 0.01
"""The same for each cell by itself."""

PENALTY = 3.0
"""Added to chi squared for each parameter, for the choice of a log factor (times its cost), and for
a negative lower-order term: falling slopes are the mark of a log factor first."""

DRIFT_LIMIT = 0.15
"""A local slope that changes by more than this over the range is not an exponent yet."""


@dataclass(frozen=True)
class Exponent:
    """An exponent with its 95 % interval over instances, and apart from it the model's error.

    model_error: largest change when the smallest or the largest level of the axis is left out; 0
    where too few levels remain to tell (fewer than three, or four for a model bent in that axis).
    """

    value: float
    low: float
    high: float
    model_error: float

    @property
    def widened(self) -> tuple[float, float]:
        """The interval with the model's error added at both ends."""
        return self.low - self.model_error, self.high + self.model_error

    def __str__(self) -> str:
        """Value with the half-widths of both errors, as in "2.98 +- 0.03 +- 0.01 (model)"."""
        half = (self.high - self.low) / 2
        return f"{self.value:.2f} +- {half:.2f} +- {self.model_error:.2f} (model)"


@dataclass(frozen=True)
class Estimate:
    """One model fitted to the counts; `criterion` compares models, smaller is better.

    misfit: its part that is no penalty, chi squared of the cell means about the model.
    """

    model: str
    offset: str
    criterion: float
    misfit: float
    kappa: Exponent | None
    eps: Exponent | None

    @property
    def label(self) -> str:
        """Name with its log factor, as in "power_log log(kappa)"."""
        return f"{self.model} {self.offset}".strip()


class Slopes(NamedTuple):
    """Local slopes between neighbouring levels of one axis, and their change over the range.

    known_to: half the width of the drift's interval, where that is more than may be overlooked;
    because: why slopes have not settled, where their own drift does not say it.
    """

    local: tuple[float, ...]
    drift: float
    settled: bool
    known_to: float = 0.0
    because: str = ""


class Sample(NamedTuple):
    """Cells with what every estimate on them shares.

    k = log kappa and e = log(1/eps): (C,); means: (1 + G, C), all instances and each left out.
    """

    cells: Cells
    k: Floats
    e: Floats
    means: Floats
    covariance: Floats

    def levels(self, axis: str) -> Floats:
        """Sorted distinct values of "k" or "e"."""
        return np.unique(self.k if axis == "k" else self.e)


def sample(cells: Cells) -> Sample:
    """Cells with their replicates and the covariance of their means."""
    k, e = np.log(cells.kappa), -np.log(cells.eps)
    covariance = mean_covariance(cells) + _resolution(k, e, cells.rounding)
    return Sample(cells, k, e, replicate_means(cells), covariance)


def candidates(data: Sample) -> list[Model]:
    """The models that the data can tell apart: a level more than a bent axis needs at least."""
    many_k, many_e = len(data.levels("k")), len(data.levels("e"))
    wanted = [("power", "")]
    wanted += [("logarithmic", "")] * (many_e > 2)
    wanted += [("power_log", offset) for offset in OFFSETS] * (max(many_k, many_e) > 2)
    wanted += [("lower_order", "")] * (many_k > 3)
    built = (build(name, offset, data.k, data.e) for name, offset in wanted)
    return [model for model in built if model is not None]


def choose(models: list[Model], data: Sample) -> Model:
    """The model with the smallest criterion."""
    return min(models, key=lambda model: criterion(model, data))


def estimate(model: Model, data: Sample) -> Estimate:
    """The model's exponents on the data, and its criterion."""
    in_kappa, in_eps = _replicates(model, data)
    kappa = _exponent(model, data, "k", in_kappa) if model.kappa is not None else None
    eps = _exponent(model, data, "e", in_eps) if len(data.levels("e")) > 1 else None
    misfit, penalty = _judged(model, data)
    return Estimate(model.name, model.offset, misfit + penalty, misfit, kappa, eps)


def with_factor(data: Sample, offset: str) -> Estimate | None:
    """A power law beside a log factor of `FACTORS`; None where the cells cannot carry it."""
    model = build("power_log", offset, data.k, data.e)
    return None if model is None else estimate(model, data)


def criterion(model: Model, data: Sample) -> float:
    """Chi squared of the cell means about the model, plus `PENALTY` for each parameter.

    The variance of a cell mean is known here (spread between instances, and resolution), so misfit
    is measured in its units instead of being taken for noise.
    """
    return sum(_judged(model, data))


def _judged(model: Model, data: Sample) -> tuple[float, float]:
    best = solve(model, data.means[:1])
    chi_squared = best.residuals[0] @ np.linalg.solve(data.covariance, best.residuals[0])
    falling = model.name == "lower_order" and best.shape[0] < 0
    choices = FACTORS[model.offset].cost if model.offset else int(falling)
    return float(chi_squared), PENALTY * (model.parameters + choices)


def interval(replicates: Floats, cells: Cells) -> tuple[float, float]:
    """95 % interval from a statistic of all instances and of each left out, (1 + G,).

    Jackknife within each stratum of like instances, centred on the full estimate; Student's t with
    G - 1 degrees of freedom for one stratum, Welch's number for several.  The whole line for a
    single instance.
    """
    from scipy.special import stdtrit

    changes = (replicates[1:] - replicates[0]) ** 2
    groups = [members for members in strata(cells) if len(members) > 1]
    if not groups or len(changes) == 0 or not np.isfinite(changes).all():
        return -np.inf, np.inf
    parts = np.array([(len(g) - 1) / len(g) * changes[g].sum() for g in groups])
    freedom = np.array([len(g) - 1 for g in groups], dtype=float)
    variance = parts.sum()
    degrees = variance**2 / (parts**2 / freedom).sum() if variance > 0 else freedom.sum()
    half = float(stdtrit(degrees, (1 + CONFIDENCE) / 2) * np.sqrt(variance))
    return float(replicates[0]) - half, float(replicates[0]) + half


def slopes(data: Sample, axis: str, known: Floats) -> Slopes:
    """Local slopes and drift along "k" or "e", after `known` (C,) is taken off the log counts.

    Drift is the change of slope over the whole range in a fit that is quadratic in the logarithm.
    The slope has settled unless the drift exceeds `DRIFT_LIMIT`, exceeds twice what resolution
    alone may cause, and its interval over instances excludes zero; a drift whose interval is wider
    than that to either side may be either.  NaN and settled for fewer than three levels.
    """
    means = data.means - known
    position, other = (data.k, data.e) if axis == "k" else (data.e, data.k)
    levels = data.levels(axis)
    local = tuple(
        _slope_between(means[0], position, other, low, high) for low, high in pairwise(levels)
    )
    weights = _drift_weights(position, other)
    if len(levels) < 3 or weights is None:
        return Slopes(local, float("nan"), True)
    replicates = means @ weights
    low, high = interval(replicates, data.cells)
    drift = float(replicates[0])
    resolution = float(
        np.sqrt(weights @ _resolution(data.k, data.e, data.cells.rounding) @ weights)
    )
    overlooked, half = max(DRIFT_LIMIT, 2 * resolution), (high - low) / 2
    moves = abs(drift) > overlooked and (low > 0 or high < 0)
    return Slopes(local, drift, not moves, half if half > overlooked else 0.0)


def _replicates(model: Model, data: Sample) -> tuple[Floats, Floats]:
    """Exponents of kappa and 1/eps from all instances and with each left out, (1 + G,) each.

    NaN where an instance alone holds up a level that the model needs.
    """
    in_kappa, in_eps = np.full((2, len(data.means)), np.nan)
    present = np.isfinite(data.means)
    for pattern in np.unique(present, axis=0):
        rows = (present == pattern).all(axis=1)
        part = build(model.name, model.offset, data.k[pattern], data.e[pattern])
        if part is not None:
            solved = solve(part, data.means[rows][:, pattern])
            in_kappa[rows], in_eps[rows] = solved.exponent(part.kappa), solved.exponent(part.eps)
    return in_kappa, in_eps


def _exponent(model: Model, data: Sample, axis: str, replicates: Floats) -> Exponent:
    low, high = interval(replicates, data.cells)
    value = float(replicates[0])
    return Exponent(value, low, high, _model_error(model, data, axis, value))


def _model_error(model: Model, data: Sample, axis: str, value: float) -> float:
    levels = data.levels(axis)
    bent = model.name == ("lower_order" if axis == "k" else "logarithmic")
    if len(levels) < 3 + bent:
        return 0.0
    position = data.k if axis == "k" else data.e
    changes = [0.0]
    for end in (levels[0], levels[-1]):
        kept = position != end
        part = build(model.name, model.offset, data.k[kept], data.e[kept])
        if part is not None:
            column = part.kappa if axis == "k" else part.eps
            changes.append(abs(solve(part, data.means[:1, kept]).exponent(column)[0] - value))
    return float(max(changes))


def _slope_between(
    means: Floats, position: Floats, other: Floats, low: float, high: float
) -> float:
    """Mean slope between two levels over the levels of the other axis that both have."""
    at_low = dict(zip(other[position == low], means[position == low], strict=True))
    at_high = dict(zip(other[position == high], means[position == high], strict=True))
    shared = [at_high[key] - at_low[key] for key in at_low if key in at_high]
    return float(np.mean(shared) / (high - low)) if shared else float("nan")


def _drift_weights(position: Floats, other: Floats) -> Floats | None:
    columns = [np.ones_like(position), position, (position - position.mean()) ** 2]
    if len(np.unique(other)) > 1:
        columns.append(other)
    if len(np.unique(other)) > 2:
        columns.append((other - other.mean()) ** 2)
    design = np.column_stack(columns)
    if np.linalg.matrix_rank(design) < len(columns):
        return None
    return np.asarray(2 * np.ptp(position) * np.linalg.pinv(design)[2])


def _resolution(k: Floats, e: Floats, rounding: Floats | float) -> Floats:
    """Covariance of the deviations that are no evidence against a model, (C, C)."""
    rounded = np.broadcast_to(rounding, k.shape)
    shared = (RESOLUTION_KAPPA**2 + np.outer(rounded, rounded)) * (k[:, None] == k[None, :])
    shared = shared + RESOLUTION_EPS**2 * (e[:, None] == e[None, :])
    return np.asarray(shared + RESOLUTION_CELL**2 * np.eye(len(k)))
