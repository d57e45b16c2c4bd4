"""The loop around a session: every eps in one pass, the running average, and when to stop."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from bilevel_core.engines.chunk import Chunk, Session, is_shared

CRITERIA = ("average", "first")
SHORTEST, LONGEST = 16, 4096
"""Outer steps between two looks at a run, in between an eighth of the steps done so far."""
STALLED_AFTER, STALLED_SHARE = 1000, 0.9
"""Outer steps without any movement of x, and their share of all steps so far, after which an eps
still unreached is given up; the share, because steps that change with k may move x again."""
POINTS_PER_DECADE = 10
"""Points of the stored trajectory per factor of ten in k."""


@dataclasses.dataclass(frozen=True)
class Hit:
    """When one eps was reached: K outer iterations, and the ledger (2, slots) at that moment."""

    criterion: str
    eps: float
    outer: int
    ledger: np.ndarray


@dataclasses.dataclass
class Track:
    """What is known of one instance in the end."""

    outer: int = 0
    hits: list[Hit] = dataclasses.field(default_factory=list)
    trajectory: list[tuple[int, float, float, np.ndarray]] = dataclasses.field(default_factory=list)
    spent: np.ndarray | None = None  # the ledger (2, slots) after `outer` steps
    still: int = 0  # steps without any movement of x, up to the last one
    status: str = ""
    reason: str = ""


class Columns(NamedTuple):
    """What is known of all B instances while they run; the loop below alone writes to it."""

    total: np.ndarray  # (B,): sum of ||grad Phi||^2 over the iterates so far
    still: np.ndarray  # (B,): steps without any movement of x
    reached: dict[str, np.ndarray]  # by criterion, (B,): how many of the decreasing eps
    running: np.ndarray  # (B,) of bool


class Part(NamedTuple):
    """A chunk's iterates of the instances that were running before it, in columns."""

    first: int  # outer steps done before it
    instances: np.ndarray  # (R,): which of the B they are
    values: dict[str, np.ndarray]  # by criterion, (n, R)
    lengths: np.ndarray  # (R,): iterates up to the first that is not finite
    ledgers: np.ndarray  # (n + 1, B, 2, slots)

    def ledger(self, i: int, column: int) -> np.ndarray:
        """The ledger (2, slots) of one column after i steps of the chunk."""
        return self.ledgers[i, self.instances[column]].copy()


def _on_grid(k: int) -> bool:
    if k <= 1:
        return True
    return math.floor(math.log10(k) * POINTS_PER_DECADE) > math.floor(
        math.log10(k - 1) * POINTS_PER_DECADE
    )


def _grid(first: int, last: int) -> list[int]:
    if last - first < 64:
        return [k for k in range(first, last) if _on_grid(k)]
    start = math.floor(math.log10(max(first, 1)) * POINTS_PER_DECADE)
    stop = math.ceil(math.log10(last) * POINTS_PER_DECADE)
    candidates = {math.ceil(10 ** (i / POINTS_PER_DECADE)) for i in range(start, stop + 1)}
    near = {0} | candidates | {c + 1 for c in candidates}
    return sorted(k for k in near if first <= k < last and _on_grid(k))


def _part(columns: Columns, chunk: Chunk, done: int) -> Part:
    instances = np.flatnonzero(columns.running)
    squared = chunk.squared[:, instances]
    finite = np.isfinite(squared)
    n = len(squared)
    lengths = np.where(finite.all(axis=0), n, np.argmin(finite, axis=0))
    known = np.where(np.arange(n)[:, None] < lengths, squared, 0.0)
    # A running sum term by term: the same whatever the length of a chunk.
    sums = np.cumsum(np.concatenate([columns.total[None, instances], known]), axis=0)[1:]
    columns.total[instances] = sums[-1]
    averages = sums / (done + 1 + np.arange(n))[:, None]
    return Part(done, instances, {"first": squared, "average": averages}, lengths, chunk.ledgers)


def _record_hits(
    tracks: Sequence[Track], columns: Columns, part: Part, eps: Sequence[float]
) -> None:
    """Add the hits of a chunk, "first" before "average"; eps decreasing.

    "first" is reached at outer = k by iterate x_k, with the ledger of k steps; "average" at outer
    = K by the iterates x_0 .. x_{K-1}, with the ledger of K steps.
    """
    targets = np.append(eps, -np.inf)
    for criterion, shift in (("first", 0), ("average", 1)):
        values, reached = part.values[criterion], columns.reached[criterion]
        counted = np.arange(len(values))[:, None] < part.lengths
        lowest = np.min(values, axis=0, initial=np.inf, where=counted)
        for column in np.flatnonzero(lowest <= targets[reached[part.instances]]).tolist():
            b, own = part.instances[column], values[: part.lengths[column], column]
            met = [target for target in eps[reached[b] :] if lowest[column] <= target]
            for target in met:
                i = int(np.argmax(own <= target)) + shift
                ledger = part.ledger(i, column)
                tracks[b].hits.append(Hit(criterion, target, part.first + i, ledger))
            reached[b] += len(met)


def _record_points(tracks: Sequence[Track], part: Part) -> None:
    """Add those points of a chunk that a trajectory keeps."""
    n = len(part.values["first"])
    for k in _grid(part.first, part.first + n):
        i = k - part.first
        squared, averages = (part.values[name][i].tolist() for name in ("first", "average"))
        shared = part.ledgers[i, 0].copy() if is_shared(part.ledgers) else None
        for column in np.flatnonzero(part.lengths > i).tolist():
            ledger = part.ledger(i, column) if shared is None else shared
            point = (k, squared[column], averages[column], ledger)
            tracks[part.instances[column]].trajectory.append(point)


def _end(track: Track, part: Part, column: int, status: str, reason: str) -> None:
    length = int(part.lengths[column])
    track.outer, track.spent = part.first + length, part.ledger(length, column)
    track.status, track.reason = status, reason


def _judge(
    tracks: Sequence[Track],
    columns: Columns,
    part: Part,
    chunk: Chunk,
    eps: Sequence[float],
    criterion: str,
) -> None:
    """End the instances that reached every eps, have left the finite numbers, or do not move."""
    b, n, last = part.instances, len(part.values["first"]), part.values["first"][-1]
    # What comes after the last eps was reached is the same run in longer chunks: it says nothing.
    arrived = columns.reached[criterion][b] == len(eps)
    diverged = ~arrived & (part.lengths < n)
    columns.still[b] = np.where(chunk.moved[b], 0, columns.still[b] + n)
    resting = columns.still[b] >= max(STALLED_AFTER, STALLED_SHARE * (part.first + n))
    stalled = ~diverged & ~arrived & resting & (last > eps[-1])
    for column in np.flatnonzero(diverged).tolist():
        outer = part.first + part.lengths[column]
        unknown = chunk.unknown.get(int(b[column]))
        status = "failed" if unknown else "diverged"
        reason = unknown or f"grad Phi is not finite after {outer} outer steps"
        _end(tracks[b[column]], part, column, status, reason)
    for column in np.flatnonzero(arrived).tolist():
        _end(tracks[b[column]], part, column, "ok", "every eps reached")
    for column in np.flatnonzero(stalled).tolist():
        still = tracks[b[column]].still = int(columns.still[b[column]])
        reason = f"x has not moved for {still} outer steps, at ||grad Phi||^2 = {last[column]:.3g}"
        _end(tracks[b[column]], part, column, "censored", reason)
    columns.running[b[diverged | arrived | stalled]] = False


def drive(
    session: Session,
    eps: Sequence[float],
    criterion: str,
    max_outer: int,
    max_seconds: float | None,
    progress: Callable[[int], None] = lambda outer: None,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Track]:
    """Run a session until every instance has reached every eps, or its budget, or has diverged.

    eps: decreasing; criterion: the one that decides when to stop.  max_seconds bounds the whole
    pass, evaluation included; progress, which may end the run, is called after each chunk and
    between the evaluations of slow ones.
    """
    batch = session.batch
    tracks = [Track() for _ in range(batch)]
    columns = Columns(
        total=np.zeros(batch),
        still=np.zeros(batch, np.int64),
        reached={name: np.zeros(batch, np.int64) for name in CRITERIA},
        running=np.ones(batch, bool),
    )
    started, done, reason, part = clock(), 0, "", None

    def is_over() -> bool:
        return max_seconds is not None and clock() - started > max_seconds

    def is_late() -> bool:
        progress(done)
        return is_over()

    while columns.running.any():
        n = min(max_outer - done, max(SHORTEST, min(LONGEST, done // 8)))
        if n <= 0:
            reason = f"max_outer = {max_outer} reached"
            break
        if is_over():
            reason = f"max_seconds = {max_seconds or 0.0:g} reached"
            break
        chunk = session.advance(n, is_late)
        part = _part(columns, chunk, done)
        _record_hits(tracks, columns, part, eps)
        _record_points(tracks, part)
        _judge(tracks, columns, part, chunk, eps, criterion)
        done += len(chunk.squared)
        progress(done)
    _stop(tracks, part, reason)
    return tracks


def _stop(tracks: Sequence[Track], part: Part | None, reason: str) -> None:
    """End whatever still runs, after its last chunk if it had one."""
    if part is None:
        for track in tracks:
            track.status, track.reason = "censored", reason
        return
    for column, b in enumerate(part.instances):
        if not tracks[b].status:
            _end(tracks[b], part, column, "censored", reason)
