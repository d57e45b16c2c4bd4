"""A fingerprint of the source that a computation depends on.

It follows plain functions through the names they use, so that an edited helper changes it, whereas
comments, docstrings and formatting do not.  Two uses: compiled code found on disk is only taken
when it was made from this very source, and a stored run knows which code computed it.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import os
import sysconfig
import textwrap
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

_LOADED_AT = time.time()
_LIBRARIES = tuple(sysconfig.get_paths()[key] for key in ("stdlib", "purelib", "platlib"))
_OWN = ("bilevel_core", "problems")
_CONTAINERS = (Mapping, list)


def _package(thing: Any) -> str:
    name = thing.__name__ if isinstance(thing, ModuleType) else getattr(thing, "__module__", "")
    return str(name).split(".")[0]


def is_own(thing: Any, packages: Container[str] = _OWN) -> bool:
    """Whether a function, class or module is of one of these packages, or of a user's own file."""
    if _package(thing) in packages:
        return True
    try:
        path = inspect.getfile(thing)
    except (TypeError, OSError):
        return False
    return not path.startswith(_LIBRARIES)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _used(function: FunctionType) -> Iterator[tuple[str, Any]]:
    names = set(_names(function.__code__))
    for name in sorted(names & function.__globals__.keys()):
        value = function.__globals__[name]
        if isinstance(value, ModuleType):
            if is_own(value):
                yield from ((n, getattr(value, n)) for n in sorted(names & vars(value).keys()))
        else:
            yield name, value
    if function.__closure__:
        for name, cell in zip(function.__code__.co_freevars, function.__closure__, strict=True):
            yield name, cell.cell_contents


def functions_behind(roots: Iterable[Callable[..., Any]]) -> list[FunctionType]:
    """The plain functions of ours that the roots use, roots included, in a fixed order."""
    found: dict[FunctionType, None] = {}
    queue = [root for root in roots if isinstance(root, FunctionType)]
    # An installed plug-in lies among the libraries: its package is known by its roots.
    packages = {*_OWN, *(_package(root) for root in queue)}
    while queue:
        function = queue.pop()
        if function in found:
            continue
        found[function] = None
        queue.extend(
            v for _, v in _used(function) if isinstance(v, FunctionType) and is_own(v, packages)
        )
    return sorted(found, key=lambda f: (f.__module__, f.__qualname__, f.__code__.co_firstlineno))


def _all_behind(roots: Iterable[Callable[..., Any]]) -> list[FunctionType]:
    """`functions_behind`, and those behind compiled or caching wrappers that they use."""
    found = functions_behind(roots)
    # As in `functions_behind`: an installed plug-in is known by its roots.
    packages = {*_OWN, *map(_package, found)}
    while True:
        used = (value for function in found for _, value in _used(function))
        wrapped = {inner for value in used if (inner := _wrapped(value, packages)) is not None}
        more = functions_behind([*found, *wrapped])
        if len(more) == len(found):
            return found
        found = more


def _wrapped(value: Any, packages: Container[str]) -> FunctionType | None:
    """The function of ours inside a `functools.cache`, a Numba dispatcher or the like."""
    if isinstance(value, FunctionType | type | ModuleType):
        return None
    inner = getattr(value, "__wrapped__", None) or getattr(value, "py_func", None)
    return inner if isinstance(inner, FunctionType) and is_own(inner, packages) else None


def _without_docstrings(tree: ast.AST) -> ast.AST:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(node, ast.FunctionDef | ast.ClassDef)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            node.body = body[1:] or [ast.Pass()]
    return tree


def _bytecode(code: CodeType) -> str:
    inner = (_bytecode(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts)
    return f"{code.co_code.hex()} {code.co_names} {' '.join(inner)}"


def _source(function: FunctionType) -> str:
    try:
        if os.path.getmtime(inspect.getfile(function)) > _LOADED_AT:
            # The file may have changed since it was imported: what runs is the code in memory.
            return _bytecode(function.__code__)
        text = textwrap.dedent(inspect.getsource(function))
        return ast.dump(_without_docstrings(ast.parse(text)))
    except (OSError, SyntaxError):  # defined without a file, or a lambda inside a larger expression
        return _bytecode(function.__code__)


def _defaults(function: FunctionType) -> Iterator[tuple[str, Any]]:
    for i, value in enumerate(function.__defaults__ or ()):
        yield f"default {i}", value
    yield from sorted((function.__kwdefaults__ or {}).items())


def _constant(name: str, value: Any) -> str:
    """What a value that compiled code may have taken in as a constant adds to the fingerprint."""
    if isinstance(value, np.ndarray):
        return f"{name}={value.dtype}{value.shape}{value.tobytes().hex()}"
    if isinstance(value, tuple) and any(callable(part) for part in value):
        return ""  # a table of functions, whose repr names addresses; they are followed as roots
    if isinstance(value, int | float | str | tuple):
        return f"{name}={value!r}"
    if isinstance(value, np.generic) or (isinstance(value, _CONTAINERS) and _is_plain(value)):
        return f"{name}={value!r}"
    if isinstance(value, type) and hasattr(value, "_fields"):
        return f"{name}:{value._fields}{getattr(value, '_field_defaults', None) or ''}"
    return ""


def _is_plain(value: Any) -> bool:
    """Whether a value is made of numbers and words alone, so that its text says all of it."""
    if isinstance(value, Mapping):
        return all(_is_plain(part) for pair in value.items() for part in pair)
    if isinstance(value, tuple | list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, int | float | str | np.generic)


@functools.cache
def fingerprint(roots: tuple[Callable[..., Any], ...], *extra: str) -> str:
    """32 hex digits that change with the source behind the roots, its constants, or `extra`."""
    digest = hashlib.sha256("\n".join(extra).encode())
    for function in _all_behind(roots):
        digest.update(f"{function.__module__}.{function.__qualname__}".encode())
        digest.update(_source(function).encode())
        for name, value in [*_used(function), *_defaults(function)]:
            digest.update(_constant(name, value).encode())
    return digest.hexdigest()[:32]
