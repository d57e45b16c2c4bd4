"""Tables that calls dispatch by."""

from __future__ import annotations

from typing import TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class DispatchTable(dict[Key, Value]):
    """A registry that grows as modules are imported.

    What a computation finds in it is named among the roots of its fingerprint; the rest of the
    table plays no part in it.
    """
