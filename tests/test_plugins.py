"""Solvers and problems from users' own files: what works, and what they are told where it fails."""

import numpy as np
import pytest

import bilevel_core as bl
import problems
from bilevel_core import InputError, solvers
from bilevel_core.check import check, of_solver
from bilevel_core.record import RunConfig
from bilevel_core.sweep import executors

SOLVER = '''"""Implicit differentiation with two plain loops, as a user would write it."""

from typing import NamedTuple

from bilevel_core import Cost, register_solver
from bilevel_core.oracle import grad_x_f, grad_y_f, grad_y_g, hvp, jvp

HALF = 0.5


class Params(NamedTuple):
    alpha: float
    beta: float
    D: int
    N: int


class State(NamedTuple):
    x: object
    y: object


def init(x0, y0):
    return State(x0, y0)


def damped(z, size, direction):
    return z - 2.0 * HALF * size * direction


def richardson(oracle, x, y, b, alpha, N):
    v = alpha * b
    for _ in range(N):
        v = damped(v, alpha, hvp(oracle, x, y, v) - b)
    return v


@register_solver("NAME")
def step(oracle, params, state):
    x, y = state.x, state.y
    for _ in range(params.D):
        y = damped(y, params.alpha, grad_y_g(oracle, x, y))
    v = richardson(oracle, x, y, grad_y_f(oracle, x, y), params.alpha, params.N)
    h = grad_x_f(oracle, x, y) - jvp(oracle, x, y, v)
    return State(x - params.beta * h, y)


def cost_per_step(params, k):
    return Cost(grad_x_f=1, grad_y_f=1, grad_y_g=params.D, jvp=1, hvp=params.N)


def theory(constants, eps):
    return Params(1.0 / constants.L, 1.0 / constants.L_Phi, 5, 4)
'''

PROBLEM = '''"""A scalar problem as a user would write it."""

from typing import NamedTuple

import numpy as np

import problems
from bilevel_core import Constants, Problem
from bilevel_core.oracle import FAMILIES, Family
from bilevel_core.problem import ClosedForms


class Data(NamedTuple):
    L: float
    mu: float


def pull(data, x):
    return data.L * x[0]


def grad_x_f(data, x, y, out):
    out[0] = 0.0 * x[0]


def grad_y_f(data, x, y, out):
    out[0] = y[0] - 1.0
    out[1] = y[1]


def grad_x_g(data, x, y, out):
    out[0] = -data.L * y[0]


def grad_y_g(data, x, y, out):
    out[0] = data.mu * y[0] - pull(data, x)
    out[1] = data.L * y[1]


def jvp(data, x, y, v, out):
    out[0] = -data.L * v[0]


def hvp(data, x, y, v, out):
    out[0] = data.mu * v[0]
    out[1] = data.L * v[1]


def f(data, x, y):
    return 0.5 * (y[0] - 1.0) * (y[0] - 1.0) + 0.5 * y[1] * y[1]


def g(data, x, y):
    return 0.5 * data.mu * y[0] * y[0] + 0.5 * data.L * y[1] * y[1] - pull(data, x) * y[0]


def y_star(data, x, out):
    out[0] = data.L * x[0] / data.mu
    out[1] = 0.0 * x[0]


def phi(data, x):
    a = data.L * x[0] / data.mu - 1.0
    return 0.5 * a * a


def grad_phi(data, x, out):
    out[0] = data.L / data.mu * (data.L * x[0] / data.mu - 1.0)


FAMILIES[Data] = Family(grad_x_f, grad_y_f, grad_x_g, grad_y_g, jvp, hvp, f, g)


@problems.register("NAME")
def make(kappa, seed=0):
    """One slow direction."""
    start = np.random.default_rng(seed).uniform(0.0, 0.1, 1) if seed else np.zeros(1)
    return Problem(
        name="NAME",
        data=Data(1.0, 1.0 / kappa),
        constants=Constants(L=1.0, mu=1.0 / kappa, M=1.0, gap=0.5),
        x0=start,
        y0=np.zeros(2),
        kappa=kappa,
        seed=seed,
        closed_forms=ClosedForms(y_star, phi, grad_phi),
    )
'''


EXTRA = """
def extra(oracle, v):
    out = vector_like(v, v.shape[0])
    family_hvp(oracle.data, v, v, v, out)
    return out


def richardson"""
IMPORTS = """import family_hvp, grad_x_f, grad_y_f, grad_y_g, hvp, jvp
from bilevel_core.arrays import vector_like"""
BEHIND = {  # what a call behind the oracle needs besides
    "behind": [
        ("def richardson", EXTRA),
        ("import grad_x_f, grad_y_f, grad_y_g, hvp, jvp", IMPORTS),
    ]
}


@pytest.fixture
def plugin(tmp_path):
    """A function that writes a file and gives "path/to/file.py:name"; names are the test's own."""

    def write(source, name, *changes, file=None):
        for old, new in changes:
            assert source.count(old) == 1, old
            source = source.replace(old, new)
        path = tmp_path / f"{file or name}.py"
        path.write_text(source.replace("NAME", name))
        return f"{path}:{name}"

    yield write
    for registry in (solvers._steps, problems._factories):
        for name, function in list(registry.items()):
            if function.__code__.co_filename.startswith(str(tmp_path)):
                del registry[name]


def failures(name):
    """What `check` says is wrong, with the InputError of a file that cannot be read as one more."""
    try:
        findings = check(name)
    except InputError as error:
        return [str(error)]
    return [finding.message for finding in findings if not finding.passed]


def test_a_users_solver_runs_on_both_engines_and_conforms(plugin, monkeypatch):
    monkeypatch.delitem(of_solver.CASES, "hard")  # a compilation of its own
    name = plugin(SOLVER, "own_runs")
    problem = problems.make("quadratic", kappa=3.0, dim=4)
    one, other = (
        bl.run(problem, name, [0.5, 0.2], "sharp", engine=engine, max_outer=20_000)
        for engine in ("compiled", "torch")
    )
    assert one.status == other.status == "ok"
    assert one.hits == other.hits
    K = one.outer(0.2)
    assert one.counts(0.2) == {"gc_f": 2 * K, "gc_g": 5 * K, "jv": K, "hv": 4 * K}
    assert one.config.solver == name
    assert solvers.get(name).summary == (
        "Implicit differentiation with two plain loops, as a user would write it."
    )
    findings = check(name)
    assert len(findings) > 5
    assert [finding for finding in findings if not finding.passed] == []


@pytest.mark.parametrize(
    ("label", "old", "new", "message"),
    [
        (
            "cost",
            "hvp=params.N)",
            "hvp=params.N + 1)",
            "outer step 0: hvp declared 5 calls, counted 4",
        ),
        ("theory", "def theory", "def theorem", "its module lacks theory"),
        (
            "raises",
            "    x, y = state.x, state.y\n",
            '    x, y = state.x, state.y\n    raise ValueError("lost my way")\n',
            "lost my way",
        ),
        ("syntax", "def step(", "def step((", "does not import: SyntaxError:"),
        ("import", "HALF = 0.5", "import no_such_library", "does not import: ModuleNotFoundError"),
        ("exits", "HALF = 0.5", "raise SystemExit(3)", "does not import: SystemExit: 3"),
        ("mutates", "return State(x - params.beta * h, y)",
         "x -= params.beta * h\n    return State(x, y)",
         "outer step 0 writes into the x that it was given"),
        ("silent", "5, 4)", "5, 0)", "N: expected an integer >= 1, got 0"),
        ("unknown", "damped(v, alpha,", "dampd(v, alpha,", "dampd"),
        ("behind", "hvp(oracle, x, y, v) - b",
         "hvp(oracle, x, y, v) - b + 0.0 * extra(oracle, v)",
         "the ledger says hvp"),
    ],
)  # fmt: skip
def test_a_wrong_solver_is_told_why(plugin, monkeypatch, label, old, new, message):
    if label not in ("raises", "unknown"):  # what fails on one engine needs no second one
        opened = of_solver.open_session
        monkeypatch.setattr(of_solver, "open_session", lambda *a: opened(*a[:3], "torch"))
    wrong = failures(plugin(SOLVER, f"wrong_{label}", (old, new), *BEHIND.get(label, ())))
    assert any(message in text for text in wrong), wrong
    assert all("\n" not in text and "Traceback" not in text for text in wrong)


def test_a_file_without_that_solver(plugin):
    name = plugin(SOLVER, "own_present")
    with pytest.raises(InputError, match="the file registers no solver 'own_absent'"):
        bl.solvers.get(name.replace(":own_present", ":own_absent"))
    with pytest.raises(InputError, match="the file registers no solver 'aid_bio'"):
        bl.solvers.get(name.replace(":own_present", ":aid_bio"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere.py:mine", "no file 'nowhere.py'"),
        ("nowhere.py", "expected path/to/file.py:name"),
        ("nowhere.py:", "expected path/to/file.py:name"),
        ("nowhere.py:two words", "expected path/to/file.py:name"),
    ],
)
def test_a_name_that_is_no_file(name, message):
    for get in (bl.solvers.get, problems.parameters):
        with pytest.raises(InputError, match=message):
            get(name)


def test_a_built_in_name_is_taken(plugin):
    with pytest.raises(InputError, match="solver name 'aid_bio' is taken by a built-in solver"):
        bl.solvers.get(plugin(SOLVER, "aid_bio"))
    with pytest.raises(InputError, match="problem name 'hard' is taken by a built-in family"):
        problems.parameters(plugin(PROBLEM, "hard"))
    assert bl.solvers.get("aid_bio").name == "aid_bio"
    assert "hard" in problems.names()


def test_the_name_of_another_file_is_taken(plugin):
    bl.solvers.get(plugin(SOLVER, "own_twice", file="one"))
    with pytest.raises(InputError, match=r"solver name 'own_twice' is taken by .*one\.py"):
        bl.solvers.get(plugin(SOLVER, "own_twice", file="two"))
    problems.parameters(plugin(PROBLEM, "own_twice", file="three"))
    with pytest.raises(InputError, match=r"problem name 'own_twice' is taken by .*three\.py"):
        problems.parameters(plugin(PROBLEM, "own_twice", file="four"))


def test_a_file_is_imported_once(plugin):
    name = plugin(SOLVER, "own_once")
    assert bl.solvers.get(name).step is bl.solvers.get(name).step


def test_a_users_problem_conforms_and_runs(plugin):
    name = plugin(PROBLEM, "own_family")
    assert failures(name) == []
    problem = problems.make(name, kappa=4.0)
    assert problem.name == name
    records = [bl.run(problem, "aid_bio", 0.1, engine=engine) for engine in ("compiled", "torch")]
    assert records[0].counts(0.1) == records[1].counts(0.1) is not None
    np.testing.assert_allclose(problem.grad_phi(np.array([1.0])), [12.0])


@pytest.mark.parametrize(
    ("label", "old", "new", "message"),
    [
        ("gradient", "out[0] = y[0] - 1.0", "out[0] = y[0] - 1.001", "grad_y_f is off by"),
        ("jacobian", "out[0] = -data.L * v[0]", "out[0] = data.L * v[0]", "jvp is off by"),
        ("star", "out[0] = data.L * x[0] / data.mu\n    out[1]",
         "out[0] = data.L * x[0]\n    out[1]", "||grad_y g(x, y*(x))||"),
        ("mu", "mu=1.0 / kappa, M", "mu=2.0 / kappa, M", "the inner Hessian has spectrum"),
        ("phi", "a = data.L * x[0] / data.mu - 1.0", "a = x[0] - 1.0", "grad_phi is off by"),
        ("raises", "    start = np", '    raise ValueError("lost")\n    start = np', "lost"),
        ("kappa", "        kappa=kappa,", "        kappa=2.0,", "kappa is 2.0, asked for 4.0"),
    ],
)  # fmt: skip
def test_a_wrong_problem_is_told_why(plugin, monkeypatch, label, old, new, message):
    # Compiling a family that is already known to be wrong takes long and says nothing new.
    monkeypatch.setattr("bilevel_core.check.of_problem.engines_agree", lambda *arguments: "")
    wrong = failures(plugin(PROBLEM, f"wrong_{label}", (old, new)))
    assert any(message in text for text in wrong), wrong
    assert all("\n" not in text for text in wrong)


@pytest.mark.parametrize(
    ("new", "message"),
    [
        ("raise KeyError('no'); return Params(", "its theory raised KeyError"),
        ("return tuple, Params(", "expected its theory to return Params"),
    ],
)
def test_a_theory_that_fails_is_named(plugin, new, message):
    name = plugin(SOLVER, f"own_theory_{len(message)}", ("return Params(", new))
    with pytest.raises(InputError, match=message) as told:
        bl.run(problems.make("hard", kappa=4), name, 0.5, max_outer=3, engine="torch")
    assert name in str(told.value)


def test_a_step_that_exits_ends_its_run_alone(plugin):
    name = plugin(
        SOLVER, "own_exit", ("    x, y = state.x, state.y\n", "    raise SystemExit(3)\n")
    )
    record = bl.run(problems.make("hard", kappa=4), name, 0.5, max_outer=3, engine="torch")
    assert (record.status, record.reason) == ("failed", "SystemExit: 3 (own_exit.py, line 40)")
    assert any("SystemExit: 3" in finding.message for finding in check(name))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "raise RuntimeError('no such instance')",
            "given kappa=4.0, seed=1, raised RuntimeError: no",
        ),
        ("return None", "expected a Problem of its function, got None"),
    ],
)
def test_a_family_that_fails_is_named(tmp_path, body, message):
    path = tmp_path / f"failing_{len(body)}.py"
    path.write_text(
        "from problems import register\n"
        f"@register('failing_{len(body)}')\n"
        f"def make(kappa, seed=0):\n    {body}\n"
    )
    name = f"{path}:failing_{len(body)}"
    with pytest.raises(InputError, match=message) as told:
        problems.make(name, kappa=4.0, seed=1)
    assert str(path) in str(told.value)
    # In a sweep that run fails, and the others go on.
    config = RunConfig(problem=name, kappa=4.0, seed=1, solver="aid_bio", eps=(0.5,))
    outcome = executors.work(tmp_path, config)
    assert (outcome.status, outcome.reason) == ("failed", str(told.value))
