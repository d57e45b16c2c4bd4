"""One clear line out of a pydantic ValidationError: the key, what is allowed, what was given."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from bilevel_core.errors import LONGEST_SHOWN, one_line, shown

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails

WORDS = {
    "tuple_type": "expected a list",
    "dict_type": "expected a table",
    "model_type": "expected a table",
    "too_short": "expected at least one value",
}


def first_complaint(error: ValidationError, model: type[BaseModel]) -> tuple[str, str]:
    """The key at fault, at the top level of `model`, and the line about it.

    An unknown key comes before anything else: where it is a slip of the pen, a missing key is only
    its consequence.
    """
    details = error.errors(include_url=False)
    first = min(details, key=lambda detail: detail["type"] != "extra_forbidden")
    name = str(first["loc"][0]) if first["loc"] else ""
    return name, _line(name, first, model)


def unknown_key(name: str, allowed: Iterable[str]) -> str:
    """The line about a key that does not exist, with the nearest one that does."""
    names = list(allowed)
    close = difflib.get_close_matches(name[:LONGEST_SHOWN], names, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"unknown key {shown(name)}; {hint}allowed: {', '.join(names)}"


def _line(name: str, detail: ErrorDetails, model: type[BaseModel]) -> str:
    kind = detail["type"]
    if kind == "extra_forbidden":
        return unknown_key(name, model.model_fields)
    if kind == "missing":
        required = (key for key, field in model.model_fields.items() if field.is_required())
        return f"missing key {name!r}; required: {', '.join(required)}"
    parts = (part for part in detail["loc"] if isinstance(part, str))
    place = one_line(".".join(parts), LONGEST_SHOWN)
    if kind == "value_error":
        return f"{place}: {detail['ctx']['error']}"
    expected = WORDS.get(kind) or detail["msg"].replace("Input should be", "expected")
    return f"{place}: {expected}, got {shown(detail['input'])}"
