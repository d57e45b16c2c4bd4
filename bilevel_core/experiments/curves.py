"""Curves of several seeds as one: their median and range on a common axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bilevel_core.experiments.trial import TrialRecord

AXES = {"spent": "per-sample oracle calls", "seconds": "seconds in outer steps"}
"""What curves are drawn against: keys of a point of a curve, and their labels."""
RESOLUTION = 80


class Band(NamedTuple):
    """The median over seeds and its range; all (m,)."""

    x: np.ndarray
    median: np.ndarray
    low: np.ndarray
    high: np.ndarray


def points(record: TrialRecord, axis: str, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Where a run was looked at, but for its start, and what was seen there."""
    seen = [(point[axis], point["metrics"].get(metric)) for point in record.curve[1:]]
    known = [(x, y) for x, y in seen if y is not None]
    columns = np.array(known, dtype=float).reshape(-1, 2).T
    return columns[0], columns[1]


def band(records: Sequence[TrialRecord], axis: str, metric: str) -> Band | None:
    """Median and range over the seeds, linear between evaluations; None where there is nothing.

    It covers what all seeds cover, on an axis that is logarithmic.
    """
    curves = [points(record, axis, metric) for record in records]
    known = [(x, y) for x, y in curves if len(x)]
    if not known:
        return None
    first, last = max(x[0] for x, _ in known), min(x[-1] for x, _ in known)
    if not 0 < first <= last:
        return None
    x = np.geomspace(first, last, RESOLUTION) if first < last else np.array([first])
    values = np.stack([np.interp(x, own, y) for own, y in known])
    return Band(x, np.median(values, axis=0), values.min(axis=0), values.max(axis=0))
