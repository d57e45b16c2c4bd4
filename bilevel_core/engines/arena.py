"""An arena for the vectors that compiled code makes within one outer step.

Numba counts references to every array that a function makes, with atomic instructions: at small
sizes that takes more time than everything else.  A vector from an arena has nothing to count; the
arena is emptied before the next step.  Arrays that were lent together with an arena carry its
header, so that a function which is given one of them finds it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

WORD = ir.IntType(64)
BYTES = ir.IntType(8).as_pointer()
LINK = WORD.as_pointer()
NUMBERS = ir.DoubleType().as_pointer()
HEADER = ir.LiteralStructType([NUMBERS, WORD, WORD, WORD, LINK])
BASE, TOP, CAPACITY, PEAK, OVERFLOW = range(5)
"""Parts of a header: memory, numbers taken, room for them, most numbers ever taken, and the first
of a chain of blocks for what did not fit."""
TAG = 1
"""What is added to a header's address, to tell it from a Python object that an array may carry."""

INLINED: Any = {"forceinline": True, "error_model": "numpy"}


def _part(builder: Any, header: Any, index: int) -> Any:
    return cgutils.gep_inbounds(builder, header, 0, index)


def _header(builder: Any, tagged: Any) -> Any:
    untagged = builder.gep(builder.bitcast(tagged, BYTES), [WORD(-TAG)])
    return builder.bitcast(untagged, HEADER.as_pointer())


@intrinsic
def open_arena(typing_context, room):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """An empty arena in the memory of `room`, a vector of float64; valid until its caller ends."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        array = context.make_array(signature.args[0])(context, builder, value=arguments[0])
        header = cgutils.alloca_once(builder, HEADER)
        for index, value in enumerate((array.data, WORD(0), array.nitems, WORD(0), LINK(None))):
            builder.store(value, _part(builder, header, index))
        return builder.gep(builder.bitcast(header, BYTES), [WORD(TAG)])

    return types.voidptr(room), generate


@intrinsic
def empty_arena(typing_context, arena):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Take everything back; gives the most numbers ever taken at once."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        header = _header(builder, arguments[0])
        top, peak = (builder.load(_part(builder, header, part)) for part in (TOP, PEAK))
        peak = builder.select(builder.icmp_signed(">", top, peak), top, peak)
        builder.store(peak, _part(builder, header, PEAK))
        builder.store(WORD(0), _part(builder, header, TOP))
        chain = _part(builder, header, OVERFLOW)
        overflowed = cgutils.is_not_null(builder, builder.load(chain))
        with builder.if_then(overflowed, likely=False):
            _free_chain(context, builder, chain)
        return peak

    return types.int64(arena), generate


def _free_chain(context: Any, builder: Any, chain: Any) -> None:
    condition, body, end = (
        builder.append_basic_block(f"overflow.{name}") for name in ("left", "free", "end")
    )
    builder.branch(condition)
    builder.position_at_end(condition)
    block = builder.load(chain)
    builder.cbranch(cgutils.is_not_null(builder, block), body, end)
    builder.position_at_end(body)
    after = builder.inttoptr(builder.load(block), LINK)
    context.nrt.free(builder, builder.bitcast(block, BYTES))
    builder.store(after, chain)
    builder.branch(condition)
    builder.position_at_end(end)


@intrinsic
def knows_arena(typing_context, array):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Whether the array carries the header of an arena."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        view = context.make_array(signature.args[0])(context, builder, value=arguments[0])
        tag = builder.and_(builder.ptrtoint(view.parent, WORD), WORD(TAG))
        return builder.icmp_unsigned("!=", tag, WORD(0))

    return types.boolean(array), generate


@intrinsic
def take(typing_context, like, shape):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """An uninitialised array of float64 from the arena that `like` knows; shape: a tuple."""
    kind = types.Array(types.float64, len(shape), "C")

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        lender = context.make_array(signature.args[0])(context, builder, value=arguments[0])
        sizes = cgutils.unpack_tuple(builder, arguments[1])
        n = sizes[0]
        for size in sizes[1:]:
            n = builder.mul(n, size)
        address = _take_numbers(context, builder, _header(builder, lender.parent), n)
        return array_at(context, builder, kind, address, sizes, lender.parent)

    return kind(like, types.UniTuple(types.intp, len(shape))), generate


def _take_numbers(context: Any, builder: Any, header: Any, n: Any) -> Any:
    """The address of n numbers from the arena, or of a block of their own where they do not fit."""
    top = builder.load(_part(builder, header, TOP))
    after = builder.add(top, n)
    builder.store(after, _part(builder, header, TOP))
    address = cgutils.alloca_once(builder, NUMBERS)
    builder.store(builder.gep(builder.load(_part(builder, header, BASE)), [top]), address)
    full = builder.icmp_signed(">", after, builder.load(_part(builder, header, CAPACITY)))
    with builder.if_then(full, likely=False):
        # One word more than asked for, which links the block to those before it.
        size = builder.shl(builder.add(n, WORD(1)), WORD(3))
        block = builder.bitcast(context.nrt.allocate(builder, size), LINK)
        chain = _part(builder, header, OVERFLOW)
        builder.store(builder.ptrtoint(builder.load(chain), WORD), block)
        builder.store(block, chain)
        builder.store(builder.bitcast(builder.gep(block, [WORD(1)]), NUMBERS), address)
    return builder.load(address)


def array_at(
    context: Any, builder: Any, kind: Any, data: Any, shape: list[Any], parent: Any
) -> Any:
    """A contiguous array without an owner at an address, of a shape in integers of the builder."""
    view = context.make_array(kind)(context, builder)
    size = context.get_constant(types.intp, context.get_abi_sizeof(data.type.pointee))
    step, strides = size, list[Any]()
    for n in reversed(shape):
        strides.insert(0, step)
        step = builder.mul(step, n)
    context.populate_array(
        view, data=data, shape=shape, strides=strides, itemsize=size, meminfo=None, parent=parent
    )
    return view._getvalue()


def fresh(like: Any, shape: tuple[int, ...]) -> Any:
    """An uninitialised array of float64, from the arena where `like` knows one."""
    return np.empty(shape)


@overload(fresh, jit_options=INLINED)
def _fresh(like, shape):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    def fresh(like, shape):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        if knows_arena(like):  # type: ignore[call-arg]
            return take(like, shape)
        return np.empty(shape)

    return fresh
