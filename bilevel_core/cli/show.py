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
from bilevel_core.errors import InputError, printable, unknown_name
from bilevel_core.report.groups import QUANTITIES
from bilevel_core.sweep.progress import say

if TYPE_CHECKING:
    import pandas as pd

    from bilevel_core.report.page.inventory import Inventory

Store = Annotated[Path, typer.Argument(metavar="DIR", help="The --out of a sweep.")]
LoadPlugins = Annotated[
    bool,
    typer.Option(
        "--load-plugins",
        help="Import the files and modules that the runs name, to compare them with today's code.",
    ),
]


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
    load_plugins: LoadPlugins = False,
) -> None:
    """Fit exponents of kappa and 1/eps to the counts, and judge them against the paper's bounds."""
    if quantity is not None and quantity not in QUANTITIES:
        raise unknown_name("quantity", quantity, QUANTITIES)
    if model not in fits.MODELS:
        raise unknown_name("model", model, fits.MODELS)
    with aside():
        frame = _frame(directory, load_plugins)
        found = fits.fit_all(frame, (quantity,) if quantity else QUANTITIES, model)
    if as_json:
        typer.echo(json.dumps([fits.to_dict(one) for one in found], indent=2, allow_nan=False))
    else:
        fits.print_fits(found)


def table(
    directory: Store,
    format_: Annotated[Format, typer.Option("--format", help="Of the tables.")] = Format.md,
    output: Annotated[Path | None, typer.Option(help="Write to this file.")] = None,
    load_plugins: LoadPlugins = False,
) -> None:
    """Set the measured exponents beside the paper's, one table a problem, policy and criterion."""
    from bilevel_core import report
    from bilevel_core.sweep import atomic

    path = None if output is None else _file(output)
    with aside():
        text = printable(report.write_table(_frame(directory, load_plugins), format_.value))
    if path is None:
        typer.echo(text)
    else:
        atomic.write_output(path, text)


def plot(
    directory: Store,
    output: Annotated[
        Path | None, typer.Option(help="Directory of the figures; default: DIR/figures.")
    ] = None,
    style: Annotated[
        Look, typer.Option(help="Of the figures; paper and slide have folders of their own.")
    ] = Look.screen,
    load_plugins: LoadPlugins = False,
) -> None:
    """Draw counts against kappa and 1/eps: PDF, PNG and the plotted data as CSV."""
    from bilevel_core import report

    figures = output or directory / "figures"
    with aside():
        frame = _frame(directory, load_plugins)
        written = report.write_figures(frame, figures, style.value)
    for path in written:
        typer.echo(path)


def report(
    directory: Store,
    output: Annotated[Path | None, typer.Option(help="File; default: DIR/report.html.")] = None,
    load_plugins: LoadPlugins = False,
) -> None:
    """Make one self-contained HTML page: tables, fits, pictures, misses, and how to reproduce."""
    from bilevel_core import report
    from bilevel_core.sweep import store
    from bilevel_core.sweep.currency import notes

    def say_left_out(found: Inventory) -> None:
        for damaged in found.damaged:
            say(f"left out {damaged}")
        for line in notes(run.currency for run in found.runs):
            say(line)

    store.require_runs(directory)  # a path that is no store is named before one below it
    path = _file(output or directory / "report.html")
    with aside():
        page = report.write_page(directory, path, say_left_out, load_plugins)
    typer.echo(page)


def _file(path: Path) -> Path:
    """The path, if a file can stand there: what is written into it may take minutes to compute."""
    if path.is_dir():
        raise InputError(f"--output: {str(path)!r} is a directory; expected a file")
    if not path.parent.is_dir():
        raise InputError(f"--output: {str(path)!r} is in no directory; expected one that exists")
    return path


def _frame(directory: Path, load_plugins: bool) -> pd.DataFrame:
    """The frame of a store; names on standard error what is left out or not of today's code."""
    from bilevel_core.making import instances_kept
    from bilevel_core.sweep import store
    from bilevel_core.sweep.currency import Currency, currency_check, notes

    judged: list[Currency] = []
    compare = currency_check(load_plugins)
    with instances_kept():
        frame = store.frame(
            directory,
            lambda damaged: say(f"left out {damaged}"),
            lambda record: judged.append(compare(record)),
        )
    for line in notes(judged):
        say(line)
    return frame


def _option(option: inspect.Parameter) -> str:
    return option.name if option.default is option.empty else f"{option.name}={option.default!r}"
