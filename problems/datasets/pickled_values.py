"""What the names in a pickle may stand for: arrays, their types and numbers, from bytes alone.

Each name is one of the functions below, which are ours, or nothing: not even NumPy's own functions
are called.  Nothing here makes a text of a value that a pickle has built, hashes it or compares it
with another one, since a few bytes can build a tuple that this takes years for.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

AXES = 8
LONGEST_NUMBER = 64
"""Bytes of a number that is pickled by itself."""
_TYPE = re.compile(r"[<>|=]?(?:b1|[iu][1248]|f[248]|S[1-9]\d{0,3}|U[1-9]\d{0,3})")


class RefusedError(Exception):
    """Why a pickle is not read."""


class PickledType:
    """What a pickle says of numpy.dtype."""

    def __init__(self, code: Any, *_: Any) -> None:
        text = as_text(code)
        if not isinstance(text, str) or not _TYPE.fullmatch(text):
            raise RefusedError(f"numbers of type {_shown(text)}; expected plain ones")
        self.code = text

    def build(self, state: Any) -> None:
        """Take up (version, byte order, subtype, names, fields, size, alignment, flags, ...)."""
        if not isinstance(state, tuple) or len(state) < 8:
            raise RefusedError("numbers of a type in a form that is not known")
        if any(part is not None for part in state[2:5]):
            raise RefusedError("numbers of a structured type")
        order = as_text(state[1])
        if not isinstance(order, str) or order not in ("<", ">", "|", "="):
            raise RefusedError(f"byte order {_shown(order)}")
        self.code = order + self.code.lstrip("<>|=")


class PickledArray:
    """What a pickle says of an array, before it is one."""

    def __init__(self, value: np.ndarray | None = None) -> None:
        self.value = np.empty(0) if value is None else value

    def build(self, state: Any) -> None:
        """Take up (version, shape, type, whether in Fortran order, bytes)."""
        if not isinstance(state, tuple) or len(state) != 5:
            raise RefusedError("an array in a form that is not known")
        if not isinstance(state[3], int):
            raise RefusedError("an array in an order that is not known")
        self.value = _array(state[4], state[2], state[1], "F" if state[3] else "C")


class Name:
    """A function that a pickle may call, and do nothing else with."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self.call = call


def as_text(value: Any) -> Any:
    """Bytes as text, what Python 2 calls text; everything else as it is."""
    return value.decode("latin1") if isinstance(value, bytes) else value


def _shown(value: Any) -> str:
    return repr(value[:40]) if isinstance(value, str) else f"a {type(value).__name__}"


def _array(raw: Any, kind: Any, shape: Any, order: str) -> np.ndarray:
    if not isinstance(kind, PickledType):
        raise RefusedError("an array without a type")
    if not isinstance(raw, bytes | bytearray):
        raise RefusedError(f"an array of {type(raw).__name__}; expected bytes")
    if (
        not isinstance(shape, tuple)
        or len(shape) > AXES
        or not all(type(length) is int and length >= 0 for length in shape)
    ):
        raise RefusedError(f"an array whose shape is no tuple of at most {AXES} lengths")
    dtype = np.dtype(kind.code)
    if math.prod(shape) * dtype.itemsize != len(raw):
        raise RefusedError(f"an array of shape {shape} and type {kind.code} in {len(raw)} bytes")
    value = np.frombuffer(raw, dtype).reshape(shape, order=order)  # type: ignore[call-overload]
    value.flags.writeable = False
    return value


def _reconstruct(kind: Any, *_: Any) -> PickledArray:
    if kind is not _NDARRAY:
        raise RefusedError("an array of another class")
    return PickledArray()


def _frombuffer(raw: Any, kind: Any, shape: Any, order: Any) -> PickledArray:
    if not isinstance(order, str) or order not in ("C", "F"):
        raise RefusedError(f"an array in order {_shown(order)}")
    return PickledArray(_array(raw, kind, shape, order))


def _scalar(kind: Any, raw: Any) -> Any:
    if isinstance(raw, bytes) and len(raw) > LONGEST_NUMBER:
        raise RefusedError(f"a number of {len(raw)} bytes")
    return _array(raw, kind, (), "C").item()


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    name = as_text(encoding)
    if not isinstance(text, str) or not isinstance(name, str) or name not in ("latin1", "latin-1"):
        raise RefusedError("text encoded in another way than bytes are")
    return text.encode("latin1")


def _bytes() -> bytes:
    return b""


def _ordered(*arguments: Any) -> list[tuple[Any, Any]]:
    """The pairs that OrderedDict is called with."""
    pairs = arguments[0] if arguments else []
    if not isinstance(pairs, list) or not all(
        isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs
    ):
        raise RefusedError("a dictionary made of something else than pairs")
    return [(key, value) for key, value in pairs]


def _no_call(*_: Any) -> None:
    raise RefusedError("an array made in another way than NumPy does")


_NDARRAY = Name(_no_call)
_MULTIARRAY = {"_reconstruct": Name(_reconstruct), "scalar": Name(_scalar)}
_NUMERIC = {"_frombuffer": Name(_frombuffer)}
_BUILT_IN = {"bytes": Name(_bytes)}
ORDERED = Name(_ordered)
ALLOWED = {
    "numpy": {"ndarray": _NDARRAY, "dtype": Name(PickledType)},
    "numpy.core.multiarray": _MULTIARRAY,
    "numpy._core.multiarray": _MULTIARRAY,
    "numpy.core.numeric": _NUMERIC,
    "numpy._core.numeric": _NUMERIC,
    "_codecs": {"encode": Name(_encode)},
    "builtins": _BUILT_IN,
    "__builtin__": _BUILT_IN,
    "collections": {"OrderedDict": ORDERED},
}
"""By module; each is one that NumPy or Python writes for arrays and plain containers."""


def named(module: Any, name: Any) -> Name:
    """What a name stands for.

    Raises:
        RefusedError: it is not in `ALLOWED`.
    """
    module, name = as_text(module), as_text(name)
    if not isinstance(module, str) or not isinstance(name, str):
        raise RefusedError("a name that is no text")
    found = ALLOWED.get(module, {}).get(name)
    if found is None:
        raise RefusedError(f"it names {f'{module[:40]}.{name[:40]}'!r}, which no array needs")
    return found
