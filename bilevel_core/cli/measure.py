"""Commands that measure or move measurements: run, sweep, check, merge."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from bilevel_core.cli.guard import CommandError, aside
from bilevel_core.cli.parse import (
    family_options,
    integer,
    levels,
    number,
    solver_parameters,
    whole_numbers,
)
from bilevel_core.cli.preview import print_preview
from bilevel_core.cli.text import print_record
from bilevel_core.errors import InputError
from bilevel_core.record import RunConfig
from bilevel_core.sweep.progress import describe


def run(
    problem: Annotated[str, typer.Option(help="A problem family, or path/to/file.py:name.")],
    solver: Annotated[str, typer.Option(help="A solver, or path/to/file.py:name.")],
    eps: Annotated[str, typer.Option(help="E[,E...]: bounds on the squared gradient norm.")],
    kappa: Annotated[
        float | None,
        typer.Option(
            parser=number,
            help="Condition number L/mu, above 1; families on real data have one of their own.",
        ),
    ] = None,
    engine: Annotated[str | None, typer.Option(help="compiled or torch.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    params: Annotated[
        str, typer.Option(help="theory, sharp, tuned, or custom: all by --set.")
    ] = "theory",
    criterion: Annotated[
        str, typer.Option(help="average (measures both) or first (stops earlier).")
    ] = "average",
    seed: Annotated[
        int, typer.Option(parser=integer, help="Which instance of the family; 0 is nominal.")
    ] = 0,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="key=value: a solver parameter; repeatable.")
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option(help="key=value: a family option; repeatable.")
    ] = None,
    noise_seeds: Annotated[
        str | None,
        typer.Option(help="S[,S...]: repetitions of a random solver; default: 0,1,2,3,4."),
    ] = None,
    max_outer: Annotated[
        int, typer.Option(parser=integer, help="Budget of outer iterations.")
    ] = 1_000_000,
    max_seconds: Annotated[
        float | None,
        typer.Option(parser=number, help="Budget of seconds, looked at between outer steps."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record as JSON.")] = False,
) -> None:
    """Run one solver on one instance and print its oracle calls at each eps.

    Exit code 1 when the run diverged or failed.
    """
    from bilevel_core.making import instances_kept
    from bilevel_core.run import execute, repetitions
    from bilevel_core.solvers import get
    from bilevel_core.sweep.specification import default_engine

    options = family_options(option)
    with aside(), instances_kept():
        config = RunConfig(
            problem=problem,
            options=options,
            kappa=_own_kappa(problem, seed, options) if kappa is None else kappa,
            seed=seed,
            solver=solver,
            policy=params,
            overrides=solver_parameters(set_),
            criterion=criterion,
            eps=levels(eps),
            engine=engine or "",
            device=device,
            max_outer=max_outer,
            max_seconds=max_seconds,
            noise_seeds=repetitions(whole_numbers("--noise-seeds", noise_seeds), get(solver)),
        )
        if not engine:
            config = dataclasses.replace(config, engine=default_engine(config))
        record = execute(config)
    if as_json:
        typer.echo(json.dumps(record.to_dict(), indent=2, allow_nan=False))
    else:
        print_record(record)
    if record.status in ("failed", "diverged"):
        raise typer.Exit(1)


def _own_kappa(family: str, seed: int, options: Mapping[str, Any]) -> float:
    """The condition number of a family that has a regularisation of its own."""
    import problems
    from bilevel_core.making import instance

    if not problems.has_own_regularisation(family):
        raise InputError(f"--kappa: expected a condition number above 1 for {family!r}, got none")
    return instance(family, options, None, seed).kappa


def sweep(
    specification: Annotated[Path, typer.Argument(metavar="SPEC.toml", help="What to run.")],
    out: Annotated[Path, typer.Option(help="Directory of run files; made if absent.")],
    jobs: Annotated[
        int | None, typer.Option(parser=integer, help="Processes; default: one for each core.")
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Make the runs on this Dask cluster: tcp://HOST:PORT, a scheduler file, or local.",
        ),
    ] = None,
    run_timeout: Annotated[
        float | None,
        typer.Option(
            parser=number,
            metavar="SECONDS",
            help="End a run that takes longer, compiling included: it has failed, others go on.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print predicted cost and time, and make nothing.")
    ] = False,
) -> None:
    """Make every run of a specification that DIR does not hold yet; the same command resumes.

    The predicted time is printed first.  A grid with a budget leaves out what is predicted to take
    more oracle calls, and stores it as infeasible.  Exit code 1 when a run failed; censored,
    diverged and infeasible runs are results.  Ctrl-C and SIGTERM finish what is being written (exit
    codes 130 and 143); the third of them ends the command at once.
    """
    from joblib import cpu_count

    from bilevel_core.making import instances_kept
    from bilevel_core.sweep import runner
    from bilevel_core.sweep.executors import ExecutorError
    from bilevel_core.sweep.specification import load

    if dask not in (None, "local") and (dry_run or jobs is not None):
        raise InputError(
            f"--dask: a cluster has its own processes; expected no "
            f"{'--dry-run' if dry_run else '--jobs'} beside an address, got {dask!r}"
        )
    processes = cpu_count() if jobs is None else jobs
    with aside(), instances_kept():
        wanted = load(specification)
        if not dry_run:
            try:
                summary = runner.sweep(wanted, out, processes, dask, run_timeout)
            except ExecutorError as error:
                raise CommandError(f"{error}; the same command resumes") from error
    if dry_run:
        print_preview(wanted, out, processes)
        return
    typer.echo(summary)
    for failure in summary.failures:
        typer.echo(f"failed: {describe(failure.config)}: {failure.reason}")
    if summary.failures:
        raise typer.Exit(1)


def check(
    name: Annotated[str, typer.Argument(metavar="FILE.py:NAME", help="A solver or a problem.")],
) -> None:
    """Test a plug-in: counts, a batch against its instances, gradients, constants, seeds.

    Each finding is printed when it is known, those that need no compilation first.  Exit code 1
    when something is wrong.
    """
    from bilevel_core.check import findings_of

    made = failed = 0
    for finding in findings_of(name):
        mark = "ok" if finding.passed else "FAILED"
        typer.echo(f"{mark:6}  {finding.name}: {finding.message}")
        made, failed = made + 1, failed + (not finding.passed)
    typer.echo(f"{made - failed} of {made} checks passed")
    if failed:
        raise typer.Exit(1)


def merge(
    directories: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Stores to merge.")],
    out: Annotated[Path | None, typer.Option(help="Destination; default: the last DIR.")] = None,
) -> None:
    """Copy the runs of stores into one, which is made if absent.

    Exit code 1 when two stores hold different counts for one run; the destination's is kept.
    """
    from bilevel_core.sweep.merge import merge as merge_stores

    *sources, destination = [*directories, out] if out else directories
    if not sources:
        raise InputError("merge: expected two or more directories, or one and --out")
    summary = merge_stores(sources, destination)
    typer.echo(summary)
    if summary.conflicts:
        raise typer.Exit(1)
