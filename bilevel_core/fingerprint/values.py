"""Of one value, what its text is and which parts it is made of."""

from __future__ import annotations

import copyreg
import enum
import functools
import hashlib
import sys
from collections.abc import Callable, Iterator
from types import BuiltinFunctionType, FunctionType, MappingProxyType, MethodType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from bilevel_core.dispatch import DispatchTable

_PLAIN = (type(None), bool, int, float, complex, type(Ellipsis), type(NotImplemented))
_ORDERED = (tuple, list)
_UNORDERED = (set, frozenset)
_TABLES = (dict, MappingProxyType)


class Described(NamedTuple):
    """A value: text, complete together with its parts, in their order; `unknown` says why not."""

    text: str = ""
    parts: tuple[Any, ...] = ()
    unknown: str = ""


def digest(content: str | bytes) -> str:
    """64 hex digits of a text or of bytes."""
    raw = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    return hashlib.sha256(raw).hexdigest()


def describe(value: Any, is_own: Callable[[type], bool]) -> Described:
    """A value that is no function, class or module.

    is_own: whether a class is of code that is followed, so that its instances are their attributes;
    a library's instances are what they are copied from.
    """
    kind = type(value)
    name = f"{kind.__module__}.{kind.__qualname__}" if not is_own(kind) else kind.__qualname__
    if isinstance(value, DispatchTable):
        return Described("a table to dispatch by")
    if kind in _PLAIN:
        return Described(repr(value))
    if kind in (str, bytes, bytearray):
        return Described(f"{name} {digest(bytes(value) if kind is bytearray else value)}")
    if isinstance(value, np.ndarray | np.generic):
        return _array(name, np.asarray(value))
    if kind in _ORDERED or (isinstance(value, tuple) and hasattr(kind, "_fields")):
        return Described(name, (kind, *value))
    if kind in _UNORDERED:
        return Described(name, tuple(sorted(value, key=_order)))
    if kind in _TABLES:
        return Described(name, tuple(part for pair in list(value.items()) for part in pair))
    if isinstance(value, enum.Enum):
        return Described(f"{name} {value.name}", (kind, value.value) if is_own(kind) else ())
    if isinstance(value, MethodType):
        return Described(name, (value.__self__, value.__func__))
    if isinstance(value, BuiltinFunctionType):
        owner = value.__self__
        bound = () if owner is None or isinstance(owner, ModuleType) else (owner,)
        return Described(f"{name} {value.__module__}.{value.__qualname__}", bound)
    if hasattr(value, "__objclass__"):  # a method or slot of a class, not bound to anything
        return Described(f"{name} {value.__name__}", (value.__objclass__,))
    if isinstance(value, property):
        return Described(name, (value.fget, value.fset, value.fdel))
    if isinstance(value, staticmethod | classmethod):
        return Described(name, (value.__func__,))
    if isinstance(value, functools.cached_property):
        return Described(name, (value.func,))
    inner = getattr(value, "__wrapped__", None) or getattr(value, "py_func", None)
    if isinstance(inner, FunctionType):  # functools.cache, or a compiled function
        return Described(name, (inner, getattr(value, "targetoptions", None)))
    if is_own(kind):
        return _instance(name, value)
    return _of_library(name, value)


def _order(value: Any) -> tuple[str, str]:
    """A fixed order of what a set holds, whatever its hashes."""
    known = getattr(value, "__qualname__", None)
    return type(value).__qualname__, known if isinstance(known, str) else repr(value)


def _array(name: str, array: np.ndarray) -> Described:
    if array.dtype.hasobject:
        return Described(f"{name}{array.shape}", tuple(array.ravel().tolist()))
    order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
    text = f"{name} {array.dtype.descr} {array.shape} {order} {digest(array.tobytes())}"
    return Described(text)


def _instance(name: str, value: Any) -> Described:
    """An object of ours: its class, its attributes, and what it holds as a container or number."""
    state = dict(getattr(value, "__dict__", {}))
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else slots:
            if slot not in ("__dict__", "__weakref__") and hasattr(value, slot):
                state[slot] = getattr(value, slot)
    named = tuple(part for item in sorted(state.items()) for part in item)
    return Described(name, (type(value), *_held(value), *named))


def _held(value: Any) -> tuple[Any, ...]:
    """What an object of a class derived from a built-in one holds, by the built-in class."""
    match value:
        case dict():
            return ([part for pair in dict.items(value) for part in pair],)
        case list() | tuple() | set() | frozenset():
            kind: Any = next(k for k in (*_ORDERED, *_UNORDERED) if isinstance(value, k))
            return (kind(value),)
        case str():
            return (str.__str__(value),)
        case bytes():
            return (bytes(value),)
        case int() | float() | complex():
            return (complex(value), repr(int(value)) if isinstance(value, int) else "")
    return ()


def _of_library(name: str, value: Any) -> Described:
    """An object of a library: what it would be copied from."""
    if _is_tensor(value):
        array = value.detach().cpu().contiguous().numpy()
        return Described(f"{name} {value.dtype} {value.requires_grad}", (array,))
    if _is_compilers_type(value):  # what it would be copied from grows as code is compiled
        return Described(f"{name} {value}")
    reduce = copyreg.dispatch_table.get(type(value))  # as of a pattern
    made = value.__reduce_ex__(4) if reduce is None else reduce(value)
    if isinstance(made, str):
        home = sys.modules.get(getattr(value, "__module__", None) or type(value).__module__)
        is_there = getattr(home, made, None) is value or _is_public(value, made)
        return Described(f"{name} {made}") if is_there else Described(unknown="a name alone")
    parts = tuple(list(part) if isinstance(part, Iterator) else part for part in made)
    return Described(name, parts)


def _is_public(value: Any, name: str) -> bool:
    """Whether a function of NumPy's kind is the one that NumPy or SciPy know by this name."""
    homes = (sys.modules.get(home) for home in ("numpy", "scipy.special"))
    return any(getattr(home, name, None) is value for home in homes)


def _is_compilers_type(value: Any) -> bool:
    """Whether a value is a type of Numba's or of LLVM's, which its text says whole."""
    named = (("numba.core.types", "Type"), ("llvmlite.ir", "Type"))
    loaded = (getattr(sys.modules.get(module), name, None) for module, name in named)
    return any(kind is not None and isinstance(value, kind) for kind in loaded)


def _is_tensor(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)
