"""Modules of a user's own: the whole text of each, of those that they import, and what they read.

A module that can read files, the environment or anything else from outside says so by the names
that it uses; it is then unknown, unless its `DEPENDS = [path, ...]` names what it reads (a path
relative to the module's folder; an empty list says: nothing).
"""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import importlib.util
import os
import re
import sys
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

from bilevel_core.fingerprint.sources import (
    Stamp,
    names_in,
    stamp_of,
    syntax_of,
    text_of_module,
)
from bilevel_core.fingerprint.values import digest
from bilevel_core.ownership import PROJECT, file_of, is_library_file, is_own

PURE = frozenset(
    {
        *("__future__", "abc", "array", "bisect", "cmath", "collections", "contextlib", "copy"),
        *("dataclasses", "decimal", "enum", "fractions", "functools", "heapq", "itertools"),
        *("logging", "math", "numbers", "operator", "random", "re", "statistics", "string"),
        *("struct", "textwrap", "types", "typing", "unicodedata", "warnings"),
    }
)
"""Modules of the standard library that read nothing from outside; all others may."""
KNOWN = frozenset(("numpy", "scipy", "torch", "numba"))
"""Libraries whose versions are kept beside each run; those of others enter the fingerprint."""

_READING_CALLS = frozenset(("open", "exec", "eval", "compile", "__import__", "globals", "input"))
_READING_PARTS = re.compile(
    r"((read|load|fetch|download)[a-z]*|open)(_\w*)?$|from(file|_file|regex|txt)$|genfromtxt$"
    r"|(open_)?memmap$|environb?$|getenvb?$|import_module$|ctypeslib$|urlopen$"
)


class Told(NamedTuple):
    """What is known of modules: lines of text, and why something is unknown."""

    text: list[str]
    unknown: list[str]


@functools.cache
def stamp_when_imported(path: str) -> Stamp:
    """The stamp that a module's file had when it was first asked for, soon after its import."""
    return stamp_of(path)


def remember_imports(before: Container[str]) -> None:
    """Take down the stamps of own modules that were imported since `before`, names of modules."""
    for name, module in list(sys.modules.items()):
        if name not in before and isinstance(module, ModuleType) and is_own(module):
            stamp_when_imported(file_of(module))


def told_by_modules(names: Iterable[str], packages: Container[str]) -> Told:
    """The texts of these modules and of all own modules behind them, in the order of discovery."""
    told = Told([], [])
    queue, seen = list(names), set()
    while queue:
        name = queue.pop(0)
        if name in seen:
            continue
        seen.add(name)
        path = _file(name)
        if name == "__main__" or not path or path.startswith("<"):
            continue  # followed function by function: there is no module to speak of
        module = sys.modules.get(name)
        queue += _one(name, path, module, packages, told)
    return told


def _one(
    name: str, path: str, module: ModuleType | None, packages: Container[str], told: Told
) -> list[str]:
    """Tell of one module; gives the own modules that it imports."""
    file = os.path.basename(path)
    if module is not None and stamp_of(path) != stamp_when_imported(path):
        told.unknown.append(f"{file} has changed since it was imported")
    tree, text = syntax_of(path), text_of_module(path)
    if tree is None or text is None:
        content = _bytes(path)
        told.text.append(f"file {digest(content or b'')}")
        if content is None:
            told.unknown.append(f"{file} cannot be read")
        return []
    told.text.append(digest(text))
    own: list[str] = []
    reading: list[str] = []
    for wanted, line in _imports(tree, name, module):
        top = wanted.split(".")[0]
        if top in PROJECT:
            continue
        if _is_users(wanted, packages):
            own.append(wanted)
        elif top in sys.stdlib_module_names:
            reading += [] if top in PURE else [f"{top}, line {line}"]
        elif top not in KNOWN:
            told.text.append(f"{top} {_version(top)}")
    reading += _reading_in(tree)
    if reading:
        _told_of_reading(module, path, reading[0], told)
    return own


def _told_of_reading(module: ModuleType | None, path: str, what: str, told: Told) -> None:
    file = os.path.basename(path)
    depends = getattr(module, "DEPENDS", None)
    if not isinstance(depends, list | tuple):
        told.unknown.append(
            f"{file} may read from outside ({what}) and has no DEPENDS = [path, ...]"
        )
        return
    for each in depends:
        content = _bytes(Path(path).parent / each) if isinstance(each, str | Path) else None
        if content is None:
            told.unknown.append(f"{file}: DEPENDS names {str(each)!r}, which cannot be read")
        else:
            told.text.append(f"depends {digest(content)}")


def reading_of(function: FunctionType) -> str:
    """The name by which a function may read from outside; "" if there is none."""
    names = names_in(function.__code__) - set(function.__code__.co_varnames)
    reading = (n for n in sorted(names) if n in _READING_CALLS or _READING_PARTS.match(n))
    return next(reading, "")


def _reading_in(tree: ast.Module) -> list[str]:
    """What in a module reads from outside, or may reach anything by a name made at run time."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in _READING_CALLS:
            found.append(f"{node.id}, line {node.lineno}")
        if isinstance(node, ast.Attribute) and _READING_PARTS.match(node.attr):
            found.append(f"{node.attr}, line {node.lineno}")
        if isinstance(node, ast.ImportFrom):
            named = (each.name for each in node.names)
            found += [f"{n}, line {node.lineno}" for n in named if _READING_PARTS.match(n)]
        if isinstance(node, ast.Call) and _looks_up_by_value(node):
            found.append(f"getattr, line {node.lineno}")
    return found


def _looks_up_by_value(call: ast.Call) -> bool:
    is_getattr = isinstance(call.func, ast.Name) and call.func.id == "getattr"
    return is_getattr and len(call.args) > 1 and not isinstance(call.args[1], ast.Constant)


def _imports(tree: ast.Module, name: str, module: ModuleType | None) -> Iterator[tuple[str, int]]:
    """The dotted names that a module imports, submodules among them, with their lines."""
    package = getattr(module, "__package__", None) or name.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                parts = each.name.split(".")
                yield from ((".".join(parts[: i + 1]), node.lineno) for i in range(len(parts)))
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            try:
                base = importlib.util.resolve_name(base, package) if node.level else base
            except (ImportError, ValueError):
                continue
            yield base, node.lineno
            for each in node.names:
                if _file(f"{base}.{each.name}"):
                    yield f"{base}.{each.name}", node.lineno


def _file(name: str) -> str:
    """The file of a module that is imported, or could be; "" where there is none."""
    if name in sys.modules:
        return file_of(sys.modules[name]) if isinstance(sys.modules[name], ModuleType) else ""
    parent, _, last = name.rpartition(".")
    if parent and parent not in sys.modules:  # to ask for it would import its package
        folder = os.path.dirname(_file(parent))
        beside = (f"{folder}/{last}.py", f"{folder}/{last}/__init__.py")
        return next((path for path in beside if folder and os.path.isfile(path)), "")
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return ""
    return found.origin or "" if found is not None and found.has_location else ""


def _is_users(name: str, packages: Container[str]) -> bool:
    if name.split(".")[0] in packages:
        return True
    path = _file(name)
    return bool(path) and not is_library_file(path)


def _version(name: str) -> str:
    distributions = importlib.metadata.packages_distributions().get(name, [])
    return " ".join(importlib.metadata.version(each) for each in sorted(set(distributions)))


def _bytes(path: Any) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except (OSError, ValueError):
        return None
