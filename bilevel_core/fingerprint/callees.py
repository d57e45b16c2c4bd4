"""The plain functions that a computation calls, as compiled code needs them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import FunctionType, ModuleType
from typing import Any

from bilevel_core.fingerprint.sources import names_in
from bilevel_core.fingerprint.walk import used
from bilevel_core.ownership import PROJECT, is_own, package


def packages_of(roots: Iterable[Any]) -> frozenset[str]:
    """The packages whose code is followed: the project's, and those of installed plug-ins.

    An installed plug-in lies among the libraries: its package is known by its roots.
    """
    named = (package(root) for root in roots if isinstance(root, FunctionType | type))
    return frozenset((*PROJECT, *(name for name in named if name not in _NEVER)))


_NEVER = ("", "builtins", "__main__")


def functions_behind(roots: Iterable[Any]) -> list[FunctionType]:
    """The functions of ours that the roots use, roots included, in a fixed order."""
    found: dict[FunctionType, None] = {}
    queue = [root for root in roots if isinstance(root, FunctionType)]
    packages = packages_of(queue)
    while queue:
        function = queue.pop()
        if function in found:
            continue
        found[function] = None
        queue.extend(each for each in _called(function) if is_own(each, packages))
    return sorted(found, key=lambda f: (f.__module__, f.__qualname__, f.__code__.co_firstlineno))


def _called(function: FunctionType) -> Iterator[FunctionType]:
    names = names_in(function.__code__)
    values = [value for _, value in used(function)]
    seen: set[int] = set()
    while values:
        value = values.pop()
        if isinstance(value, FunctionType):
            yield value
        elif isinstance(value, ModuleType) and is_own(value) and id(value) not in seen:
            seen.add(id(value))
            values += [vars(value)[name] for name in names & vars(value).keys()]
