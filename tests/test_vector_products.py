"""Compiled products in the processor's vectors, beside NumPy's."""

import os
import subprocess
import sys

import numpy as np
import pytest
from numba import njit
from numba.core.errors import TypingError

from bilevel_core.engines import vector_products

SQUARES = [(n, n) for n in (*range(1, 71), 100, 127, 1000)]
SHAPES = [*SQUARES, (1, 100), (7, 33), (8, 5), (9, 8), (33, 7), (40, 100), (101, 64), (100, 1)]


@njit(error_model="numpy")
def gemv(matrix, vector, out):
    vector_products.gemv(matrix, vector, out)


@njit(error_model="numpy")
def symv(matrix, vector, out):
    vector_products.symv(matrix, vector, out)


def whole_numbers(*shape, seed=0):
    """Numbers whose products and sums are exact in any order."""
    return np.random.default_rng(seed).integers(-99, 100, shape).astype(float)


def symmetric(n):
    matrix = whole_numbers(n, n)
    return np.triu(matrix) + np.triu(matrix, 1).T


def placed(array, offset):
    """The array at an address of its own, so many numbers from that of NumPy's memory."""
    room = np.empty(array.size + offset)
    place = room[offset:].reshape(array.shape)
    place[...] = array
    return place


def product(multiply, matrix, vector):
    """What `multiply` writes; everything around it must stay as it is."""
    room = np.full(matrix.shape[0] + 32, np.nan)
    multiply(matrix, vector, room[16:-16])
    assert np.isnan(room[:16]).all()
    assert np.isnan(room[-16:]).all()
    return room[16:-16]


@pytest.mark.parametrize(("m", "n"), SHAPES)
def test_product_is_exact_where_no_sum_is_rounded(m, n):
    matrix, vector = whole_numbers(m, n), whole_numbers(n, seed=1)
    np.testing.assert_array_equal(product(gemv, matrix, vector), matrix @ vector)


@pytest.mark.parametrize("n", [n for n, _ in SQUARES])
def test_symmetric_product_never_looks_below_the_diagonal(n):
    matrix, vector = symmetric(n), whole_numbers(n, seed=1)
    upper = matrix.copy()
    upper[np.tril_indices(n, -1)] = np.nan
    np.testing.assert_array_equal(product(symv, upper, vector), matrix @ vector)


@pytest.mark.parametrize("multiply", [gemv, symv])
@pytest.mark.parametrize("n", [5, 33, 64, 301])
def test_rounding_is_that_of_a_sum_and_the_same_wherever_the_arrays_lie(multiply, n):
    generator = np.random.default_rng(n)
    matrix, vector = generator.standard_normal((n, n)), generator.standard_normal(n)
    matrix += matrix.T
    once = product(multiply, matrix, vector)
    bound = n * np.finfo(float).eps * (np.abs(matrix) @ np.abs(vector))
    assert (np.abs(once - matrix @ vector) <= bound).all()
    for offset in (1, 3, 4):
        again = product(multiply, placed(matrix, offset), placed(vector, offset))
        np.testing.assert_array_equal(again, once)


def test_a_row_of_a_block_sums_alike_whatever_rows_are_around_it():
    generator = np.random.default_rng(2)
    matrix, vector = generator.standard_normal((45, 61)), generator.standard_normal(61)
    whole = product(gemv, matrix, vector)
    for first, last in ((0, 8), (3, 20), (21, 45)):
        part = product(gemv, matrix[first:last], vector)
        np.testing.assert_array_equal(part, whole[first:last])


@pytest.mark.parametrize("multiply", [gemv, symv])
def test_what_is_read_may_be_protected(multiply):
    matrix, vector = symmetric(20), whole_numbers(20)
    expected = matrix @ vector
    matrix.flags.writeable = vector.flags.writeable = False
    np.testing.assert_array_equal(product(multiply, matrix, vector), expected)


@pytest.mark.parametrize("multiply", [gemv, symv])
@pytest.mark.parametrize(
    ("name", "changed"),
    [("matrix", np.eye(20).T), ("vector", np.ones(40)[::2]), ("out", np.ones(20, np.float32))],
)
def test_other_arrays_are_refused_by_name(multiply, name, changed):
    arrays = {"matrix": np.eye(20), "vector": np.ones(20), "out": np.ones(20), name: changed}
    with pytest.raises(TypingError, match=f"expected {name} of type"):
        multiply(*arrays.values())


ELSEWHERE = """
import numpy as np
from numba import njit
from bilevel_core.engines import vector_products
gemv = njit(lambda matrix, vector, out: vector_products.gemv(matrix, vector, out))
symv = njit(lambda matrix, vector, out: vector_products.symv(matrix, vector, out))
for n in range(1, 41):
    matrix, vector = np.add.outer(np.arange(n), np.arange(n) ** 2.0), np.arange(n) - 3.0
    out = np.full(n, np.nan)
    gemv(matrix, vector, out)
    assert (out == matrix @ vector).all(), n
    symmetric = np.triu(matrix) + np.triu(matrix, 1).T
    symv(np.where(np.tri(n, k=-1), np.nan, symmetric), vector, out)
    assert (out == symmetric @ vector).all(), n
print(vector_products.LANES)
"""


def test_a_processor_of_short_vectors_gives_the_same():
    environment = os.environ | {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    command = [sys.executable, "-c", ELSEWHERE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "4", "")
