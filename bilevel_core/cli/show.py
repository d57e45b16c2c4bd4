"""Commands that show what is registered or what was measured: list, fit, table, plot, report."""

from __future__ import annotations

import inspect
import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bilevel_core.cli import fits
from bilevel_core.cli.guard import aside
from bilevel_core.errors import InputError, unknown_name
from bilevel_core.report.groups import QUANTITIES
from bilevel_core.sweep.progress import say

if TYPE_CHECKING:
    import pandas as pd

    from bilevel_core.report.page.inventory import Inventory

Store = Annotated[Path, typer.Argument(metavar="DIR", help="The --out of a sweep.")]


class Format(StrEnum):
    """Formats of tables."""

    md = "md"
    latex = "latex"
    csv = "csv"


class Look(StrEnum):
    """Styles of figures."""

    screen = "screen"
    paper = "paper"
    slide = "slide"


def list_names() -> None:
    """List problem families with their options, and solvers with what they guarantee."""
    import problems
    from bilevel_core import solvers

    with aside():
        width = max(map(len, (*problems.names(), *solvers.names())))
    typer.echo("problems")
    for name in problems.names():
        options = problems.parameters(name).values()
        typer.echo(f"  {name:{width}} {problems.summary(name)}")
        typer.echo(
            f"  {'':{width}} options: {', '.join(_option(option) for option in options) or 'none'}"
        )
    typer.echo("solvers")
    for name in solvers.names():
        solver = solvers.get(name)
        typer.echo(f"  {name:{width}} {solver.summary}")
        typer.echo(f"  {'':{width}} guarantee: {solver.guarantee}")


def fit(
    directory: Store,
    quantity: Annotated[
        str | None, typer.Option(help=f"One of {', '.join(QUANTITIES)}; default: all.")
    ] = None,
    model: Annotated[
        str, typer.Option(help="auto, power, power_log, lower_order or logarithmic.")
    ] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print the fits as JSON.")] = False,
) -> None:
    """Fit exponents of kappa and 1/eps to the counts, and judge them against the paper's bounds."""
    if quantity is not None and quantity not in QUANTITIES:
        raise unknown_name("quantity", quantity, QUANTITIES)
    if model not in fits.MODELS:
        raise unknown_name("model", model, fits.MODELS)
    with aside():
        found = fits.fit_all(_frame(directory), (quantity,) if quantity else QUANTITIES, model)
    if as_json:
        typer.echo(json.dumps([fits.to_dict(one) for one in found], indent=2, allow_nan=False))
    else:
        fits.print_fits(found)


def table(
    directory: Store,
    format_: Annotated[Format, typer.Option("--format", help="Of the tables.")] = Format.md,
    output: Annotated[Path | None, typer.Option(help="Write to this file.")] = None,
) -> None:
    """Set the measured exponents beside the paper's, one table a problem, policy and criterion."""
    from bilevel_core import report
    from bilevel_core.sweep import atomic

    path = None if output is None else _file(output)
    with aside():
        text = report.write_table(_frame(directory), format_.value)
    if path is None:
        typer.echo(text)
    else:
        atomic.write_text(path, text)


def plot(
    directory: Store,
    output: Annotated[
        Path | None, typer.Option(help="Directory of the figures; default: DIR/figures.")
    ] = None,
    style: Annotated[
        Look, typer.Option(help="Of the figures; paper and slide have folders of their own.")
    ] = Look.screen,
) -> None:
    """Draw counts against kappa and 1/eps: PDF, PNG and the plotted data as CSV."""
    from bilevel_core import report

    figures = output or directory / "figures"
    with aside():
        written = report.write_figures(_frame(directory), figures, style.value)
    for path in written:
        typer.echo(path)


def report(
    directory: Store,
    output: Annotated[Path | None, typer.Option(help="File; default: DIR/report.html.")] = None,
) -> None:
    """Make one self-contained HTML page: tables, fits, pictures, misses, and how to reproduce."""
    from bilevel_core import report
    from bilevel_core.sweep import store

    def say_left_out(found: Inventory) -> None:
        for damaged in found.damaged:
            say(f"left out {damaged}")
        _say_outdated(sum(not run.current for run in found.runs))

    store.require_runs(directory)  # a path that is no store is named before one below it
    with aside():
        page = report.write_page(
            directory, _file(output or directory / "report.html"), say_left_out
        )
    typer.echo(page)


def _file(path: Path) -> Path:
    """The path, if a file can stand there: what is written into it may take minutes to compute."""
    if path.is_dir():
        raise InputError(f"--output: {str(path)!r} is a directory; expected a file")
    if not path.parent.is_dir():
        raise InputError(f"--output: {str(path)!r} is in no directory; expected one that exists")
    return path


def _frame(directory: Path) -> pd.DataFrame:
    """The frame of a store; names on standard error what is left out or outdated."""
    from bilevel_core.sweep import plan, store

    rows = []
    outdated = 0
    is_current = plan.code_check()
    for record in store.records(directory, lambda damaged: say(f"left out {damaged}")):
        rows += record.rows()
        outdated += not is_current(record)
    _say_outdated(outdated)
    return store.to_frame(rows)


def _say_outdated(runs: int) -> None:
    if runs:
        say(f"{runs} runs were computed by other code than today's; their sweep redoes them")


def _option(option: inspect.Parameter) -> str:
    return option.name if option.default is option.empty else f"{option.name}={option.default!r}"
