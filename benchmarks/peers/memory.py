"""Peak memory of the large cases, each variant in a process of its own."""

from __future__ import annotations

import importlib
import json
import resource
import subprocess
import sys

LARGE = {"hypercleaning": 0, "sparse": 0}
"""Modules, and which of their cases."""


def peaks() -> list[dict[str, object]]:
    """Peak resident megabytes of every variant, and of a process that only makes the data."""
    return [
        {"group": group, "megabytes": {name: _peak(group, name) for name in _names(group)}}
        for group in LARGE
    ]


def _names(group: str) -> list[str]:
    code = f"from benchmarks.peers.memory import names; names({group!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    return ["data alone", *json.loads(done.stdout.splitlines()[-1])]


def _peak(group: str, name: str) -> float:
    code = f"from benchmarks.peers.memory import run; run({group!r}, {name!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    return float(done.stdout.splitlines()[-1])


def names(group: str) -> None:
    """Print the variants of a group as JSON."""
    case = next(iter(importlib.import_module(f"benchmarks.peers.{group}").cases()))
    print(json.dumps([*case.ours, *case.peers]))  # noqa: T201


def run(group: str, name: str) -> None:
    """Run one variant twice and print the process's peak resident memory in megabytes."""
    case = next(iter(importlib.import_module(f"benchmarks.peers.{group}").cases()))
    for _ in range(0 if name == "data alone" else 2):
        {**case.ours, **case.peers}[name]()
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(kilobytes / 1024)  # noqa: T201
