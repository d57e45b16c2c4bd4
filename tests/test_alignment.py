"""Arrays of the compiled engine start at a line of the cache, and stay what they were."""

import dataclasses
import itertools
from typing import NamedTuple

import numpy as np
import pytest

import problems
from bilevel_core.arrays import Memory
from bilevel_core.engines.alignment import (
    LARGEST_MOVED,
    LINE,
    SMALLEST_ALIGNED,
    SMALLEST_MOVED,
    aligned_copy,
    aligned_data,
    aligned_empty,
)
from bilevel_core.engines.compiled import CompiledSession
from bilevel_core.engines.fused import FusedSession
from bilevel_core.solvers import get


def arrays_of(value):
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from arrays_of(part)


def starts_at_a_line(array):
    return array.ctypes.data % LINE == 0


def at_offset(array, offset):
    """A copy that starts so many bytes after a line."""
    room = aligned_empty((array.size + LINE // 8,))
    moved = room[offset // 8 : offset // 8 + array.size].reshape(array.shape)
    moved[...] = array
    return moved


@pytest.mark.parametrize("shape", [(0,), (1,), (7,), (100, 3), (0, 4)])
def test_room_starts_at_a_line_and_can_be_written(shape):
    made = aligned_empty(shape)
    assert made.shape == shape
    assert made.dtype == np.float64
    assert made.flags.c_contiguous
    made[...] = 1.0
    assert starts_at_a_line(made) or not made.size


class Inner(NamedTuple):
    """What one array of a family remembers of another."""

    point: np.ndarray
    value: np.ndarray


class Data(NamedTuple):
    """Data of a family."""

    matrix: np.ndarray
    memory: Inner
    counts: np.ndarray
    weight: float


def made(offset):
    """More than the least that is moved."""
    n = SMALLEST_MOVED // 16
    matrix = at_offset(np.arange(2.0 * n).reshape(2, n), offset)
    memory = Inner(at_offset(np.arange(100.0), 0), np.arange(3.0))
    return Data(matrix, memory, np.arange(3), 2.0)


@pytest.mark.parametrize("offset", range(0, LINE, 8))
def test_values_stay_and_all_arrays_move(offset):
    """Arrays that are aligned already are copied, too: a memory is never shared in part."""
    given = made(offset)
    given.matrix.flags.writeable = False
    found = aligned_data(given)
    for old, new in zip(arrays_of(given), arrays_of(found), strict=True):
        np.testing.assert_array_equal(new, old)
        assert new.flags.writeable == old.flags.writeable
        if new.dtype == np.float64:
            assert starts_at_a_line(new) or new.size < SMALLEST_ALIGNED
            assert not np.shares_memory(new, old)
    assert found.counts is given.counts
    assert found.weight == given.weight


@pytest.mark.parametrize("size", [1, LARGEST_MOVED // 8])
def test_what_is_small_or_large_stays_what_it_is(size):
    given = made(8)._replace(matrix=np.empty(size))
    assert aligned_data(given) is given


def test_a_copy_has_the_order_of_c():
    given = np.asfortranarray(np.arange(200.0).reshape(2, 100))
    found = aligned_copy(given)
    np.testing.assert_array_equal(found, given)
    assert found.flags.c_contiguous


@pytest.mark.parametrize("dim", [8, 9, 33, 40, 100])
def test_sessions_of_one_problem_in_turns_do_as_alone(dim):
    """Neither reads what the other remembers; each start of the memory is tried."""
    problem, solver = problems.make("quadratic", kappa=3.0, dim=dim), get("aid_bio")
    params = solver.theory(problem.constants, 0.1)
    alone = CompiledSession(problem, solver, params)
    wanted = [alone.advance(3).squared for _ in range(2)]
    for offsets in itertools.product((0, 16), repeat=2):
        memory = Memory(*map(at_offset, problem.data.coupling, offsets))
        moved = dataclasses.replace(problem, data=problem.data._replace(coupling=memory))
        one, other = (CompiledSession(moved, solver, params) for _ in range(2))
        other.advance(3)
        for session, expected in ((one, wanted[0]), (other, wanted[1]), (one, wanted[1])):
            np.testing.assert_array_equal(session.advance(3).squared, expected)


def test_sessions_hold_aligned_arrays():
    solver = get("itd_bio")
    large, small = (problems.make("quadratic", kappa=4.0, dim=dim) for dim in (100, 2))
    params = solver.theory(large.constants, 0.1)
    session = CompiledSession(large, solver, params)
    session.advance(2)
    tile = FusedSession([small] * 3, solver, params)._tiles[0]
    tile.run(2)
    for oracle, room in ((session._oracle, session._room), (tile._oracle, tile._room)):
        arrays = [*arrays_of(oracle.data), *arrays_of(oracle.work), room]
        longer = [array for array in arrays if array.size >= SMALLEST_ALIGNED]
        assert len(longer) > 5
        assert all(map(starts_at_a_line, longer))
