"""A sweep in a process of its own, and how busy its worker processes are (Linux)."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PERIOD = 0.1
"""Seconds between two looks at the workers, whose last moments go unseen."""
WORKER = b"popen_loky"
"""In the command line of a worker process of joblib's."""


class Sweep(NamedTuple):
    """Wall seconds of the command from start to end, its CPU seconds, and those of each worker."""

    seconds: float
    cpu: float
    workers: list[float]


def sweep(specification: Path, out: Path, jobs: int) -> Sweep:
    """Run `bilevel-bench sweep` and watch it.

    Raises:
        RuntimeError: it did not exit with 0.
    """
    arguments = [str(specification), "--out", str(out), "--jobs", str(jobs)]
    log = out.with_name(f"{out.name}.log")
    started, before = time.perf_counter(), _cpu_of_children()
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "bilevel_core", "sweep", *arguments],
            stdout=errors,
            stderr=errors,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        busy: dict[int, float] = {}
        while process.poll() is None:
            busy |= dict(_workers(process.pid))
            time.sleep(PERIOD)
    if process.returncode:
        raise RuntimeError(f"sweep exited with {process.returncode}: {log.read_text()[-500:]}")
    return Sweep(
        time.perf_counter() - started,
        _cpu_of_children() - before,
        sorted(busy.values(), reverse=True),
    )


def _cpu_of_children() -> float:
    """CPU seconds of all processes that this one has started, and they, and that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def _workers(parent: int) -> Iterator[tuple[int, float]]:
    """Process and CPU seconds of each worker that a process has started."""
    tick = os.sysconf("SC_CLK_TCK")
    for thread in Path(f"/proc/{parent}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a process that ends while it is looked at
            for child in thread.read_text().split():
                if WORKER in Path(f"/proc/{child}/cmdline").read_bytes():
                    fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
                    yield int(child), (int(fields[11]) + int(fields[12])) / tick
