"""Tables and figures from the frame of a store: what was measured, beside the papers' bounds.

A *group* is what one table or one set of figures is about: one problem with its options, one policy
(with parameters set by hand, if any) and one criterion.  An *entry* is one cell of the table: one
solver and one counted quantity of a group.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from bilevel_core.report.page.inventory import Inventory

FORMATS = ("md", "latex", "csv")


def write_table(frame: pd.DataFrame, fmt: str = "md") -> str:
    """All tables of a frame (rows of `bilevel_core.sweep.store.frame`) as text, one for each group.

    fmt: "md" (GitHub's tables), "latex" (compiles by itself, and can be input into a document that
    loads booktabs) or "csv" (tidy: one line for each solver and quantity, all numbers).

    Raises:
        InputError: an unknown format, an empty frame, or a missing column.
    """
    from bilevel_core.report.tables import write

    return write(frame, fmt)


def write_figures(frame: pd.DataFrame, directory: Path | str, style: str = "screen") -> list[Path]:
    """Draw all figures of a frame into a directory (made if missing); gives the files written.

    Each figure is a PDF, a PNG and the plotted data as CSV, of one name.  style: "screen", or
    "paper" (a journal's columns) or "slide" (16:9, a solver a page), which have folders of their
    own in the directory.

    Raises:
        InputError: an empty frame, a missing column or an unknown style.
        OSError: the directory cannot be written to.
    """
    from bilevel_core.report.figures import write
    from bilevel_core.report.styles import style_of

    return write(frame, Path(directory), style_of(style))


def write_page(
    directory: Path | str,
    output: Path | str,
    on_read: Callable[[Inventory], None] = lambda found: None,
    load_plugins: bool = False,
) -> Path:
    """Make one self-contained HTML page from a store of runs, the --out of a sweep; gives its path.

    on_read: is shown what the store holds, damaged files and outdated runs included, before the
    fits, which take most of the time.
    load_plugins: import what the runs name, to compare them with today's code; without it nothing
    that a store names is executed.

    Raises:
        InputError: the directory does not exist, is not one, or holds no intact run.
        OSError: the file cannot be written.
    """
    from bilevel_core.report.page import write

    return write(Path(directory), Path(output), on_read, load_plugins)
