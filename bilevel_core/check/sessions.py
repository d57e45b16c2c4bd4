"""Runs in progress for conformance tests, and what it means that two of them are the same run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bilevel_core.engines.chunk import Session
from bilevel_core.engines.loop import Track, drive
from bilevel_core.problem import Problem
from bilevel_core.solvers import Solver

AGREEMENT = 1e-8
"""Allowed difference of two runs of one instance, relative to the larger of their numbers."""
EPS = (1.0, 0.3, 0.1, 0.03, 0.01, 1e-3, 1e-300)
"""Levels whose hits are compared; the last keeps a run going for as many steps as were asked."""


def open_session(
    problem: Problem, solver: Solver, params: Any, engine: str, noise_seed: int = 0
) -> Session:
    """A run in progress on either engine; noise_seed: where the solver draws random numbers."""
    seed = noise_seed if solver.is_random else None
    if engine == "compiled":
        from bilevel_core.engines.compiled import CompiledSession

        return CompiledSession(problem, solver, params, seed)
    return open_batch([problem], solver, params, [noise_seed])


def open_batch(
    instances: Sequence[Problem], solver: Solver, params: Any, noise_seeds: Sequence[int]
) -> Session:
    """Instances with a noise seed each as one batch of the torch engine."""
    from bilevel_core.engines.torch import TorchSession

    return TorchSession(
        instances, solver, params, "cpu", list(noise_seeds) if solver.is_random else None
    )


def walked(session: Session, steps: int) -> tuple[list[Track], np.ndarray]:
    """The tracks of that many outer steps, and the last x (p, B)."""
    with np.errstate(over="ignore", invalid="ignore"):
        return drive(session, EPS, "average", steps, None), session.iterate()


def differing(one: Track, other: Track, x: np.ndarray, other_x: np.ndarray) -> str:
    """In what two runs of one instance differ, or ""; x: the last iterates (p,)."""
    if (one.status, one.outer) != (other.status, other.outer):
        return f"{one.outer} steps and {one.status!r} against {other.outer} and {other.status!r}"
    hits = [[(h.criterion, h.eps, h.outer) for h in track.hits] for track in (one, other)]
    for (criterion, eps, outer), found in zip(*hits, strict=False):
        if found != (criterion, eps, outer):
            return f"K = {outer} against {found[2]} for eps = {eps:g}, {criterion}"
    if len(hits[0]) != len(hits[1]):
        return f"{len(hits[0])} levels of eps reached against {len(hits[1])}"
    for (k, squared, _, ledger), (_, again, _, counted) in zip(
        one.trajectory, other.trajectory, strict=True
    ):
        if not np.array_equal(ledger, counted):
            return f"other counts after {k} outer steps"
        # On the scale of where the run came from: close to 0 rounding is all there is.
        if not _close(np.sqrt([squared]), np.sqrt([again]), np.sqrt(one.trajectory[0][1])):
            return f"||grad Phi||^2 = {squared:.6g} against {again:.6g} after {k} outer steps"
    if one.spent is not None and not np.array_equal(one.spent, np.asarray(other.spent)):
        return f"other counts after {one.outer} outer steps"
    if not _close(x, other_x, 0.0):
        return f"x differs by {np.max(np.abs(x - other_x)):.1e} after {one.outer} outer steps"
    return ""


def _close(one: np.ndarray, other: np.ndarray, scale: float) -> bool:
    size = max(float(np.max(np.abs(one))), scale, 1e-300)
    return bool(np.array_equal(one, other, equal_nan=True)) or bool(
        np.max(np.abs(one - other)) <= AGREEMENT * size
    )
