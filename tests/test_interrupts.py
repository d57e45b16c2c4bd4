"""Signals: the first is held back, the second ends, the third ends at once whatever is computed."""

import os
import signal
import subprocess
import sys
import time

import pytest
from commands import ROOT, run_options

from bilevel_core import interrupts
from bilevel_core.cli.guard import guarded

ENDLESS = """
from typing import NamedTuple
import bilevel_core as bl
from bilevel_core.oracle import grad_y_g

class Params(NamedTuple):
    beta: float

class State(NamedTuple):
    x: object
    y: object

def init(x0, y0):
    return State(x0, y0)

@bl.register_solver("endless")
def step(oracle, params, state):
    h = grad_y_g(oracle, state.x, state.y)
    print("inside")
    n = 0
    while h[0] < 1e300:
        n += 1
    return State(state.x - params.beta * n, state.y)

def cost_per_step(params, k):
    return bl.Cost(grad_y_g=1)

def theory(constants, eps):
    return Params(0.1)
"""


def press(process, number):
    os.kill(process.pid, number)
    time.sleep(0.2)  # two signals that are not taken yet are one


def test_the_third_signal_ends_a_compiled_step_that_never_returns(tmp_path):
    (tmp_path / "endless.py").write_text(ENDLESS)
    words = run_options(solver=f"{tmp_path / 'endless.py'}:endless")
    with subprocess.Popen(
        [sys.executable, "-m", "bilevel_core", *words],
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        try:
            assert process.stderr.readline() == "inside\n"
            press(process, signal.SIGINT)
            press(process, signal.SIGINT)
            assert process.poll() is None
            press(process, signal.SIGINT)
            assert process.wait(60) == 130
            assert process.stderr.read() == "ended at once\n"
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("number", "kind"),
    [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, interrupts.Terminated)],
)
def test_the_first_is_held_back_and_the_second_is_not(number, kind):
    reached = []

    def press_twice():
        with interrupts.deferred():
            signal.raise_signal(number)
            reached.append(1)
            signal.raise_signal(number)
            reached.append(2)

    with pytest.raises(KeyboardInterrupt) as raised:
        press_twice()
    assert (reached, type(raised.value)) == ([1], kind)


def test_what_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupts.raised(), interrupts.deferred(), interrupts.after_writes(lambda: False):
            signal.raise_signal(signal.SIGINT)
            with pytest.raises(interrupts.Terminated):
                signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGINT, before)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (interrupts.Terminated(), 143, "terminated\n"),
        (EOFError("too short"), 1, "internal error: EOFError: too short ("),
        (GeneratorExit(), 1, "internal error: GeneratorExit: ("),
        (SystemExit(0), 1, "internal error: SystemExit: 0 ("),
        (RecursionError("deep"), 1, "internal error: RecursionError: deep ("),
        (OSError(28, "No space left on device", "a.json"), 1,
         "error: a.json: No space left on device; the same command resumes\n"),
        (OSError(122, "Disk quota exceeded", "a.json"), 1,
         "error: a.json: Disk quota exceeded; the same command resumes\n"),
    ],
    ids=repr,
)  # fmt: skip
def test_every_way_to_end_is_one_line(capsys, raised, code, said):
    def command(arguments):
        raise raised

    assert guarded(command, []) == code
    err = capsys.readouterr().err
    assert err.startswith(said)
    assert err.count("\n") == 1
