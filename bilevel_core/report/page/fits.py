"""The fits of a group in full, one line for each solver and count: what the tables leave out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

from bilevel_core.report import wording
from bilevel_core.report.entries import Entry
from bilevel_core.report.groups import LABELS

if TYPE_CHECKING:
    from bilevel_core.fit import Fit
    from bilevel_core.fit_estimate import Exponent, Slopes


class Direction(NamedTuple):
    """One axis of a fit: exponent with interval, local slopes in order, drift; "–" for none."""

    exponent: str
    slopes: str
    drift: str


class FitLine(NamedTuple):
    """One count of a solver; runner_up: the next best model, with what its choice would cost."""

    quantity: str
    model: str
    runner_up: str
    kappa: Direction
    eps: Direction
    cells: str
    bound: str
    verdict: str
    reason: str


NOTHING = Direction("–", "–", "–")


def lines(found: Sequence[Entry]) -> list[tuple[str, list[FitLine]]]:
    """Solvers with their lines, in the order of the entries."""
    return [
        (LABELS.get(solver, solver), [_line(entry) for entry in own])
        for solver, own in groupby(found, key=lambda entry: entry.solver)
    ]


def _line(entry: Entry) -> FitLine:
    fit = entry.fit
    left_out = [
        f"{number} {word}"
        for word, number in (("excluded", entry.excluded), ("infeasible", entry.infeasible))
        if number
    ]
    return FitLine(
        wording.head(entry.quantity),
        "–" if fit is None else _model(fit),
        "–" if fit is None else _runner_up(fit),
        NOTHING if fit is None else _direction(fit.kappa, fit.slopes["kappa"]),
        NOTHING if fit is None else _direction(fit.eps, fit.slopes["eps"]),
        ", ".join([f"{entry.cells - entry.excluded - entry.infeasible} of {entry.cells}", *left_out]),
        "–" if entry.bound is None else entry.bound.unicode(),
        entry.verdict,
        entry.reason,
    )


def _model(fit: Fit) -> str:
    return " ".join([fit.model.replace("_", " "), *wording.factors(fit)])


def _runner_up(fit: Fit) -> str:
    if not fit.alternatives:
        return "–"
    behind = fit.alternatives[0].criterion - fit.chosen.criterion
    name = fit.runner_up.replace("_", " ").replace("kappa", "κ").replace("eps", "ε")
    return f"{name} (+{behind:.1f})" if isfinite(behind) else name


def _direction(exponent: Exponent | None, slopes: Slopes) -> Direction:
    if exponent is None:
        return NOTHING
    known = [wording.fixed(slope) for slope in slopes.local if isfinite(slope)]
    drift = f"{slopes.drift:+.2f}{'' if slopes.settled else ', moves'}"
    return Direction(
        f"{wording.fixed(exponent.value)} {wording.interval(exponent)}",
        ", ".join(known) or "–",
        drift if isfinite(slopes.drift) else "–",
    )
