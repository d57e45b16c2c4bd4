"""Ctrl-C and SIGTERM during a run or a sweep: what is being computed or written is finished first.

Every function here does nothing outside the main thread, the only one that Python lets handle
signals. A process that ignores a signal goes on ignoring it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Longest wait, in seconds, for a worker's write to end; a write takes milliseconds.
PATIENCE = 2.0
# The one that ends a process at once, whatever it does.
LAST = 3


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived; in all else as Ctrl-C."""


def asked_by(number: int) -> KeyboardInterrupt:
    """What a signal raises."""
    return Terminated() if number == signal.SIGTERM else KeyboardInterrupt()


@contextlib.contextmanager
def handled_by(handler: Any) -> Iterator[None]:
    """Both signals go to `handler` (a function or a signal constant) inside the block."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    previous = [(number, signal.signal(number, handler)) for number in heard]
    try:
        yield
    finally:
        for number, before in previous:
            signal.signal(number, before)


@contextlib.contextmanager
def deferred() -> Iterator[Callable[[int], None]]:
    """Hold back the first signal that arrives inside the block; gives a function that lets it out.

    An exception that a signal raises while compiled code hands its results back to Python crashes
    the interpreter. So a run calls the function where it may stop: it raises KeyboardInterrupt if a
    signal was held back (its argument is ignored). So does the end of the block, and at once the
    second signal.

    Raises:
        KeyboardInterrupt: at the end of the block, if a signal was held back.
    """
    held: list[int] = []

    def hold(number: int, frame: FrameType | None) -> None:
        if held:
            raise asked_by(number)
        held.append(number)

    def let_out(_: int = 0) -> None:
        if held:
            raise asked_by(held[0])

    with handled_by(hold):
        yield let_out
    let_out()


def raised() -> contextlib.AbstractContextManager[None]:
    """A signal inside the block raises KeyboardInterrupt at once, SIGTERM its subclass."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise asked_by(number)

    return handled_by(stop)


def after_writes(writing: Callable[[], bool]) -> contextlib.AbstractContextManager[None]:
    """A signal inside the block raises KeyboardInterrupt once `writing()` is false."""

    def wait_then_raise(number: int, frame: FrameType | None) -> None:
        deadline = time.monotonic() + PATIENCE
        while writing() and time.monotonic() < deadline:
            time.sleep(0.01)
        raise asked_by(number)

    return handled_by(wait_then_raise)


def ignore() -> None:
    """Both signals do nothing in this process any more."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def ended_by_the_last() -> Iterator[None]:
    """The third signal inside the block ends this process at once, whatever it is doing.

    Python's own handlers wait for compiled code to return, which a step may never do. So a thread
    counts the signals, which Python writes to a pipe: it runs because that code holds no lock of
    Python's (`engines.specialisation`).
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    previous = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_count, args=[reader], daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(previous)
        os.close(writer)


def _count(reader: int) -> None:
    heard = 0
    with open(reader, "rb", buffering=0) as signals:
        while number := signals.read(1):
            heard += number[0] in SIGNALS
            if heard == LAST:
                os.write(2, b"ended at once\n")
                os._exit(128 + number[0])


@contextlib.contextmanager
def deaf_children(*starters: Callable[[], None]) -> Iterator[None]:
    """Processes and threads started in the block do not notice Ctrl-C, for ever.

    A terminal sends it to every process, and one alone handles it.

    starters: of trackers of resources, which lift what blocks Ctrl-C from the thread that happens
    to need them first.
    """
    for start in starters:
        start()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
