"""Worker processes that answer questions one at a time: one can be ended while the others go on.

Each is an executor of joblib's loky of its own, so that it is known which question a worker died
under, and no folders of joblib's are made. Of loky: `ProcessPoolExecutor` with `shutdown(
kill_workers=True)`, `BrokenProcessPool` and the exit codes in its message, `resource_tracker.
ensure_running`, and the text of a warning.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import re
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from bilevel_core import interrupts
from bilevel_core.sweep import progress

if TYPE_CHECKING:
    from joblib.externals.loky.process_executor import ProcessPoolExecutor

# Seconds between two looks of a worker at whether the process that started it still exists.
WATCH = 0.2
# How many workers a question may end.
TRIES = 2
ONE_THREAD = {
    f"{library}_NUM_THREADS": "1"
    for library in ("BLIS", "MKL", "NUMBA", "NUMEXPR", "OMP", "OPENBLAS")
} | {"VECLIB_MAXIMUM_THREADS": "1"}
"""A sum split over threads rounds differently."""

Question = TypeVar("Question")


class Ended(NamedTuple):
    """In place of an answer: how the worker ended, and whether for being late."""

    how: str
    late: bool


class Asked(NamedTuple, Generic[Question]):
    """A question that a worker is busy with."""

    question: Question
    worker: ProcessPoolExecutor
    since: float
    done: Callable[[], None]  # it is in progress no longer


def answers(
    answer: Callable[[Question], Any],
    questions: Iterable[Question],
    processes: int,
    describe: Callable[[Question], str],
    running: progress.Running,
    timeout: float | None = None,
) -> Iterator[tuple[Question, Any]]:
    """Each question with its answer, or `Ended`, as they come; the first ones are asked first.

    A question whose worker died is asked once more, last; one without an answer after `timeout`
    seconds is not. Whatever `answer` raises is raised here. All workers end with the generator.
    """
    waiting = deque((question, TRIES - 1) for question in questions)
    busy: dict[concurrent.futures.Future[Any], tuple[Asked[Question], int]] = {}
    idle: list[ProcessPoolExecutor] = []
    try:
        with quiet_renewal():
            while waiting or busy:
                while waiting and len(busy) < processes:
                    question, tries = waiting.popleft()
                    worker, future = _ask(idle, answer, question)
                    done = running.begin(describe(question))
                    busy[future] = Asked(question, worker, time.monotonic(), done), tries
                for future, ended in _over(busy, timeout):
                    asked, tries = busy.pop(future)
                    asked.done()
                    if ended is None:
                        idle.append(asked.worker)
                        yield asked.question, future.result()
                        continue
                    asked.worker.shutdown(kill_workers=True)
                    if ended.late or not tries:
                        yield asked.question, ended
                    else:
                        what = f"a worker died {ended.how} under {describe(asked.question)}"
                        progress.say(f"{what}; going on with a new one")
                        waiting.append((asked.question, tries - 1))
    finally:
        for worker in [*idle, *(asked.worker for asked, _ in busy.values())]:
            worker.shutdown(kill_workers=True)


def _over(
    busy: dict[concurrent.futures.Future[Any], tuple[Asked[Question], int]], timeout: float | None
) -> list[tuple[concurrent.futures.Future[Any], Ended | None]]:
    """Wait for the next that have ended, one way or the other."""
    from joblib.externals.loky.process_executor import BrokenProcessPool

    first = min(asked.since for asked, _ in busy.values())
    patience = None if timeout is None else max(0.0, first + timeout - time.monotonic())
    ended, others = concurrent.futures.wait(
        busy, patience, return_when=concurrent.futures.FIRST_COMPLETED
    )
    over: list[tuple[concurrent.futures.Future[Any], Ended | None]] = []
    for future in ended:
        error = future.exception()
        died = isinstance(error, BrokenProcessPool)
        found = re.search(r"{.*}", str(error))
        over.append((future, Ended(found[0] if found else "", late=False) if died else None))
    if timeout is not None:
        how = f"ended after {timeout:g} s without an answer"
        late = (f for f in others if time.monotonic() - busy[f][0].since >= timeout)
        over += [(future, Ended(how, late=True)) for future in late]
    return over


def _new() -> ProcessPoolExecutor:
    from joblib.externals.loky.process_executor import ProcessPoolExecutor

    return ProcessPoolExecutor(1, initializer=_prepare, initargs=(os.getpid(),), env=ONE_THREAD)


def _ask(
    idle: list[ProcessPoolExecutor], answer: Callable[[Question], Any], question: Question
) -> tuple[ProcessPoolExecutor, concurrent.futures.Future[Any]]:
    """Give a question to an idle worker, or to a new one, deaf to what this process handles."""
    from joblib.externals.loky.backend import resource_tracker as loky_tracker
    from joblib.externals.loky.process_executor import BrokenProcessPool

    with interrupts.deaf_children(resource_tracker.ensure_running, loky_tracker.ensure_running):
        while idle:
            worker = idle.pop()
            # One that died meanwhile says so now.
            with contextlib.suppress(BrokenProcessPool):
                return worker, worker.submit(answer, question)
        worker = _new()
        return worker, worker.submit(answer, question)


@contextlib.contextmanager
def quiet_renewal() -> Iterator[None]:
    """No warning where loky renews a worker whose memory has grown: no answer is lost by it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "A worker stopped while some jobs", UserWarning)
        yield


def _prepare(parent: int) -> None:
    """Once a worker: deaf to signals, its output no data, and gone when its parent is.

    Otherwise two sweeps might compute one run.
    """
    interrupts.ignore()
    os.dup2(2, 1)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH)
        os._exit(1)

    if os.getppid() != parent:
        os._exit(1)
    threading.Thread(target=watch, daemon=True).start()
