"""Whose code something is: this project's, a user's own, or a library's."""

from __future__ import annotations

import functools
import os
import site
import sys
import sysconfig
from collections.abc import Container
from types import FunctionType, ModuleType
from typing import Any

PROJECT = ("bilevel_core", "problems")
"""Packages of this project, whose code is followed function by function."""


@functools.cache
def _library_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    folders = [paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")]
    folders += [*site.getsitepackages(), site.getusersitepackages()]
    found = {folder for path in folders for folder in (path, os.path.realpath(path))}
    return tuple(folder.rstrip(os.sep) + os.sep for folder in sorted(found))


def module_name(thing: Any) -> str:
    """The dotted name of the module that a function, class or module belongs to; "" if unknown."""
    name = thing.__name__ if isinstance(thing, ModuleType) else getattr(thing, "__module__", "")
    return name if isinstance(name, str) else ""


def package(thing: Any) -> str:
    """The top-level package of a function, class or module."""
    return module_name(thing).split(".")[0]


def file_of(thing: Any) -> str:
    """The file that a function, class or module was made from; "" where there is none."""
    if isinstance(thing, FunctionType):
        return thing.__code__.co_filename
    module = thing if isinstance(thing, ModuleType) else sys.modules.get(module_name(thing))
    path = getattr(module, "__file__", None)
    return path if isinstance(path, str) else ""


def is_own(thing: Any, packages: Container[str] = PROJECT) -> bool:
    """Whether a function, class or module is of one of these packages, or of a user's own file.

    packages: beside the project's own, installed ones that a plug-in comes from.
    """
    if package(thing) in packages:
        return True
    if not isinstance(thing, FunctionType) and _is_built_in(thing):
        return False
    return not is_library_file(file_of(thing))


def is_library_file(path: str) -> bool:
    """Whether a path lies where Python and installed packages do."""
    return path.startswith(("<frozen", "<__array_function__", *_library_folders()))


def _is_built_in(thing: Any) -> bool:
    """Whether something was compiled into Python itself, which has no file."""
    name = module_name(thing)
    module = sys.modules.get(name)
    if name == "__main__" or module is None:
        return False
    return not hasattr(module, "__file__") and not hasattr(module, "__path__")


def is_users(thing: Any, packages: Container[str] = PROJECT) -> bool:
    """Whether something is a user's own: not of this project, nor of a library."""
    return is_own(thing, packages) and package(thing) not in PROJECT
