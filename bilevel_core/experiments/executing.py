"""Executing trials: one here, or many in worker processes that store what they compute."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bilevel_core import interrupts
from bilevel_core.engines.steps import walk
from bilevel_core.environment import environment
from bilevel_core.errors import InputError, plain_reason
from bilevel_core.experiments import checkpoint, records
from bilevel_core.experiments.catalogue import from_module
from bilevel_core.experiments.experiment import Experiment
from bilevel_core.experiments.task import Task
from bilevel_core.experiments.training import Training, train
from bilevel_core.experiments.trial import Trial, TrialRecord, record_of
from bilevel_core.fingerprint import fingerprint
from bilevel_core.jacobian_sums import sums_behind
from bilevel_core.oracle import family_functions
from bilevel_core.sampled import sampled_functions
from bilevel_core.solvers import Solver, get, make_params
from bilevel_core.sweep import workers
from bilevel_core.sweep.executors import WorkerDiedError, pin_torch
from bilevel_core.sweep.progress import Running


class Job(NamedTuple):
    """A trial to be run, with what its key does not say."""

    trial: Trial
    module: str  # of the experiment
    settings: Any  # of the scenario
    directory: Path  # where its record goes
    code: str  # the fingerprint that its record will carry


class Ending(NamedTuple):
    """How a job ended."""

    key: str
    status: str
    reason: str


@functools.lru_cache(maxsize=1)
def task_of(module: str, settings: Any, seed: int) -> Task:
    """The task of a scenario on a seed; the last one is kept, for data take seconds to load."""
    return from_module(module).task(settings, seed)


def code_of(experiment: Experiment, task: Task, solver: Solver) -> str:
    """A fingerprint of the source that runs of a solver on a task depend on."""
    data = task.problem.data
    parts = [*family_functions(data), *sampled_functions(data), *sums_behind(solver.step, data)]
    return str(fingerprint((experiment.task, solver.init, solver.step, train, walk, *parts)))


def execute(job: Job) -> Ending:
    """Run a trial on one thread and store its record; a checkpoint is taken up, and then removed.

    Raises:
        OSError: the record cannot be written.
    """
    trial = job.trial
    pin_torch(trial.engine)
    with interrupts.deferred() as stop_if_asked:
        try:
            record = _record(job, stop_if_asked)
        except Exception as error:  # noqa: BLE001  # whatever a task raises ends this run alone
            told = str(error) if isinstance(error, InputError) else plain_reason(error)
            nothing = Training("failed", told, {}, [])
            record = record_of(trial, nothing, {}, environment(), job.code)
        records.write(job.directory, record)
        _checkpoint(job).unlink(missing_ok=True)
    return Ending(trial.key, record.status, record.reason)


def _checkpoint(job: Job) -> Path:
    return job.directory / "checkpoints" / f"{job.trial.key}.npz"


def _record(job: Job, stop_if_asked: Callable[[int], None]) -> TrialRecord:
    trial = job.trial
    task = task_of(job.module, job.settings, trial.seed)
    if task.engine != trial.engine:
        task = task.on(trial.engine)
    solver = get(trial.solver)
    training = train(
        task,
        solver,
        make_params(solver, trial.params),
        trial.seed,
        trial.budget,
        trial.points,
        trial.device,
        checkpoint.keep_in(_checkpoint(job), trial.key, job.code),
        stop_if_asked,
    )
    return record_of(trial, training, task.provenance, environment(), job.code)


def execute_all(jobs: Sequence[Job], processes: int, running: Running) -> Iterator[Ending]:
    """Run the jobs in the order given, so many at a time; endings come as they happen.

    Raises:
        WorkerDiedError: a job ended its worker twice; the others are done.
    """
    if processes == 1 or len(jobs) == 1:
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1):
            for job in jobs:
                done = running.begin(_named(job))
                ending = execute(job)
                done()
                yield ending
        return
    killers = []
    for job, found in workers.answers(execute, jobs, min(processes, len(jobs)), _named, running):
        if isinstance(found, workers.Ended):
            killers.append(f"{_named(job)} {found.how}")
        else:
            yield found
    if killers:
        raise WorkerDiedError(f"every worker that took it died: {'; '.join(killers)}")


def _named(job: Job) -> str:
    trial = job.trial
    return f"{trial.scenario}, {trial.method}, seed {trial.seed}"
