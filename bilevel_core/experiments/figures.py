"""Figures of an experiment: each metric against per-sample oracle calls and against seconds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bilevel_core.experiments.curves import AXES, Band, band
from bilevel_core.experiments.experiment import Experiment, Metric
from bilevel_core.experiments.running import Done
from bilevel_core.experiments.trial import TrialRecord
from bilevel_core.report.saving import save
from bilevel_core.report.style import TEXT_WIDTH, Mark, mark, power_ticks
from bilevel_core.report.styles import SCREEN, drawn_in

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEIGHT = 2.1
"""Inches of a row of panels."""
HEADROOM = 1.05
"""A loss is shown up to this much above where the runs start; what has left for good is cut off."""


class Series(NamedTuple):
    """One line with its band."""

    label: str
    mark: Mark
    records: Sequence[TrialRecord]


class Column(NamedTuple):
    """The panels of one scenario."""

    title: str
    series: Sequence[Series]


def write(experiment: Experiment, done: Sequence[Done], directory: Path) -> list[Path]:
    """Draw the figures of an experiment into a directory, made if missing; gives the files.

    Raises:
        OSError: the directory cannot be written to.
    """
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    with drawn_in(SCREEN):
        for metric in experiment.metrics:
            written += save(*draw(compared(done), metric), directory / metric.name)
        beside = ablated(done)
        if beside:
            metric = experiment.metrics[0]
            written += save(*draw(beside, metric), directory / f"ablation-{metric.name}")
    return written


def compared(done: Sequence[Done]) -> list[Column]:
    """All methods of each scenario that was tuned by itself; a method looks the same in all."""
    own = [one for one in done if not one.part.scenario.tuned_as]
    names = list(dict.fromkeys(one.part.method.name for one in own))
    titles = dict.fromkeys(one.part.scenario.title for one in own)
    return [
        Column(
            title,
            [
                Series(one.part.method.label, mark(names.index(one.part.method.name)), one.records)
                for one in own
                if one.part.scenario.title == title
            ],
        )
        for title in titles
    ]


def ablated(done: Sequence[Done]) -> list[Column]:
    """Each scenario that takes over another's parameters, beside that other one's same methods."""
    by_name = {one.part.name: one for one in done}
    columns: dict[str, list[Series]] = {}
    for one in done:
        scenario, method = one.part.scenario, one.part.method
        if scenario.tuned_as:
            other = by_name[f"{scenario.tuned_as}-{method.name}"]
            series = columns.setdefault(other.part.scenario.title, [])
            series.append(Series(method.label, mark(len(series)), other.records))
            label = f"{method.label}, {scenario.note}"
            series.append(Series(label, mark(len(series)), one.records))
    return [Column(title, series) for title, series in columns.items()]


def draw(columns: Sequence[Column], metric: Metric) -> tuple[Figure, pd.DataFrame]:
    """A row of panels for each axis, a column for each scenario; with the data that it shows."""
    import pandas as pd
    from matplotlib.figure import Figure

    figure = Figure(figsize=(TEXT_WIDTH, HEIGHT * len(AXES) + 0.4), layout="constrained")
    grid = figure.subplots(len(AXES), len(columns), sharex="row", sharey=True, squeeze=False)
    rows: list[dict[str, object]] = []
    for row, (axis, label) in enumerate(AXES.items()):
        for axes, column in zip(grid[row], columns, strict=True):
            if row == 0:
                axes.set_title(column.title)
            axes.set_xlabel(label)
            for series in column.series:
                found = band(series.records, axis, metric.name)
                if found is not None:
                    _line(axes, series, found)
                    rows += _rows(column.title, series, axis, found)
        grid[row][0].set_ylabel(metric.label)
        _scale(list(grid[row]))
    _limit(grid[0][0], columns, metric)
    handles = {h.get_label(): h for axes in grid[0] for h in axes.get_legend_handles_labels()[0]}
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=7)
    return figure, pd.DataFrame(rows)


def _line(axes: Axes, series: Series, found: Band) -> None:
    look = series.mark
    axes.plot(
        found.x, found.median, color=look.colour, linestyle=look.dashes, marker=look.marker,
        markevery=max(1, len(found.x) // 6), label=series.label,
    )  # fmt: skip
    axes.fill_between(found.x, found.low, found.high, color=look.colour, alpha=0.15, linewidth=0)


def _scale(row: Sequence[Axes]) -> None:
    """A logarithmic axis over what the lines of a row cover."""
    lines = [np.asarray(line.get_xdata(), float) for axes in row for line in axes.get_lines()]
    for axes in row:
        axes.set_xscale("log")
        if lines:
            x = np.concatenate(lines)
            power_ticks(axes.xaxis, float(x.min()), float(x.max()))


def _limit(axes: Axes, columns: Sequence[Column], metric: Metric) -> None:
    """Cut off losses above where the runs start: one run that has gone astray would hide all."""
    curves = [
        [point["metrics"][metric.name] for point in record.curve if metric.name in point["metrics"]]
        for column in columns
        for series in column.series
        for record in series.records
    ]
    known = [curve for curve in curves if curve]
    if not known or metric.rises:
        return
    top = HEADROOM * max(curve[0] for curve in known)
    if axes.get_ylim()[1] > top:
        lowest = min(min(curve) for curve in known)
        axes.set_ylim(lowest - 0.05 * (top - lowest), top)


def _rows(title: str, series: Series, axis: str, found: Band) -> list[dict[str, object]]:
    return [
        {
            "scenario": title,
            "method": series.label,
            "axis": axis,
            "x": x,
            "median": median,
            "low": low,
            "high": high,
            "seeds": len(series.records),
        }
        for x, median, low, high in zip(*found, strict=True)
    ]
