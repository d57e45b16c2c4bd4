"""The name of a run: a hash of its configuration.

Two configurations that mean the same run have the same key: keys of mappings are sorted, floats are
written by `repr` (the shortest text that reads back to the same number), and a whole number is the
same whether it was written 16 or 16.0.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bilevel_core.record import RunConfig

KEY_LENGTH = 32
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def to_json(value: Any) -> str:
    """One line of JSON, keys sorted, no spaces.

    Raises:
        ValueError: `value` holds NaN or an infinity, which JSON does not have.
        TypeError: `value` holds something that JSON does not have.
    """
    return _ENCODER.encode(value)


def digest(text: str | bytes) -> str:
    """SHA-256 of a text's UTF-8 bytes, 64 hex digits."""
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()


def canonical(value: Any) -> Any:
    """The same JSON value with every whole float, at any depth, as an int."""
    match value:
        case bool() | None | str():
            return value
        case float() if value.is_integer():
            return int(value)
        case Mapping():
            return {str(name): canonical(item) for name, item in value.items()}
        case Sequence():
            return [canonical(item) for item in value]
        case _:
            return value


def key(config: RunConfig) -> str:
    """The run's key, 32 hex digits: the stem of its file name."""
    return digest(to_json(canonical(config.to_dict())))[:KEY_LENGTH]
