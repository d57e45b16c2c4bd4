"""Arrays of the compiled engine start at a line of the cache, and stay what they were."""

import numpy as np
import pytest

import problems
from bilevel_core.engines.alignment import LARGEST_MOVED, LINE, aligned, aligned_empty
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


@pytest.mark.parametrize("offset", range(0, LINE, 8))
@pytest.mark.parametrize("writeable", [True, False])
def test_values_order_and_permission_stay(offset, writeable):
    given = at_offset(np.arange(12.0).reshape(3, 4), offset)
    given.flags.writeable = writeable
    found = aligned(given)
    np.testing.assert_array_equal(found, given)
    assert starts_at_a_line(found)
    assert found.flags.writeable == writeable
    assert (found is given) == (offset == 0)


def test_other_types_and_large_arrays_are_not_copied():
    counts = np.zeros(9, np.int64)[1:]
    large = np.empty(LARGEST_MOVED // 8 + 9)[1:]
    assert aligned(counts) is counts
    assert aligned(large) is large


def test_columns_become_rows_of_memory():
    given = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    found = aligned(given)
    np.testing.assert_array_equal(found, given)
    assert found.flags.c_contiguous


def test_sessions_hold_aligned_arrays_only():
    problem, solver = problems.make("quadratic", kappa=4.0, dim=3), get("itd_bio")
    params = solver.theory(problem.constants, 0.1)
    session = CompiledSession(problem, solver, params)
    session.advance(2)
    tile = FusedSession([problem] * 3, solver, params)._tiles[0]
    tile.run(2)
    for oracle, room in ((session._oracle, session._room), (tile._oracle, tile._room)):
        arrays = [*arrays_of(oracle.data), *arrays_of(oracle.work), room]
        assert len(arrays) > 10
        assert all(map(starts_at_a_line, arrays))
