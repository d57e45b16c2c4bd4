"""CSV that a spreadsheet takes for data: no cell that comes from a name is a formula there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from bilevel_core.errors import printable

if TYPE_CHECKING:
    import pandas as pd

FORMULA = ("=", "+", "-", "@", "\n")
"""How a cell begins that a spreadsheet would compute."""
_NUMBER = r"[-+]?(\d+(\.\d*)?(e[-+]?\d+)?|inf|nan)"
NUMBERS = re.compile(rf"{_NUMBER}(; {_NUMBER})*")


def inert(value: Any) -> Any:
    """Text with an apostrophe before what would be a formula; numbers, and lists of them, as is.

    What is not printable is replaced: a carriage return inside a cell would begin another.
    """
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.startswith(FORMULA) and not NUMBERS.fullmatch(text) else text


def inert_frame(data: pd.DataFrame) -> pd.DataFrame:
    """A frame with `inert` texts and names of columns."""
    from pandas.api.types import is_numeric_dtype

    texts = [name for name in data.columns if not is_numeric_dtype(data[name])]
    return data.assign(**{name: data[name].map(inert) for name in texts}).rename(columns=inert)
