"""Tables as text: one row an algorithm, one column a counted oracle.

Markdown, LaTeX and the page's HTML share their words (`wording`) and differ in `notation` and in
the frame around the cells, which stands here for the first two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from bilevel_core.errors import unknown_name
from bilevel_core.report import legend, wording
from bilevel_core.report.entries import Entry, entries
from bilevel_core.report.groups import COUNTINGS, HEADS, QUANTITIES, Group, split
from bilevel_core.report.ledgers import COUNTED
from bilevel_core.report.notation import LATEX, MARKDOWN, Notation
from bilevel_core.report.tidy import tidy

if TYPE_CHECKING:
    import pandas as pd

LATEX_HEAD = r"""% Compiles by itself; in a document of yours, load booktabs and \input this file.
% With graphicx loaded, too, a table that is wider than the line is scaled down to it.
\let\closebilevelbench\relax
\ifcsname ver@booktabs.sty\endcsname\else
  \documentclass[a4paper,10pt]{article}
  \usepackage[margin=15mm]{geometry}
  \usepackage{booktabs}
  \usepackage{graphicx}
  \makeatletter\setlength{\@fptop}{0pt}\makeatother % a page of tables begins at its top
  \begin{document}
  \def\closebilevelbench{\end{document}}
\fi
\long\def\fitbilevelbench#1{#1}
\ifcsname resizebox\endcsname
  \long\def\fitbilevelbench#1{\leavevmode\setbox0\hbox{#1}%
    \ifdim\wd0>\linewidth\resizebox{\linewidth}{!}{\box0}\else\box0\fi}
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
    lines = [
        f"### {MARKDOWN.escape(group.heading)}",
        "",
        legend.caption(group, MARKDOWN),
        "",
        *markdown_table([head, *rows(group, found, QUANTITIES, MARKDOWN)]),
        "",
        *_markdown_countings(group, found),
        *(f"- {line}" for line in legend.legend(group, found, MARKDOWN)),
        "",
    ]
    return "\n".join(lines)


def markdown_table(rows: list[list[str]]) -> list[str]:
    """Lines of a table whose first row is its head."""
    ruled = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return [f"| {' | '.join(row)} |" for row in ruled]


def _markdown_countings(group: Group, found: list[Entry]) -> list[str]:
    lines = rows(group, found, COUNTINGS, MARKDOWN)
    head = ["HV in three countings", *COUNTINGS.values()]
    return [*markdown_table([head, *lines]), ""] if lines else []


def _latex(group: Group, found: list[Entry]) -> str:
    shown = [entry for entry in found if entry.quantity != "outer"]  # K is half of Gc(f)
    below = " ".join(legend.legend(group, shown, LATEX))
    heading, caption = LATEX.escape(group.heading), legend.caption(group, LATEX)
    lines = [
        r"\begin{table}[tp]",
        r"\centering\scriptsize\setlength{\tabcolsep}{4pt}\renewcommand{\arraystretch}{1.15}",
        rf"\caption{{{heading}. {caption}}}\medskip",
        *_tabular(
            ["Algorithm", *(HEADS[name] for name in COUNTED)], rows(group, shown, COUNTED, LATEX)
        ),
        *_latex_countings(group, shown),
        rf"\par\medskip\begin{{minipage}}{{\linewidth}}{below}\end{{minipage}}",
        r"\end{table}",
        "",
    ]
    return "\n".join(lines)


def _latex_countings(group: Group, found: list[Entry]) -> list[str]:
    lines = rows(group, found, COUNTINGS, LATEX)
    head = ["HV in three countings", *COUNTINGS.values()]
    return [r"\par\bigskip", *_tabular(head, lines)] if lines else []


def _tabular(head: list[str], rows: list[list[str]]) -> list[str]:
    return [
        rf"\fitbilevelbench{{\begin{{tabular}}{{@{{}}{'l' * len(head)}@{{}}}}",
        r"\toprule",
        " & ".join(head) + r" \\",
        r"\midrule",
        "\n\\addlinespace\n".join(" & ".join(row) + r" \\" for row in rows),
        r"\bottomrule",
        r"\end{tabular}}",
    ]


def rows(
    group: Group, found: list[Entry], columns: Iterable[str], notation: Notation
) -> list[list[str]]:
    """A row for each solver that has an entry in every column."""
    lines = []
    for solver in group.solvers:
        own = {entry.quantity: entry for entry in found if entry.solver == solver}
        if not own.keys() >= set(columns):
            continue
        name = [wording.title(solver, notation), *wording.exclusions(list(own.values()))]
        cells = [wording.cell(own[column], notation) for column in columns]
        lines.append([notation.stack(stacked) for stacked in (name, *cells)])
    return lines


FORMATS: dict[str, Callable[[list[Group]], str]] = {"md": markdown, "latex": latex, "csv": tidy}
