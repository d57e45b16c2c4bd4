"""Sweep specifications: what they expand to, and the one line about each thing wrong with them."""

import math
import tomllib
from pathlib import Path

import pytest

from bilevel_core.errors import InputError
from bilevel_core.sweep import keys
from bilevel_core.sweep.specification import expand, load, parse

SWEEPS = Path(__file__).parent.parent / "benchmarks" / "sweeps"

GRID = {
    "problem": '"hard"',
    "solvers": '["aid_bio"]',
    "kappa": "[4, 8]",
    "eps": "[0.5, 1.0]",
    "seeds": "[0, 1]",
}


def grid(**changes):
    """A [[grid]] with some keys changed; None leaves a key out."""
    lines = (f"{key} = {value}" for key, value in (GRID | changes).items() if value is not None)
    return "\n".join(["[[grid]]", *lines])


def written(tmp_path, text):
    path = tmp_path / "spec.toml"
    path.write_text(text)
    return path


def test_expansion_is_every_combination_once(tmp_path):
    text = 'name = "t"\n' + grid() + "\n" + grid(kappa="[8.0, 16]", policy='["theory", "sharp"]')
    configs = expand(load(written(tmp_path, text)))
    cells = [(c.policy, c.kappa, c.seed) for c in configs]
    assert len(set(cells)) == len(cells) == 2 * 2 + 2 * 2 + 2  # theory at kappa 8 is in both grids
    assert cells[:3] == [("theory", 4, 0), ("theory", 4, 1), ("theory", 8, 0)]
    assert all(c.eps == (1.0, 0.5) and c.engine == "compiled" for c in configs)


def test_defaults_hold_for_every_grid_that_says_nothing_else(tmp_path):
    text = f'name = "t"\n[defaults]\nmax_outer = 7\nseeds = [3]\n{grid(seeds=None)}\n{grid()}'
    configs = expand(load(written(tmp_path, text)))
    assert {c.max_outer for c in configs} == {7}
    assert [c.seed for c in configs] == [3, 3, 0, 1, 0, 1]


def test_keys_do_not_depend_on_the_order_of_the_file(tmp_path):
    one = expand(load(written(tmp_path, 'name = "t"\n' + grid())))
    backwards = grid(kappa="[8.0, 4.0]", eps="[1, 0.5]", seeds="[1, 0]")
    other = expand(load(written(tmp_path, 'name = "u"\n' + backwards)))
    assert {keys.key(c) for c in one} == {keys.key(c) for c in other}


@pytest.mark.parametrize("name", ["smoke", "quick", "full"])
def test_shipped_specifications_are_valid(name):
    specification = load(SWEEPS / f"{name}.toml")
    assert specification.name == name
    assert specification.description
    configs = expand(specification)
    assert len({config.seed for config in configs}) >= 5
    assert all(math.isfinite(config.kappa) for config in configs)


RANDOM = """
from bilevel_core.solvers import register_solver
from bilevel_core.solvers.aid_bio import Params, State, init, cost_per_step, step, theory

samples_per_step = cost_per_step

@register_solver("random")
def step(oracle, params, state, aid_bio_step=step):
    return aid_bio_step(oracle, params, state)
"""


def test_noise_seeds_are_for_solvers_that_draw_random_numbers(tmp_path):
    plugin = tmp_path / "random.py"
    plugin.write_text(RANDOM)
    solvers = f'["aid_bio", "{plugin}:random"]'
    for given, expected in ((None, (0, 1, 2, 3, 4)), ("[7, 3]", (7, 3))):
        text = 'name = "t"\n' + grid(solvers=solvers, noise_seeds=given)
        configs = expand(parse(tomllib.loads(text)))
        seeds = {config.solver: config.noise_seeds for config in configs}
        assert seeds == {"aid_bio": (), f"{plugin}:random": expected}


def test_tuning_is_for_policy_tuned(tmp_path):
    text = 'name = "t"\n' + grid(policy='["theory", "tuned"]', tuning="{ candidates = 64 }")
    configs = expand(parse(tomllib.loads(text)))
    assert {config.policy: config.tuning for config in configs} == {
        "theory": {},
        "tuned": {"candidates": 64},
    }


def test_budget_leaves_what_is_asked_for_and_its_keys_alone():
    without, within = (
        expand(parse(tomllib.loads('name = "t"\n' + grid(budget=budget))))
        for budget in (None, "1e3")
    )
    assert [keys.key(config) for config in without] == [keys.key(config) for config in within]


BAD_GRIDS = [
    ({"solver": '["ba"]', "solvers": None}, ["unknown key 'solver'", "did you mean 'solvers'"]),
    ({"wibble": "1"}, ["unknown key 'wibble'", "allowed: problem, options"]),
    ({"problem": None}, ["missing key 'problem'", "required: problem, solvers"]),
    ({"problem": "3"}, ["problem", "string", "got 3"]),
    ({"problem": '"hrad"'}, ["'hrad'", "did you mean 'hard'"]),
    ({"problem": '"nowhere.py:p"'}, ["nowhere.py"]),
    ({"options": "3"}, ["options", "expected a table", "got 3"]),
    ({"options": "{ curvature = [3] }"}, ["options.curvature", "[3]"]),
    ({"options": "{ curvature = nan }"}, ["options.curvature", "finite", "nan"]),
    ({"options": "{ curvature = 7 }"}, ["curvature", "7"]),
    ({"options": "{ curvatur = 3 }"}, ["'curvatur'", "did you mean 'curvature'"]),
    ({"solvers": '"aid_bio"'}, ["solvers", "expected a list", "'aid_bio'"]),
    ({"solvers": "[]"}, ["solvers", "at least one value", "got []"]),
    ({"solvers": '["aid_bio", "aid_bio"]'}, ["solvers", "'aid_bio' twice"]),
    ({"solvers": '["aid_bo"]'}, ["'aid_bo'", "did you mean 'aid_bio'"]),
    ({"solvers": '["nowhere.py:s"]'}, ["nowhere.py"]),
    ({"kappa": "4"}, ["kappa", "expected a list", "got 4"]),
    ({"kappa": "[]"}, ["kappa", "at least one value"]),
    ({"kappa": "[0.5]"}, ["kappa", "greater than 1", "0.5"]),
    ({"kappa": "[1]"}, ["kappa", "greater than 1", "got 1"]),
    ({"kappa": "[inf]"}, ["kappa", "finite", "inf"]),
    ({"kappa": "[nan]"}, ["kappa", "finite", "nan"]),
    ({"kappa": '["4"]'}, ["kappa", "number", "'4'"]),
    ({"kappa": "[true]"}, ["kappa", "number", "True"]),
    ({"kappa": "[4, 4.0]"}, ["kappa", "4.0 twice"]),
    ({"kappa": "[1.5, 1e200]"}, ["kappa", "1e+200"]),
    ({"eps": "[0.0]"}, ["eps", "greater than 0", "0.0"]),
    ({"eps": "[-0.1]"}, ["eps", "greater than 0", "-0.1"]),
    ({"eps": "[nan]"}, ["eps", "finite", "nan"]),
    ({"eps": "[]"}, ["eps", "at least one value"]),
    ({"eps": "[0.1, 0.1]"}, ["eps", "0.1 twice"]),
    ({"seeds": "[-1]"}, ["seeds", "greater than or equal to 0", "-1"]),
    ({"seeds": "[1.5]"}, ["seeds", "integer", "1.5"]),
    ({"seeds": "5"}, ["seeds", "expected a list", "got 5"]),
    ({"policy": '"best"'}, ["policy", "'theory', 'sharp' or 'tuned'", "'best'"]),
    ({"policy": "[]"}, ["policy", "at least one value"]),
    ({"parameters": "{ Q = 1 }"}, ["'Q'"]),
    ({"parameters": "{ D = -1 }"}, ["D", "-1"]),
    ({"parameters": '{ D = "many" }'}, ["parameters.D", "number", "'many'"]),
    ({"criterion": '"last"'}, ["criterion", "'average' or 'first'", "'last'"]),
    ({"engine": '"gpu"'}, ["engine", "'compiled' or 'torch'", "'gpu'"]),
    ({"engine": '"compiled"', "device": '"cuda"'}, ["device", "cuda"]),
    ({"device": '"toaster"'}, ["device", "toaster"]),
    ({"max_outer": "0"}, ["max_outer", "greater than or equal to 1", "got 0"]),
    ({"max_outer": "1.5"}, ["max_outer", "integer", "1.5"]),
    ({"max_seconds": "0"}, ["max_seconds", "greater than 0", "got 0"]),
    ({"budget": "0"}, ["budget", "greater than 0", "got 0"]),
    ({"budget": "inf"}, ["budget", "finite", "inf"]),
    ({"budget": '"1e9"'}, ["budget", "number", "'1e9'"]),
    ({"noise_seeds": "5"}, ["noise_seeds", "expected a list", "got 5"]),
    ({"noise_seeds": "[]"}, ["noise_seeds", "at least one value"]),
    ({"noise_seeds": "[-1]"}, ["noise_seeds", "greater than or equal to 0", "-1"]),
    ({"noise_seeds": "[2, 2]"}, ["noise_seeds", "2 twice"]),
    ({"tuning": "3"}, ["tuning", "expected a table", "got 3"]),
    ({"tuning": "{ candidates = [3] }"}, ["tuning.candidates", "[3]"]),
]


@pytest.mark.parametrize(("changes", "named"), BAD_GRIDS, ids=lambda value: str(value)[:50])
def test_bad_grid_is_one_line_that_names_file_grid_and_key(tmp_path, changes, named):
    path = written(tmp_path, 'name = "t"\n' + grid() + "\n" + grid(**changes))
    with pytest.raises(InputError) as caught:
        load(path)
    line = str(caught.value)
    assert "\n" not in line
    for part in [str(path), "grid 2", *named]:
        assert part in line


BAD_FILES = [
    ("", ["missing key 'name'", "required: name, grid"]),
    ('name = "t"', ["grid", "at least one"]),
    ('name = "t"\ngrid = 3', ["grid", "[[grid]]"]),
    ('name = "t"\n[grid]\nproblem = "hard"', ["grid", "[[grid]]"]),
    ('name = ""\n' + grid(), ["name"]),
    ("name = 3\n" + grid(), ["name", "string", "got 3"]),
    ('nmae = "t"\n' + grid(), ["unknown key 'nmae'", "did you mean 'name'"]),
    ('name = "t"\ndefaults = 3\n' + grid(), ["defaults", "[defaults]", "3"]),
    ('name = "t"\n[defaults]\nsede = [1]\n' + grid(), ["defaults: unknown key 'sede'"]),
    (
        'name = "t"\n[defaults]\nkappa = [0.1]\n' + grid(kappa=None),
        ["defaults: kappa", "greater than 1", "0.1"],
    ),
    ("name = 1 2", ["not valid TOML", "line 1"]),
]


@pytest.mark.parametrize(("text", "named"), BAD_FILES, ids=lambda value: str(value)[:50])
def test_bad_file_is_one_line_that_names_file_and_key(tmp_path, text, named):
    path = written(tmp_path, text)
    with pytest.raises(InputError) as caught:
        load(path)
    for part in [str(path), *named]:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unreadable_files_are_named(tmp_path):
    with pytest.raises(InputError, match=r"no file .*absent\.toml"):
        load(tmp_path / "absent.toml")
    with pytest.raises(InputError, match=str(tmp_path)):
        load(tmp_path)
    latin = tmp_path / "latin.toml"
    latin.write_bytes('name = "é"'.encode("latin-1"))
    with pytest.raises(InputError, match=r"latin.toml: not UTF-8 text \(byte 8\)"):
        load(latin)
