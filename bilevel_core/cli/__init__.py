"""The command line, `bilevel-bench`: thin commands over the package.

Exit codes: 0 done, 1 a run or check failed, 2 bad input (one line on standard error), 130 Ctrl-C,
143 SIGTERM.  Both finish what is being written; the third of them ends the command at once.
Everything slow to import is imported by the command that needs it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from bilevel_core import __version__
from bilevel_core.cli import measure, show
from bilevel_core.cli.experiment import experiment
from bilevel_core.cli.guard import guarded

app = typer.Typer(
    name="bilevel-bench",
    help="Measure the oracle complexity of bilevel optimisation, and fit its exponents.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("list")(show.list_names)
app.command("run")(measure.run)
app.command("sweep")(measure.sweep)
app.command("fit")(show.fit)
app.command("table")(show.table)
app.command("plot")(show.plot)
app.command("report")(show.report)
app.command("check")(measure.check)
app.command("merge")(measure.merge)
app.command("experiment")(experiment)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Print the traceback of errors.")] = False,
) -> None:
    """Measure the oracle complexity of bilevel optimisation, and fit its exponents."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line on `arguments` (default: those of the process) and exit."""

    def command(arguments: Sequence[str]) -> object:
        # Not by calling `app`, which has exit codes of its own for what a command raises.
        group = typer.main.get_command(app)
        try:
            with group.make_context("bilevel-bench", list(arguments)) as context:
                return group.invoke(context)
        except typer.Exit as ended:
            return ended.exit_code

    sys.exit(guarded(command, sys.argv[1:] if arguments is None else arguments))
