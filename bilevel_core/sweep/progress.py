"""What a sweep says while it runs: a bar with the remaining time, or occasional lines.

All of it goes to standard error. Progress is in the predicted seconds of each run, its work, not in
the number of runs, so that the remaining time is right although large kappa takes far longer. Runs
of no work are those that compile first: the clock starts after them.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from bilevel_core.errors import one_line, printable

if TYPE_CHECKING:
    from bilevel_core.record import RunConfig

# Seconds between two lines where there is no terminal to draw a bar on.
PERIOD = 30.0
# Seconds without any news after which what is in progress is named.
STALLED = 120.0
LONGEST = 1000
"""Characters of a line."""


Advance = Callable[[float], None]
"""Called after each run with the work that it was predicted to be."""


class Running:
    """What is being computed now, for those who ask why nothing ends."""

    def __init__(self) -> None:
        self._names: dict[object, str] = {}
        self.changed = time.monotonic()

    def begin(self, name: str) -> Callable[[], None]:
        """From now on this is in progress, until the function that this gives is called."""
        token = object()
        self._names[token] = name
        self.changed = time.monotonic()

        def done() -> None:
            del self._names[token]
            self.changed = time.monotonic()

        return done

    def __str__(self) -> str:
        return "; ".join(self._names.copy().values())


@contextlib.contextmanager
def stalls_told(running: Running, patience: float = STALLED) -> Iterator[None]:
    """Name what is in progress where nothing begins or ends for long, twice as long each time."""
    over = threading.Event()

    def look() -> None:
        waited = patience
        while not over.wait(waited / 4):
            since = time.monotonic() - running.changed
            if since < waited / 2:
                waited = patience
            elif since >= waited and (names := str(running)):
                say(f"nothing has ended for {duration(since)}; in progress: {names}")
                waited *= 2

    threading.Thread(target=look, daemon=True).start()
    try:
        yield
    finally:
        over.set()


def describe(config: RunConfig) -> str:
    """One run in a few words: "aid_bio on hard, kappa 16, seed 0"."""
    return printable(
        f"{config.solver} on {config.problem}, kappa {config.kappa:g}, seed {config.seed}"
    )


def say(line: str) -> None:
    """One line on standard error, of printable characters."""
    sys.stderr.write(f"{one_line(line, LONGEST)}\n")
    sys.stderr.flush()


@contextlib.contextmanager
def shown(runs: int, work: float) -> Iterator[Advance]:
    """Progress over `runs` runs of total predicted `work`, on a bar or in lines."""
    show = _bar if sys.stderr.isatty() else _lines
    with show(runs, work) as advance:
        yield advance


@contextlib.contextmanager
def _bar(runs: int, work: float) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.fields[done]}/{task.fields[runs]} runs"),
        BarColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    done = 0
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("sweep", total=work, done=0, runs=runs)

        def advance(work: float) -> None:
            nonlocal done
            done += 1
            progress.update(task, advance=work, done=done)

        yield advance


@contextlib.contextmanager
def _lines(
    runs: int, work: float, clock: Callable[[], float] = time.monotonic
) -> Iterator[Advance]:
    started = said = clock()
    done = 0
    worked = 0.0

    def advance(piece: float) -> None:
        nonlocal started, said, done, worked
        done += 1
        worked += piece
        now = clock()
        if not worked:
            started = now
        if now - said >= PERIOD:
            said = now
            remaining = (now - started) * (work - worked) / worked if worked else None
            left = "compiling" if remaining is None else f"about {duration(remaining)} left"
            say(f"{done}/{runs} runs, {left}")

    yield advance


def duration(seconds: float) -> str:
    """Seconds in words: "45 s", "3 min", "2 h 5 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def compact(number: float) -> str:
    """A number in few characters, at most three digits of it: "3.2e12", "1e9", "540"."""
    mantissa, e, exponent = f"{number:.3g}".partition("e")
    return f"{mantissa}e{int(exponent)}" if e else mantissa
