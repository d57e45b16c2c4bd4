"""The loop around a session: every eps in one pass, the running average, and when to stop."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Sequence

import numpy as np

from bilevel_core.engines.chunk import Chunk, Session

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
    """What is known of one instance so far; the loop below alone writes to it."""

    total: float = 0.0  # sum of ||grad Phi||^2 over the first `outer` iterates
    outer: int = 0
    hits: list[Hit] = dataclasses.field(default_factory=list)
    trajectory: list[tuple[int, float, float, np.ndarray]] = dataclasses.field(default_factory=list)
    spent: np.ndarray | None = None  # the ledger (2, slots) after `outer` steps
    still: int = 0
    status: str = ""
    reason: str = ""

    def reached(self, criterion: str) -> int:
        """How many of the decreasing eps this criterion has reached."""
        return sum(hit.criterion == criterion for hit in self.hits)


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


def record(track: Track, squared: np.ndarray, ledgers: np.ndarray, eps: Sequence[float]) -> None:
    """Add n iterates to a track: squared (n,), ledgers (n + 1, 2, slots), eps decreasing.

    "first" is reached at outer = k by iterate x_k, with the ledger of k steps; "average" at outer
    = K by the iterates x_0 .. x_{K-1}, with the ledger of K steps.
    """
    finite = np.isfinite(squared)
    n = len(squared) if finite.all() else int(np.argmin(finite))
    squared = squared[:n]
    # A running sum term by term: the same whatever the length of a chunk.
    sums = np.cumsum(np.concatenate([[track.total], squared]))[1:]
    averages = sums / (track.outer + 1 + np.arange(n))
    for criterion, values, shift in (("first", squared, 0), ("average", averages, 1)):
        lowest = np.minimum.accumulate(values) if n else values
        for target in eps[track.reached(criterion) :]:
            if n == 0 or lowest[-1] > target:
                break
            i = int(np.argmax(lowest <= target)) + shift
            track.hits.append(Hit(criterion, target, track.outer + i, ledgers[i].copy()))
    for k in _grid(track.outer, track.outer + n):
        i = k - track.outer
        track.trajectory.append((k, float(squared[i]), float(averages[i]), ledgers[i].copy()))
    track.total = float(sums[-1]) if n else track.total
    track.outer += n
    track.spent = ledgers[n].copy()
    if not finite.all():
        track.status = "diverged"
        track.reason = f"grad Phi is not finite after {track.outer} outer steps"


def _judge(track: Track, chunk: Chunk, b: int, eps: Sequence[float], criterion: str) -> None:
    if track.status:
        return
    if track.reached(criterion) == len(eps):
        track.status, track.reason = "ok", "every eps reached"
        return
    n = len(chunk.squared)
    track.still = 0 if chunk.moved[b] else track.still + n
    stalled = track.still >= max(STALLED_AFTER, STALLED_SHARE * track.outer)
    if stalled and chunk.squared[-1, b] > eps[-1]:
        track.status = "censored"
        track.reason = (
            f"x has not moved for {track.still} outer steps, at ||grad Phi||^2 = "
            f"{chunk.squared[-1, b]:.3g}"
        )


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
    pass, evaluation included.
    """
    tracks = [Track() for _ in range(session.batch)]
    started, done = clock(), 0
    while not all(track.status for track in tracks):
        n = min(max_outer - done, max(SHORTEST, min(LONGEST, done // 8)))
        if n <= 0:
            _stop(tracks, f"max_outer = {max_outer} reached")
            break
        if max_seconds is not None and clock() - started > max_seconds:
            _stop(tracks, f"max_seconds = {max_seconds:g} reached")
            break
        chunk = session.advance(n)
        for b, track in enumerate(tracks):
            if not track.status:
                record(track, chunk.squared[:, b], chunk.ledgers[:, b], eps)
                _judge(track, chunk, b, eps, criterion)
        done += len(chunk.squared)
        progress(done)
    return tracks


def _stop(tracks: list[Track], reason: str) -> None:
    for track in tracks:
        if not track.status:
            track.status, track.reason = "censored", reason
