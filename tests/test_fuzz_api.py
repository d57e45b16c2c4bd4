"""Whatever a public function of Python is given: a valid result, or one short InputError.

Arguments of valid calls are replaced, one or two at a time, by values from `hostile`.  By hand:
`FUZZ_INPUTS=3000 FUZZ_SEED=1 pytest tests/test_fuzz_api.py`.
"""

import contextlib
import io
import os
import random
import warnings

import numpy as np
import pandas as pd
import pytest
from fit_frames import frame
from hostile import HOSTILE, nested, raising, repeats

import bilevel_core as bl
import problems
from bilevel_core import InputError, solvers
from bilevel_core.paper import Bound
from bilevel_core.run import validate
from bilevel_core.tuning.settings import Settings, settings_from

INPUTS, SEED = int(os.environ.get("FUZZ_INPUTS", "600")), int(os.environ.get("FUZZ_SEED", "0"))

HARD = problems.make("hard", kappa=4.0, seed=1)
RANDOM = problems.make("hard", kappa=4.0, seed=1, noise="gaussian", sigma=0.1)
EXACT = {"alpha": 1.0, "beta": 0.02, "D": 2, "N": 2, "first_D": 2, "first_N": 2}
CONFIG = bl.RunConfig("hard", 4.0, "aid_bio", (0.1,), engine="torch", max_outer=2)
COUNTS = frame(lambda k, e: k**3 / e, kappas=(4.0, 8.0, 16.0), epsilons=(0.1, 0.01)).assign(
    outer=lambda d: d.hv, outer_bound=lambda d: 2 * d.hv
)
RECORD = bl.run(HARD, "aid_bio", 0.5, EXACT, engine="torch", max_outer=2)
FIT = bl.fit(COUNTS)


def quadratic(x, y):
    return (x * x).sum() + (y * y).sum()


def custom(**changed):
    constants = bl.Constants(L=2.0, mu=2.0, M=1.0)
    given = {"f": quadratic, "g": quadratic, "dim_x": 2, "dim_y": 2, "constants": constants}
    return bl.problem_from_functions(**given | changed)


CUSTOM = custom()


def register(registry):
    """Register under a name and use the registry, which is left as it was."""

    def call(name, function):
        kept = dict(registry)
        try:
            registered = bl.register_solver if registry is solvers._steps else problems.register
            registered(name)(function)
            assert sorted(map(str, registry)) == sorted(registry)
        except InputError:
            assert registry == kept
            raise
        finally:
            registry.clear()
            registry.update(kept)

    return call


RUN = {
    "solver": "aid_bio", "eps": [0.5, 0.1], "params": "theory", "engine": "torch", "device": "cpu",
    "criterion": "average", "max_outer": 2, "max_seconds": 5.0, "overrides": {"D": 2, "first_D": 2},
    "progress": lambda outer: None, "noise_seeds": None, "tuning": None,
}  # fmt: skip
CALLS = {
    "run": (bl.run, {"problem": HARD, "seed": 1, **RUN}),
    "run of a dict": (bl.run, {"problem": HARD, "seed": 1, **RUN, "params": EXACT}),
    "run with noise": (
        bl.run,
        {"problem": RANDOM, **RUN, "solver": "bsa", "noise_seeds": [0, 1], "overrides": None},
    ),
    "run_many": (bl.run_many, {"instances": [HARD, HARD], "seeds": [1, 2], **RUN}),
    "RunConfig": (lambda **given: bl.RunConfig(**given).to_dict(), vars(CONFIG)),
    "execute": (lambda **given: bl.execute(bl.RunConfig(**given)), vars(CONFIG)),
    "execute, arguments": (bl.execute, {"config": CONFIG, "progress": lambda o: 0, "tune": None}),
    "validate": (validate, {"config": CONFIG}),
    "counts": (RECORD.counts, {"eps": 0.5, "ledger": "samples"}),
    "outer": (RECORD.outer, {"eps": 0.5}),
    "fit": (bl.fit, {"df": COUNTS, "y": "hv", "model": "auto"}),
    "collapse": (bl.collapse, {"df": COUNTS, "y": "outer", "bound": "outer_bound"}),
    "verdict": (FIT.verdict, {"bound": Bound(3.0, 1.0, False, "", False)}),
    "explain": (FIT.explain, {"bound": 3.0}),
    "predict": (FIT.predict, {"kappa": [4.0, 8.0], "eps": 0.1}),
    "Constants": (bl.Constants, {"L": 2.0, "mu": 1.0, "M": 1.0, "rho": 1.0, "tau": 1.0,
                                 "sigma": 0.0, "smoothness": 3.0, "gap": 1.0, "distance": 1.0}),
    "sharpened": (HARD.constants.sharpened, {"smoothness": 1.0}),
    "y_star": (HARD.y_star, {"x": HARD.x0}),
    "phi": (HARD.phi, {"x": HARD.x0}),
    "grad_phi": (HARD.grad_phi, {"x": HARD.x0}),
    "numerical y_star": (CUSTOM.y_star, {"x": CUSTOM.x0}),
    "numerical grad_phi": (CUSTOM.grad_phi, {"x": CUSTOM.x0}),
    "problem_from_functions": (
        custom, {"f": quadratic, "g": quadratic, "dim_x": 2, "dim_y": 2, "x0": [0.0, 1.0],
                 "y0": None, "name": "own", "constants": CUSTOM.constants},
    ),
    "register_solver": (register(solvers._steps), {"name": "fuzz", "function": quadratic}),
    "register": (register(problems._factories), {"name": "fuzz", "function": custom}),
    "get": (solvers.get, {"name": "aid_bio"}),
    "make_params": (solvers.make_params, {"solver": solvers.get("aid_bio"), "values": EXACT}),
    "make_params, values": (
        lambda **values: solvers.make_params(solvers.get("aid_bio"), values), EXACT,
    ),
    "make": (
        problems.make, {"name": "hard", "kappa": 4.0, "seed": 1, "curvature": 3, "tail": 4.0,
                        "profile": "even", "rho": 1.0, "L": 1.0, "M": 1.0, "noise": "gaussian",
                        "sigma": 0.1},
    ),
    "check_options": (
        problems.check_options,
        {"name": "hard", "options": {"tail": 4.0}, "kappa": 4.0, "seed": 0},
    ),
    "parameters": (problems.parameters, {"name": "hard"}),
    "summary": (problems.summary, {"name": "hard"}),
    "factories": (problems.factories, {"name": "hard"}),
    "has_own_regularisation": (problems.has_own_regularisation, {"name": "hard"}),
    "Settings": (Settings, vars(Settings())),
    "settings_from": (settings_from, {"given": {"seed": 1}, "is_random": False}),
}  # fmt: skip

FRAMES = {
    "a column less": lambda d, column: d.drop(columns=column),
    "a column twice": lambda d, column: pd.concat([d, d[[column]]], axis=1),
    "renamed": lambda d, column: d.rename(columns={column: "x" * 10**5}),
    "numbered": lambda d, column: d.rename(columns={column: 3}),
    "two levels": lambda d, column: pd.concat({column: d}, axis=1),
    "index of two levels": lambda d, column: d.set_index([column, "kappa"], drop=False),
    "index twice": lambda d, column: d.set_index(np.zeros(len(d))),
    "missing": lambda d, column: d.assign(**{column: np.nan}),
    "NA": lambda d, column: d.assign(**{column: pd.array([pd.NA] * len(d), dtype="Int64")}),
    "texts": lambda d, column: d.assign(**{column: "x" * 10**5}),
    "dates": lambda d, column: d.assign(**{column: pd.Timestamp("2020-01-01")}),
    "truth": lambda d, column: d.assign(**{column: True}),
    "complex": lambda d, column: d.assign(**{column: 1j}),
    "huge": lambda d, column: d.assign(**{column: 1e308}),
    "huge ints": lambda d, column: d.assign(**{column: [10**400] * len(d)}),
    "small": lambda d, column: d.assign(**{column: 5e-324}),
    "lists": lambda d, column: d.assign(**{column: [[1]] * len(d)}),
    "categories": lambda d, column: d.assign(**{column: pd.Categorical(d[column])}),
    "raising": lambda d, column: d.assign(**{column: [raising("__str__", "__float__", "__hash__",
                                                              "__eq__")] * len(d)}),
    "deep": lambda d, column: d.assign(**{column: [nested(lambda i: [i])] * len(d)}),
    "one row": lambda d, column: d.iloc[:1],
    "no row": lambda d, column: d.iloc[:0],
    "rows twice": lambda d, column: pd.concat([d, d]),
    "far apart": lambda d, column: d.assign(kappa=np.logspace(-300, 300, len(d))),
    "many groups": lambda d, column: d.assign(solver=[f"{i}" * 200 for i in range(len(d))]),
    "unhashable groups": lambda d, column: d.assign(options=[{"a": 1}] * len(d)),
}  # fmt: skip


def outcome(name, given, replaced):
    """None, or what is wrong with the outcome of a call."""
    call, _ = CALLS[name]
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            with contextlib.redirect_stdout(io.StringIO()):
                call(**given)
    except InputError as error:
        message = str(error)
        if not message.isprintable() or len(message) > 300:
            return f"message of {len(message)} characters: {message!r}"
        if any(repeats(message, value) for value in replaced):
            return f"repeats its input: {message[:400]!r}"
    except BaseException as error:  # noqa: BLE001 - that is what is looked for
        return f"{type(error).__name__}: {str(error)[:200]}"
    return None


def drawn(seed, inputs):
    """(name, arguments, names of the values put in, those values) of hostile calls."""
    rng = random.Random(seed)
    for _ in range(inputs):
        name = rng.choice(list(CALLS))
        given = dict(CALLS[name][1])
        chosen = rng.sample(list(given), min(len(given), rng.choice((1, 1, 2))))
        kinds = {argument: rng.choice(list(HOSTILE)) for argument in chosen}
        replaced = {argument: HOSTILE[kind]() for argument, kind in kinds.items()}
        if "df" in given and rng.random() < 0.8:
            kinds["df"] = rng.choice(list(FRAMES))
            column = rng.choice(["kappa", "eps", "instance", "status", "hv", "outer"])
            replaced["df"] = FRAMES[kinds["df"]](COUNTS, column)
        yield name, given | replaced, kinds, list(replaced.values())


def test_hostile_arguments_end_in_a_result_or_an_input_error():
    wrong, before = {}, (solvers.names(), problems.names())
    for name, given, kinds, replaced in drawn(SEED, INPUTS):
        found = outcome(name, given, replaced)
        if found:
            wrong[f"{name}({kinds})"] = found
    assert not wrong, "\n".join(f"{len(wrong)}: {k}: {v}" for k, v in list(wrong.items())[:30])
    assert (solvers.names(), problems.names()) == before
    assert all(solvers.get(name).name == name for name in solvers.names())


@pytest.mark.parametrize("name", CALLS)
def test_the_calls_are_valid_to_begin_with(name):
    CALLS[name][0](**CALLS[name][1])
