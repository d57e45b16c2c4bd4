"""What workers gain and what predictions are worth: python benchmarks/scaling.py OUT.json.

Makes one specification (benchmarks/sweeps/scaling.toml) with one process and with one for each
core, in temporary directories, with compiled code on disk already.  Writes OUT.json, and a
paragraph beside it (OUT.md).
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.instrument import predictions, processes
from bilevel_core.environment import environment
from bilevel_core.sweep.atomic import write_text
from bilevel_core.sweep.specification import Specification, cells, load

SPECIFICATION = Path(__file__).parent / "sweeps" / "scaling.toml"
DUE = 0.85
"""Speed-up over the number of processes that is due."""


def warm_up(specification: Path, directory: Path) -> None:
    """Compile every solver on every family: make the runs of the least kappa and largest eps."""
    small = directory / "small.toml"
    small.write_text(_least(load(specification)), encoding="utf-8")
    processes.sweep(small, directory / "small", 1)


def _least(specification: Specification) -> str:
    """The TOML of a specification with one kappa, eps and seed a grid, and few outer steps."""
    lines = ['name = "small"']
    for grid in specification.grid:
        options = ", ".join(f"{name} = {json.dumps(value)}" for name, value in grid.options.items())
        lines += [
            "[[grid]]",
            f'problem = "{grid.problem}"',
            f"options = {{ {options} }}",
            f"solvers = {json.dumps(grid.solvers)}",
            f"policy = {json.dumps(grid.policy)}",
            f"kappa = [{min(grid.kappa)}]",
            f"eps = [{max(grid.eps)}]",
            f"seeds = [{grid.seeds[0]}]",
            "max_outer = 20",
        ]
    return "\n".join(lines) + "\n"


def measure(specification: Path, jobs: int) -> dict[str, Any]:
    """One process and `jobs` of them on the same specification; JSON-ready."""
    asked = cells(load(specification))
    with tempfile.TemporaryDirectory(prefix="bilevel-scaling-") as name:
        directory = Path(name)
        warm_up(specification, directory)
        one = processes.sweep(specification, directory / "one", 1)
        many = processes.sweep(specification, directory / "many", jobs)
        told = predictions.compare(directory / "one", asked)
    gain = one.seconds / many.seconds
    return {
        "specification": specification.name,
        "runs": sum(len(cell.configs) for cell in asked),
        "jobs": jobs,
        "seconds": {"1": one.seconds, str(jobs): many.seconds},
        "cpu_seconds": {"1": one.cpu, str(jobs): many.cpu},
        "speed_up": gain,
        "efficiency": gain / jobs,
        "due": DUE,
        "busy": [seconds / many.seconds for seconds in many.workers],
        "predictions": predictions.summary(told),
        "environment": environment(),
    }


def paragraph(found: dict[str, Any]) -> str:
    """The same in words."""
    jobs, seconds, cpu = found["jobs"], found["seconds"], found["cpu_seconds"]
    busy = ", ".join(f"{share:.0%}" for share in found["busy"]) or "not known"
    told = found["predictions"]
    within, worst = predictions.WITHIN, told["worst"]
    return (
        f"A sweep of {found['runs']} runs takes {seconds['1']:.0f} s in one process and "
        f"{seconds[str(jobs)]:.0f} s in {jobs}: a speed-up of {found['speed_up']:.2f}, "
        f"{found['efficiency']:.0%} of {jobs} (due: {found['due']:.0%}), from the start of the "
        f"command to its end. Workers are busy {busy} of that time, and all processes together "
        f"take {cpu[str(jobs)] / cpu['1']:.2f} times the CPU seconds of one. Predicted over actual "
        f"seconds has the median {told['median']:.2f} over {told['cells']} cells and lies within a "
        f"factor of {within:g} in {told[f'share_within_{within:g}']:.0%} of them; worst: "
        f"{worst['cell']}, {worst['predicted']:.2g} s predicted and {worst['actual']:.2g} s taken. "
        f"All cells together: {told['all_together']:.2f}.\n"
    )


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--specification", type=Path, default=SPECIFICATION)
    asked = parser.parse_args()
    found = measure(asked.specification, asked.jobs)
    write_text(asked.out, json.dumps(found, indent=1, allow_nan=False) + "\n")
    write_text(asked.out.with_suffix(".md"), paragraph(found))


if __name__ == "__main__":
    main()
