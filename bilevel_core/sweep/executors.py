"""Where runs are executed: in this process, in worker processes (joblib), or on a Dask cluster.

An executor takes configurations and yields one `Outcome` a run, in the order in which runs end.
On this machine whoever computes a run also stores it, so that a process killed at any moment loses
no run but those in flight; `cluster` says why it is otherwise there. Every run has one thread: a
sum split over threads rounds differently.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bilevel_core import interrupts
from bilevel_core.errors import InputError
from bilevel_core.record import RunConfig
from bilevel_core.sweep import progress, store, tunings
from bilevel_core.sweep.keys import key

# Seconds between two looks of a worker at whether the sweep that started it still exists.
WATCH = 0.2
# How many times workers may die before the sweep gives up.
LIVES = 3


class Outcome(NamedTuple):
    """How one run ended: its configuration, status and reason."""

    config: RunConfig
    status: str
    reason: str


class Executor(NamedTuple):
    """How runs are executed: so many at a time, by a function that stores them in a directory."""

    processes: int
    execute: Callable[[Path, Sequence[RunConfig]], Iterator[Outcome]]


class ExecutorError(Exception):
    """Runs cannot be executed any more; those that are stored are kept."""


class WorkerDiedError(ExecutorError):
    """Worker processes end without an answer, again and again."""


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


def in_process(directory: Path, configs: Iterable[RunConfig]) -> Iterator[Outcome]:
    """Execute the runs here, one after the other."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        for config in configs:
            yield work(directory, config)


def in_workers(directory: Path, configs: Sequence[RunConfig], jobs: int) -> Iterator[Outcome]:
    """Execute the runs in `jobs` worker processes (joblib's loky).

    When a worker is killed or crashes, the rest goes to new workers, the suspects last.

    Raises:
        WorkerDiedError: workers died `LIVES` times.
    """
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    pending = {key(config): config for config in configs}
    for lives in reversed(range(LIVES)):
        started = time.time()
        try:
            for outcome in _pool(directory, list(pending.values()), jobs):
                del pending[key(outcome.config)]
                yield outcome
            return
        except TerminatedWorkerError as error:
            how = re.search(r"{.*}", str(error))
            died = f"a worker died {how[0] if how else ''}, with at most {jobs} runs"
            if not lives:
                raise WorkerDiedError(died) from error
            progress.say(f"{died}; going on with new workers")
        for outcome in _stored_since(started, directory, pending):
            del pending[key(outcome.config)]
            yield outcome
        suspects = list(pending)[: 2 * jobs]
        pending.update((name, pending.pop(name)) for name in suspects)


def _pool(directory: Path, configs: list[RunConfig], jobs: int) -> Iterator[Outcome]:
    """One set of workers; deaf to Ctrl-C from the start, which this process alone handles."""
    from joblib import Parallel, delayed, parallel_config

    parent = os.getpid()
    tasks = (delayed(_work_for)(parent, directory, config.to_dict()) for config in configs)
    with quiet_renewal(), parallel_config("loky", n_jobs=jobs, inner_max_num_threads=1):
        with interrupts.ignored():
            results = Parallel(return_as="generator_unordered", batch_size=1)(tasks)
        for content, status, reason in results:
            yield Outcome(RunConfig.from_dict(content), status, reason)


@contextlib.contextmanager
def quiet_renewal() -> Iterator[None]:
    """No warning where joblib renews a worker whose memory has grown: no run is lost by it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "A worker stopped while some jobs", UserWarning)
        yield


def _stored_since(started: float, directory: Path, pending: dict[str, RunConfig]) -> list[Outcome]:
    """Runs that were stored, though their worker died before it could say so."""
    found = []
    for name, config in pending.items():
        path = store.path_of(directory, name)
        if path.exists() and path.stat().st_mtime >= started:
            record = store.read(path)
            if not isinstance(record, store.Damaged):
                found.append(Outcome(config, record.status, record.reason))
    return found


def pin_torch(engine: str) -> None:
    """Give torch one thread, if this run uses it; importing it otherwise costs a second."""
    if engine == "torch":
        import torch

        torch.set_num_threads(1)


def choose(
    jobs: int, runs: int, dask: str | None = None
) -> contextlib.AbstractContextManager[Executor]:
    """The executor of so many runs in at most `jobs` processes, or on the cluster `dask` names.

    Raises:
        InputError: no scheduler answers, when the context is entered.
    """
    jobs = max(1, min(jobs, runs))
    if dask is not None and runs:
        from bilevel_core.sweep import cluster

        return cluster.connected(dask, jobs)
    execute = in_process if jobs == 1 else functools.partial(in_workers, jobs=jobs)
    return contextlib.nullcontext(Executor(jobs, execute))


def _work_for(parent: int, directory: Path, content: dict[str, Any]) -> tuple[Any, str, str]:
    prepare_worker(parent)
    outcome = work(directory, RunConfig.from_dict(content))
    return content, outcome.status, outcome.reason


@functools.cache
def prepare_worker(parent: int) -> None:
    """Once a worker: end it when its sweep is gone, lest two sweeps compute one run."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH)
        os._exit(1)

    if os.getppid() != parent:
        os._exit(1)
    threading.Thread(target=watch, daemon=True).start()
