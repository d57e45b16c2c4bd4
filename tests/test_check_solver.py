"""`check` finds solvers that mix the columns of a batch, and those that leave the ledger late."""

import pytest

import bilevel_core as bl
from bilevel_core import check, solvers
from bilevel_core.check import of_solver
from bilevel_core.errors import InputError

SOLVER = '''"""One inner and one linear step, with what a test puts into it."""
from typing import Any, NamedTuple
import bilevel_core as bl
from bilevel_core.arrays import dot, maximum, sqrt, vector_like
from bilevel_core.oracle import family_hvp, grad_x_f, grad_y_f, grad_y_g, hvp, jvp
from bilevel_core.sampled import (
    batch_grad_y_g_into, batch_gradients_f_into, batch_hvp_into, batch_jvp_into
)

class Params(NamedTuple):
    alpha: float
    beta: float

class State(NamedTuple):
    x: Any
    y: Any
    v: Any
    k: Any

def init(x0, y0):
    return State(x0, y0, 0.0 * y0, 0.0 * x0)

@bl.register_solver("NAME")
def step(oracle, params, state):
    x, y, v, k = state
    CALLS
    h = fx - jv
    EXTRA
    return State(x - params.beta * h, y - params.alpha * gy, v - params.alpha * (hv - fy), k + 1.0)

def cost_per_step(params, k):
    return bl.Cost(grad_x_f=1, grad_y_f=1, grad_y_g=1, jvp=1, hvp=1)

def theory(constants, eps):
    return Params(1.0 / constants.L, 1.0 / (8.0 * constants.kappa * constants.L_Phi))
'''
EXACT = """fx, fy = grad_x_f(oracle, x, y), grad_y_f(oracle, x, y)
    gy, hv, jv = grad_y_g(oracle, x, y), hvp(oracle, x, y, v), jvp(oracle, x, y, v)"""
RANDOM = """fx, fy = vector_like(x, x.shape[0]), vector_like(y, y.shape[0])
    gy, hv = vector_like(y, y.shape[0]), vector_like(y, y.shape[0])
    jv = vector_like(x, x.shape[0])
    batch_gradients_f_into(oracle, x, y, 4, fx, fy)
    batch_grad_y_g_into(oracle, x, y, 4, gy)
    batch_hvp_into(oracle, x, y, v, 4, hv)
    batch_jvp_into(oracle, x, y, v, 4, jv)"""
SAMPLES = """
def samples_per_step(params, k):
    return bl.Cost(grad_x_f=4, grad_y_f=4, grad_y_g=4, jvp=4, hvp=4)
"""
RIGHT = {
    "nothing": "pass",
    "norm of columns": "h = h / maximum(1.0, 2.0 * sqrt(dot(h, h)))",
    "sum of columns": "h = h + 1e-3 * y.sum(0)",
}
MIXED = {
    "norm": "h = h / max(0.1, float((h * h).sum()) ** 0.5)",
    "sum": "h = h + 1e-3 * y.sum()",
    "largest": "h = h / max(0.1, float(abs(h).max()))",
    "mean": "h = h + 1e-3 * v.mean()",
    "centred": "h = h - 1e-3 * (h.mean(-1, keepdims=True) if h.ndim == 2 else h)",
    "first": "h = h + 1e-3 * (y[:1, :1] if y.ndim == 2 else y[:1])",
}


LENGTHS = of_solver.LENGTHS


@pytest.fixture
def torch_alone(monkeypatch):
    """Leave out what would compile, and long runs."""
    monkeypatch.setattr(of_solver, "LENGTHS", (3, 30))
    monkeypatch.setattr(of_solver, "_compiled", lambda *arguments: iter(()))


@pytest.fixture
def written(tmp_path):
    def write(name, extra, calls=EXACT):
        source = SOLVER.replace("NAME", name).replace("EXTRA", extra).replace("CALLS", calls)
        path = tmp_path / f"{name}.py"
        path.write_text(source + (SAMPLES if calls is RANDOM else ""))
        return f"{path}:{name}"

    yield write
    for name in [n for n in solvers._steps if n.startswith("checked_")]:
        del solvers._steps[name]


def failed(name):
    return {f.name: f.message for f in bl.check_solver(name) if not f.passed}


@pytest.mark.parametrize("calls", [EXACT, RANDOM], ids=["exact", "random"])
@pytest.mark.parametrize("kind", MIXED)
def test_a_solver_that_mixes_columns_is_found(torch_alone, written, kind, calls):
    name = f"checked_{kind}_{len(calls)}"
    wrong = failed(written(name, MIXED[kind], calls))
    families = ["hard", "quadratic"] + (["quadratic, gaussian noise"] if calls is RANDOM else [])
    for family in families:
        message = wrong[f"{family}, torch: three instances as a batch are what each is alone"]
        assert message.startswith("instances of a batch are mixed: instance ")
        assert "use dot(), sum(0)" in message
    if calls is RANDOM:
        seeds = "quadratic, gaussian noise, torch: three noise seeds as a batch are what each is"
        assert any(found.startswith(seeds) for found in wrong)
    assert all("as a batch are what each is alone" in found for found in wrong)


@pytest.mark.parametrize("calls", [EXACT, RANDOM], ids=["exact", "random"])
@pytest.mark.parametrize("kind", RIGHT)
def test_a_solver_that_keeps_columns_apart_passes(torch_alone, written, kind, calls):
    name = f"checked_{kind.replace(' ', '_')}_{len(calls)}"
    assert failed(written(name, RIGHT[kind], calls)) == {}


@pytest.mark.parametrize("first", [57, 299])
def test_a_solver_that_leaves_the_ledger_late_is_found(torch_alone, written, monkeypatch, first):
    monkeypatch.setattr(of_solver, "LENGTHS", LENGTHS)
    extra = f"if k.ravel()[0] >= {first}.0:\n        family_hvp(oracle.data, x, y, v, v)"
    wrong = failed(written(f"checked_late_{first}", extra))
    for family in ("hard", "quadratic"):
        message = wrong.pop(f"{family}, torch: the ledger is what the problem saw")
        assert message == (
            "after 300 outer steps the ledger says hvp 300 in calls, "
            f"the problem saw hvp {600 - first}"
        )
    assert wrong == {}


def test_a_whole_run_is_held_against_the_spy(written, monkeypatch):
    """From step 1000, later than any stated length; on torch, so that nothing compiles."""
    monkeypatch.setattr(of_solver, "SECONDS", 60.0)
    extra = "if k.ravel()[0] >= 1000.0:\n        family_hvp(oracle.data, x, y, v, v)"
    solver = solvers.get(written("checked_very_late", extra))
    problem = of_solver.problems.make("hard", kappa=4.0)
    params = of_solver.params_for(solver, problem, "sharp", {}, 1e-2)
    assert of_solver.ledger_against_spy(problem, solver, params, "torch", (3, 30, 300)) == ""
    wrong = of_solver.whole_run_against_spy(problem, solver, params, "torch")
    assert wrong.startswith("after 1")
    assert "outer steps the ledger says hvp" in wrong


def test_findings_come_one_by_one(torch_alone, written, monkeypatch):
    name = written("checked_one_by_one", "pass")
    findings = check.findings_of(name)
    assert next(findings).name == "theory gives allowed parameters"
    monkeypatch.setattr(of_solver, "mixes", lambda *arguments: "made after the first was read")
    assert any(f.message == "made after the first was read" for f in findings)


def test_a_name_a_step_and_a_solver_are_checked(torch_alone, written):
    name = written("checked_forms", "pass")
    solver = solvers.get(name)
    found = [bl.check_solver(given) for given in (name, solver.step, solver)]
    assert found[0] == found[1] == found[2]
    assert len(found[0]) > 5
    with pytest.raises(InputError, match="solver: expected a name, a step function or a Solver"):
        bl.check_solver(3)
    with pytest.raises(InputError, match="its module lacks Params"):
        bl.check_solver(failed)


@pytest.mark.parametrize("name", solvers.names())
def test_every_registered_solver_passes_on_torch(torch_alone, name):
    assert failed(name) == {}
