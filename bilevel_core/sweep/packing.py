"""Trajectory and hits of a record as columns, which take a third of the room in a file.

A list of points becomes one list a quantity.  Quantities may be mappings themselves (counts by
slot).  A column that is 0 at every point is written as 0, and one that repeats an earlier column
beside it as that one's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PACKED = ("trajectory", "hits")
MOST_POINTS, MOST_COLUMNS = 10_000, 64
"""Of a list; a file that asks for more would fill the memory, and none of ours does."""


def packed(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record's JSON with its lists of points as columns."""
    return dict(record) | {name: _columns(record[name]) for name in PACKED if record[name]}


def unpacked(record: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `packed`; lists of points stay as they are.

    Raises:
        LookupError, TypeError, ValueError: the columns do not fit together.
    """
    found = {name: record[name] for name in PACKED if isinstance(record[name], dict)}
    return dict(record) | {name: _points(columns) for name, columns in found.items()}


def unpacked_summary(record: Mapping[str, Any]) -> dict[str, Any]:
    """`unpacked` with no points in the trajectory, which is most of a record.

    Raises:
        LookupError, TypeError, ValueError: the columns do not fit together.
    """
    return unpacked({name: [] if name == "trajectory" else record[name] for name in record})


def _columns(points: list[dict[str, Any]]) -> dict[str, Any]:
    values = {name: [point[name] for point in points] for name in points[0]}
    columns: dict[str, Any] = {}
    for name, column in values.items():
        same = next((earlier for earlier in columns if values[earlier] == column), None)
        columns[name] = _column(column) if same is None or _zero(column) else same
    return columns


def _column(values: list[Any]) -> Any:
    if isinstance(values[0], dict):
        return _columns(values)
    return 0 if _zero(values) else values


def _zero(values: list[Any]) -> bool:
    return all(type(value) is int and value == 0 for value in values)


def _points(columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    lengths = {len(values) for values in columns.values() if isinstance(values, list)}
    if len(lengths) != 1:
        raise ValueError(f"columns of {len(lengths)} lengths, expected one")
    if max(lengths) > MOST_POINTS or _width(columns) > MOST_COLUMNS:
        raise ValueError(f"more than {MOST_POINTS} points or {MOST_COLUMNS} columns")
    return _rows(columns, lengths.pop())


def _width(columns: Mapping[str, Any]) -> int:
    """Number of columns, those of mappings inside included."""
    return sum(_width(each) if isinstance(each, dict) else 1 for each in columns.values())


def _rows(columns: Mapping[str, Any], length: int) -> list[dict[str, Any]]:
    own = {n: _unfolded(c, length) for n, c in columns.items() if not isinstance(c, str)}
    # The column that is repeated may come later: a file has its names in alphabetical order.
    lists = {n: own[c] if isinstance(c, str) else own[n] for n, c in columns.items()}
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]


def _unfolded(column: Any, length: int) -> list[Any]:
    if isinstance(column, dict):
        return _rows(column, length)
    return [column] * length if isinstance(column, int) else list(column)
