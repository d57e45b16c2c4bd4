"""A mistake in a user's step is told in Python's own words, with the user's file and line."""

import pytest

import bilevel_core as bl
import problems
from bilevel_core import solvers

SOLVER = """
from typing import NamedTuple
import numpy as np
import bilevel_core as bl
from bilevel_core.oracle import grad_y_g

class Params(NamedTuple):
    beta: float

class State(NamedTuple):
    x: object
    y: object

def init(x0, y0):
    return State(x0, y0)

def helper(h):
    BODY  # line 18
    return h

@bl.register_solver("NAME")
def step(oracle, params, state):
    h = helper(grad_y_g(oracle, state.x, state.y))  # line 23
    return State(state.x - params.beta * h[0], state.y)

def cost_per_step(params, k):
    return bl.Cost(grad_y_g=1)

def theory(constants, eps):
    return Params(0.1)
"""
NAME_ERROR = "NameError: name 'hypergrad' is not defined"


@pytest.mark.parametrize(
    ("engine", "body", "reason"),
    [
        ("torch", "h = hypergrad(h)", f"{NAME_ERROR} (FILE, line 18)"),
        ("compiled", "h = hypergrad(h)", f"{NAME_ERROR} (FILE, line 18)"),
        # A line that the first step does not reach; Numba tells the line of the call alone.
        ("compiled", "h = hypergrad(h) if h[0] > 1e9 else h", f"{NAME_ERROR} (FILE, line 23)"),
        ("torch", "h = h / (h.shape[0] - 2)", None),
        ("torch", "h = h * (1 // (h.shape[0] - h.shape[0]))",
         "ZeroDivisionError: integer division or modulo by zero (FILE, line 18)"),
        ("compiled", "h = h.nothing()",
         "AttributeError: 'numpy.ndarray' object has no attribute 'nothing' (FILE, line 18)"),
        ("compiled", "h = h * (1, 2)[h.shape[0] + 5]",
         "IndexError: tuple index out of range (FILE, line 18)"),
        ("compiled", "h = h * sum(k for k in range(2))",
         "does not compile: The use of yield in a closure is unsupported. (FILE, line 18)"),
        ("torch", "raise GeneratorExit", "GeneratorExit: no message (FILE, line 18)"),
    ],
)  # fmt: skip
def test_a_mistake_names_the_users_line(tmp_path, monkeypatch, engine, body, reason):
    monkeypatch.setattr(solvers, "_steps", dict(solvers._steps))
    path = tmp_path / "my_solver.py"
    path.write_text(SOLVER.replace("BODY", body).replace("NAME", "my_own"))
    record = bl.run(
        problems.make("hard", kappa=4), f"{path}:my_own", 0.5, engine=engine, max_outer=2
    )
    if reason is None:
        assert record.status != "failed"
    else:
        assert (record.status, record.reason) == ("failed", reason.replace("FILE", "my_solver.py"))


def test_a_mistake_in_theory_names_its_line(tmp_path, monkeypatch):
    monkeypatch.setattr(solvers, "_steps", dict(solvers._steps))
    path = tmp_path / "my_solver.py"
    path.write_text(SOLVER.replace("BODY", "pass").replace("Params(0.1)", "Params(1 / 0)"))
    with pytest.raises(bl.InputError, match=r"division by zero \(my_solver.py, line "):
        bl.run(problems.make("hard", kappa=4), f"{path}:NAME", 0.5)
