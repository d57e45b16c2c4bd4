"""A fingerprint of everything that a computation depends on, or why there can be none.

In: the functions and classes that a computation starts from.  Out: 32 hex digits that change with
their source, with every value that they can reach and with the modules of a user's own; comments,
docstrings, formatting and the names of modules do not count.  It knows nothing of runs or stores.
Two uses: compiled code found on disk is only taken when it was made from this very source, and a
stored run knows which code computed it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from types import FunctionType
from typing import Any, NamedTuple

from bilevel_core.fingerprint.callees import functions_behind, packages_of
from bilevel_core.fingerprint.modules import reading_of, remember_imports, told_by_modules
from bilevel_core.fingerprint.walk import Walk
from bilevel_core.ownership import is_users

__all__ = [
    "Fingerprint",
    "fingerprint",
    "functions_behind",
    "is_known",
    "remember_imports",
]

UNKNOWN = "unknown: "
"""How the text of a fingerprint begins that could not be made."""


class Fingerprint(NamedTuple):
    """code: 32 hex digits; unknown: what could not be followed, "" where all was.

    With an unknown, the code is of what could be followed, and proves nothing.
    """

    code: str
    unknown: str = ""

    def __str__(self) -> str:
        """As it is stored: the code, or what is unknown."""
        return UNKNOWN + self.unknown if self.unknown else self.code


def is_known(stored: str) -> bool:
    """Whether a stored fingerprint names a code, so that it can be compared with today's."""
    return bool(stored) and not stored.startswith(UNKNOWN)


def fingerprint(roots: Iterable[Any], *extra: str) -> Fingerprint:
    """The fingerprint of what roots rest on, and of `extra` texts; made anew at each call.

    roots: functions and classes, in an order that means something; other values count, too.
    """
    roots = tuple(roots)
    packages = packages_of(roots)
    walk = Walk(packages)
    walk.follow(roots)
    told = told_by_modules(walk.users, packages)
    reading = (_reading(function) for function in walk.functions if is_users(function, packages))
    unknown = [*walk.unknown, *filter(None, reading), *told.unknown]
    text = "\n".join([*extra, "code", *walk.text, "modules", *told.text])
    code = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return Fingerprint(code, next(iter(unknown), ""))


def _reading(function: FunctionType) -> str:
    """What a function outside any module's file may read; the others are told with their module."""
    if function.__module__ != "__main__" and not function.__code__.co_filename.startswith("<"):
        return ""
    name = reading_of(function)
    return name and f"{function.__qualname__} may read from outside ({name})"
