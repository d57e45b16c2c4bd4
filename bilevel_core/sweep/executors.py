"""Where runs are executed: in this process, in worker processes, or on a Dask cluster.

An executor takes configurations and yields one `Outcome` a run, in the order in which runs end.
On this machine whoever computes a run also stores it, so that a process killed at any moment loses
no run but those in flight; `cluster` says why it is otherwise there. Every run has one thread: a
sum split over threads rounds differently.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from bilevel_core import interrupts
from bilevel_core.environment import environment
from bilevel_core.errors import InputError
from bilevel_core.record import RunConfig, RunRecord
from bilevel_core.sweep import store, tunings, workers
from bilevel_core.sweep.keys import key
from bilevel_core.sweep.progress import Running, describe
from bilevel_core.sweep.stock import fingerprints
from bilevel_core.sweep.workers import Ended

# How many runs may end their workers before the sweep gives up.
LIVES = 3


class Outcome(NamedTuple):
    """How one run ended: its configuration, status and reason."""

    config: RunConfig
    status: str
    reason: str


class Executor(NamedTuple):
    """How runs are executed: so many at a time, by a function that stores them in a directory."""

    processes: int
    execute: Callable[[Path, Sequence[RunConfig]], Generator[Outcome, None, None]]
    running: Running


class ExecutorError(Exception):
    """Runs cannot be executed any more; those that are stored are kept."""


class WorkerDiedError(ExecutorError):
    """Worker processes end without an answer."""


def work(directory: Path, config: RunConfig) -> Outcome:
    """Execute one run on one thread and store its record; a run that cannot be stored has failed.

    Raises:
        OSError: the run file cannot be written.
    """
    from bilevel_core.run import execute

    pin_torch(config.engine)
    with interrupts.deferred() as stop_if_asked:
        try:
            record = execute(config, stop_if_asked, tunings.kept(directory, stop_if_asked))
        except InputError as error:
            return Outcome(config, "failed", str(error))
        try:
            store.write(directory, record)
        except ValueError as error:
            return Outcome(config, "failed", f"the record cannot be stored: {error}")
        return Outcome(config, record.status, record.reason)


def in_process(
    directory: Path, configs: Iterable[RunConfig], running: Running
) -> Generator[Outcome, None, None]:
    """Execute the runs here, one after the other."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        for config in configs:
            done = running.begin(describe(config))
            outcome = work(directory, config)
            done()
            yield outcome


def in_workers(
    directory: Path,
    configs: Iterable[RunConfig],
    running: Running,
    jobs: int,
    timeout: float | None = None,
) -> Generator[Outcome, None, None]:
    """Execute the runs in `jobs` worker processes.

    A run that takes longer than `timeout` seconds, compiling included, is ended, and has failed.

    Raises:
        WorkerDiedError: runs ended their workers twice; the others are stored, unless there were
            `LIVES` of them.
    """
    killers: list[str] = []
    started = time.time()
    answer = functools.partial(work, directory)
    for config, found in workers.answers(answer, configs, jobs, describe, running, timeout):
        # A worker may end after it has stored its run, and before it could say so.
        outcome = _stored_since(started, directory, config) if isinstance(found, Ended) else found
        if outcome is not None:
            yield outcome
        elif found.late:
            yield _late(directory, config, found.how)
        else:
            killers.append(f"{describe(config)} {found.how}")
            if len(killers) == LIVES:
                break
    if killers:
        raise WorkerDiedError(f"every worker that took it died: {'; '.join(killers)}")


def _late(directory: Path, config: RunConfig, reason: str) -> Outcome:
    """Store that a run has failed, so that tables name it; the next sweep makes it again."""
    code = fingerprints()(config)
    record = RunRecord(config, {}, "failed", reason, [], [], [], environment(), 0.0, code)
    store.write(directory, record)
    return Outcome(config, "failed", reason)


def _stored_since(started: float, directory: Path, config: RunConfig) -> Outcome | None:
    path = store.path_of(directory, key(config))
    if not path.exists() or path.stat().st_mtime < started:
        return None
    record = store.read(path)
    if isinstance(record, store.Damaged):
        return None
    return Outcome(config, record.status, record.reason)


def pin_torch(engine: str) -> None:
    """Give torch one thread, if this run uses it; importing it otherwise costs a second."""
    if engine == "torch":
        import torch

        torch.set_num_threads(1)


def choose(
    jobs: int, runs: int, dask: str | None = None, timeout: float | None = None
) -> contextlib.AbstractContextManager[Executor]:
    """The executor of so many runs in at most `jobs` processes, or on the cluster `dask` names.

    timeout: seconds after which a run is ended, which a worker process of its own makes possible.

    Raises:
        InputError: no scheduler answers, when the context is entered.
    """
    jobs = max(1, min(jobs, runs))
    if dask is not None and runs:
        from bilevel_core.sweep import cluster

        return cluster.connected(dask, jobs)
    running = Running()
    if jobs == 1 and timeout is None:
        execute = functools.partial(in_process, running=running)
    else:
        execute = functools.partial(in_workers, running=running, jobs=jobs, timeout=timeout)
    return contextlib.nullcontext(Executor(jobs, execute, running))
