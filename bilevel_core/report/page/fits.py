"""The fits of a group in full, one line for each solver and count: what the tables leave out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

from bilevel_core.report import wording
from bilevel_core.report.entries import Entry
from bilevel_core.report.groups import LABELS
from bilevel_core.report.notation import MARKDOWN

if TYPE_CHECKING:
    from bilevel_core.fit import Fit
    from bilevel_core.fit_estimate import Exponent, Slopes


class Direction(NamedTuple):
    """One axis of a fit: exponent, interval, local slopes in order, drift; "–" for none."""

    exponent: str
    interval: str
    slopes: str
    drift: str


class FitLine(NamedTuple):
    """One count of a solver; runner_up: the next best model, with what its choice would cost."""

    quantity: str
    model: str
    runner_up: str
    kappa: Direction
    eps: Direction
    verdict: str
    reason: str


NOTHING = Direction("–", "", "–", "–")


class FitTable(NamedTuple):
    """The fits of a solver; cells: how many are in them, and how many are not."""

    solver: str
    cells: str
    lines: tuple[FitLine, ...]


def tables(found: Sequence[Entry]) -> list[FitTable]:
    """A table for each solver, in the order of the entries."""
    split = ((solver, list(own)) for solver, own in groupby(found, key=lambda e: e.solver))
    return [
        FitTable(LABELS.get(solver, solver), _cells(own[0]), tuple(map(_line, own)))
        for solver, own in split
    ]


def _cells(entry: Entry) -> str:
    fitted = entry.cells - entry.excluded - entry.infeasible
    left_out = (("excluded", entry.excluded), ("infeasible", entry.infeasible))
    parts = [f"{number} {word}" for word, number in left_out if number]
    return ", ".join([f"{fitted} of {entry.cells} cells fitted", *parts])


def _line(entry: Entry) -> FitLine:
    fit = entry.fit
    return FitLine(
        wording.head(entry.quantity),
        "–" if fit is None else _model(fit),
        "–" if fit is None else _runner_up(fit),
        NOTHING if fit is None else _direction(fit.kappa, fit.slopes["kappa"]),
        NOTHING if fit is None else _direction(fit.eps, fit.slopes["eps"]),
        entry.verdict,
        entry.reason,
    )


def _model(fit: Fit) -> str:
    return " ".join([fit.model.replace("_", " "), *wording.factors(fit, MARKDOWN)])


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
        wording.fixed(exponent.value),
        wording.interval(exponent),
        ", ".join(known) or "–",
        drift if isfinite(slopes.drift) else "–",
    )
