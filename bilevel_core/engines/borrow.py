"""Arrays without an owner, for compiled code.

Numba counts references to every array in a tuple whenever the tuple is passed on, which costs more
than a small product does.  A view without an owner has nothing to count; the session keeps the
owner.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic, overload


@intrinsic
def ownerless(typing_context, array):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """The same array without its owner."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        kind = signature.args[0]
        view = context.make_array(kind)(context, builder, value=arguments[0])
        view.meminfo = context.get_constant_null(types.MemInfoPointer(kind.dtype))
        view.parent = context.get_constant_null(types.pyobject)
        return view._getvalue()

    return array(array), generate


@intrinsic
def has_owner(typing_context, array):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Whether somebody counts references to the array."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        view = context.make_array(signature.args[0])(context, builder, value=arguments[0])
        nobody = context.get_constant_null(types.MemInfoPointer(signature.args[0].dtype))
        return builder.icmp_unsigned("!=", view.meminfo, nobody)

    return types.boolean(array), generate


def borrowed(value: Any) -> Any:
    """The value, each array in it (at any depth of NamedTuples) replaced by an ownerless view."""
    return value


def owned(value: Any, lender: Any) -> Any:
    """The value with a copy of each array that has no owner; `lender` lives until that is done."""
    return value


def _rebuild(kind: types.Type, scope: dict[str, Any], array: str, path: str = "value") -> str:
    """Source that rebuilds what `path` holds, arrays by a pattern; classes go into `scope`."""
    if isinstance(kind, types.Array):
        return array.format(path)
    if isinstance(kind, types.NamedTuple):
        name = f"Tuple{len(scope)}"
        scope[name] = kind.instance_class
        fields = zip(kind.fields, kind.types, strict=True)
        parts = [_rebuild(part, scope, array, f"{path}.{field}") for field, part in fields]
        return f"{name}({', '.join(parts)})"
    return path


@overload(borrowed, jit_options={"forceinline": True})
def _borrowed(value):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    scope: dict[str, Any] = {"ownerless": ownerless}
    exec(f"def rebuild(value):\n    return {_rebuild(value, scope, 'ownerless({})')}", scope)
    return scope["rebuild"]


@overload(owned, jit_options={"forceinline": True})
def _owned(value, lender):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    scope: dict[str, Any] = {"has_owner": has_owner}
    source = _rebuild(value, scope, "({0} if has_owner({0}) else {0}.copy())")
    exec(f"def rebuild(value, lender):\n    return {source}", scope)
    return scope["rebuild"]
