"""Throughput against batch on a CUDA device and the CPU: python benchmarks/gpu.py OUTDIR.

AID-BiO on `quadratic`, from many starts at once: the CPU, the device step by step, and the device
with replayed steps.  One small sweep's exponents from both stand beside them.  Writes gpu.json,
gpu.md, gpu.pdf and gpu.png.
"""

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import bilevel_core as bl
import problems
from bilevel_core import solvers
from bilevel_core.engines.torch import TorchSession
from bilevel_core.environment import environment
from bilevel_core.policies import params_for
from bilevel_core.report.saving import raster, vector
from bilevel_core.sweep.atomic import write_bytes, write_text

BATCHES = (1, 10, 100, 1_000, 10_000, 100_000)
SOLVER, DIM, KAPPA = "aid_bio", 8, 32.0
WARM_UP, STEPS, REPEATS = 3, 50, 3
KAPPAS, EPS = (4.0, 8.0, 16.0, 32.0), (0.3, 0.1, 0.03)


def step_by_step(work, rehearse, generators, device):
    """A recorder that records nothing."""
    return work


MODES = {
    "cpu": {"device": "cpu"},
    "cuda, step by step": {"device": "cuda", "record": step_by_step},
    "cuda, replayed": {"device": "cuda"},
}


def open_batch(batch, **arguments):
    """Runs of one problem from different starts, past their first steps."""
    problem, solver = problems.make("quadratic", kappa=KAPPA, dim=DIM), solvers.get(SOLVER)
    starts = 0.1 * np.random.default_rng(0).normal(size=(batch, DIM))
    instances = [dataclasses.replace(problem, x0=start) for start in starts]
    params = params_for(solver, problem, "sharp", {}, 0.1)
    session = TorchSession(instances, solver, params, **arguments)
    session.advance(WARM_UP)
    return session


def throughput(batch, **arguments):
    """Instance-steps and oracle calls a second, the best of several chunks."""
    session, best = open_batch(batch, **arguments), 0.0
    for _ in range(REPEATS):
        before = session.seconds
        chunk = session.advance(STEPS)
        best = max(best, batch * len(chunk.squared) / (session.seconds - before))
    calls = int((chunk.ledgers[-1, 0, 0] - chunk.ledgers[0, 0, 0]).sum()) / len(chunk.squared)
    return {"instance_steps_per_second": best, "calls_per_second": calls * best}


def exponents(device):
    """Exponents of kappa and 1/eps of a small sweep, with their intervals."""
    rows = []
    for kappa in KAPPAS:
        instances = [problems.make("quadratic", kappa=kappa, dim=DIM, seed=s) for s in range(4)]
        for record in bl.run_many(
            instances, SOLVER, EPS, "sharp", engine="torch", device=device, max_outer=200_000
        ):
            rows += [row for row in record.rows() if row["criterion"] == "average"]
    frame, found = pd.DataFrame(rows), {}
    for quantity in ("outer", "gc_g", "hv"):
        fitted = bl.fit(frame, y=quantity)
        for axis in ("kappa", "eps"):
            exponent = getattr(fitted, axis)
            found[f"{quantity} in {axis}"] = [exponent.value, exponent.low, exponent.high]
    return {
        "exponents": found,
        "counts": frame[["kappa", "eps", "seed", "outer", "gc_g", "hv"]].to_dict("records"),
    }


def figure(speeds):
    """Oracle calls a second against the batch."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    drawn, axes = plt.subplots(figsize=(5.0, 3.5), dpi=160, layout="constrained")
    for mode, found in speeds.items():
        calls = [found[str(batch)]["calls_per_second"] for batch in BATCHES]
        axes.loglog(BATCHES, calls, "o-", label=mode)
    axes.set_xlabel("instances in a batch")
    axes.set_ylabel("oracle calls a second")
    axes.legend()
    return drawn


def page(report):
    """The report as Markdown."""
    what = f"`{SOLVER}` on `quadratic`, dim {DIM}, kappa {KAPPA:g}; {report['device']}"
    lines = [
        f"Oracle calls a second of {what}.",
        "",
        f"| batch | {' | '.join(MODES)} |",
        f"|---|{'---|' * len(MODES)}",
    ]
    for batch in BATCHES:
        speeds = [report["speed"][mode][str(batch)]["calls_per_second"] for mode in MODES]
        lines.append(f"| {batch} | {' | '.join(f'{speed:.3g}' for speed in speeds)} |")
    lines += ["", "| exponent | cpu | cuda |", "|---|---|---|"]
    both = [report["sweep"][device]["exponents"] for device in ("cpu", "cuda")]
    for name in both[0]:
        cells = ("{:.3f} [{:.3f}, {:.3f}]".format(*found[name]) for found in both)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    same = report["sweep"]["cpu"]["counts"] == report["sweep"]["cuda"]["counts"]
    lines += ["", f"Counts of the sweep on both devices are {'equal' if same else 'different'}."]
    return "\n".join(lines) + "\n"


def main(arguments):
    """Measure and write; 2 where that cannot be."""
    if len(arguments) != 1:
        sys.stderr.write("expected: python benchmarks/gpu.py OUTDIR\n")
        return 2
    if not torch.cuda.is_available():
        sys.stderr.write("benchmarks/gpu.py: this machine has no CUDA device\n")
        return 2
    directory = Path(arguments[0])
    directory.mkdir(parents=True, exist_ok=True)
    report = {
        "device": torch.cuda.get_device_name(),
        "cuda": torch.version.cuda,
        "environment": environment(),
        "cpu_threads": torch.get_num_threads(),
        "speed": {
            mode: {str(batch): throughput(batch, **given) for batch in BATCHES}
            for mode, given in MODES.items()
        },
        "sweep": {device: exponents(device) for device in ("cpu", "cuda")},
    }
    write_text(directory / "gpu.json", json.dumps(report, indent=2) + "\n")
    write_text(directory / "gpu.md", page(report))
    drawn = figure(report["speed"])
    write_bytes(directory / "gpu.pdf", vector(drawn))
    write_bytes(directory / "gpu.png", raster(drawn))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
