"""What is kept of asv's files, one a commit and machine, and what stands in them."""

from __future__ import annotations

import itertools
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any, NamedTuple

from bilevel_core.sweep.atomic import write_text

BESIDE = ("machine.json", "benchmarks.json")
ENVIRONMENT = "existing"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

Key = tuple[str, tuple[str, ...]]
"""The name of a benchmark, and its parameters as asv writes them."""


class Measured(NamedTuple):
    """The numbers of one commit; None where a benchmark failed. versions: of the benchmarks."""

    commit: str
    values: dict[Key, float | None]
    versions: dict[str, str]


def keep(found: Path, results: Path, machine: str) -> Path:
    """Copy asv's results of one commit; the path of the kept file.

    asv names the file, the environment and Python by the interpreter's path, which would begin
    another line in every graph for another checkout.
    """
    (results / machine).mkdir(parents=True, exist_ok=True)
    (source,) = paths(found, machine)
    content = json.loads(source.read_text(encoding="utf-8"))
    described = description(machine)
    content |= {"env_name": ENVIRONMENT, "python": PYTHON}
    content["params"] = described | {"python": PYTHON}
    path = results / machine / f"{content['commit_hash'][:8]}-{ENVIRONMENT}.json"
    write_text(results / "benchmarks.json", (found / "benchmarks.json").read_text("utf-8"))
    write_text(
        results / machine / "machine.json", json.dumps(described | {"version": 1}, indent=1) + "\n"
    )
    write_text(path, json.dumps(content, indent=1) + "\n")
    return path


def description(machine: str) -> dict[str, str]:
    """What kind of machine this is.

    Coarse on purpose: another word begins another line in every graph, and asv's own would change
    with each update of the system.
    """
    return {
        "machine": machine,
        "os": platform.system(),
        "arch": platform.machine(),
        "num_cpu": str(os.cpu_count()),
    }


def paths(results: Path, machine: str) -> list[Path]:
    """The files of all commits on one machine."""
    return sorted(p for p in (results / machine).glob("*.json") if p.name not in BESIDE)


def recorded(results: Path, machine: str) -> dict[str, Path]:
    """The files by the full hash of their commit."""
    found = {}
    for path in paths(results, machine):
        found[json.loads(path.read_text(encoding="utf-8"))["commit_hash"]] = path
    return found


def read(path: Path) -> Measured:
    """The numbers of one commit."""
    content = json.loads(path.read_text(encoding="utf-8"))
    values: dict[Key, float | None] = {}
    versions: dict[str, str] = {}
    for name, cells in content["results"].items():
        row: dict[str, Any] = dict(zip(content["result_columns"], cells, strict=False))
        places = list(itertools.product(*row["params"]))
        numbers = row["result"] if row["result"] is not None else [None] * len(places)
        values |= {(name, place): x for place, x in zip(places, numbers, strict=True)}
        versions[name] = row["version"]
    return Measured(content["commit_hash"], values, versions)


def failed(measured: Measured) -> list[str]:
    """The benchmarks without a number, as lines."""
    return [label(key) for key, value in measured.values.items() if value is None]


def label(key: Key) -> str:
    """A benchmark with its parameters, as asv writes it."""
    name, place = key
    return f"{name}({', '.join(place)})" if place else name
