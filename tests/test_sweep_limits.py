"""Sweeps that meet a limit: of the disk, and of a run's time."""

import resource
import signal
import subprocess
import sys

import pytest
from commands import ROOT, SPECIFICATION, process

from bilevel_core.errors import InputError
from bilevel_core.sweep import store
from bilevel_core.sweep.runner import sweep
from bilevel_core.sweep.specification import load, parse

STILL = """
import time
from bilevel_core.solvers import register_solver
from bilevel_core.solvers.aid_bio import Params, State, cost_per_step, theory
from bilevel_core.solvers.aid_bio import step as aid_bio_step

def init(x0, y0):
    time.sleep(600)

@register_solver("still")
def step(oracle, params, state):
    return aid_bio_step(oracle, params, state)
"""


def full_disk():
    """A limit on the size of files, which run files exceed, stands for a disk that is full."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_full_disk_is_named_and_the_same_command_resumes(tmp_path, swept, jobs):
    # After `swept` the code is compiled; a cache that cannot grow would say so in another line.
    path, out = tmp_path / "spec.toml", tmp_path / "out"
    path.write_text(SPECIFICATION)
    words = "sweep", path, "--out", out, "--jobs", jobs
    result = process(*words, preexec_fn=full_disk)
    assert (result.returncode, result.stdout) == (1, "")
    last = result.stderr.splitlines()[-1]
    assert last.startswith(f"error: {out}/runs/")
    assert last.endswith(".json: File too large; the same command resumes")
    assert not store.being_written(out)
    assert store.paths(out) == []
    assert sweep(load(path), out).statuses == {"ok": 15}


def test_a_full_standard_output_is_told():
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "bilevel_core", "list"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
    told = "error: standard output: No space left on device\n"
    assert (result.returncode, result.stderr) == (1, told)


def specification(**changes):
    grid = {"problem": "hard", "solvers": ["aid_bio"], "kappa": [4.0], "eps": [0.5]}
    return parse({"name": "small", "grid": [grid | {"seeds": [0, 1]} | changes]})


def test_a_run_without_an_answer_is_ended_and_has_failed(tmp_path):
    (tmp_path / "still.py").write_text(STILL)
    wanted = specification(solvers=[f"{tmp_path / 'still.py'}:still"], seeds=[0])
    summary = sweep(wanted, tmp_path / "out", run_timeout=1)
    assert summary.statuses == {"failed": 1}
    (late,) = store.records(tmp_path / "out")
    assert (late.status, late.reason) == ("failed", "ended after 1 s without an answer")
    assert {row["status"] for row in late.rows()} == {"failed"}


def test_a_timeout_is_a_positive_number_and_no_matter_of_dask(tmp_path):
    for timeout in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="run_timeout: expected a finite number > 0"):
            sweep(specification(), tmp_path, run_timeout=timeout)
    with pytest.raises(InputError, match="run_timeout: expected none beside dask"):
        sweep(specification(), tmp_path, dask="local", run_timeout=1.0)
