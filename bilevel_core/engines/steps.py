"""Outer steps and nothing else: no path is kept and no gradient of Phi is evaluated.

What training on real data needs of an engine, where evaluating grad Phi would cost more than the
run.  A stretch of steps ends at the first ledger whose price has reached an amount, which compiled
code sees by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from bilevel_core.engines import kernels
from bilevel_core.engines.arena import empty_arena, open_arena
from bilevel_core.engines.compiled import copied, new_oracle, plain_data
from bilevel_core.engines.lending import known_shapes, lend, make_room, owned, settle
from bilevel_core.engines.snapshots import (
    as_arrays,
    changed,
    from_arrays,
    restore_stream,
    stream_arrays,
)
from bilevel_core.engines.specialisation import specialise_solver
from bilevel_core.jacobian_sums import functions_of
from bilevel_core.problem import Problem
from bilevel_core.sampled import open_streams, sampled_functions
from bilevel_core.solvers import Solver
from bilevel_core.streams import open_generators

Clock = Callable[[], float]
Change = Callable[[Any, Any, int], tuple[Any, Any]]
"""(data, state, k) -> (data, state), before outer step k; trees keep their shapes and types."""


class Stretch(NamedTuple):
    """Where a stretch of outer steps ends."""

    prices: np.ndarray  # int64, (2, slots): of one call and of one sample in each slot
    amount: int  # what the priced ledger has to reach
    most: int  # outer steps at most


class Steps(Protocol):
    """A run in progress without evaluation, on either engine."""

    outer: int  # outer steps done
    seconds: float  # spent in them

    def advance(self, stretch: Stretch) -> None:
        """Run outer steps up to the end of the stretch, or until x is not finite."""
        ...

    def ledger(self) -> np.ndarray:
        """Calls and samples by slot, int64 (2, slots)."""
        ...

    def state(self) -> Any:
        """The solver's state, its vectors as NumPy (p,) and (q,)."""
        ...

    def refresh(self, change: Change) -> None:
        """Let `change` replace data and state before the next outer step."""
        ...

    def snapshot(self) -> dict[str, np.ndarray]:
        """Everything that the rest of the run depends on."""
        ...

    def restore(self, stored: Mapping[str, np.ndarray]) -> None:
        """Go on where a snapshot of the same run was taken."""
        ...


def walk(given, params, start, other, shapes, room, prices, amount, most, done):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Run outer steps up to the end of a stretch; stops early where x is not finite.

    done: (2,), the number of steps done and how much of the room was needed.  Others as in
    `compiled.advance`.
    """
    arena: Any = open_arena(room)  # type: ignore[call-arg]
    oracle = lend(given, arena, shapes[0])
    here, there = make_room(start, arena, shapes[1]), make_room(other, arena, shapes[1])
    state = settle(start, here)
    ledger = oracle.ledger
    while done[0] < most:
        price = 0
        for slot in range(ledger.shape[1]):
            price += prices[0, slot] * ledger[0, slot] + prices[1, slot] * ledger[1, slot]
        if price >= amount:
            break
        state = settle(settle(kernels.solver_step(oracle, params, state), there), here)
        done[0] += 1
        done[1] = empty_arena(arena)
        x = state.x
        total = 0.0
        for j in range(x.shape[0]):
            total += x[j]
        if not np.isfinite(total):
            break
    return owned(state)


class CompiledSteps:
    """A run in progress on the compiled engine."""

    def __init__(
        self,
        problem: Problem,
        solver: Solver,
        params: Any,
        noise_seed: int | None = None,
        clock: Clock = time.perf_counter,
    ) -> None:
        """Compile, or load from disk, what the run needs; no oracle is called yet.

        noise_seed: of the random numbers; None where nothing is random.
        """
        data = plain_data(problem.data)
        functions, streams = list(functions_of(data)), None
        if noise_seed is not None:
            streams = open_streams(data, open_generators(noise_seed, problem.seed))
            functions += sampled_functions(data)
        self._walk = specialise_solver(walk, solver, params, functions)
        self._first_data = data
        self._oracle = new_oracle(problem, data, streams)
        self._params, self._clock = params, clock
        self._state = copied(solver.init(problem.x0, problem.y0))
        self._other = copied(self._state)
        self._shapes = known_shapes((self._oracle, self._state))
        self._room = np.empty(0)
        self.outer = 0
        nothing = np.zeros_like(self._oracle.ledger)
        self.seconds = 0.0
        self.advance(Stretch(nothing, 0, 0))
        self.seconds = 0.0  # compiling was no outer step

    def advance(self, stretch: Stretch) -> None:
        """Run outer steps up to the end of the stretch, or until x is not finite."""
        done = np.zeros(2, np.int64)
        started = self._clock()
        self._state = self._walk(
            self._oracle, self._params, self._state, self._other, self._shapes,
            self._room, *stretch, done,
        )  # fmt: skip
        self.seconds += self._clock() - started
        self.outer += int(done[0])
        if done[1] > self._room.size:
            self._room = np.empty(done[1])

    def ledger(self) -> np.ndarray:
        """Calls and samples by slot, int64 (2, slots)."""
        return np.array(self._oracle.ledger)

    def state(self) -> Any:
        """The solver's state, with arrays of its own."""
        return copied(self._state)

    def refresh(self, change: Change) -> None:
        """Let `change` replace data and state before the next outer step."""
        data, state = change(self._oracle.data, self._state, self.outer)
        self._oracle = self._oracle._replace(data=plain_data(data))
        self._state = copied(state)

    def snapshot(self) -> dict[str, np.ndarray]:
        """State, ledger, streams, progress, and what `refresh` has changed in the data."""
        oracle = self._oracle
        data = as_arrays(oracle.data, "data", changed(self._first_data, oracle.data, "data"))
        progress = {"outer": np.array(self.outer), "seconds": np.array(self.seconds)}
        state = as_arrays(self._state, "state")
        streams = stream_arrays(oracle.streams, "streams")
        return {**progress, "ledger": self.ledger(), **state, **streams, **data}

    def restore(self, stored: Mapping[str, np.ndarray]) -> None:
        """Go on where a snapshot of the same run was taken."""
        self.outer, self.seconds = int(stored["outer"]), float(stored["seconds"])
        self._oracle.ledger[:] = stored["ledger"]
        self._state = from_arrays(self._state, "state", stored)
        restore_stream(self._oracle.streams, "streams", stored)
        data = from_arrays(self._first_data, "data", stored)
        self._oracle = self._oracle._replace(data=data)
