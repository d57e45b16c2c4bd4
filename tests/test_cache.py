"""Compiled code on disk: found again by the next process, and never when its source has changed."""

import json
import os
import subprocess
import sys

import pytest

SOLVER = '''"""Gradient steps only."""
from typing import NamedTuple

import numpy as np

from bilevel_core import Cost, register_solver
from bilevel_core.oracle import grad_y_g

FACTOR = 2
WEIGHTS = np.array([1.0, 2.0])


class Params(NamedTuple):
    beta: float


class State(NamedTuple):
    x: object
    y: object


def init(x0, y0):
    return State(x0, y0)


def times(extra=1):
    """How often."""
    return FACTOR * extra  # twice


@register_solver("edited")
def step(oracle, params, state):
    h = grad_y_g(oracle, state.x, state.y)
    for _ in range(times() - 1):
        h = grad_y_g(oracle, state.x, state.y)
    return State(state.x - params.beta * WEIGHTS[1] * (1.0 + h), state.y)


def cost_per_step(params, k):
    return Cost(grad_y_g=times())


def theory(constants, eps):
    return Params(0.1)
'''

RUN = """
import json, pathlib, sys
import bilevel_core as bl, problems
from bilevel_core.engines import specialisation
from bilevel_core.run import code_fingerprint

path, instead = sys.argv[1:]
p = problems.make("quadratic", kappa=3.0, dim=2)
bl.solvers.get(path + ":edited")
if instead:
    pathlib.Path(path).write_text(pathlib.Path(instead).read_text())
r = bl.run(p, path + ":edited", 1e-9, max_outer=5)
(loop,) = specialisation._compiled.values()
print(json.dumps({
    "status": r.status,
    "reason": r.reason,
    "calls": r.passes[0]["spent"]["grad_y_g"],
    "last": r.trajectory[-1]["squared"],
    "hits": sum(loop.stats.cache_hits.values()),
    "misses": sum(loop.stats.cache_misses.values()),
    "code": code_fingerprint(r.config),
}))
"""


@pytest.fixture
def run_in_a_process(tmp_path):
    """A function that runs a solver's source in a fresh process, which shares one cache folder."""
    path = tmp_path / "plugin.py"

    def run(source, instead=""):
        path.write_text(source)
        os.utime(path, (1e9, 1e9))  # older than any process: the source on disk is what is loaded
        other = tmp_path / "instead.py"
        other.write_text(instead)
        environment = os.environ | {
            "BILEVEL_CACHE_DIR": str(tmp_path / "cache"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]),
        }
        done = subprocess.run(
            [sys.executable, "-c", RUN, str(path), str(other) if instead else ""],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout)
        assert result["status"] == "censored", result["reason"]
        files = sorted(p.relative_to(tmp_path) for p in (tmp_path / "cache").rglob("*.nbc"))
        return result | {"files": files}

    return run


def test_the_cache_is_used_exactly_where_the_source_is_the_same(run_in_a_process):
    first = run_in_a_process(SOLVER)
    assert (first["calls"], first["hits"], first["misses"]) == (10, 0, 1)
    assert first["files"]

    comments = SOLVER.replace("# twice", "# two times").replace("How often", "How many times")
    again = run_in_a_process(comments)
    assert (again["hits"], again["misses"]) == (1, 0)
    assert again["files"] == first["files"]
    assert again["code"] == first["code"]
    assert (again["calls"], again["last"]) == (first["calls"], first["last"])

    helper = run_in_a_process(SOLVER.replace("FACTOR * extra", "FACTOR * extra + 1"))
    assert (helper["calls"], helper["hits"]) == (15, 0)
    assert helper["code"] != first["code"]

    constant = run_in_a_process(SOLVER.replace("FACTOR = 2", "FACTOR = 4"))
    assert (constant["calls"], constant["hits"]) == (20, 0)

    array = run_in_a_process(SOLVER.replace("[1.0, 2.0]", "[1.0, 3.0]"))
    assert (array["calls"], array["hits"]) == (10, 0)
    assert array["last"] != first["last"]


def test_a_file_edited_after_its_import_does_not_poison_the_cache(run_in_a_process):
    edited = SOLVER.replace("FACTOR * extra", "FACTOR * extra + 5")
    stale = run_in_a_process(SOLVER, instead=edited)
    assert stale["calls"] == 10  # what runs is what was imported
    fresh = run_in_a_process(edited)
    assert (fresh["calls"], fresh["hits"]) == (35, 0)
    assert fresh["code"] != stale["code"]


def test_old_machine_code_never_runs(run_in_a_process, tmp_path):
    """A number in a module of a package of the user's own; and one that no fingerprint follows."""
    inner = tmp_path / "held" / "inner.py"
    inner.parent.mkdir()
    (inner.parent / "__init__.py").touch()
    source = SOLVER.replace("FACTOR = 2", "import held.inner")
    source = source.replace("FACTOR * extra", "held.inner.FACTOR * extra")
    for factor, calls in ((2, 10), (4, 20), (2, 10)):
        inner.write_text(f"FACTOR = {factor}\n")
        found = run_in_a_process(source)
        assert found["calls"] == calls
    assert found["hits"] == 1

    read = source.replace("import held.inner", "import held.inner, pathlib")
    for factor, calls in ((2, 10), (4, 20)):
        inner.write_text(f"FACTOR = {factor}\n")
        found = run_in_a_process(read)
        assert (found["calls"], found["hits"]) == (calls, 0)
        assert "unknown: plugin.py may read from outside (pathlib" in found["code"]


IN_ONE_PROCESS = """
import sys
import bilevel_core as bl, held.inner, problems

p = problems.make("quadratic", kappa=3.0, dim=2)
for engine in ("compiled", "torch"):
    for held.inner.FACTOR in (2, 4):
        try:
            run = bl.run(p, sys.argv[1], 1e-9, max_outer=5, engine=engine)
            print(run.passes[0]["spent"]["grad_y_g"])
        except bl.InputError as error:
            print(error)
"""


def test_a_value_changed_after_it_was_compiled_is_refused(tmp_path):
    (tmp_path / "held").mkdir()
    (tmp_path / "held" / "__init__.py").touch()
    (tmp_path / "held" / "inner.py").write_text("FACTOR = 2\n")
    source = SOLVER.replace("FACTOR = 2", "import held.inner")
    source = source.replace("FACTOR * extra", "held.inner.FACTOR * extra")
    (tmp_path / "plugin.py").write_text(source)
    done = subprocess.run(
        [sys.executable, "-c", IN_ONE_PROCESS, f"{tmp_path / 'plugin.py'}:edited"],
        capture_output=True,
        text=True,
        env=os.environ
        | {
            "BILEVEL_CACHE_DIR": str(tmp_path / "cache"),
            "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]),
        },
    )
    before, refused, *eager = done.stdout.splitlines()
    assert before == "10", done.stderr
    assert "has changed since it was compiled" in refused
    assert eager == ["10", "20"]


NAMESAKE = """
from typing import NamedTuple
import bilevel_core as bl
from bilevel_core.oracle import grad_x_f, jvp

class Params(NamedTuple):
    beta: float

class State(NamedTuple):
    x: object
    y: object

def init(x0, y0):
    return State(x0, y0)

@bl.register_solver("namesake")
def step(oracle, params, state):
    x, y = state
    return State(x - params.beta * (grad_x_f(oracle, x, y) - jvp(oracle, x, y, y)), y)

def cost_per_step(params, k):
    return bl.Cost(grad_x_f=1, jvp=1)

def theory(constants, eps):
    return Params(1.0 / constants.L_Phi)
"""


def test_a_plug_in_leaves_nothing_in_the_cache_of_other_solvers(tmp_path):
    """Its State has the name and types of a built-in one; a process without it must not care."""
    path = tmp_path / "namesake.py"
    path.write_text(NAMESAKE)
    environment = os.environ | {"BILEVEL_CACHE_DIR": str(tmp_path / "cache")}
    for names in ([f"{path}:namesake", "itd_bio"], ["itd_bio"]):
        code = (
            "import bilevel_core as bl, problems\n"
            f"for name in {names!r}:\n"
            "    r = bl.run(problems.make('hard', kappa=4), name, 1e-9, max_outer=5)\n"
            "    print(r.status)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment
        )
        assert done.stdout.split() == ["censored"] * len(names), done.stdout + done.stderr


WRAPPED = """
import functools

import numba
import numpy as np

KEPT = np.int64(2)
TABLE = {"a": [1, 2.0], "b": None}

@functools.cache
def cached():
    return 1.0

@numba.njit
def compiled():
    return 1.0

"""


def test_a_fingerprint_follows_wrapped_helpers_and_reads_constants_of_numpy_and_tables(tmp_path):
    source = WRAPPED + SOLVER.replace(
        "return FACTOR * extra", "return KEPT + 0 * compiled()"
    ).replace("return Params(0.1)", 'return Params(0.1 * cached() * TABLE["a"][0])')
    path = tmp_path / "plugin.py"

    def code(text):
        path.write_text(text)
        os.utime(path, (1e9, 1e9))
        script = (
            "import bilevel_core as bl, importlib, problems\n"
            "run = importlib.import_module('bilevel_core.run')\n"
            f"solver = bl.solvers.get({str(path) + ':edited'!r})\n"
            "print(run._fingerprint(solver, problems.make('quadratic', kappa=3.0, dim=2)))"
        )
        environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, env=environment
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.split()[-1]

    edits = [
        source,
        source.replace("np.int64(2)", "np.int64(3)"),
        source.replace("np.int64(2)", "np.int32(2)"),
        source.replace("2.0], ", "3.0], "),
        source.replace("cached():\n    return 1.0", "cached():\n    return 2.0"),
        source.replace("compiled():\n    return 1.0", "compiled():\n    return 2.0"),
    ]
    assert len({*edits}) == len(edits)
    codes = [code(text) for text in edits]
    assert len({*codes}) == len(codes)
    assert code(source) == codes[0]
