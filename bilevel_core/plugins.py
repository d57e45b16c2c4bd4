"""Solvers and problems from users' own files and from installed packages."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from bilevel_core.errors import InputError, shown


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
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except InputError:
        del sys.modules[module_name]
        raise
    except (
        Exception,
        SystemExit,
    ) as error:  # the file is the user's: whatever it raises is what has to be told
        del sys.modules[module_name]
        raise InputError(
            f"{str(path)!r} does not import: {type(error).__name__}: {error}"
        ) from error
    return module


@functools.cache
def load_entry_points(group: str) -> None:
    """Import every installed entry point of a group, which registers what it defines."""
    for entry in importlib.metadata.entry_points(group=group):
        entry.load()
