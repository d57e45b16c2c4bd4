"""What compiled code is lent: views without an owner, of a size that is known where it is small.

References to an array without an owner need not be counted (see `arena`).  Where an array is small
its shape is part of the compiled code, so that loops over it are unrolled and what nobody outside
sees lives in registers.  The session keeps the owners of what it lends.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic, overload

from bilevel_core.engines.arena import INLINED, NUMBERS, array_at, fresh

LARGEST_KNOWN = 32
"""The largest dimension that is compiled in; each size takes a compilation of its own."""


def known_shapes(value: Any) -> Any:
    """The shapes of small arrays in a value, tuple by tuple, for Numba to read off their type.

    A dimension n is a tuple of n None; None stands for an array that is not small, and for numbers.
    """
    if isinstance(value, np.ndarray):
        small = max(value.shape, default=0) <= LARGEST_KNOWN
        return tuple((None,) * n for n in value.shape) if small else None
    if isinstance(value, tuple):
        return tuple(known_shapes(part) for part in value)
    return None


def _known(kind: Any) -> list[int] | None:
    if isinstance(kind, types.BaseTuple):
        return [len(dimension) for dimension in _parts(kind)]
    return None


def _parts(kind: Any) -> list[Any]:
    """The types in a tuple's type."""
    return list(kind)


def _constants(context: Any, numbers: list[int]) -> list[Any]:
    return [context.get_constant(types.intp, n) for n in numbers]


@intrinsic
def lent(typing_context, array, arena, shape):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """The same array without its owner; it knows the arena."""
    known = _known(shape)

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        kind = signature.args[0]
        view = context.make_array(kind)(context, builder, value=arguments[0])
        # No compiled code looks at `parent` but what hands an array back to Python: `owned` is for
        # that.
        parent = builder.bitcast(arguments[1], view.parent.type)
        if known is not None and kind.layout == "C":
            sizes = _constants(context, known)
            return array_at(context, builder, kind, view.data, sizes, parent)
        view.meminfo = context.get_constant_null(types.MemInfoPointer(kind.dtype))
        view.parent = parent
        return view._getvalue()

    return array(array, arena, shape), generate


@intrinsic
def scratch(typing_context, array, arena, shape):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Room like the array, whose values nobody needs: on the stack where the array is small."""
    known = _known(shape)
    if known is None or array.dtype != types.float64:
        return lent._defn(typing_context, array, arena, shape)

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        place = cgutils.alloca_once(builder, ir.ArrayType(ir.DoubleType(), int(np.prod(known))))
        data, sizes = builder.bitcast(place, NUMBERS), _constants(context, known)
        return array_at(context, builder, signature.args[0], data, sizes, arguments[1])

    return array(array, arena, shape), generate


def lend(value: Any, arena: Any, shapes: Any) -> Any:
    """The value, each array in it (at any depth of tuples) lent; those in a field `work` scratch.

    shapes: of `known_shapes`.
    """
    return value


def make_room(value: Any, arena: Any, shapes: Any) -> Any:
    """The value, with scratch in place of each array."""
    return value


def settle(value: Any, buffer: Any) -> Any:
    """The value, each array in it copied into the buffer's array of the same name."""
    return value


def owned(value: Any) -> Any:
    """The value with a copy of each array in it."""
    return value


def written(values: Any, target: Any) -> Any:
    """The target, over which the values were written."""
    return target


REPLACED = frozenset({fresh, lend, make_room, settle, owned, written})
"""Functions that compiled code finds implemented here and in `arena`."""


def _rebuild(kind: Any, scope: dict[str, Any], array: str, place: str = "") -> str:
    """Source that rebuilds a value, its arrays by a pattern; classes of tuples go into `scope`.

    place: how the part in hand is reached from the whole, by positions.
    """
    if isinstance(kind, types.Array):
        return array.format(place=place)
    if not isinstance(kind, types.BaseTuple):
        return f"value{place}"
    fields = getattr(kind, "fields", [""] * len(kind))
    in_work = array.replace("lent(", "scratch(")
    parts = [
        _rebuild(part, scope, in_work if field == "work" else array, f"{place}[{i}]")
        for i, (field, part) in enumerate(zip(fields, _parts(kind), strict=True))
    ]
    listed = "".join(f"{part}, " for part in parts)
    if not hasattr(kind, "instance_class"):
        return f"({listed})"
    name = f"Tuple{len(scope)}"
    scope[name] = kind.instance_class
    return f"{name}({listed})"


def _compose(kind: types.Type, arguments: str, array: str, **scope: Any) -> Any:
    exec(f"def rebuild({arguments}):\n    return {_rebuild(kind, scope, array)}", scope)
    return scope["rebuild"]


@overload(written, jit_options=INLINED)
def _written(values, target):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    if target.ndim > 1:

        def written(values, target):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            for i in range(target.size):
                target.flat[i] = values.flat[i]
            return target

    else:

        def written(values, target):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            n = target.shape[0]
            if n <= 3:  # as in array_kernels: short loops are written out
                if n > 0:
                    target[0] = values[0]
                if n > 1:
                    target[1] = values[1]
                if n > 2:
                    target[2] = values[2]
            else:
                for i in range(n):
                    target[i] = values[i]
            return target

    return written


@overload(lend, jit_options=INLINED)
def _lend(value, arena, shapes):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    pattern = "lent(value{place}, arena, shapes{place})"
    return _compose(value, "value, arena, shapes", pattern, lent=lent, scratch=scratch)


@overload(make_room, jit_options=INLINED)
def _make_room(value, arena, shapes):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    pattern = "scratch(value{place}, arena, shapes{place})"
    return _compose(value, "value, arena, shapes", pattern, scratch=scratch)


@overload(settle, jit_options=INLINED)
def _settle(value, buffer):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    if isinstance(value, types.NoneType):
        # What a step gives that always raises: nothing comes here unless it gave None.
        def settle(value, buffer):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            if buffer.x.shape[0] >= 0:  # always: a plain `raise` would have no type to go on with
                raise TypeError("the step returned None, and not a State")
            return buffer

        return settle
    if not isinstance(value, types.BaseTuple):
        raise TypingError(f"the step returned {value}, and not a State")
    pattern = "written(value{place}, buffer{place})"
    return _compose(value, "value, buffer", pattern, written=written)


@overload(owned, jit_options=INLINED)
def _owned(value):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    return _compose(value, "value", "value{place}.copy()")
