"""The box that parameters are searched in: what is in it, how far it reaches, and its edges."""

import dataclasses
from typing import NamedTuple

import numpy as np
import pytest

from bilevel_core import Constants, InputError, solvers
from bilevel_core.tuning.space import Axis, Space, at, changed, space_of, unit_points

CONSTANTS = Constants(L=1.0, mu=0.125, M=1.0, rho=1.0, sigma=0.1, smoothness=50.0)
EPS = 0.1


class Params(NamedTuple):
    """Every kind of parameter."""

    inner: float
    outer: float
    eta: float
    steps: int
    first_steps: int
    power: float


def theory(constants, eps):
    steps = max(1, round(2 * constants.kappa))
    return Params(1 / constants.L, 1 / (8 * constants.L_Phi), 0.5 / constants.L, steps, 99, 2.0)


def solver(tunable=None):
    """AID-BiO's module with other parameters, and a TUNABLE of its own if there is one."""

    def step():
        raise AssertionError("nothing runs here")

    extra = {} if tunable is None else {"TUNABLE": tunable}
    step = type(step)(step.__code__, extra)
    known = solvers.get("aid_bio")
    return dataclasses.replace(known, Params=Params, step=step, theory=theory)


def space(by_hand=(), tunable=None, constants=CONSTANTS):
    own = solver(tunable)
    return space_of(own, constants, EPS, theory(constants, EPS), frozenset(by_hand))


def axes(*args, **kwargs):
    return {axis.name: axis for axis in space(*args, **kwargs).axes}


def test_ranges_by_kind():
    found = axes()
    assert found == {
        "inner": Axis("inner", 0.25, 2 / 1.125, False),
        "outer": Axis("outer", 1 / 1600, 2.0, False),
        "eta": Axis("eta", 0.125, 1.0, False),
        "steps": Axis("steps", 1.0, 64.0, True),
    }


def test_an_outer_step_that_theory_makes_large_may_still_grow():
    flat = dataclasses.replace(CONSTANTS, smoothness=0.01)
    assert axes(constants=flat)["outer"].high == pytest.approx(16 * 12.5)


def test_what_is_set_by_hand_is_not_searched():
    assert set(axes(by_hand=["outer", "steps"])) == {"inner", "eta"}
    assert axes(by_hand=Params._fields) == {}


def test_a_module_names_what_is_searched():
    found = axes(tunable=("outer", "power"))
    assert set(found) == {"outer", "power"}
    assert (found["power"].low, found["power"].high) == (0.02, 200.0)


def test_a_module_that_names_no_parameter_of_its_own():
    with pytest.raises(InputError, match=r"TUNABLE.*'step'.*did you mean 'steps'"):
        space(tunable=("step",))


@pytest.mark.parametrize("name", solvers.names())
def test_every_solver_has_one_outer_step_and_inner_steps(name):
    found = solvers.get(name)
    nominal = found.theory(CONSTANTS, EPS)
    box = {a.name: a for a in space_of(found, CONSTANTS, EPS, nominal, frozenset()).axes}
    assert box["beta"].high == pytest.approx(max(2.0, 16 * nominal.beta))
    assert box["alpha"].high == pytest.approx(max(2 / 1.125, nominal.alpha))
    assert not [name for name in box if name.startswith("first_")]
    for axis in box.values():
        assert 0 < axis.low <= getattr(nominal, axis.name) <= axis.high


def test_points_lie_in_the_box_and_reach_its_ends():
    box = space()
    low, high = at(box, np.zeros(4)), at(box, np.ones(4))
    assert low[:4] == pytest.approx((0.25, 1 / 1600, 0.125, 1))
    assert high[:4] == pytest.approx((2 / 1.125, 2.0, 1.0, 64))
    middle = at(box, np.full(4, 0.5))
    assert middle.steps == 8
    assert isinstance(middle.steps, int)
    assert middle.power == 2.0


def test_the_first_step_is_never_shorter_than_the_others():
    wide = space(constants=dataclasses.replace(CONSTANTS, mu=0.01))
    assert at(wide, np.ones(4)).first_steps == 800
    assert at(wide, np.zeros(4)).first_steps == 99
    by_hand = space(by_hand=["first_steps"], constants=dataclasses.replace(CONSTANTS, mu=0.01))
    assert at(by_hand, np.ones(4)).first_steps == 99


def test_a_move_multiplies_and_keeps_to_the_box():
    box = space()
    start = at(box, np.full(4, 0.5))
    assert changed(box, start, (1, 2.0, 1, 1)) == start._replace(outer=2 * start.outer)
    assert changed(box, start, (1, 1e9, 1, 1)).outer == 2.0
    assert changed(box, start, (1, 1, 1, 1e-9)).steps == 1
    assert changed(box, start, (1, 1, 1, 1)) == start


@pytest.mark.parametrize(("factor", "steps"), [(1.05, 9), (1 / 1.05, 7), (1.5, 12), (0.5, 4)])
def test_a_whole_number_moves_by_one_at_least(factor, steps):
    box = space()
    assert changed(box, at(box, np.full(4, 0.5)), (1, 1, 1, factor)).steps == steps


@pytest.mark.parametrize(("n", "dimension"), [(1, 3), (7, 1), (32, 4)])
def test_each_coordinate_has_one_point_in_each_stratum(n, dimension):
    points = unit_points(np.random.default_rng(0), n, dimension)
    assert points.shape == (n, dimension)
    for column in points.T:
        assert sorted(np.floor(column * n).astype(int)) == list(range(n))


@pytest.mark.parametrize(("n", "dimension"), [(0, 3), (5, 0), (0, 0)])
def test_an_empty_hypercube(n, dimension):
    assert unit_points(np.random.default_rng(0), n, dimension).shape == (n, dimension)


def test_a_box_without_axes_holds_the_theorem():
    box = space(by_hand=Params._fields)
    assert at(box, np.zeros(0)) == box.nominal
    assert isinstance(box, Space)
