"""What one outer step costs, as each solver declares it."""

from __future__ import annotations

from typing import NamedTuple


class Cost(NamedTuple):
    """Oracle calls of one outer step; the fields are the slots of the ledger."""

    grad_x_f: int = 0
    grad_y_f: int = 0
    grad_x_g: int = 0
    grad_y_g: int = 0
    jvp: int = 0
    hvp: int = 0
    value_f: int = 0
    value_g: int = 0


class CostRange(NamedTuple):
    """Least and most of a step whose loops stop by a tolerance."""

    least: Cost
    most: Cost
