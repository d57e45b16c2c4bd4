"""Which trials an experiment consists of, and in which order they are best run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bilevel_core.experiments import records
from bilevel_core.experiments.budget import Budget
from bilevel_core.experiments.executing import Job, code_of, task_of
from bilevel_core.experiments.experiment import TUNING_SEED, Experiment, Profile, Scenario
from bilevel_core.experiments.task import Method
from bilevel_core.experiments.trial import Trial, TrialRecord
from bilevel_core.experiments.tuning import grid
from bilevel_core.solvers import get


class Part(NamedTuple):
    """A method in a scenario: what all its trials share."""

    experiment: Experiment
    scenario: Scenario
    method: Method
    engine: str
    objective: str
    code: str

    @property
    def name(self) -> str:
        """In file names and as a key."""
        return f"{self.scenario.name}-{self.method.name}"


def parts(experiment: Experiment, profile: Profile, engine: str | None) -> list[Part]:
    """Every method in every scenario; loads the data once, so that what is missing is told first.

    engine: None for the task's own.

    Raises:
        InputError: data are missing.
    """
    found = []
    for scenario in profile.scenarios:
        task = task_of(experiment.module, scenario.settings, TUNING_SEED)
        for method in task.methods:
            code = code_of(experiment, task, get(method.solver))
            own = engine or task.engine
            found.append(Part(experiment, scenario, method, own, task.objective, code))
    return found


def tuning_trials(part: Part, profile: Profile, device: str) -> list[Trial]:
    """One trial for each point of the method's grid, in its order."""
    budget = profile.budget.share(profile.tuning_share)
    params = [part.method.at(point) for point in grid(part.method)]
    return [
        trial_of(part, one, TUNING_SEED, budget, profile.tuning_points, device) for one in params
    ]


def reported_trials(
    part: Part, profile: Profile, chosen: Mapping[str, float], device: str
) -> list[Trial]:
    """One trial for each seed, with the parameters that tuning chose."""
    params = part.method.at(chosen)
    return [
        trial_of(part, params, seed, profile.budget, profile.points, device)
        for seed in profile.seeds
    ]


def trial_of(
    part: Part,
    params: Mapping[str, int | float],
    seed: int,
    budget: Budget,
    points: int,
    device: str,
) -> Trial:
    """A method with its parameters on one seed."""
    return Trial(
        experiment=part.experiment.name,
        scenario=part.scenario.name,
        settings=dataclasses.asdict(part.scenario.settings),
        method=part.method.name,
        solver=part.method.solver,
        params=params,
        seed=seed,
        budget=budget,
        points=points,
        engine=part.engine,
        device=device,
    )


def job_of(part: Part, trial: Trial, directory: Path) -> Job:
    """The trial as a job that stores its record in a directory."""
    return Job(trial, part.experiment.module, part.scenario.settings, directory, part.code)


def in_turns(trials: Sequence[Sequence[Job]]) -> list[Job]:
    """The first of each list, then the second of each: so that no two compile the same at once."""
    longest = max(map(len, trials), default=0)
    return [own[i] for i in range(longest) for own in trials if i < len(own)]


def longest_first(jobs: Sequence[Job], seconds: Mapping[str, float]) -> list[Job]:
    """Task by task, so that a worker loads few of them; the longest runs of each task first."""
    order = {name: i for i, name in enumerate(dict.fromkeys(job.trial.scenario for job in jobs))}
    return sorted(
        jobs,
        key=lambda job: (order[job.trial.scenario], job.trial.seed, -seconds[job.trial.key]),
    )


def expected_seconds(tuned: Mapping[str, Any], profile: Profile) -> float:
    """Seconds that a reported run of a method will take, from those that its tuning took."""
    return float(tuned["cost"]["seconds"]) / len(tuned["points"]) / profile.tuning_share


def stored(directory: Path, trials: Sequence[Trial]) -> list[TrialRecord]:
    """The records of trials that have all been run.

    Raises:
        LookupError: one is missing.
    """
    found = [records.read(directory, trial) for trial in trials]
    missing = [trial.key for trial, record in zip(trials, found, strict=True) if record is None]
    if missing:
        raise LookupError(f"no record of {missing[0]} in {directory}")
    return [record for record in found if record is not None]
