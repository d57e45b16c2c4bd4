"""Solvers and problems from users' own files and from installed packages.

A file imports its neighbours as a script does, but that they hide no installed package: its folder
is the last place where Python looks, and stays one. Python knows one module of a name: where a
neighbour's is taken, by another folder's or by a package, the file is refused.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.metadata
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from bilevel_core.errors import InputError, plain_reason, shown
from bilevel_core.fingerprint import remember_imports
from bilevel_core.ownership import PROJECT


def is_path(name: str) -> bool:
    """Whether a name has the form path/to/file.py:name."""
    return ".py:" in name or name.endswith(".py")


def load_file(name: str) -> tuple[ModuleType, str]:
    """Import the file of "path/to/file.py:name" once; returns its module and the short name.

    Raises:
        InputError: no such file, no name after the colon, or the file does not import.
    """
    path_text, _, short = name.partition(".py:")
    path = Path(path_text + ("" if name.endswith(".py") else ".py"))
    if not short or not short.isidentifier():
        raise InputError(f"{shown(name)}: expected path/to/file.py:name")
    try:
        found = path.is_file()
    except OSError as error:  # a name that is too long, a folder that may not be read
        raise InputError(f"{shown(name)}: cannot be read: {error.strerror}") from None
    if not found:
        raise InputError(f"{shown(name)}: no file {shown(str(path))}")
    return _load(path.resolve()), short


@functools.cache
def _load(path: Path) -> ModuleType:
    # The module's name depends on the path alone: compiled code cached by one process names its
    # classes.
    module_name = (
        f"bilevel_plugin_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    )
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{str(path)!r}: not a Python file")
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    importlib.invalidate_caches()
    _check_neighbours(path)
    module = importlib.util.module_from_spec(spec)
    before = frozenset(sys.modules)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[module_name]
        if isinstance(error, InputError | KeyboardInterrupt):
            raise
        # The file is the user's: whatever it raises is what has to be told.
        raise InputError(f"{str(path)!r} does not import: {plain_reason(error)}") from error
    remember_imports(before)
    return module


def _check_neighbours(path: Path) -> None:
    """Whether what a file imports by the names of its neighbours, and they in turn, are these.

    Raises:
        InputError: a name is another module's.
    """
    left, seen = [path], {path}
    while left:
        for name in sorted(_imported(left.pop())):
            own = _neighbour(path.parent, name)
            if own is None or own in seen or name in PROJECT:
                continue
            taken = _where(name)
            if taken != own:
                raise InputError(
                    f"{path.name!r}: its import of {name!r} gives {str(taken or name)!r} and not "
                    "its neighbour; rename that"
                )
            seen.add(own)
            left.append(own)


def _imported(path: Path) -> set[str]:
    """The modules that a file names in its imports, without what is inside them."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, OSError):
        return set()  # importing it says more
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def _neighbour(folder: Path, name: str) -> Path | None:
    places = (folder / name / "__init__.py", folder / f"{name}.py")
    return next((place for place in places if place.is_file()), None)


def _where(name: str) -> Path | None:
    """The file that an import of this name gives, as far as one is behind it."""
    known = sys.modules.get(name)
    if known is not None:
        file = getattr(known, "__file__", None)
    else:
        spec = importlib.util.find_spec(name)
        file = spec.origin if spec is not None and spec.has_location else None
    return Path(file).resolve() if file else None


@functools.cache
def load_entry_points(group: str) -> None:
    """Import every installed entry point of a group, which registers what it defines."""
    before = frozenset(sys.modules)
    for entry in importlib.metadata.entry_points(group=group):
        entry.load()
    remember_imports(before)
