"""The outcome of one conformance test."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bilevel_core.errors import FOREIGN_ERRORS, plain_reason


class Finding(NamedTuple):
    """What was tested, whether it holds, and if not what is wrong."""

    name: str
    passed: bool
    message: str


def find(name: str, test: Callable[[], str]) -> Finding:
    """Run a test that returns "" or what is wrong; whatever it raises is wrong, too."""
    try:
        message = test()
    except FOREIGN_ERRORS as error:
        message = plain_reason(error)
    return Finding(name, not message, message or "holds")
