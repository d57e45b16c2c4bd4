"""What a stored file may hold, value by value: cheap tests of JSON that may come from anybody."""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import Any

LARGEST_COUNT = 2**63 - 1
LARGEST = sys.float_info.max
DEEPEST = 4
"""Levels of lists and mappings inside a setting."""


def is_number(value: Any) -> bool:
    """A finite number that a float can hold."""
    if type(value) is float:
        return -LARGEST <= value <= LARGEST
    is_real = isinstance(value, int | float) and not isinstance(value, bool)
    return is_real and -LARGEST <= value <= LARGEST


def is_positive(value: Any) -> bool:
    """A finite number > 0."""
    return is_number(value) and value > 0


def is_count(value: Any) -> bool:
    """An integer from 0 to 2^63 - 1."""
    return type(value) is int and 0 <= value <= LARGEST_COUNT


def is_text(value: Any) -> bool:
    """Text that can be written as UTF-8, without the null character, where pandas ends a text."""
    if not isinstance(value, str) or "\0" in value:
        return False
    return value.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in value)


def is_plain(value: Any, deepest: int = DEEPEST) -> bool:
    """Text, a finite number, a truth value, None, or a list or mapping of such."""
    if value is None or isinstance(value, bool) or is_text(value) or is_number(value):
        return True
    if deepest == 0:
        return False
    if isinstance(value, dict):
        return all(map(is_text, value)) and all(is_plain(v, deepest - 1) for v in value.values())
    return isinstance(value, list | tuple) and all(is_plain(item, deepest - 1) for item in value)


def is_settings(value: Any) -> bool:
    """A mapping from names to plain values."""
    return isinstance(value, dict) and is_plain(value)


def are_numbers(value: Any) -> bool:
    """A mapping from names to finite numbers."""
    return (
        isinstance(value, dict) and all(map(is_text, value)) and all(map(is_number, value.values()))
    )


def are_counts(value: Any, names: Collection[str]) -> bool:
    """A mapping from exactly these names to counts."""
    if not isinstance(value, dict) or len(value) != len(names):
        return False
    for name in names:
        count = value.get(name)
        if type(count) is not int or not 0 <= count <= LARGEST_COUNT:
            return False
    return True
