"""Ctrl-C during a run or a sweep: what is being computed or written is finished first.

Every function here does nothing outside the main thread, the only one that Python lets handle
signals.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

# Longest wait, in seconds, for a worker's write to end; a write takes milliseconds.
PATIENCE = 2.0


@contextlib.contextmanager
def handled_by(handler: Any) -> Iterator[None]:
    """SIGINT goes to `handler` (a function or a signal constant) inside the block."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


@contextlib.contextmanager
def deferred() -> Iterator[Callable[[int], None]]:
    """Hold back the first SIGINT that arrives inside the block; gives a function that lets it out.

    An exception that a signal raises while compiled code hands its results back to Python crashes
    the interpreter. So a run calls the function where it may stop: it raises KeyboardInterrupt if a
    SIGINT was held back (its argument is ignored). So does the end of the block, and at once the
    second SIGINT. A process that ignores SIGINT goes on ignoring it.

    Raises:
        KeyboardInterrupt: at the end of the block, if a SIGINT was held back.
    """
    held: list[int] = []

    def hold(number: int, frame: FrameType | None) -> None:
        if held:
            raise KeyboardInterrupt
        held.append(number)

    def let_out(_: int = 0) -> None:
        if held:
            raise KeyboardInterrupt

    is_ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    with handled_by(signal.SIG_IGN if is_ignored else hold):
        yield let_out
    let_out()


def ignored() -> contextlib.AbstractContextManager[None]:
    """SIGINT does nothing inside the block; processes started in it inherit that."""
    return handled_by(signal.SIG_IGN)


def after_writes(writing: Callable[[], bool]) -> contextlib.AbstractContextManager[None]:
    """SIGINT inside the block raises KeyboardInterrupt once `writing()` is false."""

    def wait_then_raise(number: int, frame: FrameType | None) -> None:
        deadline = time.monotonic() + PATIENCE
        while writing() and time.monotonic() < deadline:
            time.sleep(0.01)
        raise KeyboardInterrupt

    return handled_by(wait_then_raise)
