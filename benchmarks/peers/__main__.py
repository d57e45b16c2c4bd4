"""Measure this package against JAX and NumPy: `python -m benchmarks.peers OUTDIR`.

Writes OUTDIR/peers.json, peers.md and peers.png.  Each group of cases runs in a process of its own,
on one processor and one thread, so that its peak memory and its clock are its own.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

GROUPS = ("dense", "stochastic", "hypercleaning", "sparse")
SINGLE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}


def main() -> None:
    """Measure what is asked for, keep what is stored of the rest, and write the page anew."""
    from benchmarks.peers.page import write

    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("out", type=Path, metavar="OUTDIR")
    parser.add_argument("--only", nargs="+", choices=(*GROUPS, "memory", "counting", "sweep"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    stored = arguments.out / "peers.json"
    report = json.loads(stored.read_text()) if stored.exists() else {}
    for group in arguments.only or (*GROUPS, "memory", "counting", "sweep"):
        sys.stderr.write(f"{group}\n")
        report[group] = _measured(group)
        write(arguments.out, report)


def _measured(group: str) -> Any:
    """What a process of its own finds."""
    environment = os.environ | SINGLE_THREAD
    code = f"from benchmarks.peers.__main__ import child; child({group!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def child(group: str) -> None:
    """Measure one group in this process and print what was found as JSON."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    if group in GROUPS:
        from benchmarks.peers.measure import measure

        module = importlib.import_module(f"benchmarks.peers.{group}")
        found: Any = []
        for case in module.cases():
            found.append(measure(case))
            sys.stderr.write(f"  {found[-1]['title']}: {found[-1]['ratio']:.2f}\n")
    elif group == "memory":
        from benchmarks.peers.memory import peaks

        found = peaks()
    elif group == "counting":
        from benchmarks.peers.counting import cost

        found = cost()
    else:
        from benchmarks.peers.sweep import compare

        found = compare()
    print(json.dumps(found))  # noqa: T201


if __name__ == "__main__":
    main()
