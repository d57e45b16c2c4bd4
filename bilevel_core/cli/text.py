"""How the command line shows records and fits to people."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import typer

from bilevel_core.errors import printable
from bilevel_core.report.groups import HEADS
from bilevel_core.sweep.progress import describe

if TYPE_CHECKING:
    from bilevel_core.record import RunRecord

# Characters in a line where the output is no terminal, so that tables are not wrapped there.
WIDTH = 160


def print_record(record: RunRecord) -> None:
    """Counts at each eps and criterion, then how the run ended; of batches also the samples."""
    rows = record.rows()
    title = f"{describe(record.config)}, policy {record.config.policy}"
    repeated = len(record.config.noise_seeds)
    _print_counts(f"{title}, mean of {repeated} noise seeds" if repeated else title, rows, "")
    if repeated:
        _print_counts("the same in samples", rows, "samples_")
    reason = f": {printable(record.reason)}" if record.reason else ""
    typer.echo(f"{record.status}{reason} ({record.seconds:.3g} s)")


def _print_counts(title: str, rows: Sequence[dict[str, Any]], prefix: str) -> None:
    names = [name if name == "outer" else prefix + name for name in HEADS]
    print_table(
        title,
        ("eps", "criterion", *HEADS.values()),
        ([f"{r['eps']:g}", r["criterion"], *(_count(r[name]) for name in names)] for r in rows),
    )


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on standard output; columns of numbers are aligned on the right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(title=printable(title), title_justify="left", box=box.SIMPLE_HEAD)
    cells = [[printable(cell) for cell in row] for row in rows]
    for position, head in enumerate(columns):
        numeric = all(row[position][:1] in "0123456789-" for row in cells)
        table.add_column(head, justify="right" if numeric else "left")
    for row in cells:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else WIDTH, markup=False).print(table)


def _count(value: Any) -> str:
    return "-" if value is None else f"{value:,}"
