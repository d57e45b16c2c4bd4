"""Pickles of arrays and plain containers, read without running anything that they name.

A pickle is a program: it may call whatever it names.  Here a name resolves to one of the few
functions below, which are ours, or to nothing: not even NumPy's own functions are called.  Arrays,
their types and numbers are put together from their bytes alone.  Before that the program is read
through without being run: operations that no such pickle has are refused, and what it asks for
must fit into the file.

Files of Python 2 are read with encoding="bytes": a text key of theirs is a bytes key, which
becomes text again.
"""

from __future__ import annotations

import collections
import math
import mmap
import pickle
import pickletools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bilevel_core.errors import InputError

LARGEST = 2**32
"""Bytes of a file; the largest that is usual, miniImageNet's training images, has 0.8 of 10^9."""
MOST_HELD = 16
"""Values, those within others counted each time, for a byte of the file."""
DEPTH = 8
"""Containers within containers."""
_TYPE = re.compile(r"[<>|=]?(?:b1|[iu][1248]|f[248]|S[1-9]\d{0,3}|U[1-9]\d{0,3})")
_CALLING = {"INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID"}
_GROWING = {"APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD"}
_OUTSIDE = {"NEXT_BUFFER", "READONLY_BUFFER"}


class RefusedError(Exception):
    """Why a pickle is not read."""


def load(path: Path) -> Any:
    """What a pickle file holds: containers, numbers, text, bytes and arrays (read-only).

    Bytes keys of dictionaries are given as text.

    Raises:
        InputError: the file cannot be read, is too large, or holds or asks for anything else.
    """
    try:
        size = path.stat().st_size
        if not 0 < size <= LARGEST:
            raise RefusedError(f"it has {size} bytes; expected 1 to {LARGEST}")
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
            _look_through(view, MOST_HELD * size)
            view.seek(0)
            return _plain(_Reader(view).load(), {}, DEPTH)
    except RefusedError as error:
        raise InputError(f"{path}: not read: {error}") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except Exception as error:  # a pickle that is cut or made up may fail anyhow
        raise InputError(f"{path}: not a pickle of arrays: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]


def _look_through(view: mmap.mmap, most: int) -> None:
    """Read the operations without doing them, and bound the size of what they would make.

    A value counts with all that it holds, each time that it is held: a tuple of two tuples of two
    tuples, and so on, is short in the file and without end for who hashes or prints it.
    """
    stack: list[list[int]] = []  # sizes of what would be on the unpickler's stack
    memo: dict[int, list[int]] = {}
    for position, (operation, argument, _) in enumerate(pickletools.genops(view)):  # type: ignore[arg-type]
        name = operation.name
        if name in _CALLING:
            raise RefusedError(f"it makes objects ({name})")
        if name in _OUTSIDE:
            raise RefusedError(f"it needs buffers from outside ({name})")
        if "PUT" in name and not 0 <= int(argument or 0) <= position:
            # Room is made for the memo up to this number.
            raise RefusedError(f"memo {argument} at operation {position}")
        if name == "MEMOIZE" or "PUT" in name:
            memo[len(memo) if name == "MEMOIZE" else int(argument or 0)] = stack[-1]
        elif "GET" in name:
            stack.append(memo[int(argument or 0)])
        elif name == "DUP":
            stack.append(stack[-1])
        elif name != "STOP":
            _do(operation, stack, most)


_MARK = [0]


def _do(operation: Any, stack: list[list[int]], most: int) -> None:
    """Take an operation's arguments from the stack, and put sizes of its results there."""
    if operation.name == "MARK":
        stack.append(_MARK)
        return
    needs = [each.name for each in operation.stack_before]
    taken: list[list[int]] = []
    if "mark" in needs:
        while (top := stack.pop()) is not _MARK:
            taken.append(top)
        needs = needs[: needs.index("mark")]
    taken += [stack.pop() for _ in needs]
    size = 1 + sum(each[0] for each in taken)
    if size > most:
        raise RefusedError("values within values, more than its bytes can spell")
    if operation.name in _GROWING:
        taken[-1][0] = size
        stack.append(taken[-1])
    else:
        stack.extend([size] for _ in operation.stack_after)


class _Function:
    """A function that a pickle may call, and do nothing else with."""

    __slots__ = ("_call",)
    _call: Callable[..., Any]

    def __init__(self, call: Callable[..., Any]) -> None:
        object.__setattr__(self, "_call", call)

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)

    def __setattr__(self, name: str, value: Any) -> None:
        raise RefusedError("it changes a function")

    def __setstate__(self, state: Any) -> None:
        raise RefusedError("it changes a function")


class _Type:
    """What a pickle says of numpy.dtype."""

    __slots__ = ("code",)

    def __init__(self, code: Any, *_: Any) -> None:
        text = _text(code)
        if not isinstance(text, str) or not _TYPE.fullmatch(text):
            raise RefusedError(f"numbers of type {_shown(text)}; expected plain ones")
        self.code = text

    def __setstate__(self, state: Any) -> None:
        # (version, byte order, subtype, names, fields, size, alignment, flags[, metadata])
        plain = (type(None), bool, int, tuple)
        if (
            not isinstance(state, tuple)
            or len(state) < 8
            or any(not isinstance(part, plain) or part for part in state[2:5])
        ):
            raise RefusedError("numbers of a structured type")
        order = _text(state[1])
        if not isinstance(order, str) or order not in ("<", ">", "|", "="):
            raise RefusedError(f"byte order {_shown(order)}")
        self.code = order + self.code.lstrip("<>|=")


class _Array:
    """What a pickle says of an array, before it is one."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = np.empty(0)

    def __setstate__(self, state: Any) -> None:
        # (version, shape, type, whether in Fortran order, bytes)
        if not isinstance(state, tuple) or len(state) != 5:
            raise RefusedError("an array in a form that is not known")
        self.value = _array(state[4], state[2], state[1], "F" if state[3] else "C")


def _array(raw: Any, kind: Any, shape: Any, order: Any) -> np.ndarray:
    if not isinstance(kind, _Type):
        raise RefusedError("an array without a type")
    if not isinstance(raw, bytes | bytearray):
        raise RefusedError(f"an array of {type(raw).__name__}; expected bytes")
    if (
        not isinstance(shape, tuple)
        or len(shape) > DEPTH
        or not all(type(length) is int and length >= 0 for length in shape)
    ):
        raise RefusedError("an array whose shape is not a few lengths")
    dtype = np.dtype(kind.code)
    if math.prod(shape) * dtype.itemsize != len(raw):
        raise RefusedError(f"an array of shape {shape} and type {kind.code} in {len(raw)} bytes")
    if not isinstance(order, str) or order not in ("C", "F"):
        raise RefusedError(f"an array in order {_shown(order)}")
    value = np.frombuffer(raw, dtype).reshape(shape, order="F" if order == "F" else "C")
    value.flags.writeable = False
    return value


def _reconstruct(kind: Any, *_: Any) -> _Array:
    if kind is not _NDARRAY:
        raise RefusedError("an array of another class")
    return _Array()


def _frombuffer(raw: Any, kind: Any, shape: Any, order: Any) -> _Array:
    array = _Array()
    array.value = _array(raw, kind, shape, order)
    return array


def _scalar(kind: Any, raw: Any) -> Any:
    return _array(raw, kind, (), "C").item()


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    if not isinstance(text, str) or not isinstance(_text(encoding), str):
        raise RefusedError("text that is encoded in no known way")
    if _text(encoding) not in ("latin1", "latin-1"):
        raise RefusedError("text encoded in another way than bytes are")
    return text.encode("latin1")


def _bytes(*arguments: Any) -> bytes:
    if arguments:
        raise RefusedError("bytes made from something else")
    return b""


def _no_call(*_: Any) -> None:
    raise RefusedError("an array made in another way than NumPy does")


_NDARRAY = _Function(_no_call)
_MULTIARRAY = {"_reconstruct": _Function(_reconstruct), "scalar": _Function(_scalar)}
_NUMERIC = {"_frombuffer": _Function(_frombuffer)}
_BUILT_IN = {"bytes": _Function(_bytes)}
_ALLOWED = {
    "numpy": {"ndarray": _NDARRAY, "dtype": _Function(_Type)},
    "numpy.core.multiarray": _MULTIARRAY,
    "numpy._core.multiarray": _MULTIARRAY,
    "numpy.core.numeric": _NUMERIC,
    "numpy._core.numeric": _NUMERIC,
    "_codecs": {"encode": _Function(_encode)},
    "builtins": _BUILT_IN,
    "__builtin__": _BUILT_IN,
    "collections": {"OrderedDict": _Function(collections.OrderedDict)},
}


class _Reader(pickle.Unpickler):
    """Names resolve to our own functions or to nothing."""

    def __init__(self, view: mmap.mmap) -> None:
        super().__init__(view, encoding="bytes")

    def find_class(self, module: str, name: str) -> Any:
        """One of the functions above."""
        found = _ALLOWED.get(module, {}).get(name)
        if found is None:
            raise RefusedError(f"it names {f'{module}.{name}'[:80]!r}, which no array needs")
        return found


def _shown(value: Any) -> str:
    """A short text of what may be anything: of a container, only what it is."""
    return repr(value[:40]) if isinstance(value, str) else f"a {type(value).__name__}"


def _text(value: Any) -> Any:
    return value.decode("latin1") if isinstance(value, bytes) else value


def _plain(value: Any, known: dict[int, Any], depth: int) -> Any:
    """Containers with arrays in the place of what was said of them; each is looked at once."""
    if isinstance(value, _Array):
        return value.value
    if isinstance(value, dict | list | tuple | set | frozenset):
        if not depth:
            raise RefusedError(f"containers more than {DEPTH} deep, or within themselves")
        if id(value) not in known:
            known[id(value)] = _plain_container(value, known, depth - 1)
        return known[id(value)]
    if value is None or isinstance(value, bool | int | float | str | bytes | bytearray):
        return value
    raise RefusedError("something that is not an array, a number, text or a container")


def _plain_container(value: Any, known: dict[int, Any], depth: int) -> Any:
    if isinstance(value, dict):
        return {_text(key): _plain(item, known, depth) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return frozenset(_plain(item, known, depth) for item in value)
    return type(value)(_plain(item, known, depth) for item in value)
