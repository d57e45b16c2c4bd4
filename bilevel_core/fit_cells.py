"""From a frame of counts to cells, and from cells to replicates for the jackknife.

A cell is one (kappa, eps) pair with its instances.  A cell in which any instance missed its target
is left out whole and named, so that no mean is taken over the instances that happened to succeed.
Everything downstream works on the means of log counts over the instances of a cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bilevel_core import checking
from bilevel_core.errors import FOREIGN_ERRORS, InputError, blaming, one_line, shown

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

GROUP_COLUMNS = ("problem", "options", "solver", "policy", "overrides", "criterion")
"""Columns that must hold one value each: a fit is of one solver on one family in one regime."""


class Excluded(NamedTuple):
    """A cell that was left out, and why."""

    kappa: float
    eps: float
    reason: str


class Cells(NamedTuple):
    """Log counts by instance and cell.

    kappa, eps: (C,) of the cells; logs: (G, C) natural logarithms, NaN where an instance has no row
    in a cell; crossed: whether every instance occurs at two or more levels of kappa (of eps where
    kappa has one level), so that its level shift can be removed; rounding: (C,), the relative
    deviation that rounding the calls of an outer step up may cause, 0 where not known.
    """

    kappa: Floats
    eps: Floats
    logs: Floats
    crossed: bool
    excluded: tuple[Excluded, ...]
    rounding: Floats | float = 0.0


def read_cells(df: pd.DataFrame, y: str, divide_by: str | None = None) -> Cells:
    """The cells of `df` with the logarithm of column `y` (over column `divide_by` if given).

    Raises InputError for a missing column, an empty frame, several groups, duplicate rows, and
    values without a logarithm.
    """
    y = checking.text("y", y, "the name of a column")
    needed = ["kappa", "eps", "instance", y] + ([] if divide_by is None else [divide_by])
    with blaming("reading df"):  # its cells may hold anything
        _check_frame(df, needed)
        return _read_cells(df, y, divide_by)


def _read_cells(df: pd.DataFrame, y: str, divide_by: str | None) -> Cells:
    kappa, eps = (_round(_positive(df, name)) for name in ("kappa", "eps"))
    counts = _numbers(df, y)
    if divide_by is not None:
        with np.errstate(divide="ignore", invalid="ignore"):
            counts = counts / _numbers(df, divide_by)
    status = _statuses(df, counts)
    _check_counts(counts[status == "ok"], y if divide_by is None else f"{y}/{divide_by}")

    instance = df["instance"].astype(str).to_numpy(dtype=str)
    names, row = np.unique(instance, return_inverse=True)
    points, column = np.unique(np.column_stack([kappa, -eps]), axis=0, return_inverse=True)
    column = column.reshape(-1)
    _check_duplicates(row, column, names, points)

    bad = np.unique(column[status != "ok"])
    excluded = tuple(
        Excluded(float(points[c, 0]), float(-points[c, 1]), _reason(status[column == c]))
        for c in bad
    )
    logs = np.full((len(names), len(points)), np.nan)
    ok = ~np.isin(column, bad)
    logs[row[ok], column[ok]] = np.log(counts[ok])
    rounding = np.zeros(len(points))
    if "outer" in df.columns and y != "outer" and divide_by is None:
        calls = _numbers(df, _calls_column(df, y))
        rounding = _rounding(calls[ok], _numbers(df, "outer")[ok], column[ok], len(points))
    logs = np.delete(logs, bad, axis=1)
    rounding = np.delete(rounding, bad)
    points = np.delete(points, bad, axis=0)
    logs = logs[np.isfinite(logs).any(axis=1)]
    crossed = _is_crossed(logs, points[:, 0], points[:, 1])
    return Cells(points[:, 0], -points[:, 1], logs, crossed, excluded, rounding)


def _calls_column(df: pd.DataFrame, y: str) -> str:
    """The column of calls behind a column of samples, whose batches would hide the rounding."""
    name = y.removeprefix("samples_").removeprefix("batches_")
    return next((n for n in (f"calls_{name}", name) if n in df.columns), y)


def _rounding(counts: Floats, outer: Floats, column: Any, cells: int) -> Floats:
    """0.58 over the calls of an outer step, for each cell, where that number varies.

    Numbers of steps are rounded up: by 0 to 1, whose root mean square is 0.58.  A number that is
    the same everywhere (two gradients of f) was never rounded.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        a_step = counts / outer
    if not a_step.size or not np.isfinite(a_step).all() or np.ptp(a_step) < 0.05 * a_step.mean():
        return np.zeros(cells)
    total, number = (np.bincount(column, w, cells) for w in (a_step, np.ones(len(column))))
    with np.errstate(divide="ignore", invalid="ignore"):
        deviation = np.sqrt(1 / 3) / (total / number)
    return np.where(number > 0, deviation, 0.0)


def cell_means(logs: Floats, crossed: bool) -> Floats:
    """Mean log count of each cell, (C,); NaN for a cell without rows.

    Where instances are crossed with cells and rows are missing, the level shift of each instance is
    removed first, or the instances that are missing from a cell would tilt the exponent.
    """
    present = np.isfinite(logs)
    if present.all():
        return np.asarray(logs.mean(axis=0))
    if not crossed:
        count = present.sum(axis=0)
        total = np.where(present, logs, 0.0).sum(axis=0)
        return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))
    row, column = np.nonzero(present)
    design = np.zeros((len(row), sum(logs.shape)))
    design[np.arange(len(row)), row] = 1.0
    design[np.arange(len(row)), len(logs) + column] = 1.0
    effects = np.linalg.lstsq(design, logs[present], rcond=None)[0]
    means = effects[len(logs) :] + effects[: len(logs)].mean()
    return np.asarray(np.where(present.any(axis=0), means, np.nan))


def replicate_means(cells: Cells) -> Floats:
    """Cell means of all instances, then without each instance in turn: (1 + G, C)."""
    everyone = np.arange(len(cells.logs))
    subsets = [everyone] + [np.delete(everyone, g) for g in everyone if len(everyone) > 1]
    return np.array([cell_means(cells.logs[kept], cells.crossed) for kept in subsets])


def strata(cells: Cells) -> list[NDArray[np.intp]]:
    """Instances that replicate one another, as index arrays.

    Crossed instances form one stratum.  Instances nested in kappa form one for each kappa; those
    that stand alone at theirs are put together.
    """
    if cells.crossed:
        return [np.arange(len(cells.logs))]
    presence, group = np.unique(np.isfinite(cells.logs), axis=0, return_inverse=True)
    members = [np.flatnonzero(group.reshape(-1) == h) for h in range(len(presence))]
    alone = [m for m in members if len(m) == 1]
    together = [np.concatenate(alone)] if alone else []
    return [m for m in members if len(m) > 1] + together


def mean_covariance(cells: Cells) -> Floats:
    """Covariance of the cell means that the spread between instances implies, (C, C).

    Three independent parts, by their moments: shared by the cells of one kappa, shared by the cells
    of one eps (counts at several eps come from one run), and of each cell alone.  Where instances
    are crossed, level and slopes of each instance are taken off first: they move exponents, not the
    fit of a model.  Zero where no instance is replicated.
    """
    from scipy.optimize import nnls

    present = np.isfinite(cells.logs)
    size = present.sum(axis=0).mean()
    residuals = cells.logs - cell_means(cells.logs, cells.crossed)
    parts = [
        (cells.kappa[:, None] == cells.kappa).astype(float),
        (cells.eps[:, None] == cells.eps).astype(float),
        np.eye(len(cells.kappa)),
    ]
    gram, moments = np.zeros((3, 3)), np.zeros(3)
    for pattern in np.unique(present, axis=0):
        keep = _off_lines(cells, pattern)
        seen = residuals[(present == pattern).all(axis=1)][:, pattern] @ keep
        shapes = [keep @ part[np.ix_(pattern, pattern)] @ keep for part in parts]
        gram += len(seen) * np.array([[np.sum(a * b) for a in shapes] for b in shapes])
        moments += [np.sum(a * (seen.T @ seen)) for a in shapes]
    # A part that level and slopes absorb (one eps, or two) cannot be estimated, and is left out.
    seen_parts = np.flatnonzero(np.diag(gram) > 1e-9 * gram[2, 2])
    solved = nnls(
        gram[np.ix_(seen_parts, seen_parts)], moments[seen_parts] * size / max(size - 1.0, 1.0)
    )[0]
    total = np.zeros_like(parts[0])
    for weight, index in zip(solved, seen_parts, strict=True):
        total += weight / size * parts[index]
    return total


def _off_lines(cells: Cells, pattern: NDArray[np.bool_]) -> Floats:
    """Projector that takes an instance's level and slopes off its residuals."""
    count = int(pattern.sum())
    if not cells.crossed:
        return np.eye(count)
    lines = np.column_stack(
        [np.ones(count), np.log(cells.kappa[pattern]), np.log(cells.eps[pattern])]
    )
    return np.asarray(np.eye(count) - lines @ np.linalg.pinv(lines))


def _check_frame(df: pd.DataFrame, needed: list[str]) -> None:
    import pandas as pd

    if not checking.is_a(df, pd.DataFrame):
        raise InputError(f"df: expected a DataFrame of pandas, got {shown(df)}")
    if df.columns.nlevels > 1:
        raise InputError(f"df: expected one level of columns, got {df.columns.nlevels}")
    missing = [name for name in needed if name not in df.columns]
    if missing:
        have = one_line(", ".join(map(str, df.columns[:20])), 150)
        raise InputError(f"df has no column {shown(missing[0])}; it has: {have}")
    for name in dict.fromkeys([*needed, "status", "outer", *GROUP_COLUMNS]):
        if (df.columns == name).sum() > 1:
            raise InputError(f"df has several columns {shown(name)}; expected one")
    if len(df) == 0:
        raise InputError("df is empty; expected one row for each kappa, eps and instance")
    for name in GROUP_COLUMNS:
        if name in df.columns and df[name].nunique(dropna=False) > 1:
            values = list(df[name].unique())
            first = ", ".join(one_line(str(value), 40) for value in values[:4])
            raise InputError(f"df holds {len(values)} values of {name!r} ({first}); select one")


def _numbers(df: pd.DataFrame, name: str) -> Floats:
    import pandas as pd

    try:
        found = pd.to_numeric(df[name])
        if df[name].dtype.kind in "cbmM" or found.dtype.kind not in "iufO":
            raise TypeError(f"it is of type {df[name].dtype}")
        return np.asarray(found.to_numpy(dtype=float, na_value=np.nan))
    except FOREIGN_ERRORS as error:
        why = one_line(f"{type(error).__name__}: {error}", 100)
        raise InputError(f"column {shown(name)} must hold numbers: {why}") from None


def _positive(df: pd.DataFrame, name: str) -> Floats:
    values = _numbers(df, name)
    wrong = values[~(np.isfinite(values) & (values > 0))]
    if len(wrong):
        raise InputError(f"column {shown(name)} must be finite and > 0, got {wrong[0]:g}")
    return values


def _round(values: Floats) -> Floats:
    """Values to 10 significant digits, so that 0.1 and 10 ** -1.0 name one cell."""
    return np.array([float(f"{value:.10g}") for value in values])


def _statuses(df: pd.DataFrame, counts: Floats) -> NDArray[np.str_]:
    given = df["status"].astype(str).to_numpy(dtype=str) if "status" in df.columns else None
    status = np.full(len(counts), "ok", dtype="U32") if given is None else given.astype("U32")
    status[(status == "ok") & np.isnan(counts)] = "missing"
    return np.asarray(status)


def _check_counts(counts: Floats, name: str) -> None:
    wrong = counts[~(np.isfinite(counts) & (counts > 0))]
    if len(wrong):
        raise InputError(
            f"{shown(name)} must be finite and > 0 to have an exponent, got {wrong[0]:g}"
        )


def _check_duplicates(
    row: NDArray[np.intp], column: NDArray[np.intp], names: NDArray[np.str_], points: Floats
) -> None:
    pairs, times = np.unique(np.column_stack([row, column]), axis=0, return_counts=True)
    if times.max() > 1:
        g, c = pairs[times.argmax()]
        raise InputError(
            f"df holds {times.max()} rows for kappa={points[c, 0]:g}, eps={-points[c, 1]:g}, "
            f"instance={shown(str(names[g]))}; expected one"
        )


def _reason(status: NDArray[np.str_]) -> str:
    kinds, times = np.unique(status[status != "ok"], return_counts=True)
    return f"of {len(status)}: " + ", ".join(f"{n} {k}" for k, n in zip(kinds, times, strict=True))


def _is_crossed(logs: Floats, kappa: Floats, eps: Floats) -> bool:
    levels = kappa if len(np.unique(kappa)) > 1 else eps
    present = np.isfinite(logs)
    return bool(len(logs)) and all(len(np.unique(levels[seen])) > 1 for seen in present)
