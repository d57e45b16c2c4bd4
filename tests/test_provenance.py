"""A fingerprint changes with whatever a plug-in holds its numbers in, or says that it cannot know.

Each way is a plug-in and what stands beside it, before and after an edit that changes what it
computes.  Two processes look at them: one before all edits, one after.
"""

import importlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from provenance_ways import HARMLESS, KNOWN, WAYS, plugin

import bilevel_core as bl
import problems
from bilevel_core import solvers
from bilevel_core.fingerprint import Fingerprint, fingerprint, is_known
from bilevel_core.run import code_fingerprint, execute
from bilevel_core.sweep import stock, store

LOOK = """
import importlib, json, pathlib, sys
import bilevel_core as bl, problems
run = importlib.import_module("bilevel_core.run")
sys.path.insert(0, ".")
problem = problems.make("hard", kappa=3.0)
found = {}
for path in sorted(pathlib.Path(".").glob("way_*.py")):
    solver = bl.solvers.get(f"{path}:beside_{path.stem[4:]}")
    found[path.stem.removeprefix("way_")] = (
        str(run._fingerprint(solver, problem)), solver.theory(problem.constants, 0.1).beta
    )
print(json.dumps(found))
"""


def looked_at(folder):
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", LOOK], cwd=folder, capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def looks(tmp_path_factory):
    """What fingerprint and theory of each way are, before and after its edit."""
    folder = tmp_path_factory.mktemp("ways")
    results = []
    for when in (0, 1):
        for name, way in {**WAYS, **HARMLESS}.items():
            (folder / f"way_{name}.py").write_text(plugin(way, when))
            for file, texts in way.beside.items():
                path = folder / file.replace("HERE", f"beside_{name}")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(texts[when].replace("HERE", f"beside_{name}"))
        results.append(looked_at(folder))
    return results


@pytest.mark.parametrize("name", WAYS)
def test_an_edit_is_seen_or_the_provenance_is_unknown(looks, name):
    (before, beta_before), (after, beta_after) = (look[name] for look in looks)
    assert beta_before != beta_after  # the edit does change what is computed
    if name in KNOWN:
        assert is_known(before)
    assert before != after or not is_known(before)
    assert is_known(before) == is_known(after)


@pytest.mark.parametrize("name", HARMLESS)
def test_an_edit_that_computes_nothing_else_costs_nothing(looks, name):
    before, after = (look[name] for look in looks)
    assert before == after
    assert is_known(before[0])


def test_the_same_code_elsewhere_has_the_same_fingerprint(tmp_path, monkeypatch):
    """A pure move of a module, with other names of modules around it."""
    found = []
    for name in ("one", "another"):
        path = tmp_path / f"moved_{name}.py"
        path.write_text("NUMBER = 2.0\n\ndef helper():\n    return NUMBER, __file__, __name__\n")
        monkeypatch.syspath_prepend(tmp_path)
        found.append(fingerprint([importlib.import_module(path.stem).helper]))
    assert found[0] == found[1]
    assert not found[0].unknown


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((1, 2), [1, 2]),
        ((1.0,), (1,)),
        ({1: 2}, {1: 3}),
        (np.zeros((2, 3)), np.zeros((3, 2))),
        (np.zeros(2), np.zeros(2, np.float32)),
        (np.arange(4.0).reshape(2, 2), np.asfortranarray(np.arange(4.0).reshape(2, 2))),
        ([np.arange(5000.0)], [np.arange(5000.0) + 1e-12 * (np.arange(5000) == 2500)]),
        (np.array([{}, 1], object), np.array([{}, 2], object)),
        ({"a"}, {"b"}),
        (-0.0, 0.0),
        (True, 1),
        ("a", b"a"),
    ],
)
def test_values_that_differ_have_other_fingerprints(one, other):
    assert fingerprint([one]) == fingerprint([one])
    assert fingerprint([one]).code != fingerprint([other]).code
    assert not fingerprint([one]).unknown


@pytest.mark.parametrize(
    "value",
    [open(os.devnull), (i for i in range(3)), np.frompyfunc(lambda x: x, 1, 1)],  # noqa: SIM115
)
def test_values_that_cannot_be_followed_are_named(value):
    found = fingerprint([{"held": [value]}])
    assert "holds a" in found.unknown
    assert not is_known(str(found))


def test_a_value_that_holds_itself_ends():
    ring = []
    ring.append(ring)
    nested = ()
    for _ in range(100_000):
        nested = (nested,)
    doubled = ()
    for _ in range(60):
        doubled = (doubled, doubled)
    assert fingerprint([ring]) == fingerprint([ring])
    assert fingerprint([nested]).unknown
    assert is_known(str(fingerprint([doubled])))


@pytest.mark.parametrize("noise", [None, "gaussian", "finite_sum"])
@pytest.mark.parametrize("family", ["chain", "hard", "logistic", "quadratic", "ramp"])
def test_everything_built_in_is_known(family, noise):
    problem = problems.make(family, kappa=4.0, **({"noise": noise} if noise else {}))
    of = importlib.import_module("bilevel_core.run")._fingerprint
    for name in solvers.BUILT_IN:
        assert not of(solvers.get(name), problem).unknown, name


def test_a_run_of_unknown_provenance_is_never_current(tmp_path, monkeypatch):
    problem = problems.make("hard", kappa=3.0)
    config = bl.run(problem, "aid_bio", 0.5, max_outer=2, engine="torch").config
    known = execute(config)
    assert known.code == code_fingerprint(config)
    path = store.write(tmp_path, known)
    assert stock.stock_of(tmp_path).find(path.stem).stands

    unknown = Fingerprint("0" * 32, "it holds a thing")
    run = importlib.import_module("bilevel_core.run")  # the package's `run` is the function
    monkeypatch.setattr(run, "fingerprint", lambda *_: unknown)
    path = store.write(tmp_path, execute(config))
    found = stock.stock_of(tmp_path).find(path.stem)
    assert not found.stands
    assert "provenance unknown: it holds a thing" in found.outdated
