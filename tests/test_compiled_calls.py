"""A compiled session calls its code without looking at types again, whatever ran before it."""

import numba
import numpy as np
import pytest

import problems
from bilevel_core.engines.compiled import CompiledSession
from bilevel_core.engines.fused import FusedSession
from bilevel_core.engines.specialisation import code_for
from bilevel_core.run import NOISE_SEEDS
from bilevel_core.solvers import get, names


@pytest.fixture
def looks(monkeypatch):
    """How often Numba works out the type of an argument."""
    kind = type(numba.njit(lambda: None))
    seen, look = [], kind.typeof_pyval

    def counted(self, value):
        seen.append(value)
        return look(self, value)

    monkeypatch.setattr(kind, "typeof_pyval", counted)
    return seen


@pytest.mark.parametrize("name", names())
def test_solvers_with_alike_states_do_not_slow_each_other(name, looks):
    solver, problem = get(name), problems.make("quadratic", kappa=4.0)
    other = get("itd_bio" if name == "fo_itd_bio" else "aid_bio")
    noise = NOISE_SEEDS[0] if solver.is_random else None
    sessions = [
        CompiledSession(problem, each, each.theory(problem.constants, 0.1), seed)
        for each, seed in ((other, None), (solver, noise))
    ]
    looks.clear()
    for session in sessions:
        session.advance(2)
        session.advance(2)
    assert looks == []


def test_tiles_do_not_look_at_types_again(looks):
    problem, solver = problems.make("quadratic", kappa=4.0, dim=2), get("aid_bio")
    session = FusedSession([problem] * 3, solver, solver.theory(problem.constants, 0.1))
    looks.clear()
    session.advance(2)
    assert looks == []


@pytest.mark.parametrize("change", [np.asfortranarray, lambda a: a.astype(np.float32)])
def test_code_is_of_the_types_that_it_is_called_with(change, looks):
    """An array of another order or precision gets code of its own, and each is found again."""
    specialised = numba.njit(lambda pair, shapes: pair[0][0, 1] + pair[1])
    matrix = np.arange(6.0).reshape(2, 3)
    given = [((matrix, 1), None), ((change(matrix), 1), None), ((matrix, 1.5), None)]
    codes = [code_for(specialised, arguments, None) for arguments in given]
    assert [code(*arguments) for code, arguments in zip(codes, given, strict=True)] == [2, 2, 2.5]
    assert len(set(codes)) == 3
    looks.clear()
    assert [code_for(specialised, arguments, None) for arguments in given] == codes
    assert looks == []
