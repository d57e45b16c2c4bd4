"""Conformance of a batch: what its instances do together is what each does alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from bilevel_core.check.sessions import differing, open_batch, open_session, walked
from bilevel_core.problem import Problem
from bilevel_core.solvers import Solver

STEPS = 60
"""Outer steps of a batch and of each instance alone."""
SHIFTS = (0.0, 1.0, -3.0)
"""Of the starts of three instances, so that a threshold of one is not that of another."""
NOISE_SEEDS = (0, 1, 2)
CURE = "x of a batch is (n, B): use dot(), sum(0) and, for norms of columns, sqrt(dot(h, h))"


def moved_apart(instances: Sequence[Problem]) -> list[Problem]:
    """The instances with starts far from each other."""
    return [
        dataclasses.replace(problem, x0=problem.x0 + shift)
        for problem, shift in zip(instances, SHIFTS, strict=True)
    ]


def mixes(
    instances: Sequence[Problem], solver: Solver, params: Any, noise_seeds: Sequence[int]
) -> str:
    """Whether a batch of the torch engine counts, hits and moves as its instances one by one.

    noise_seeds: one an instance.
    """
    together, x = walked(open_batch(instances, solver, params, noise_seeds), STEPS)
    for b, (problem, seed) in enumerate(zip(instances, noise_seeds, strict=True)):
        (alone,), own = walked(open_session(problem, solver, params, "torch", seed), STEPS)
        wrong = differing(alone, together[b], own[:, 0], x[:, b])
        if wrong:
            what = f"instance {problem.seed}" + (f", noise seed {seed}" if solver.is_random else "")
            return (
                f"instances of a batch are mixed: {what} alone and in a batch of "
                f"{len(instances)}: {wrong}; {CURE}"
            )
    return ""
