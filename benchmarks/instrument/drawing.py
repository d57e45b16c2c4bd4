"""Panels as small multiples, each with its lines and their exponents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarks.instrument.panels import Panel, Series
from bilevel_core.report.style import TEXT_WIDTH, mark, power_ticks
from bilevel_core.report.wording import fixed

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS, ROW_HEIGHT, HEADING = 3, 1.9, 0.25
"""Panels in a row, and inches."""
LINE = 0.11
"""Share of a panel's height that an exponent above the points takes."""
READING = "beside each mark: the exponent of the least-squares line, and its 95 % interval"


def draw(panels: Sequence[Panel]) -> tuple[Figure, pd.DataFrame]:
    """The figure, and what it shows as a table: panel, series, x, y."""
    import pandas as pd
    from matplotlib.figure import Figure

    rows = -(-len(panels) // COLUMNS)
    height = ROW_HEIGHT * rows + HEADING
    figure = Figure(figsize=(TEXT_WIDTH, height), layout="constrained")
    figure.suptitle(READING, fontsize=7)
    grid = figure.subplots(rows, COLUMNS, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for axes, panel in zip(grid.flat, panels, strict=False):
        _panel(axes, panel)
    table = [
        (panel.title, panel.x, panel.y, series.name, x, y)
        for panel in panels
        for series in panel.series
        for x, y in series.points
    ]
    return figure, pd.DataFrame(table, columns=["panel", "x_label", "y_label", "series", "x", "y"])


def exponent(series: Series) -> str:
    """The exponent with its interval, "" without a line."""
    line = series.line
    if line is None:
        return ""
    interval = (
        ""
        if line.low is None or line.high is None
        else (f" [{fixed(line.low)}, {fixed(line.high)}]")
    )
    return f"{fixed(line.exponent)}{interval}"


def _panel(axes: Axes, panel: Panel) -> None:
    axes.set_title(f"{panel.title}\n", weight="bold", pad=2)
    axes.annotate(
        panel.note, (0.5, 1), xytext=(0, 3), ha="center", fontsize=5.5,
        xycoords="axes fraction", textcoords="offset points",
    )  # fmt: skip
    axes.set(xscale="log", yscale="log", xlabel=panel.x, ylabel=panel.y)
    for place, series in enumerate(panel.series):
        look = mark(place)
        x, y = zip(*series.points, strict=True)
        words = ": ".join(part for part in (series.name, exponent(series)) if part)
        axes.plot(x, y, look.marker, color=look.colour, mec="white", mew=0.3, label=words)
        if series.line is not None:
            ends = [x for x, _ in series.fitted]
            axes.plot(ends, [series.line.at(x) for x in ends], ls=look.dashes, color=look.colour)
    every = [y for series in panel.series for _, y in series.points]
    low = min(every) / 2
    above = LINE * (len(panel.series) + 0.5)
    high = 1.5 * max(every) * (max(every) / low) ** (above / (1 - above))
    axes.set_ylim(low, high)
    power_ticks(axes.yaxis, low, high)
    every_x = [x for series in panel.series for x, _ in series.points]
    power_ticks(axes.xaxis, min(every_x), max(every_x))
    axes.legend(loc="upper left", fontsize=5.5, borderaxespad=0.1, handletextpad=0.3)
