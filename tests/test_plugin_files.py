"""A plug-in's file as Python sees it: its neighbours, what it prints, what it raises."""

import json
import sys

import pytest
from commands import process, run_options

from bilevel_core import InputError
from bilevel_core.plugins import load_file


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Two folders for plug-ins; what they make Python find and remember is forgotten."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    yield tmp_path / "one", tmp_path / "two"
    for name in set(sys.modules) - before:
        del sys.modules[name]


def load(folder, text, name="plugin.py"):
    (folder / name).write_text(text)
    return load_file(f"{folder / name}:anything")[0]


def test_a_neighbour_is_imported_also_when_a_function_runs_later(folders):
    one, _ = folders
    (one / "my_helper.py").write_text("import my_second\nTWO = my_second.ONE + 1")
    (one / "my_second.py").write_text("ONE = 1")
    (one / "my_late.py").write_text("THREE = 3")
    module = load(
        one, "import my_helper\ndef late():\n    import my_late\n    return my_late.THREE"
    )
    assert (module.my_helper.TWO, module.late()) == (2, 3)
    assert sys.modules["my_helper"] is module.my_helper


@pytest.mark.parametrize("text", ["import my_helper", "import my_middle"])
def test_a_neighbour_whose_name_another_folder_has_taken_is_refused(folders, text):
    for folder, number in zip(folders, (1, 2), strict=True):
        (folder / "my_helper.py").write_text(f"NUMBER = {number}")
    one, two = folders
    (two / "my_middle.py").write_text("from my_helper import NUMBER")
    assert load(one, "import my_helper").my_helper.NUMBER == 1
    with pytest.raises(InputError, match=r"its import of 'my_helper' gives '.*one.my_helper.py'"):
        load(two, text)
    assert load(two, "NUMBER = 3").NUMBER == 3


def test_a_neighbour_hides_no_package_and_is_not_hidden_by_one(folders):
    one, _ = folders
    (one / "colorsys.py").write_text("raise RuntimeError")
    with pytest.raises(InputError, match="its import of 'colorsys' gives"):
        load(one, "import colorsys")
    assert load(one, "NOTHING = 0", "other.py").NOTHING == 0
    import colorsys

    assert colorsys.ONE_THIRD


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        ("GeneratorExit", "GeneratorExit: no message"),
        ("SystemExit(3)", "SystemExit: 3"),
        ("BaseException('odd')", "BaseException: odd"),
        ("undefined", "NameError: name 'undefined' is not defined"),
    ],
)
def test_whatever_an_import_raises_is_told_with_its_line(folders, raised, told):
    with pytest.raises(InputError) as caught:
        load(folders[0], f"\nraise {raised}")
    assert str(caught.value).endswith(f"does not import: {told} (plugin.py, line 2)")
    assert not [name for name in sys.modules if name.startswith("bilevel_plugin_plugin")]


def test_ctrl_c_during_an_import_passes(folders):
    with pytest.raises(KeyboardInterrupt):
        load(folders[0], "raise KeyboardInterrupt")


LOUD = """
from bilevel_core import register_solver
from bilevel_core.solvers import aid_bio
from bilevel_core.solvers.aid_bio import Params, State, init, cost_per_step

print("imported")

def theory(constants, eps):
    print("asked")
    return aid_bio.theory(constants, eps)

@register_solver("loud")
def step(oracle, params, state):
    print("stepped")
    return aid_bio.step(oracle, params, state)
"""
SPECIFICATION = """
name = "t"
[[grid]]
problem = "hard"
solvers = ["{}:loud"]
kappa = [4]
eps = [0.5]
seeds = [0, 1]
engine = "torch"
"""


def test_what_plug_ins_print_is_no_data(tmp_path, invoke):
    path = tmp_path / "loud.py"
    path.write_text(LOUD)
    words = run_options(solver=f"{path}:loud", engine="torch", max_outer="2")
    code, out, err = invoke(*words, "--json")
    assert (code, json.loads(out)["config"]["engine"]) == (0, "torch")
    assert {"imported", "asked", "stepped"} <= set(err.split())
    (tmp_path / "spec.toml").write_text(SPECIFICATION.format(path))
    # In workers, too; and where a store is read.
    result = process("sweep", tmp_path / "spec.toml", "--out", tmp_path / "out", "--jobs", 2)
    assert result.stdout == "2 computed, 0 skipped: 2 ok, 0 censored, 0 diverged, 0 failed\n"
    assert "stepped" in result.stderr
    result = process("sweep", tmp_path / "spec.toml", "--out", tmp_path / "out", "--dry-run")
    assert "imported" not in result.stdout
    result = process("fit", tmp_path / "out", "--json")
    assert json.loads(result.stdout)


def test_without_numbas_compiler_one_line_says_what_to_do(monkeypatch):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    result = process(*run_options())
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        "error: engine: 'compiled' compiles, which NUMBA_DISABLE_JIT forbids; unset it, or "
        "expected engine 'torch'\n"
    )
