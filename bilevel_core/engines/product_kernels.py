"""Compiled products of a matrix and a vector, (m, n) times (n,), or of each instance of a batch.

Small ones are written out or go four rows at a time, large ones through `vector_products`, which
reads a symmetric matrix above its diagonal only.
"""

from __future__ import annotations

from collections.abc import Callable
from textwrap import indent
from typing import Any

from bilevel_core import arrays
from bilevel_core.engines.array_kernels import (
    STEPS_OF_LADDER,
    SUMS,
    implement,
    implement_by_body,
)
from bilevel_core.engines.vector_products import gemv, symv

SMALLEST_VECTORISED = 36
"""Rows and columns from which vectors written by hand are faster than the compiler's."""
SMALLEST_SYMMETRIC = 48
"""Rows from which reading half of a symmetric matrix is faster than reading it row by row."""
SMALLEST_REMEMBERED = 8
"""Coordinates from which comparing two vectors is faster than a product."""

ROW = "total = 0.0\nfor j in range(matrix.shape[1]):\n    total += matrix[{i}, j] * vector[j]\n"

FOUR_ROWS = """
for block in range(matrix.shape[0] // 4):
    i = 4 * block
    row0, row1, row2, row3 = matrix[i], matrix[i + 1], matrix[i + 2], matrix[i + 3]
    total0, total1, total2, total3 = 0.0, 0.0, 0.0, 0.0
    for j in range(vector.shape[0]):
        total0 += row0[j] * vector[j]
        total1 += row1[j] * vector[j]
        total2 += row2[j] * vector[j]
        total3 += row3[j] * vector[j]
    out[i] {sign} total0
    out[i + 1] {sign} total1
    out[i + 2] {sign} total2
    out[i + 3] {sign} total3
for i in range(4 * (matrix.shape[0] // 4), matrix.shape[0]):
"""

BATCH = """
for i in range(matrix.shape[0]):
    {start}
    for j in range(matrix.shape[1]):
        for lane in range(out.shape[1]):
            out[i, lane] {sign} {entry} * vector[j, lane]
"""


def _body(sign: str, start: str) -> Callable[[dict[str, Any]], str]:
    """Source of `out (sign) matrix @ vector`; a batch begins with `start` and adds or subtracts."""

    def body(kinds: dict[str, Any]) -> str:
        if kinds["vector"].ndim == 2:
            entry = "matrix[i, j, lane]" if kinds["matrix"].ndim == 3 else "matrix[i, j]"
            return BATCH.format(start=start, sign="-=" if sign == "-=" else "+=", entry=entry)
        rungs = "".join(
            f"if matrix.shape[0] > {i}:\n"
            + indent(ROW.format(i=i) + f"out[{i}] {sign} total\n", "    ")
            for i in range(STEPS_OF_LADDER)
        )
        rest = FOUR_ROWS.format(sign=sign) + indent(
            ROW.format(i="i") + f"out[i] {sign} total\n", "    "
        )
        large = f"min(matrix.shape) >= {SMALLEST_VECTORISED}" if sign == "=" else "False"
        return (
            f"if matrix.shape[0] <= {STEPS_OF_LADDER}:\n{indent(rungs, '    ')}"
            f"elif {large}:\n    gemv(matrix, vector, out)\n"
            f"else:\n{indent(rest, '    ')}"
        )

    return body


implement_by_body(arrays.multiply, _body("=", "out[i] = 0.0"), SUMS, gemv=gemv)
implement_by_body(arrays.subtract_product, _body("-=", "pass"), SUMS)


@implement(arrays.multiply_symmetric)
def _multiply_symmetric(matrix, vector, out):
    if vector.ndim == 2:
        return lambda matrix, vector, out: arrays.multiply(matrix, vector, out)

    def multiply_symmetric(matrix, vector, out):
        if vector.shape[0] < SMALLEST_SYMMETRIC:
            arrays.multiply(matrix, vector, out)
        else:
            symv(matrix, vector, out)

    return multiply_symmetric


@implement(arrays.subtract_remembered_product)
def _subtract_remembered_product(target, memory, matrix, vector):
    if vector.ndim == 2:
        return lambda target, memory, matrix, vector: arrays.subtract_product(
            target, matrix, vector
        )

    def subtract_remembered_product(target, memory, matrix, vector):
        if vector.shape[0] < SMALLEST_REMEMBERED:
            arrays.subtract_product(target, matrix, vector)
            return
        different = 0
        for j in range(vector.shape[0]):
            different += memory.vector[j] != vector[j]
        if different > 0:
            arrays.assign(memory.vector, vector)
            arrays.multiply(matrix, vector, memory.product)
        for i in range(target.shape[0]):
            target[i] -= memory.product[i]

    return subtract_remembered_product
