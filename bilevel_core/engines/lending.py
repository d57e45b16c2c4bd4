"""Arrays without an owner, for compiled code: views that are lent, and vectors from an arena.

Numba counts references to every array that a function makes or is given in a tuple, with atomic
instructions: at small sizes that takes more time than everything else.  A view without an owner has
nothing to count.  The session keeps the owners of what it lends; vectors that a step makes come
from an arena that is emptied before the next step.
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
NUMBERS = ir.DoubleType().as_pointer()
HEADER = ir.LiteralStructType([NUMBERS, WORD, WORD, WORD, WORD.as_pointer()])
BASE, TOP, CAPACITY, PEAK, OVERFLOW = range(5)
"""Parts of an arena's header: memory, numbers taken, room, most numbers ever taken, and the first
of a chain of blocks for what did not fit."""

INLINED: Any = {"forceinline": True, "error_model": "numpy"}


def _part(builder: Any, header: Any, index: int) -> Any:
    return cgutils.gep_inbounds(builder, header, 0, index)


@intrinsic
def open_arena(typing_context, room):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """An empty arena in the memory of `room`, a vector of float64; valid until its caller ends."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        array = context.make_array(signature.args[0])(context, builder, value=arguments[0])
        header = cgutils.alloca_once(builder, HEADER)
        nothing = WORD.as_pointer()(None)
        for index, value in enumerate((array.data, WORD(0), array.nitems, WORD(0), nothing)):
            builder.store(value, _part(builder, header, index))
        return builder.bitcast(header, BYTES)

    return types.voidptr(room), generate


@intrinsic
def empty_arena(typing_context, arena):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Take back everything; the most numbers ever taken at once."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        header = builder.bitcast(arguments[0], HEADER.as_pointer())
        top = builder.load(_part(builder, header, TOP))
        peak = builder.load(_part(builder, header, PEAK))
        peak = builder.select(builder.icmp_signed(">", top, peak), top, peak)
        builder.store(peak, _part(builder, header, PEAK))
        builder.store(WORD(0), _part(builder, header, TOP))
        chain = _part(builder, header, OVERFLOW)
        left = cgutils.is_not_null(builder, builder.load(chain))
        with builder.if_then(left, likely=False):
            _free_chain(context, builder, chain)
        return peak

    return types.int64(arena), generate


def _free_chain(context: Any, builder: Any, chain: Any) -> None:
    condition = builder.append_basic_block("overflow.left")
    body, end = (builder.append_basic_block(f"overflow.{name}") for name in ("free", "end"))
    builder.branch(condition)
    builder.position_at_end(condition)
    block = builder.load(chain)
    builder.cbranch(cgutils.is_not_null(builder, block), body, end)
    builder.position_at_end(body)
    after = builder.inttoptr(builder.load(block), block.type)
    context.nrt.free(builder, builder.bitcast(block, BYTES))
    builder.store(after, chain)
    builder.branch(condition)
    builder.position_at_end(end)


@intrinsic
def knows_arena(typing_context, array):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Whether the array was lent together with an arena."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        view = context.make_array(signature.args[0])(context, builder, value=arguments[0])
        return cgutils.is_not_null(builder, view.parent)

    return types.boolean(array), generate


@intrinsic
def take(typing_context, like, n):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """An uninitialised vector of n numbers from the arena that `like` knows."""
    kind = types.Array(types.float64, 1, "C")

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        lender = context.make_array(signature.args[0])(context, builder, value=arguments[0])
        n = arguments[1]
        header = builder.bitcast(lender.parent, HEADER.as_pointer())
        top = builder.load(_part(builder, header, TOP))
        after = builder.add(top, n)
        builder.store(after, _part(builder, header, TOP))
        address = cgutils.alloca_once(builder, NUMBERS)
        builder.store(builder.gep(builder.load(_part(builder, header, BASE)), [top]), address)
        full = builder.icmp_signed(">", after, builder.load(_part(builder, header, CAPACITY)))
        with builder.if_then(full, likely=False):
            # One word more than asked for, which links the block to those before it.
            size = builder.shl(builder.add(n, WORD(1)), WORD(3))
            block = builder.bitcast(context.nrt.allocate(builder, size), WORD.as_pointer())
            chain = _part(builder, header, OVERFLOW)
            builder.store(builder.ptrtoint(builder.load(chain), WORD), block)
            builder.store(block, chain)
            builder.store(builder.bitcast(builder.gep(block, [WORD(1)]), NUMBERS), address)
        return _view(context, builder, kind, builder.load(address), [n], lender.parent)

    return kind(like, types.intp), generate


@intrinsic
def lent(typing_context, array, arena):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """The same array without its owner; it knows the arena."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        kind = signature.args[0]
        view = context.make_array(kind)(context, builder, value=arguments[0])
        view.meminfo = context.get_constant_null(types.MemInfoPointer(kind.dtype))
        # No compiled code looks at `parent` but what hands an array back to Python: `owned` is for
        # that.
        view.parent = builder.bitcast(arguments[1], view.parent.type)
        return view._getvalue()

    return array(array, arena), generate


def _view(context: Any, builder: Any, kind: Any, data: Any, shape: list[Any], parent: Any) -> Any:
    view = context.make_array(kind)(context, builder)
    strides, step = [], context.get_constant(types.intp, 8)
    for n in reversed(shape):
        strides.insert(0, step)
        step = builder.mul(step, n)
    context.populate_array(
        view,
        data=data,
        shape=shape,
        strides=strides,
        itemsize=context.get_constant(types.intp, 8),
        meminfo=None,
        parent=parent,
    )
    return view._getvalue()


def vector(like: Any, n: int) -> Any:
    """An uninitialised vector of n numbers, from the arena where `like` knows one."""
    return np.empty(n)


@overload(vector, jit_options=INLINED)
def _vector(like, n):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    def vector(like, n):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        if knows_arena(like):
            return take(like, n)
        return np.empty(n)

    return vector


def lend(value: Any, arena: Any) -> Any:
    """The value, each array in it (at any depth of NamedTuples) replaced by a lent view."""
    return value


def settle(value: Any, buffer: Any) -> Any:
    """The value, each array in it copied into the buffer's array of the same name."""
    return value


def owned(value: Any) -> Any:
    """The value with a copy of each array in it."""
    return value


def _rebuild(kind: types.Type, scope: dict[str, Any], array: str, path: str = "value") -> str:
    """Source that rebuilds what `path` holds, arrays by a pattern; classes go into `scope`."""
    if isinstance(kind, types.Array):
        return array.format(path, path.replace("value", "buffer", 1))
    if isinstance(kind, types.NamedTuple | types.NamedUniTuple):
        name = f"Tuple{len(scope)}"
        scope[name] = kind.instance_class
        fields = zip(kind.fields, kind.types, strict=True)
        parts = [_rebuild(part, scope, array, f"{path}.{field}") for field, part in fields]
        return f"{name}({', '.join(parts)})"
    return path


def _compose(kind: types.Type, arguments: str, array: str, **scope: Any) -> Any:
    exec(f"def rebuild({arguments}):\n    return {_rebuild(kind, scope, array)}", scope)
    return scope["rebuild"]


def written(values: Any, target: Any) -> Any:
    """The target, over which the values were written."""
    return target


@overload(written, jit_options=INLINED)
def _written(values, target):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    def written(values, target):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        for i in range(target.shape[0]):
            target[i] = values[i]
        return target

    return written


@overload(lend, jit_options=INLINED)
def _lend(value, arena):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    return _compose(value, "value, arena", "lent({0}, arena)", lent=lent)


@overload(settle, jit_options=INLINED)
def _settle(value, buffer):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    return _compose(value, "value, buffer", "written({0}, {1})", written=written)


@overload(owned, jit_options=INLINED)
def _owned(value):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    return _compose(value, "value", "{0}.copy()")


REPLACED = frozenset({vector, lend, settle, owned, written})
"""Functions that compiled code finds implemented here."""
