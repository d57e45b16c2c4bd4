"""Products of a matrix and a vector, written in the processor's vectors, for compiled code.

As many rows at once as a vector has lanes, one chunk of columns (a vector of them) after another;
the rows' totals are added across lanes all together.  What does not fill a vector comes first: a
chunk of which some lanes count, or a block of which some rows do, so that everything after it is
whole.  Arrays are contiguous, of float64.  The order of summation is fixed by the size and LANES;
where an argument is infinite, a result that is not finite may be nan instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.core.registry import cpu_target
from numba.extending import intrinsic, register_jitable

FEATURES = cpu_target.target_context.codegen().magic_tuple()[2]
"""What Numba takes the processor to have."""
LANES = 8 if "+avx512f" in FEATURES else 4
"""Numbers of a vector.  Eight in a processor's shorter vectors need more registers than it has."""
NUMBER, WORD, VECTOR = ir.DoubleType(), ir.IntType(64), ir.VectorType(ir.DoubleType(), LANES)
ZERO = ir.Constant(VECTOR, [0.0] * LANES)
_intrinsic: Any = intrinsic  # what it makes is called with other arguments than what it decorates


def _at(builder: Any, base: Any, *offsets: Any) -> Any:
    """The address of a vector."""
    for offset in offsets:
        base = builder.gep(base, [offset])
    return builder.bitcast(base, VECTOR.as_pointer())


def _load(builder: Any, base: Any, *offsets: Any) -> Any:
    return builder.load(_at(builder, base, *offsets), align=8)


def _store(builder: Any, vector: Any, base: Any, *offsets: Any) -> None:
    builder.store(vector, _at(builder, base, *offsets), align=8)


def _add_product(builder: Any, a: Any, b: Any, total: Any) -> Any:
    """total + a * b, rounded once where the processor can."""
    kind = ir.FunctionType(VECTOR, [VECTOR] * 3)
    name = f"llvm.fmuladd.v{LANES}f64"
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), (a, b, total))


def _below(builder: Any, count: Any) -> Any:
    """Which lanes are among the first `count`."""
    lanes = ir.VectorType(WORD, LANES)
    single = builder.insert_element(ir.Constant(lanes, ir.Undefined), count, WORD(0))
    counts = builder.shuffle_vector(single, single, _indices([0] * LANES))
    return builder.icmp_signed("<", ir.Constant(lanes, list(range(LANES))), counts)


def _indices(lanes: list[int]) -> Any:
    return ir.Constant(ir.VectorType(ir.IntType(32), LANES), lanes)


def _from_lane(builder: Any, first: int, vector: Any) -> Any:
    """The vector with 0 in lanes before the first."""
    kept = [int(lane >= first) for lane in range(LANES)]
    mask = ir.Constant(ir.VectorType(ir.IntType(1), LANES), kept)
    return builder.select(mask, vector, ZERO)


def _sums(builder: Any, vectors: list[Any]) -> Any:
    """The sum of each of LANES vectors, in its lane: by neighbours, then pairs, then fours."""
    width = 1
    while len(vectors) > 1:
        own = [lane - width + LANES if lane & width else lane for lane in range(LANES)]
        other = [lane + LANES if lane & width else lane + width for lane in range(LANES)]
        vectors = [
            builder.fadd(
                builder.shuffle_vector(a, b, _indices(own)),
                builder.shuffle_vector(a, b, _indices(other)),
            )
            for a, b in zip(vectors[::2], vectors[1::2], strict=True)
        ]
        width *= 2
    return vectors[0]


def _each_chunk(
    builder: Any, first: Any, last: Any, totals: list[Any], body: Callable[..., list[Any]]
) -> list[Any]:
    """What `body(column, totals)` makes of the totals, chunk by chunk from column `first` on."""
    before = builder.block
    test, chunk, end = (builder.append_basic_block(f"chunks.{i}") for i in range(3))
    builder.branch(test)
    builder.position_at_end(test)
    column, carried = builder.phi(WORD), [builder.phi(VECTOR) for _ in totals]
    builder.cbranch(builder.icmp_signed("<", column, last), chunk, end)
    builder.position_at_end(chunk)
    after = [builder.add(column, WORD(LANES)), *body(column, carried)]
    for phi, start, value in zip([column, *carried], [first, *totals], after, strict=True):
        phi.add_incoming(start, before)
        phi.add_incoming(value, builder.block)
    builder.branch(test)
    builder.position_at_end(end)
    return carried


def _check(matrix: types.Type, vector: types.Type, out: types.Type) -> None:
    """Raise TypingError unless these are contiguous arrays of float64, and out can be written."""
    for name, kind, ndim in (("matrix", matrix, 2), ("vector", vector, 1), ("out", out, 1)):
        expected = types.Array(types.float64, ndim, "C")
        readable = types.Array(types.float64, ndim, "C", readonly=True)
        if kind != expected and (kind != readable or name == "out"):
            raise TypingError(f"expected {name} of type {expected}, got {kind}")


@_intrinsic
def _multiply_rows(typing_context, matrix, vector, out, i):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Write the LANES rows of the product from i on; n >= LANES."""
    _check(matrix, vector, out)

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        entries, x, target = _addresses(context, builder, signature, arguments)
        n, i = _length(context, builder, signature, arguments), arguments[3]
        rows = [_row(builder, entries, n, builder.add(i, WORD(r))) for r in range(LANES)]
        first = builder.add(builder.and_(builder.sub(n, WORD(1)), WORD(LANES - 1)), WORD(1))
        factor = builder.select(_below(builder, first), _load(builder, x), ZERO)
        totals = [builder.fmul(_load(builder, row), factor) for row in rows]

        def add_chunk(j: Any, totals: list[Any]) -> list[Any]:
            factor = _load(builder, x, j)
            return [
                _add_product(builder, _load(builder, row, j), factor, total)
                for row, total in zip(rows, totals, strict=True)
            ]

        totals = _each_chunk(builder, first, n, totals, add_chunk)
        _store(builder, _sums(builder, totals), target, i)
        return context.get_dummy_value()

    return types.void(matrix, vector, out, types.intp), generate


@_intrinsic
def _multiply_upper_rows(typing_context, matrix, vector, out, i, count):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Add what `count` rows from i on, with the columns that mirror them, contribute; n >= LANES.

    count: LANES, or, where i = 0, from 1 on.
    """
    _check(matrix, vector, out)

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        entries, x, target = _addresses(context, builder, signature, arguments)
        n, (i, count) = _length(context, builder, signature, arguments), arguments[3:]
        last = builder.sub(count, WORD(1))
        offsets = [_smaller(builder, WORD(r), last) for r in range(LANES)]
        rows = [_row(builder, entries, n, builder.add(i, offset)) for offset in offsets]
        counts = _below(builder, count)
        # Rows that do not count repeat the last that does, times 0.
        own = builder.select(counts, _load(builder, x, i), ZERO)
        factors = [builder.shuffle_vector(own, own, _indices([r] * LANES)) for r in range(LANES)]
        totals, mirrored = [], ZERO
        for r, (row, factor) in enumerate(zip(rows, factors, strict=True)):
            entry = builder.select(counts, _load(builder, row, i), ZERO)
            totals.append(builder.fmul(_from_lane(builder, r, entry), own))
            strictly_upper = _from_lane(builder, r + 1, entry)
            mirrored = _add_product(builder, strictly_upper, factor, mirrored)

        def add_chunk(j: Any, totals: list[Any]) -> list[Any]:
            chunk, below = _load(builder, x, j), _load(builder, target, j)
            after = []
            for row, factor, total in zip(rows, factors, totals, strict=True):
                entry = _load(builder, row, j)
                after.append(_add_product(builder, entry, chunk, total))
                below = _add_product(builder, entry, factor, below)
            _store(builder, below, target, j)
            return after

        totals = _each_chunk(builder, builder.add(i, count), n, totals, add_chunk)
        sums = builder.select(counts, builder.fadd(_sums(builder, totals), mirrored), ZERO)
        _store(builder, builder.fadd(_load(builder, target, i), sums), target, i)
        return context.get_dummy_value()

    return types.void(matrix, vector, out, types.intp, types.intp), generate


def _smaller(builder: Any, a: Any, b: Any) -> Any:
    return builder.select(builder.icmp_signed("<", a, b), a, b)


def _row(builder: Any, entries: Any, n: Any, i: Any) -> Any:
    return builder.gep(entries, [builder.mul(n, i)])


def _view(context: Any, builder: Any, signature: Any, arguments: Any, index: int) -> Any:
    make = context.make_array(signature.args[index])
    return make(context, builder, value=arguments[index])


def _addresses(context: Any, builder: Any, signature: Any, arguments: Any) -> list[Any]:
    return [_view(context, builder, signature, arguments, index).data for index in range(3)]


def _length(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    shape = _view(context, builder, signature, arguments, 1).shape
    return cgutils.unpack_tuple(builder, shape)[0]


@register_jitable(error_model="numpy")
def gemv(matrix: Any, vector: Any, out: Any) -> None:
    """Write matrix @ vector into out: (m, n), (n,), (m,), of which out shares no memory.

    Raises TypingError where an array is not contiguous or not of float64.
    """
    m, n = matrix.shape
    if min(m, n) < LANES:
        for i in range(m):
            total = 0.0
            for j in range(n):
                total += matrix[i, j] * vector[j]
            out[i] = total
        return
    # The first two blocks share rows where LANES does not divide m.
    _multiply_rows(matrix, vector, out, 0)
    for i in range((m - 1) % LANES + 1, m, LANES):
        _multiply_rows(matrix, vector, out, i)


@register_jitable(error_model="numpy")
def symv(matrix: Any, vector: Any, out: Any) -> None:
    """Write matrix @ vector into out from what is on and above the diagonal: (n, n), (n,), (n,).

    out shares no memory with the others.  Raises TypingError where an array is not contiguous or
    not of float64.
    """
    n = vector.shape[0]
    for i in range(n):
        out[i] = 0.0
    if n < LANES:
        for i in range(n):
            out[i] += matrix[i, i] * vector[i]
            for j in range(i + 1, n):
                out[i] += matrix[i, j] * vector[j]
                out[j] += matrix[i, j] * vector[i]
        return
    first = (n - 1) % LANES + 1
    _multiply_upper_rows(matrix, vector, out, 0, first)
    for i in range(first, n, LANES):
        _multiply_upper_rows(matrix, vector, out, i, LANES)
