"""Runs on a Dask cluster: a scheduler elsewhere, or workers on this machine.

Workers compute, and this process alone stores: they need not see its directory, a store has one
writer whatever happens to them, and Ctrl-C here waits for one write. An order goes to a worker as
JSON text (configuration, the kept searches behind it, and the terms: whose code is to compute it),
and its answer comes back as JSON text (record, searches made). What Dask does is not done again
here: queue, priorities, and another try elsewhere when a worker dies.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
import importlib.util
import json
import logging
import re
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bilevel_core
from bilevel_core import interrupts
from bilevel_core.errors import InputError
from bilevel_core.record import RunConfig, RunRecord
from bilevel_core.sweep import progress, store, tunings
from bilevel_core.sweep.cluster_worker import shipped_compute, terms_of
from bilevel_core.sweep.executors import Executor, ExecutorError, Outcome, WorkerDiedError
from bilevel_core.sweep.keys import to_json
from bilevel_core.sweep.stock import fingerprints

if TYPE_CHECKING:
    from distributed import Client, Future, as_completed

Question = concurrent.futures.Future[str]
"""For a worker's answer."""

LOCAL = "local"
"""In place of an address: workers on this machine, for this sweep alone."""

# Seconds that a scheduler has to answer in.
PATIENCE = 5.0
# Seconds to wait for an answer at a time; one that takes longer may have gone with its worker.
FETCHING = 5.0
# Seconds between two looks at whether a run has ended, or Ctrl-C was pressed.
POLLING = 0.02
# How long a local cluster may be without any worker: one that died is back after a few seconds.
NO_WORKERS = "2 minutes"
# Deaths of local workers under one run before it is tried alone, where it has as many again.
ALLOWED_FAILURES = 1


class UnfitWorkerError(ExecutorError):
    """A worker would not measure what this process would."""


class SchedulerLostError(ExecutorError):
    """The scheduler has gone, or dropped this sweep."""


def check(address: str) -> None:
    """Check the form of an address, and that Dask is installed; asks nobody.

    Raises:
        InputError: what is wrong, and what is allowed or to be installed.
    """
    if importlib.util.find_spec("distributed") is None:
        raise InputError("dask: needs the extra 'cluster': pip install 'bilevel-bench[cluster]'")
    if address != LOCAL:
        _scheduler_at(address)


@contextlib.contextmanager
def connected(address: str, jobs: int) -> Iterator[Executor]:
    """The executor of a cluster: of the scheduler at this address, or of `jobs` local workers.

    address: HOST:PORT, tcp://HOST:PORT or the like, the path of a scheduler file, or "local".

    Raises:
        InputError: the address has another form, or no scheduler answers there.
    """
    with _local(jobs) if address == LOCAL else _remote(address) as client, _deaths_told(client):
        threads = sum(client.nthreads().values())
        if not threads:
            progress.say(f"no workers at {address} yet; waiting for them")
        execute = functools.partial(on_cluster, client=client)
        yield Executor(max(1, threads), execute, progress.Running())


def on_cluster(
    directory: Path, configs: Sequence[RunConfig], client: Client
) -> Generator[Outcome, None, None]:
    """Execute the runs on a cluster's workers and store them here, in the order in which they end.

    The first ones start first. Dask takes every run that was assigned to a dying worker for a
    suspect, also one that only waited there: suspects are tried again, each alone.

    Raises:
        WorkerDiedError: a run killed its workers when it was alone, too; the others are stored.
        UnfitWorkerError: a worker has other code, or several threads.
        SchedulerLostError: the scheduler has gone.
        OSError: a file cannot be written.
    """
    suspects = yield from _once(directory, configs, client)
    killers = []
    for suspect in suspects:
        killers += yield from _once(directory, [suspect], client)
    if killers:
        named = "; ".join(map(progress.describe, killers))
        raise WorkerDiedError(f"every worker that took it died: {named}")


def _once(
    directory: Path, configs: Sequence[RunConfig], client: Client
) -> Generator[Outcome, None, list[RunConfig]]:
    """One attempt at some runs; gives those that Dask gave up because workers died."""
    from distributed import KilledWorker, as_completed

    code, shipped, suspects = fingerprints(), shipped_compute(), []
    questions: dict[Any, Question] = {}
    # Names of their own, lest another sweep on the cluster be given this one's answers.
    waiting: dict[Any, RunConfig] = {
        f"bilevel-run-{client.id}-{uuid.uuid4().hex}": config for config in configs
    }
    with interrupts.deferred():
        futures = [
            client.submit(shipped, _order(directory, config, code), key=name, priority=-n)
            for n, (name, config) in enumerate(waiting.items())
        ]
        completed = as_completed(futures, loop=client.loop)
        # Dask forgets an answer when nobody refers to its future any more.
        del futures
    while not completed.is_empty():
        outcome = None
        # An exception that a signal raises while Dask's callbacks run would be lost in them.
        with interrupts.deferred() as stop_if_asked:
            future = _next(completed, stop_if_asked)
            error = future.exception() if future.status == "error" else None
            if isinstance(error, KilledWorker):
                suspects.append(waiting[future.key])
            elif error is not None:
                raise _explained(error)
            elif (answer := _fetched(future, questions)) is None:
                completed.add(future)
            else:
                outcome = _stored(directory, waiting[future.key], answer, code)
        if outcome is not None:
            yield outcome
    return suspects


def _next(completed: as_completed, stop_if_asked: Callable[[int], None]) -> Future[str]:
    while not completed.has_ready():
        stop_if_asked(0)
        time.sleep(POLLING)
    return next(completed)


def _asked(future: Future[str]) -> Question:
    """A question for a worker's answer, never to be cancelled: Dask joins later ones to it."""
    asking = future.client.gather(future, asynchronous=True)
    return asyncio.run_coroutine_threadsafe(asking, future.client.loop.asyncio_loop)


def _fetched(future: Future[str], questions: dict[Any, Question]) -> Any:
    """A worker's answer; None when it is late, or went down with the worker and is made again.

    questions: those that are still open, by key.
    """
    from distributed import CancelledError, KilledWorker

    question = questions.pop(future.key, None) or _asked(future)
    concurrent.futures.wait([question], timeout=FETCHING)
    if not question.done():
        questions[future.key] = question
        return None
    try:
        return json.loads(question.result())
    except (OSError, CancelledError, KilledWorker) as error:
        if future.status in ("pending", "error"):
            return None
        raise SchedulerLostError(f"the Dask scheduler has gone: {error}") from error


def _explained(error: BaseException) -> BaseException:
    """What is told of an error outside of any run."""
    from distributed.scheduler import NoWorkerError

    if isinstance(error, NoWorkerError):
        return WorkerDiedError("the cluster has had no worker for too long")
    if isinstance(error, ImportError) and (error.name or "").startswith("bilevel_core"):
        return UnfitWorkerError(
            f"a worker cannot import bilevel-bench {bilevel_core.__version__}: {error}; install "
            "this version for every worker"
        )
    return error


# What this process does for a run.


def _order(directory: Path, config: RunConfig, code: Callable[[RunConfig], str]) -> str:
    kept = (tunings.read(tunings.path_of(directory, name)) for name in tunings.keys(config))
    searches = [search.to_dict() for search in kept if search is not None]
    terms = terms_of(code(config), 1)
    return to_json({"config": config.to_dict(), "searches": searches, "terms": terms})


def _stored(
    directory: Path, config: RunConfig, answer: Any, code: Callable[[RunConfig], str]
) -> Outcome:
    from bilevel_core.tuning import Tuning

    _check_terms(config, answer, terms_of(code(config), 1))
    if "failure" in answer:
        return Outcome(config, "failed", answer["failure"])
    record = RunRecord.from_dict(answer["record"])
    for search in map(Tuning.from_dict, answer["searches"]):
        tunings.write(directory, search)
    store.write(directory, record)
    return Outcome(config, record.status, record.reason)


def _check_terms(config: RunConfig, answer: Any, ours: dict[str, Any]) -> None:
    where, theirs = answer["worker"], answer["terms"]
    if theirs["version"] != ours["version"]:
        raise UnfitWorkerError(
            f"worker {where} has bilevel-bench {theirs['version']}, and this process "
            f"{ours['version']}: install one version everywhere and restart the workers"
        )
    if theirs["threads"] != ours["threads"]:
        raise UnfitWorkerError(
            f"worker {where} has {theirs['threads']} threads, and a run needs a worker of one: "
            "start workers with --nthreads 1"
        )
    if theirs["code"] not in ("", ours["code"]):
        raise UnfitWorkerError(
            f"worker {where} has other code of {config.solver} on {config.problem} than this "
            "process: give both the same files at the same paths, and start both anew"
        )


# Clusters.


@contextlib.contextmanager
def _remote(address: str) -> Iterator[Client]:
    from distributed import Client

    found = _scheduler_at(address)
    try:
        # A client that finds nobody takes long to give up, and says so more than once.
        with concurrent.futures.ThreadPoolExecutor(1) as aside:
            aside.submit(asyncio.run, _greeted(found)).result()
        client = Client(found, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        why = str(error) or "it accepts connections and then says nothing"
        raise InputError(f"dask: no Dask scheduler answers at {found!r}: {why}") from error
    with client:
        yield client


async def _greeted(address: str) -> None:
    """Connect to a scheduler, and leave."""
    from distributed.comm.core import connect
    from distributed.security import Security

    arguments = Security().get_connection_args("client")
    # Dask bounds the time to connect, and not the time to be greeted.
    comm = await asyncio.wait_for(connect(address, PATIENCE, **arguments), 2 * PATIENCE)
    await comm.close()


def _scheduler_at(text: str) -> str:
    """A scheduler's address, where need be out of its file."""
    path = Path(text)
    if path.is_file():
        try:
            return str(json.loads(path.read_text(encoding="utf-8"))["address"])
        except (OSError, ValueError, LookupError, TypeError) as error:
            why = "expected JSON with an address"
            raise InputError(f"dask: {text!r} is no scheduler file: {why}") from error
    if not re.fullmatch(r"([a-z]+://)?[^/\s]+:\d+", text):
        raise InputError(
            f"dask: expected tcp://HOST:PORT, a scheduler file that exists, or {LOCAL}, "
            f"got {text!r}"
        )
    return text


@contextlib.contextmanager
def _local(jobs: int) -> Iterator[Client]:
    """A scheduler and its workers on loopback, without a dashboard, each of one thread."""
    import dask
    from distributed import Client, LocalCluster

    settings = {
        # One run at a time is assigned to a worker, so that no other becomes a suspect with it.
        "distributed.scheduler.worker-saturation": 1.0,
        "distributed.scheduler.no-workers-timeout": NO_WORKERS,
    }
    scheduler = {
        "allowed_failures": ALLOWED_FAILURES,
        "dashboard": False,
        "dashboard_address": "127.0.0.1:0",
    }
    with contextlib.ExitStack() as started:
        # Ctrl-C meanwhile is heard when all of it stands, and can be closed.
        tracker = resource_tracker.ensure_running
        with interrupts.deferred(), interrupts.deaf_children(tracker), dask.config.set(settings):
            cluster = LocalCluster(
                n_workers=jobs,
                threads_per_worker=1,
                host="127.0.0.1",
                memory_limit=0,
                silence_logs=logging.CRITICAL + 1,
                scheduler_kwargs=scheduler,
            )
            started.enter_context(cluster)
        yield started.enter_context(Client(cluster, set_as_default=False))


@contextlib.contextmanager
def _deaths_told(client: Client) -> Iterator[None]:
    """Say when a worker dies, or leaves, that runs of this sweep were assigned to."""

    def tell(event: tuple[float, Any]) -> None:
        what = event[1]
        if not isinstance(what, dict) or what.get("action") != "remove-worker":
            return
        lost = sum(client.id in str(name) for name in what.get("processing-tasks", ()))
        if lost and not what.get("expected"):
            progress.say(f"worker {what['worker']} has gone, with at most {lost} runs; going on")

    client.subscribe_topic("all", tell)
    try:
        yield
    finally:
        if client.status == "running":
            client.unsubscribe_topic("all")
