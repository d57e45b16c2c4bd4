"""Dask clusters on loopback for tests, the sweeps that run on them, and what is started by hand."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from bilevel_core.sweep import store
from bilevel_core.sweep.merge import outcome
from bilevel_core.sweep.specification import parse

ROOT = Path(__file__).parent.parent
RUNS = 40
TEXT = """
name = "t"
[[grid]]
problem = "hard"
solvers = ["aid_bio"]
kappa = [4, 6, 8, 10]
eps = [0.3, 0.1]
seeds = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
"""

PLUGIN = """
from typing import Any, NamedTuple
from bilevel_core.cost import Cost
from bilevel_core.oracle import grad_x_f, grad_y_g
from bilevel_core.solvers import register_solver

class Params(NamedTuple):
    alpha: float

class State(NamedTuple):
    x: Any
    y: Any

def init(x0, y0):
    return State(x0, y0)

@register_solver("own")
def step(oracle, params, state):
    x, y = state
    y = y - params.alpha * grad_y_g(oracle, x, y)
    return State(x - 1.0 * params.alpha * grad_x_f(oracle, x, y), y)

def cost_per_step(params, k):
    return Cost(grad_x_f=1, grad_y_g=1)

def theory(constants, eps):
    return Params(1.0 / constants.L)
"""
DEADLY = PLUGIN.replace("return State(x0, y0)", "import os; os._exit(3)")


def grid(**changes):
    """Four quick runs, as a specification."""
    table = {"problem": "hard", "solvers": ["aid_bio"], "kappa": [4.0, 5.0], "eps": [0.5]}
    return parse({"name": "small", "grid": [table | {"seeds": [0, 1]} | changes]})


ENDLESS = {"kappa": [64.0], "seeds": [0], "eps": [1e-9], "max_outer": 10**12, "max_seconds": 60}
TUNED = {
    "policy": "tuned",
    "kappa": [4.0],
    "eps": [0.2, 0.1],
    "max_outer": 100000,
    "tuning": {"candidates": 4, "refinements": 2, "instances": 1, "held_out": 1},
}


@contextlib.contextmanager
def workers(number, **settings):
    """A scheduler and its workers, as Dask starts them by default, but on loopback alone."""
    import distributed

    servers = {"scheduler_kwargs": {"dashboard": False, "dashboard_address": "127.0.0.1:0"}}
    with distributed.LocalCluster(
        n_workers=number,
        host="127.0.0.1",
        memory_limit=0,
        silence_logs="CRITICAL",
        **({"threads_per_worker": 1} | servers | settings),
    ) as found:
        yield found


def outcomes(directory):
    """What every run measured, by key; fails on any file that is not intact."""
    found = {path.stem: store.read(path) for path in store.paths(directory)}
    assert not [record for record in found.values() if isinstance(record, store.Damaged)]
    return {name: outcome(record.to_dict()) for name, record in found.items()}


def plug_in(path, text):
    """A solver's file that was there before this process, as it was before any worker."""
    path.write_text(text)
    os.utime(path, (1, 1))


@contextlib.contextmanager
def command(specification, out, *words):
    """A sweep in a process group of its own, which does not outlive the block."""
    with subprocess.Popen(
        [sys.executable, "-m", "bilevel_core", "sweep", specification, "--out", out, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=ROOT,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


@contextlib.contextmanager
def dask(*words):
    """A command of Dask's in a process group of its own, which does not outlive the block."""
    with subprocess.Popen(
        [sys.executable, "-m", "dask", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd=ROOT,
    ) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def wait_for_files(process, out, number):
    deadline = time.monotonic() + 120
    while len(store.paths(out)) < number:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def listening():
    """Addresses and ports on which this process and its children listen."""
    import psutil

    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    found = [each for process in processes for each in process.net_connections()]
    return {tuple(each.laddr) for each in found if each.status == psutil.CONN_LISTEN}
