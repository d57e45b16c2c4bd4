"""Many small instances in one compiled loop, batch last: vectors of the processor span instances.

The same functions as on one instance, on arrays (n, B); a tile of instances at a time, so that what
a step touches stays in the nearest cache.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numba.core.errors import NumbaError

from bilevel_core.arrays import dot
from bilevel_core.engines.alignment import aligned_copy, aligned_empty, moved
from bilevel_core.engines.arena import empty_arena, open_arena
from bilevel_core.engines.chunk import Chunk, never, shared_by_all, steps_in_chunk
from bilevel_core.engines.compiled import copied, plain_data
from bilevel_core.engines.kernels import solver_step
from bilevel_core.engines.lending import known_shapes, lend, make_room, owned, settle
from bilevel_core.engines.specialisation import code_for, specialise_solver
from bilevel_core.errors import InputError, OneAtATimeError
from bilevel_core.jacobian_sums import functions_of
from bilevel_core.oracle import SLOTS, Oracle, Work, make_work
from bilevel_core.problem import Problem
from bilevel_core.solvers import Solver

TILE = 256
"""Instances that are run together; a tile that is not full is filled up with the last one."""
LARGEST_FUSED = 4
"""The largest dimension for which a tile is faster than its instances one after another."""
FEWEST_FUSED = 128
"""Instances from which a tile is faster than one after another."""


def advance_tile(given, params, start, other, shapes, room, positions, ledgers, peak):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Run one outer step of a tile for each row of `positions`.

    positions: (n, p, B), the iterate before each step; ledgers: (n, 2, slots), the ledger that all
    instances share after it; peak: (1,), how much room was needed.  Others as in
    `compiled.advance`.
    """
    arena: Any = open_arena(room)  # type: ignore[call-arg]
    oracle = lend(given, arena, shapes[0])
    here, there = make_room(start, arena, shapes[1]), make_room(other, arena, shapes[1])
    state = settle(start, here)
    for i in range(positions.shape[0]):
        positions[i] = state.x
        state = settle(settle(solver_step(oracle, params, state), there), here)
        ledgers[i] = oracle.ledger
        peak[0] = empty_arena(arena)
    return owned(state)


def fits(instances: Sequence[Problem], solver: Solver) -> bool:
    """Whether the instances are many, small and alike enough to be worth fusing.

    Families without matrices compute with expressions, whose temporary arrays cost a tile more than
    it saves.
    """
    first = instances[0]
    has_matrices = any(getattr(part, "ndim", 0) == 2 for part in first.data)
    return (
        len(instances) >= FEWEST_FUSED
        and max(first.dim_x, first.dim_y) <= LARGEST_FUSED
        and has_matrices
        and not solver.is_random
        and first.closed_forms is not None
        and len({(type(each.data), each.dim_x, each.dim_y) for each in instances}) == 1
    )


def stack(datas: Sequence[Any]) -> Any:
    """One data tuple for a tile: numbers and matrices that agree are shared, vectors become (n, B).

    Numbers that differ become (B,), matrices that differ (m, n, B).

    Raises:
        InputError: the instances are not of one size and kind.
    """
    return type(datas[0])(*(_stacked(values) for values in zip(*datas, strict=True)))


def _stacked(values: tuple[Any, ...]) -> Any:
    first = values[0]
    if isinstance(first, np.ndarray):
        if any(value.shape != first.shape for value in values):
            raise InputError("a tile needs instances of one size")
        shared = all(np.array_equal(value, first) for value in values)
        return first if shared and first.ndim == 2 else np.stack(values, axis=-1)
    if hasattr(first, "_fields"):
        return stack(values)
    if isinstance(first, float) and any(value != first for value in values):
        return np.array(values)
    if any(value is not first and value != first for value in values):
        raise InputError("a tile needs instances of one kind")
    return first


class _Tile:
    """Some instances and their state."""

    def __init__(self, instances: Sequence[Problem], solver: Solver, params: Any) -> None:
        self.data = moved(plain_data(stack([problem.data for problem in instances])))
        x0, y0 = (
            np.stack([getattr(problem, name) for problem in instances], axis=-1)
            for name in ("x0", "y0")
        )
        work = Work(*map(aligned_copy, make_work(x0, y0)))
        ledger = np.zeros((2, len(SLOTS)), np.int64)
        self._oracle = Oracle(self.data, ledger, None, None, work)
        self._params = params
        self.state = copied(solver.init(x0, y0))
        self._other = copied(self.state)
        self._shapes = known_shapes((self._oracle, self.state))
        self._room = np.empty(0)
        specialised = specialise_solver(advance_tile, solver, params, functions_of(self.data))
        self._advance = code_for(specialised, self._arguments(*self._places(0)), self._shapes)

    def _places(self, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Where n steps write their positions, their ledgers, and how much room was needed."""
        positions = np.empty((n, *self.state.x.shape))
        return positions, np.empty((n, 2, len(SLOTS)), np.int64), np.zeros(1, np.int64)

    def _arguments(self, *places: np.ndarray) -> tuple[Any, ...]:
        """Those of `advance_tile`."""
        states = self.state, self._other
        return self._oracle, self._params, *states, self._shapes, self._room, *places

    def run(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """n outer steps: positions (n, p, B) and ledgers (n + 1, 2, slots)."""
        before = self._oracle.ledger[None].copy()
        positions, ledgers, peak = self._places(n)
        self.state = self._advance(*self._arguments(positions, ledgers, peak))
        if peak[0] > self._room.size:
            self._room = aligned_empty((peak[0],))
        return positions, np.concatenate([before, ledgers])


class FusedSession:
    """A batch of runs in progress on the compiled engine, tile by tile."""

    def __init__(self, instances: Sequence[Problem], solver: Solver, params: Any) -> None:
        """Compile, or load from disk, what the runs need; no oracle is called yet.

        Raises:
            InputError: the instances do not fit into one batch.
            OneAtATimeError: the solver or the family does not compile for a batch.
        """
        self.batch = len(instances)
        self.seconds = 0.0
        self._problem = instances[0]
        # The last tile is filled up, so that all are of one size and share their code.
        filled = [*instances, *[instances[-1]] * (-self.batch % TILE)]
        tiles = [filled[i : i + TILE] for i in range(0, len(filled), TILE)]
        try:
            self._tiles = [_Tile(tile, solver, params) for tile in tiles]
        except NumbaError as error:
            raise OneAtATimeError(f"{solver.name!r} on {self._problem.name!r}") from error

    def iterate(self) -> np.ndarray:
        """The current x, (p, B)."""
        return np.concatenate([tile.state.x for tile in self._tiles], axis=1)[:, : self.batch]

    def advance(self, n: int, is_late: Callable[[], bool] = never) -> Chunk:
        """Run up to n outer steps and evaluate the iterates they started from."""
        n = min(n, steps_in_chunk(self._problem.dim_x, self.batch, 0))
        before = self.iterate()
        started = time.perf_counter()
        runs = [tile.run(n) for tile in self._tiles]
        self.seconds += time.perf_counter() - started
        squared = np.concatenate(
            [
                self._squared_norms(tile.data, positions)
                for tile, (positions, _) in zip(self._tiles, runs, strict=True)
            ],
            axis=1,
        )
        paths = np.concatenate([positions for positions, _ in runs], axis=2)[..., : self.batch]
        moved = (paths != before).any(axis=(0, 1)) | (self.iterate() != before).any(axis=0)
        return Chunk(
            squared=squared[:, : self.batch],
            ledgers=shared_by_all(runs[0][1], self.batch),
            moved=moved,
        )

    def _squared_norms(self, data: Any, positions: np.ndarray) -> np.ndarray:
        forms = self._problem.closed_forms
        assert forms is not None
        gradient = np.empty_like(positions[0]) if len(positions) else np.empty(0)
        out = np.empty((len(positions), positions.shape[2]))
        with np.errstate(all="ignore"):
            for i, x in enumerate(positions):
                forms.grad_phi(data, x, gradient)
                # A closed form may come to a number where x is none: then 0 x is NaN.
                out[i] = dot(gradient, gradient) + 0.0 * x.sum(0)
        return out
