"""The trajectory of a record as columns, which take half the room in a file that rows do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def packed(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record's JSON with its trajectory, a list of points, as one list a quantity.

    Quantities of a point may be mappings themselves (counts by slot); those that are 0 at every
    point are left out, but for their names.
    """
    points = record["trajectory"]
    return dict(record) | ({"trajectory": _columns(points)} if points else {})


def unpacked(record: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `packed`; a record whose trajectory is a list already stays as it is.

    Raises:
        LookupError, TypeError, ValueError: the columns do not fit together.
    """
    found = record["trajectory"]
    return dict(record) | ({"trajectory": _points(found)} if isinstance(found, dict) else {})


def _columns(points: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: _column([point[name] for point in points]) for name in points[0]}


def _column(values: list[Any]) -> Any:
    if isinstance(values[0], dict):
        return _columns(values)
    return 0 if all(type(value) is int and value == 0 for value in values) else values


def _points(columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    length = next(len(values) for values in columns.values() if isinstance(values, list))
    return _rows({name: _unfolded(values, length) for name, values in columns.items()})


def _rows(columns: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _unfolded(values: Any, length: int) -> list[Any]:
    if isinstance(values, dict):
        return _rows({name: _unfolded(part, length) for name, part in values.items()})
    return [values] * length if isinstance(values, int) else list(values)
