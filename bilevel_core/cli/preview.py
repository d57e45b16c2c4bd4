"""What a sweep would do, on standard output: a table for each grid, then one line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from bilevel_core.cli.guard import aside
from bilevel_core.cli.text import print_table

if TYPE_CHECKING:
    from bilevel_core.sweep.specification import Specification


def print_preview(specification: Specification, out: Path, jobs: int) -> None:
    """Print predicted oracle calls, time and feasibility of each cell; nothing is made.

    Raises:
        InputError: jobs < 1, or `out` is not a directory.
    """
    from bilevel_core.sweep import plan, runner
    from bilevel_core.sweep.forecast import forecaster
    from bilevel_core.sweep.outlook import outlook

    with aside():
        forecast = forecaster()
        todo = runner.preview(specification, out, jobs, forecast)
        tables = [
            outlook(grid, number, forecast)
            for number, grid in enumerate(specification.grid, start=1)
        ]
    for table in tables:
        print_table(*table)
    typer.echo(plan.announcement(todo, jobs) or f"nothing to make: {todo.kept.total()} runs stored")
