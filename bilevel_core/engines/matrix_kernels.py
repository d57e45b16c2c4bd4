"""Compiled implementations of `bilevel_core.matrices`.

Tall dense matrices are read once, from the first-level cache: four samples and five classes share
each load, which leaves the sums in registers.  Libraries' products with so few columns reach a
tenth of that.  Rows of sparse matrices hold their sums in vectors of the processor.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload, register_jitable

from bilevel_core import matrices
from bilevel_core.engines.array_kernels import OVERLOADED, SUMS

ROWS, CLASSES = 4, 5
"""Samples and classes of a tile."""


def implement_out_of_line(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """Decorate a function of Numba types that returns the compiled form of `function`.

    These are large and called for much work each: they are not inlined.
    """
    OVERLOADED.add(function)
    settings: Any = {"error_model": "numpy", **options}
    return overload(function, jit_options=settings)


_part = register_jitable(error_model="numpy", fastmath=set(SUMS))


@implement_out_of_line(matrices.same)
def _same(a, b):
    def same(a, b):
        n = a.shape[0]
        if n != b.shape[0]:
            return False
        # Blocks without a branch, which the compiler can turn into vectors.
        whole = n - n % 64
        for first in range(0, whole, 64):
            different = 0
            for i in range(first, first + 64):
                different += a[i] != b[i]
            if different > 0:
                return False
        different = 0
        for i in range(whole, n):
            different += a[i] != b[i]
        return different == 0

    return same


@_part
def _tile(r0, r1, r2, r3, weights, d, k, out, o, c):
    """Scores of four samples in five classes, into out from o on, a sample every c numbers."""
    a0 = a1 = a2 = a3 = a4 = b0 = b1 = b2 = b3 = b4 = 0.0
    c0 = c1 = c2 = c3 = c4 = d0 = d1 = d2 = d3 = d4 = 0.0
    w0, w1 = weights[k * d : (k + 1) * d], weights[(k + 1) * d : (k + 2) * d]
    w2, w3 = weights[(k + 2) * d : (k + 3) * d], weights[(k + 3) * d : (k + 4) * d]
    w4 = weights[(k + 4) * d : (k + 5) * d]
    for j in range(d):
        p, q, r, s = r0[j], r1[j], r2[j], r3[j]
        w = w0[j]
        a0 += p * w
        b0 += q * w
        c0 += r * w
        d0 += s * w
        w = w1[j]
        a1 += p * w
        b1 += q * w
        c1 += r * w
        d1 += s * w
        w = w2[j]
        a2 += p * w
        b2 += q * w
        c2 += r * w
        d2 += s * w
        w = w3[j]
        a3 += p * w
        b3 += q * w
        c3 += r * w
        d3 += s * w
        w = w4[j]
        a4 += p * w
        b4 += q * w
        c4 += r * w
        d4 += s * w
    out[o], out[o + 1], out[o + 2], out[o + 3], out[o + 4] = a0, a1, a2, a3, a4
    o += c
    out[o], out[o + 1], out[o + 2], out[o + 3], out[o + 4] = b0, b1, b2, b3, b4
    o += c
    out[o], out[o + 1], out[o + 2], out[o + 3], out[o + 4] = c0, c1, c2, c3, c4
    o += c
    out[o], out[o + 1], out[o + 2], out[o + 3], out[o + 4] = d0, d1, d2, d3, d4


@_part
def _inner(a, b, d):
    total = 0.0
    for j in range(d):
        total += a[j] * b[j]
    return total


@implement_out_of_line(matrices.scores_of_rows)
def _scores_of_rows(rows, weights, classes, out):
    def scores_of_rows(rows, weights, classes, out):
        n, d = rows.shape
        tiled_rows, tiled_classes = n - n % ROWS, classes - classes % CLASSES
        for i in range(0, tiled_rows, ROWS):
            for k in range(0, tiled_classes, CLASSES):
                o = i * classes + k
                _tile(
                    rows[i], rows[i + 1], rows[i + 2], rows[i + 3], weights, d, k, out, o, classes
                )
            for k in range(tiled_classes, classes):
                w = weights[k * d : (k + 1) * d]
                for r in range(i, i + ROWS):
                    out[r * classes + k] = _inner(rows[r], w, d)
        for i in range(tiled_rows, n):
            for k in range(classes):
                out[i * classes + k] = _inner(rows[i], weights[k * d : (k + 1) * d], d)
        if weights.shape[0] > classes * d:
            for i in range(n):
                for k in range(classes):
                    out[i * classes + k] += weights[classes * d + k]

    return scores_of_rows


@_part
def _add_four(r0, r1, r2, r3, a, b, c, d, target):
    for j in range(target.shape[0]):
        target[j] += a * r0[j] + b * r1[j] + c * r2[j] + d * r3[j]


@_part
def _add_one(row, a, target):
    for j in range(target.shape[0]):
        target[j] += a * row[j]


@implement_out_of_line(matrices.add_product_of_rows)
def _add_product_of_rows(rows, changes, classes, out):
    def add_product_of_rows(rows, changes, classes, out):
        n, d = rows.shape
        tiled = n - n % ROWS
        for i in range(0, tiled, ROWS):
            for k in range(classes):
                o = i * classes + k
                _add_four(
                    rows[i],
                    rows[i + 1],
                    rows[i + 2],
                    rows[i + 3],
                    changes[o],
                    changes[o + classes],
                    changes[o + 2 * classes],
                    changes[o + 3 * classes],
                    out[k * d : (k + 1) * d],
                )
        for i in range(tiled, n):
            for k in range(classes):
                _add_one(rows[i], changes[i * classes + k], out[k * d : (k + 1) * d])
        if out.shape[0] > classes * d:
            for i in range(n):
                for k in range(classes):
                    out[classes * d + k] += changes[i * classes + k]

    return add_product_of_rows


def _row_of(lanes: int) -> Any:
    """An intrinsic: `lanes` neighbouring sums of a sparse row, held in one vector.

    target[o:] = start * added[o:] + sum over e in [first, last) of values[e] *
    vectors[columns[e] * classes + k:], each slice of `lanes` numbers.
    """
    vector = ir.VectorType(ir.DoubleType(), lanes)
    word = ir.IntType(32)

    def spread(builder: Any, number: Any) -> Any:
        undefined = ir.Constant(vector, ir.Undefined)
        one = builder.insert_element(undefined, number, word(0))
        zeros = ir.Constant(ir.VectorType(word, lanes), [0] * lanes)
        return builder.shuffle_vector(one, undefined, zeros)

    def at(builder: Any, data: Any, index: Any) -> Any:
        return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = [
            context.make_array(kind)(context, builder, value=value).data
            if isinstance(kind, types.Array)
            else value
            for kind, value in zip(signature.args, arguments, strict=True)
        ]
        values, columns, first, last, vectors, classes, k, start, added, target, o = data
        total = cgutils.alloca_once(builder, vector)

        def add(scale: Any, address: Any) -> None:
            scaled = builder.fmul(
                spread(builder, scale), builder.load(address, align=8), flags=("contract",)
            )
            builder.store(builder.fadd(builder.load(total), scaled, flags=("contract",)), total)

        builder.store(ir.Constant(vector, [0.0] * lanes), total)
        with builder.if_then(builder.fcmp_unordered("!=", start, ir.Constant(start.type, 0.0))):
            add(start, at(builder, added, o))
        one = ir.Constant(first.type, 1)
        with cgutils.for_range_slice(builder, first, last, one) as (e, _):
            column = builder.sext(builder.load(builder.gep(columns, [e])), first.type)
            index = builder.add(builder.mul(column, classes), k)
            add(builder.load(builder.gep(values, [e])), at(builder, vectors, index))
        builder.store(builder.load(total), at(builder, target, o), align=8)
        return context.get_dummy_value()

    @intrinsic
    def row_of(
        typing_context, values, columns, first, last, vectors, classes, k, start, added, target, o
    ):
        i = types.intp
        return types.void(
            values, columns, i, i, vectors, i, i, types.float64, added, target, i
        ), generate

    return row_of


_row_of_8, _row_of_4 = _row_of(8), _row_of(4)


@register_jitable(error_model="numpy")
def sparse_row(matrix, i, vectors, classes, start, added, out, o):
    """Row i of matrix @ vectors plus start * added[o:], into out[o:]."""
    values, columns = matrix.values, matrix.columns
    first, last = matrix.starts[i], matrix.starts[i + 1]
    k = 0
    while k + 8 <= classes:
        _row_of_8(values, columns, first, last, vectors, classes, k, start, added, out, o + k)
        k += 8
    while k + 4 <= classes:
        _row_of_4(values, columns, first, last, vectors, classes, k, start, added, out, o + k)
        k += 4
    while k < classes:
        total = start * added[o + k] if start != 0.0 else 0.0
        for e in range(first, last):
            total += values[e] * vectors[columns[e] * classes + k]
        out[o + k] = total
        k += 1


@implement_out_of_line(matrices.multiply_sparse)
def _multiply_sparse(matrix, vectors, classes, out):
    def multiply_sparse(matrix, vectors, classes, out):
        for i in range(matrix.starts.shape[0] - 1):
            sparse_row(matrix, i, vectors, classes, 0.0, out, out, i * classes)

    return multiply_sparse


@implement_out_of_line(matrices.multiply_sparse_and_add)
def _multiply_sparse_and_add(matrix, vectors, scales, added, classes, out):
    def multiply_sparse_and_add(matrix, vectors, scales, added, classes, out):
        for i in range(matrix.starts.shape[0] - 1):
            sparse_row(matrix, i, vectors, classes, scales[i], added, out, i * classes)

    return multiply_sparse_and_add


@_part
def _largest(scores, o, classes):
    top = scores[o]
    for k in range(o + 1, o + classes):
        top = max(top, scores[k])
    return top


@implement_out_of_line(matrices.softmax)
def _softmax(scores, classes):
    def softmax(scores, classes):
        for o in range(0, scores.shape[0], classes):
            top = _largest(scores, o, classes)
            total = 0.0
            for k in range(o, o + classes):
                scores[k] = math.exp(scores[k] - top)
                total += scores[k]
            for k in range(o, o + classes):
                scores[k] /= total

    return softmax


@implement_out_of_line(matrices.cross_entropies)
def _cross_entropies(scores, labels, classes, out):
    def cross_entropies(scores, labels, classes, out):
        for i in range(labels.shape[0]):
            o = i * classes
            top = _largest(scores, o, classes)
            total = 0.0
            for k in range(o, o + classes):
                total += math.exp(scores[k] - top)
            out[i] = math.log(total) + top - scores[o + labels[i]]

    return cross_entropies


@implement_out_of_line(matrices.excesses)
def _excesses(probabilities, labels, shares, classes, out):
    def excesses(probabilities, labels, shares, classes, out):
        for i in range(labels.shape[0]):
            o = i * classes
            for k in range(o, o + classes):
                out[k] = shares[i] * probabilities[k]
            out[o + labels[i]] -= shares[i]

    return excesses


@implement_out_of_line(matrices.bends)
def _bends(probabilities, shares, scores, classes, out):
    def bends(probabilities, shares, scores, classes, out):
        for i in range(shares.shape[0]):
            o = i * classes
            mean = 0.0
            for k in range(o, o + classes):
                mean += probabilities[k] * scores[k]
            for k in range(o, o + classes):
                out[k] = shares[i] * probabilities[k] * (scores[k] - mean)

    return bends


@implement_out_of_line(matrices.dot_each)
def _dot_each(a, b, classes, out):
    def dot_each(a, b, classes, out):
        for i in range(out.shape[0]):
            total = 0.0
            for k in range(i * classes, (i + 1) * classes):
                total += a[k] * b[k]
            out[i] = total

    return dot_each


@implement_out_of_line(matrices.scale_each)
def _scale_each(scales, a, classes, out):
    def scale_each(scales, a, classes, out):
        for i in range(scales.shape[0]):
            for k in range(i * classes, (i + 1) * classes):
                out[k] = scales[i] * a[k]

    return scale_each
