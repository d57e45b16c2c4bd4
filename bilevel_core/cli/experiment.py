"""The command that trains on real data: experiment."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bilevel_core.cli.guard import CommandError
from bilevel_core.cli.parse import integer, whole_numbers
from bilevel_core.errors import InputError


class ProfileName(StrEnum):
    """How much is computed."""

    quick = "quick"
    full = "full"


def experiment(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="newsgroups, hypercleaning, fewshot.")
    ],
    data_home: Annotated[
        Path | None,
        typer.Option(help="Folder of the data; else $BILEVEL_DATA and the usual caches."),
    ] = None,
    profile: Annotated[ProfileName, typer.Option(help="Minutes, or hours.")] = ProfileName.quick,
    out: Annotated[
        Path | None, typer.Option(help="Where results go; default: results/experiments/NAME.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(parser=integer, help="Processes; default: one for each core.")
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(help="S[,S...]: seeds of the reported runs, those of the profile.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:
    """Train every algorithm of an experiment on real data, tuned alike; the same command resumes.

    Writes records, a table and figures.  Exit code 1 when a run failed.
    """
    from joblib import cpu_count

    from bilevel_core.experiments import catalogue, figures, running, table
    from bilevel_core.experiments.experiment import profile_of
    from bilevel_core.sweep.executors import WorkerDiedError

    found = catalogue.load(name)
    chosen = profile_of(found, profile.value, whole_numbers("--seeds", seeds))
    if data_home is not None:
        if not data_home.is_dir():
            raise InputError(f"--data-home: no folder {str(data_home)!r}")
        os.environ["BILEVEL_DATA"] = str(data_home.resolve())
    directory = out or Path("results/experiments") / name
    try:
        done = running.run(found, chosen, directory, cpu_count() if jobs is None else jobs, device)
    except WorkerDiedError as error:
        raise CommandError(f"{error}; the same command resumes") from error
    typer.echo(table.write(found, chosen, done, directory / "table.md"))
    for path in figures.write(found, done, directory / "figures"):
        typer.echo(path)
    failed = [record for one in done for record in one.records if record.status == "failed"]
    for record in failed:
        trial = record.trial
        typer.echo(f"failed: {trial.scenario}, {trial.method}, seed {trial.seed}: {record.reason}")
    if failed:
        raise typer.Exit(1)
