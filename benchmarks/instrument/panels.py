"""What is measured: panels of series of points, ready for JSON, with the exponent of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from benchmarks.instrument.line import Line, line

T = TypeVar("T")

LONG_ENOUGH, MOST = 0.3, 5
"""Repeat what takes less than so many seconds, and so many times at most."""


class Series(NamedTuple):
    """Points (x, y) of one name; the line goes through those with x >= `fitted_from`."""

    name: str
    points: Sequence[tuple[float, float]]
    fitted_from: float = 0.0

    @property
    def fitted(self) -> list[tuple[float, float]]:
        """The points that the line goes through."""
        return [(x, y) for x, y in self.points if x >= self.fitted_from]

    @property
    def line(self) -> Line | None:
        """The line, None through fewer than two points."""
        return line(self.fitted) if len(self.fitted) > 1 else None


class Panel(NamedTuple):
    """One pair of axes; x, y: labels with units; note: what is held, in a few words."""

    title: str
    x: str
    y: str
    note: str
    series: Sequence[Series]


def to_dict(panel: Panel) -> dict[str, Any]:
    """JSON-ready."""
    return panel._asdict() | {"series": [_series_to_dict(each) for each in panel.series]}


def from_dict(values: Mapping[str, Any]) -> Panel:
    """The inverse of `to_dict`; exponents are computed again."""
    series = [
        Series(each["name"], [(x, y) for x, y in each["points"]], each["fitted_from"])
        for each in values["series"]
    ]
    return Panel(values["title"], values["x"], values["y"], values["note"], series)


def _series_to_dict(series: Series) -> dict[str, Any]:
    found = series.line
    return series._asdict() | {"line": None if found is None else found._asdict()}


def best_seconds(work: Callable[[], T], clock: Callable[[], float] = time.perf_counter) -> float:
    """The least wall seconds of some repetitions: other work on a machine can only slow one."""
    best = spent = float(0)
    for done in range(MOST):
        started = clock()
        work()
        last = clock() - started
        spent += last
        best = min(best, last) if done else last
        if spent >= LONG_ENOUGH:
            break
    return best
