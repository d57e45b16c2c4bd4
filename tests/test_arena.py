"""Compiled code without owners: vectors of a step come from an arena, and are given back."""

import dataclasses

import numba
import numpy as np
import pytest

import problems
from bilevel_core import arrays, solvers
from bilevel_core.engines import kernels  # noqa: F401  # teaches Numba the array operations
from bilevel_core.engines.arena import empty_arena, open_arena
from bilevel_core.engines.compiled import CompiledSession
from bilevel_core.engines.lending import known_shapes, lend
from bilevel_core.policies import params_for


@numba.njit
def rounds(given, room, n, many, out):
    """`many` vectors of n numbers a round, three rounds; their sums go into out."""
    arena = open_arena(room)
    like = lend(given, arena, (None,))[0]
    peak = 0
    for i in range(3):
        total = 0.0
        for j in range(many):
            made = arrays.vector_like(like, n)
            arrays.assign(made, 1.0 + j)
            other = arrays.copy(made)
            arrays.add_scaled(made, 1.0, other)
            total += arrays.dot(made, other)
        out[i] = total
        peak = empty_arena(arena)
    return peak


@pytest.mark.parametrize("room", [0, 7, 40, 1000])
def test_vectors_hold_their_numbers_with_room_and_without(room):
    n, many, out = 5, 4, np.zeros(3)
    peak = rounds((np.zeros(2),), np.empty(room), n, many, out)
    assert peak == 2 * n * many
    np.testing.assert_allclose(out, sum(2.0 * (1.0 + j) ** 2 * n for j in range(many)))


@numba.njit
def without_arena(a):
    return arrays.copy(a), arrays.vector_like(a, 3), arrays.stack_like(a, 2)


def test_arrays_that_were_not_lent_are_made_by_numba():
    """An array from Python carries a Python object where a lent one carries its arena."""
    a = np.array([1.0, 2.0])
    copied, vector, stack = without_arena(a)
    np.testing.assert_array_equal(copied, a)
    assert copied is not a
    assert (vector.shape, stack.shape) == ((3,), (2, 2))


def test_small_shapes_are_known_and_others_are_not():
    value = (np.zeros(2), (np.zeros((3, 2)), 1.0), np.zeros(1000), np.zeros((2, 1000)))
    two, (three_by_two, number), long, wide = known_shapes(value)
    assert two == ((None, None),)
    assert three_by_two == ((None,) * 3, (None,) * 2)
    assert (number, long, wide) == (None, None, None)


def test_the_room_of_a_run_does_not_grow_with_its_steps():
    problem = problems.make("quadratic", kappa=3.0, dim=3)
    solver = solvers.get("itd_bio")
    session = CompiledSession(problem, solver, params_for(solver, problem, "theory", {}, 0.1))
    session.advance(2)
    room = session._room.size
    assert room > 0
    session.advance(500)
    assert session._room.size == room


def test_fields_of_a_state_may_start_as_one_array():
    """Each place of a state is written over while the other is still read."""
    problem = problems.make("quadratic", kappa=3.0, dim=40)
    solver = solvers.get("aid_bio")
    params = params_for(solver, problem, "theory", {}, 0.1)
    shared = problem.x0
    one = CompiledSession(problem, solver, params)
    joined = dataclasses.replace(solver, init=lambda x, y: solver.init(shared, shared))
    other = CompiledSession(problem, joined, params)
    np.testing.assert_array_equal(one.advance(5).squared, other.advance(5).squared)
