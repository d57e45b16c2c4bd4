"""What the interactive picture of a group needs, as JSON that is safe inside a script element."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import isfinite
from typing import Any

from bilevel_core.errors import printable
from bilevel_core.report import counts
from bilevel_core.report.entries import Entry
from bilevel_core.report.groups import HEADS, QUANTITIES, Group, label
from bilevel_core.report.page.cells import Cell
from bilevel_core.report.page.looks import CROSS, DASHES, MISSED, SHAPES, look
from bilevel_core.report.points import held, held_for

ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
"""Characters that HTML or JavaScript could take for their own; JSON has them in strings only."""


def embedded(groups: Sequence[dict[str, Any]]) -> str:
    """The whole page's data as JSON without any character that could end its script element."""
    shapes = {"shapes": SHAPES, "dashes": DASHES, "missed": MISSED, "cross": CROSS}
    text = json.dumps(shapes | {"groups": list(groups)}, separators=(",", ":"), allow_nan=False)
    return "".join(ESCAPES.get(character, character) for character in text)


def data(name: str, group: Group, found: Sequence[Entry], cells: Sequence[Cell]) -> dict[str, Any]:
    """One group: levels, solvers with bounds and readings, cells with means, intervals and fits.

    name: of the element that the picture is drawn into.
    """
    return {
        "id": name,
        "heading": group.heading,
        "unit": group.ledger,
        "levels": {axis: group.levels(axis) for axis in ("kappa", "eps")},
        "held": {axis: held(group.rows, axis) for axis in ("kappa", "eps")},
        "quantities": [[key, HEADS[key]] for key in QUANTITIES],
        "solvers": [_solver(group, place, found) for place in range(len(group.solvers))],
        "cells": [_cell(group.solvers.index(cell.solver), cell) for cell in cells],
    }


def _solver(group: Group, place: int, found: Sequence[Entry]) -> dict[str, Any]:
    solver = group.solvers[place]
    own = {entry.quantity: entry for entry in found if entry.solver == solver}
    return {
        "name": label(solver),
        "full": printable(solver),
        "colour": look(place).colour,
        "dashes": look(place).dashes,
        "held": {axis: held_for(group, solver, axis) for axis in ("kappa", "eps")},
        "bounds": {name: _bound(own[name]) for name in QUANTITIES},
        "readings": {
            name: {axis: counts.reading(own[name], axis, "  ").strip() for axis in ("kappa", "eps")}
            for name in QUANTITIES
        },
    }


def _bound(entry: Entry) -> dict[str, float | None]:
    return {axis: getattr(entry.bound, axis, None) for axis in ("kappa", "eps")}


def _cell(solver: int, cell: Cell) -> list[Any]:
    means = [[_digits(value) for value in cell.mean(name)] for name in QUANTITIES]
    return [
        *(solver, cell.kappa, cell.eps, cell.status, cell.instances, _digits(cell.predicted)),
        means if cell.status == "ok" else None,
    ]


def _digits(value: float) -> float | None:
    """Seven digits: JSON has no NaN, and nobody reads more off a picture."""
    return float(f"{value:.7g}") if isfinite(value) else None
