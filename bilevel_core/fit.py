"""Exponents of kappa and 1/eps from counts, with intervals, drift and verdicts.

A count is taken as C kappa^a eps^-b, possibly with a log factor, a lower-order term, or with linear
convergence in place of eps^-b (`fit_models`).  The interval comes from the spread over instances
alone, by a jackknife over them; what the choice of the range contributes is shown apart, as
`model_error` (`fit_estimate`).  Where local slopes still move over the range, the number is there
but the verdict is "not asymptotic" (`fit_verdict`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from bilevel_core import checking
from bilevel_core.errors import InputError, shown
from bilevel_core.fit_cells import Cells, Excluded, Floats, read_cells
from bilevel_core.fit_estimate import (
    Estimate,
    Exponent,
    Sample,
    Slopes,
    candidates,
    choose,
    estimate,
    sample,
    slopes,
)
from bilevel_core.fit_models import MODELS, OFFSETS, Curve, Model, build, known_offset, solve
from bilevel_core.fit_verdict import judge, local_slopes, movement
from bilevel_core.paper import Bound

if TYPE_CHECKING:
    import pandas as pd

NEEDS = {
    "power": "cells in which kappa and eps vary apart",
    "power_log": "eps < 1 or kappa > 1, and two levels of it",
    "lower_order": "three levels of kappa",
    "logarithmic": "two levels of eps",
}
"""What each model asks of the cells."""


@dataclass(frozen=True)
class Fit:
    """Exponents of one counted quantity of one solver.

    quantity: the column fitted; chosen: the model that the exponents belong to; alternatives: the
    other models on the same data, best first; slopes: local slopes and drift for "kappa" and "eps";
    levels: values of "kappa" and "eps" in the fit, ascending in kappa and descending in eps;
    instances: distinct instances; per_cell: fewest in a cell; cells: cells fitted; excluded: cells
    left out because an instance missed its target; curve, sample (what was fitted): None where no
    cell was left.
    """

    quantity: str
    chosen: Estimate
    alternatives: tuple[Estimate, ...]
    slopes: Mapping[str, Slopes]
    levels: Mapping[str, tuple[float, ...]]
    instances: int
    per_cell: int
    cells: int
    excluded: tuple[Excluded, ...]
    curve: Curve | None
    sample: Sample | None = field(default=None, repr=False, compare=False)

    @property
    def kappa(self) -> Exponent | None:
        """Exponent of kappa; None for a single level of kappa."""
        return self.chosen.kappa

    @property
    def eps(self) -> Exponent | None:
        """Exponent of 1/eps (0 for linear convergence); None for a single level of eps."""
        return self.chosen.eps

    @property
    def model(self) -> str:
        """One of "power", "power_log", "lower_order", "logarithmic"."""
        return self.chosen.model

    @property
    def offset(self) -> str:
        """The log factor of "power_log", a key of `OFFSETS`; "" for other models."""
        return self.chosen.offset

    @property
    def runner_up(self) -> str:
        """The best of the other models with its log factor, or "" where none was tried."""
        return self.alternatives[0].label if self.alternatives else ""

    @property
    def criteria(self) -> dict[str, float]:
        """Criterion of every model tried, smaller is better, the chosen one first."""
        return {e.label: e.criterion for e in (self.chosen, *self.alternatives)}

    @property
    def drift(self) -> float:
        """Change of the local slope in kappa over the range; NaN below three levels."""
        return self.slopes["kappa"].drift

    @property
    def eps_drift(self) -> float:
        """Change of the local slope in 1/eps over the range; NaN below three levels."""
        return self.slopes["eps"].drift

    @property
    def local_slopes(self) -> dict[str, list[float]]:
        """Slopes between neighbouring levels, for "kappa" and "eps", in the order of `levels`."""
        return {axis: list(found.local) for axis, found in self.slopes.items()}

    @property
    def asymptotic(self) -> bool:
        """Whether local slopes have settled; in eps, linear convergence need not."""
        return self.slopes["kappa"].settled and (
            self.model == "logarithmic" or self.slopes["eps"].settled
        )

    def predict(self, kappa: ArrayLike, eps: ArrayLike) -> Floats:
        """Count of a typical instance (the geometric mean) at kappa and eps, broadcast together.

        An axis with one level in the data has no exponent: the count is the one at that level.  NaN
        where no cell could be fitted, and where a log factor or lower-order term is undefined.

        Raises:
            InputError: kappa or eps holds something else than numbers > 0, or they do not fit.
        """
        values = {
            "kappa": checking.real_array("kappa", kappa),
            "eps": checking.real_array("eps", eps),
        }
        for name, given in values.items():
            if not (given > 0).all():
                raise InputError(f"{name}: expected numbers > 0, got {shown(given)}")
        try:
            k, e = np.broadcast_arrays(np.log(values["kappa"]), -np.log(values["eps"]))
        except ValueError:
            shapes = " and ".join(str(given.shape) for given in values.values())
            raise InputError(f"kappa, eps: shapes {shapes} do not fit together") from None
        if self.curve is None:
            return np.full(k.shape, np.nan)
        return np.exp(self.curve.log_count(k, e))

    def verdict(self, bound: Bound | float) -> str:
        """How the exponents stand to an upper bound (a number bounds the exponent of kappa).

        One of "within bound", "matches bound", "exceeds bound", "not asymptotic",
        "not enough data".  With a `Bound`, kappa and eps are both judged: any exponent above
        exceeds, all that reach it match.

        Raises:
            InputError: neither a Bound nor a finite number.
        """
        return judge(self, _bound(bound)).word

    def explain(self, bound: Bound | float) -> str:
        """The verdict with its reason, one sentence."""
        verdict = judge(self, _bound(bound))
        return f"{verdict.word}: {verdict.reason}"

    def to_dict(self) -> dict[str, object]:
        """JSON-ready; numbers that are not finite become None."""
        return {
            "quantity": self.quantity,
            "model": self.model,
            "offset": self.offset,
            "kappa": _plain_exponent(self.kappa),
            "eps": _plain_exponent(self.eps),
            "runner_up": self.runner_up,
            "criteria": {label: _finite(value) for label, value in self.criteria.items()},
            "drift": _finite(self.drift),
            "eps_drift": _finite(self.eps_drift),
            "asymptotic": self.asymptotic,
            "local_slopes": {a: [_finite(s) for s in v] for a, v in self.local_slopes.items()},
            "levels": {axis: list(values) for axis, values in self.levels.items()},
            "instances": self.instances,
            "per_cell": self.per_cell,
            "cells": self.cells,
            "excluded": [cell._asdict() for cell in self.excluded],
        }


@dataclass(frozen=True)
class Collapse:
    """Counts over a theorem's own bound: flat in kappa and eps where the two agree.

    kappa, eps: exponents of the ratio in kappa and 1/eps, None for a single level; minimum,
    maximum: of the ratio over all rows; mean: geometric, over cells.
    """

    kappa: Exponent | None
    eps: Exponent | None
    minimum: float
    maximum: float
    mean: float
    instances: int
    cells: int
    excluded: tuple[Excluded, ...]


def fit(df: pd.DataFrame, y: str = "hv", model: str = "auto") -> Fit:
    """Fit the exponents of column `y` in kappa and 1/eps.

    df: one row for each kappa, eps and instance, with columns kappa, eps, instance, `y`, and
    optionally status (rows other than "ok" exclude their cell); model: "auto" chooses by
    criterion, else one of `MODELS`.  Raises InputError for a frame that holds several groups, lacks
    a column or has values <= 0, and for a model that the cells cannot carry.
    """
    model = checking.text("model", model)
    if model not in ("auto", *MODELS):
        raise InputError(f"no model {shown(model)}; expected auto, {', '.join(MODELS)}")
    cells = read_cells(df, y)
    if len(cells.kappa) == 0:
        return _nothing(y, cells)
    data = sample(cells)
    tried = candidates(data)
    if not tried and model == "auto":
        return _nothing(y, cells)
    chosen = choose(tried if model == "auto" else _named(model, data), data)
    others = [estimate(one, data) for one in tried if one.label != chosen.label]
    known = known_offset(chosen)
    best = solve(chosen, data.means[:1])
    in_kappa = slopes(data, "k", known)
    # A lower-order model is preferred over every power law because of the term that still bends it.
    if model == "auto" and chosen.name == "lower_order":
        bent = f"a lower-order term fits best: {local_slopes(in_kappa, 'kappa')} still bend"
        in_kappa = _unsettled(in_kappa, bent)
    # Outer iterations are not rounded: where their slope moves, so does that of what they multiply.
    if np.any(cells.rounding):
        outer = fit(df, "outer").slopes["kappa"]
        if not outer.settled:
            in_kappa = _unsettled(in_kappa, f"of K, {outer.because or movement(outer, 'kappa')}")
    return Fit(
        quantity=y,
        chosen=estimate(chosen, data),
        alternatives=tuple(sorted(others, key=lambda one: one.criterion)),
        slopes={"kappa": in_kappa, "eps": slopes(data, "e", known)},
        levels=_levels(cells),
        instances=len(cells.logs),
        per_cell=int(np.isfinite(cells.logs).sum(axis=0).min()),
        cells=len(cells.kappa),
        excluded=cells.excluded,
        curve=Curve(chosen, best.linear[0], float(best.shape[0])),
        sample=data,
    )


def collapse(df: pd.DataFrame, y: str = "outer", bound: str = "outer_bound") -> Collapse:
    """Slopes and range of column `y` over column `bound`, row by row.

    Cells with an instance that is not "ok", or without a bound, are excluded.  Raises InputError as
    `fit` does.
    """
    cells = read_cells(df, y, divide_by=checking.text("bound", bound, "the name of a column"))
    if len(cells.kappa) == 0:
        nan = float("nan")
        return Collapse(None, None, nan, nan, nan, 0, 0, cells.excluded)
    data = sample(cells)
    power = build("power", "", data.k, data.e)
    flat = None if power is None else estimate(power, data)
    return Collapse(
        kappa=flat.kappa if flat else None,
        eps=flat.eps if flat else None,
        minimum=float(np.exp(np.nanmin(cells.logs))),
        maximum=float(np.exp(np.nanmax(cells.logs))),
        mean=float(np.exp(data.means[0].mean())),
        instances=len(cells.logs),
        cells=len(cells.kappa),
        excluded=cells.excluded,
    )


def _bound(bound: Bound | float) -> Bound | float:
    if checking.is_a(bound, Bound):
        return bound
    return checking.number("bound", bound, "a Bound or a finite number", lambda v: True)


def _unsettled(found: Slopes, because: str) -> Slopes:
    """Slopes that have not settled, for this reason unless their own drift says it."""
    return found._replace(settled=False, because=because) if found.settled else found


def _named(name: str, data: Sample) -> list[Model]:
    offsets = tuple(OFFSETS) if name == "power_log" else ("",)
    built = [build(name, offset, data.k, data.e) for offset in offsets]
    found = [model for model in built if model is not None]
    if not found:
        levels = _levels(data.cells)
        raise InputError(
            f"model {name!r} needs {NEEDS[name]}; complete cells have "
            f"kappa {_listed(levels['kappa'])} and eps {_listed(levels['eps'])}"
        )
    return found


def _nothing(y: str, cells: Cells) -> Fit:
    """No exponents: no complete cell, or kappa and eps that vary together."""
    still = Slopes((), float("nan"), True)
    present = np.isfinite(cells.logs)
    return Fit(
        quantity=y,
        chosen=Estimate("power", "", float("nan"), float("nan"), None, None),
        alternatives=(),
        slopes={"kappa": still, "eps": still},
        levels=_levels(cells),
        instances=len(cells.logs),
        per_cell=int(present.sum(axis=0).min()) if present.size else 0,
        cells=len(cells.kappa),
        excluded=cells.excluded,
        curve=None,
    )


def _levels(cells: Cells) -> dict[str, tuple[float, ...]]:
    kappa, eps = np.unique(cells.kappa), np.unique(cells.eps)[::-1]
    return {"kappa": tuple(kappa.tolist()), "eps": tuple(eps.tolist())}


def _listed(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _plain_exponent(exponent: Exponent | None) -> dict[str, float | None] | None:
    if exponent is None:
        return None
    return {
        name: _finite(getattr(exponent, name)) for name in ("value", "low", "high", "model_error")
    }
