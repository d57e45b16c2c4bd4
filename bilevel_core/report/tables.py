"""Tables as text: one row an algorithm, one column a counted oracle.

Markdown and LaTeX share their words (`wording`) and differ in `notation` and in the frame around
the cells, which stands here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bilevel_core.errors import unknown_name
from bilevel_core.report import legend, wording
from bilevel_core.report.entries import Entry, entries
from bilevel_core.report.groups import COUNTED, HEADS, QUANTITIES, Group, split
from bilevel_core.report.notation import LATEX, MARKDOWN, Notation
from bilevel_core.report.tidy import tidy

if TYPE_CHECKING:
    import pandas as pd

LATEX_HEAD = r"""% Compiles by itself; in a document of yours, load booktabs and \input this file.
\let\closebilevelbench\relax
\ifcsname ver@booktabs.sty\endcsname\else
  \documentclass[a4paper,10pt]{article}
  \usepackage[margin=15mm]{geometry}
  \usepackage{booktabs}
  \begin{document}
  \def\closebilevelbench{\end{document}}
\fi
"""

LATEX_TAIL = "\\closebilevelbench\n"


def write(frame: pd.DataFrame, fmt: str) -> str:
    """All tables of a frame in a format of `FORMATS`.

    Raises:
        InputError: an unknown format, an empty frame, or a missing column.
    """
    if fmt not in FORMATS:
        raise unknown_name("table format", fmt, FORMATS)
    return FORMATS[fmt](split(frame))


def markdown(groups: list[Group]) -> str:
    """A section for each group: heading, caption, table, legend."""
    return "\n".join(_markdown(group, entries(group)) for group in groups)


def latex(groups: list[Group]) -> str:
    """A file that compiles by itself and can be input, with a table environment a group."""
    tables = [_latex(group, entries(group)) for group in groups]
    return LATEX_HEAD + "\n".join(tables) + LATEX_TAIL


def _markdown(group: Group, found: list[Entry]) -> str:
    head = ["Algorithm", *(HEADS[name] for name in QUANTITIES)]
    rows = [head, ["---"] * len(head), *_rows(group, found, MARKDOWN)]
    lines = [
        f"### {MARKDOWN.escape(group.heading)}",
        "",
        legend.caption(group, MARKDOWN),
        "",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
        *(f"- {line}" for line in legend.legend(group, found, MARKDOWN)),
        "",
    ]
    return "\n".join(lines)


def _latex(group: Group, found: list[Entry]) -> str:
    paper_columns = [entry for entry in found if entry.quantity in COUNTED]  # K is half of Gc(f)
    rows = [" & ".join(row) + r" \\" for row in _rows(group, paper_columns, LATEX)]
    below = " ".join(legend.legend(group, paper_columns, LATEX))
    heading, caption = LATEX.escape(group.heading), legend.caption(group, LATEX)
    lines = [
        r"\begin{table}[tp]",
        r"\centering\scriptsize\setlength{\tabcolsep}{4pt}",
        rf"\caption{{{heading}. {caption}}}\medskip",
        rf"\begin{{tabular}}{{@{{}}l{'l' * len(COUNTED)}@{{}}}}",
        r"\toprule",
        "Algorithm & " + " & ".join(HEADS[name] for name in COUNTED) + r" \\",
        r"\midrule",
        "\n\\addlinespace\n".join(rows),
        r"\bottomrule",
        r"\end{tabular}",
        rf"\par\medskip\begin{{minipage}}{{\linewidth}}{below}\end{{minipage}}",
        r"\end{table}",
        "",
    ]
    return "\n".join(lines)


def _rows(group: Group, found: list[Entry], notation: Notation) -> list[list[str]]:
    rows = []
    for solver in group.solvers:
        own = [entry for entry in found if entry.solver == solver]
        name = [wording.title(solver, notation), wording.exclusion(own)]
        cells = [wording.cell(entry, notation) for entry in own]
        rows.append([notation.stack([line for line in part if line]) for part in (name, *cells)])
    return rows


FORMATS: dict[str, Callable[[list[Group]], str]] = {"md": markdown, "latex": latex, "csv": tidy}
