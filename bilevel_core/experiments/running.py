"""An experiment from its profile to a directory of records: tuning first, then the reported runs.

    OUT/tuning/runs/KEY.json       a point of a grid
    OUT/tuning/SCENARIO-METHOD.json  the grid with its scores, what was chosen, and the cost
    OUT/runs/KEY.json              a reported run
    OUT/checkpoints/, OUT/tuning/checkpoints/   runs in progress

What is stored, intact and computed by today's code is not computed again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bilevel_core.errors import InputError
from bilevel_core.experiments import planning, records, tuning
from bilevel_core.experiments.executing import Job, execute_all
from bilevel_core.experiments.experiment import Experiment, Profile
from bilevel_core.experiments.planning import Part
from bilevel_core.experiments.trial import TrialRecord
from bilevel_core.sweep import atomic, lock, progress


class Done(NamedTuple):
    """A method in a scenario, tuned and run."""

    part: Part
    tuning: Mapping[str, Any]  # of `tuning.result`; of the scenario that it takes over, if any
    records: list[TrialRecord]  # one a seed; none where no point of the grid had a score


def run(
    experiment: Experiment,
    profile: Profile,
    out: Path,
    processes: int = 1,
    device: str = "cpu",
) -> list[Done]:
    """Tune and run every method in every scenario, as far as `out` does not hold it already.

    Raises:
        InputError: data are missing, `out` is not a directory, another command is writing to it, or
            the device is not there.
        WorkerDiedError: a run ended its worker process twice; what is stored is kept.
        KeyboardInterrupt: after the current writes; the same command resumes.
    """
    if processes < 1:
        raise InputError(f"jobs: expected a whole number >= 1, got {processes}")
    if out.exists() and not out.is_dir():
        raise InputError(f"{str(out)!r} is not a directory")
    engine = None
    if device != "cpu":
        from bilevel_core.engines.torch import check_device

        check_device(device)
        engine = "torch"
    found = planning.parts(experiment, profile, engine)
    out.mkdir(parents=True, exist_ok=True)
    with lock.exclusive(out):
        for directory in (out, out / "tuning"):
            records.remove_leftovers(directory)
        tuned = _tune(found, profile, out / "tuning", processes, device)
        return _report(found, tuned, profile, out, processes, device)


def _tune(
    found: Sequence[Part], profile: Profile, directory: Path, processes: int, device: str
) -> dict[str, Mapping[str, Any]]:
    """The tuning of each part, by its name."""
    own = [part for part in found if not part.scenario.tuned_as]
    trials = {part.name: planning.tuning_trials(part, profile, device) for part in own}
    jobs = [
        [planning.job_of(part, trial, directory) for trial in trials[part.name]] for part in own
    ]
    _compute("tuning", planning.in_turns(jobs), {}, directory, processes)
    results = {}
    for part in own:
        runs = planning.stored(directory, trials[part.name])
        results[part.name] = tuning.result(part.method, runs, part.objective)
        text = json.dumps(results[part.name], indent=1, allow_nan=False)
        atomic.write_text(directory / f"{part.name}.json", text + "\n")
    taken = {
        part.name: results[f"{part.scenario.tuned_as}-{part.method.name}"]
        for part in found
        if part.scenario.tuned_as
    }
    return {**results, **taken}


def _report(
    found: Sequence[Part],
    tuned: Mapping[str, Mapping[str, Any]],
    profile: Profile,
    out: Path,
    processes: int,
    device: str,
) -> list[Done]:
    trials = {
        part.name: []
        if tuned[part.name]["chosen"] is None
        else planning.reported_trials(part, profile, tuned[part.name]["chosen"], device)
        for part in found
    }
    jobs = [planning.job_of(part, trial, out) for part in found for trial in trials[part.name]]
    seconds = {
        trial.key: planning.expected_seconds(tuned[part.name], profile)
        for part in found
        for trial in trials[part.name]
    }
    _compute("runs", planning.longest_first(jobs, seconds), seconds, out, processes)
    return [Done(part, tuned[part.name], planning.stored(out, trials[part.name])) for part in found]


def _compute(
    what: str, jobs: Sequence[Job], seconds: Mapping[str, float], directory: Path, processes: int
) -> None:
    """Run what is not stored yet, in order; seconds: expected of each, 1 where not known."""
    directory.mkdir(parents=True, exist_ok=True)
    pending = [job for job in jobs if not records.current(job.directory, job.trial, job.code)]
    kept = len(jobs) - len(pending)
    total = sum(seconds.get(job.trial.key, 1.0) for job in pending)
    about = f", about {progress.duration(total / processes)}" if seconds and pending else ""
    progress.say(f"{what}: {len(pending)} to run{about}, {kept} stored")
    if not pending:
        return
    done, running = 0, progress.Running()
    try:
        with progress.shown(len(pending), total) as advance, progress.stalls_told(running):
            for ending in execute_all(pending, processes, running):
                done += 1
                advance(seconds.get(ending.key, 1.0))
                if ending.status == "failed":
                    progress.say(f"failed: {ending.key}: {ending.reason}")
    except KeyboardInterrupt:
        if names := str(running):
            progress.say(f"not finished: {names}")
        progress.say(
            f"{kept + done} of {len(jobs)} {what} are stored in {directory}; "
            "the same command resumes"
        )
        raise
