"""The compiled engine: the solver's and the family's own functions, run by Numba on one instance.

One loop serves every solver and family; a specialisation is compiled once and kept on disk, in a
folder named after the source that it was made from.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numba.core.errors import NumbaError

from bilevel_core import reference
from bilevel_core.engines import kernels
from bilevel_core.engines.alignment import aligned_copy, aligned_data, aligned_empty
from bilevel_core.engines.arena import empty_arena, open_arena
from bilevel_core.engines.chunk import Chunk, in_time, never
from bilevel_core.engines.lending import known_shapes, lend, make_room, owned, settle
from bilevel_core.engines.specialisation import code_for, specialise, specialise_solver
from bilevel_core.jacobian_sums import functions_of
from bilevel_core.oracle import SLOTS, Oracle, Work, make_work
from bilevel_core.problem import Problem
from bilevel_core.sampled import open_streams, sampled_functions
from bilevel_core.solvers import Solver
from bilevel_core.streams import open_generators


def _copy_ledger(ledger, ledgers, i):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    for slot in range(ledger.shape[1]):
        ledgers[i, 0, slot] = ledger[0, slot]
        ledgers[i, 1, slot] = ledger[1, slot]


def advance(given, params, start, other, shapes, room, positions, ledgers, done):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Run one outer step for each row of `positions`; stops early where x is not finite.

    positions: (n, p), the iterate before each step; ledgers: (n, 2, slots), the ledger after it.
    What a step returns may hold parts of the state before, and so goes through a second place;
    where a state is not small the two are `start` and `other`.  shapes: of the oracle and the
    state; room: memory for the vectors that a step makes.
    The number of steps done goes into `done` (2,), not into a tuple beside the state: Numba knows
    such a pair by the names of its parts alone, and would write one solver's State for another's.
    The second of its numbers says how much of the room was needed.
    """
    arena: Any = open_arena(room)  # type: ignore[call-arg]
    oracle = lend(given, arena, shapes[0])
    here, there = make_room(start, arena, shapes[1]), make_room(other, arena, shapes[1])
    state = settle(start, here)
    ledger = oracle.ledger
    done[0] = positions.shape[0]
    for i in range(positions.shape[0]):
        x = state.x
        total = 0.0
        for j in range(x.shape[0]):
            positions[i, j] = x[j]
            total += x[j]
        # A sum is finite unless a term is not, or they are so large that the run is lost anyway.
        if not np.isfinite(total):
            done[0] = i + 1
            _copy_ledger(ledger, ledgers, i)
            break
        state = settle(settle(kernels.solver_step(oracle, params, state), there), here)
        _copy_ledger(ledger, ledgers, i)
        done[1] = empty_arena(arena)
    return owned(state)


def plain_data(data: Any) -> Any:
    """The data with contiguous arrays, so that each family has one type."""
    return data._replace(
        **{
            name: np.ascontiguousarray(value)
            for name, value in data._asdict().items()
            if isinstance(value, np.ndarray)
        }
    )


def new_oracle(problem: Problem, data: Any, streams: tuple[Any, ...] | None = None) -> Oracle:
    """An oracle of one instance whose ledger is empty."""
    # One instance is never restricted; an array fewer to carry along makes each call faster.
    work = Work(*map(aligned_copy, make_work(problem.x0, problem.y0)))
    return Oracle(data, np.zeros((2, len(SLOTS)), np.int64), None, None, work, streams)


def copied(state: Any) -> Any:
    """A state with arrays of its own."""
    arrays = (aligned_copy(part) if isinstance(part, np.ndarray) else part for part in state)
    return type(state)(*arrays)


@contextlib.contextmanager
def _in_pythons_words(step: Callable[[], Any]) -> Iterator[None]:
    """What does not compile, or fails where Numba names no line, as a step in Python tells it.

    A step that Python passes, or that fails otherwise than its compiled form, tells nothing.
    """
    try:
        yield
    except Exception as error:
        try:
            step()
        except Exception as told:
            if isinstance(error, NumbaError) or type(told) is type(error):
                raise told from None
        raise


class CompiledSession:
    """A run in progress on the compiled engine."""

    batch = 1

    def __init__(
        self, problem: Problem, solver: Solver, params: Any, noise_seed: int | None = None
    ) -> None:
        """Compile, or load from disk, what the run needs; no oracle is called yet.

        noise_seed: which repetition of a run with random oracles; None where nothing is random.
        """
        data = aligned_data(plain_data(problem.data))
        family = functions_of(data)
        functions, streams = list(family), None
        if noise_seed is not None:
            streams = open_streams(data, open_generators(noise_seed, problem.seed))
            functions += sampled_functions(data)
        self._problem = problem
        self._oracle = new_oracle(problem, data, streams)
        self._step, self._params = solver.step, params
        self._state = copied(solver.init(problem.x0, problem.y0))
        self._other = copied(self._state)
        self._shapes = known_shapes((self._oracle, self._state))
        self._room = np.empty(0)
        specialised = specialise_solver(advance, solver, params, functions)
        with _in_pythons_words(lambda: solver.step(self._oracle, params, self._state)):
            self._advance = code_for(specialised, self._arguments(*self._places(0)), self._shapes)
        self._reference = (
            None if problem.closed_forms else _NumericalReference(problem, data, family)
        )
        self.seconds = 0.0

    def _places(self, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Where n steps write their positions, their ledgers, and how far they got."""
        positions = np.empty((n, self._problem.dim_x))
        return positions, np.empty((n, 2, len(SLOTS)), np.int64), np.zeros(2, np.int64)

    def _arguments(self, *places: np.ndarray) -> tuple[Any, ...]:
        """Those of `advance`."""
        states = self._state, self._other
        return self._oracle, self._params, *states, self._shapes, self._room, *places

    def _run(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        positions, ledgers, done = self._places(n)
        with _in_pythons_words(lambda: self._step(self._oracle, self._params, self._state)):
            self._state = self._advance(*self._arguments(positions, ledgers, done))
        if done[1] > self._room.size:
            self._room = aligned_empty((done[1],))
        return positions[: done[0]], ledgers[: done[0]]

    def iterate(self) -> np.ndarray:
        """The current x, (p, 1)."""
        return np.array(self._state.x)[:, None]

    def advance(self, n: int, is_late: Callable[[], bool] = never) -> Chunk:
        """Run up to n outer steps and evaluate the iterates they started from, while in time."""
        before = self._oracle.ledger.copy()
        started = time.perf_counter()
        positions, ledgers = self._run(n)
        spent = time.perf_counter() - started
        self.seconds += spent
        unknown = ""
        with np.errstate(all="ignore"):
            if self._reference is None:
                gradients = self._problem.grad_phi(positions.T)
                squared = (gradients * gradients).sum(0)
                # A closed form may come to a number where x is none.
                squared[~np.isfinite(positions).all(axis=1)] = np.nan
            else:
                squared, unknown = self._reference.squared_norms(positions, is_late, spent)
        moved = bool((positions != positions[0]).any() or (self._state.x != positions[0]).any())
        return Chunk(
            squared=squared[:, None],
            ledgers=np.concatenate([before[None], ledgers[: len(squared)]])[:, None],
            moved=np.array([moved]),
            unknown={0: unknown} if unknown else {},
        )


class _NumericalReference:
    """||grad Phi||^2 for a family without closed forms, warm-started along the run."""

    def __init__(self, problem: Problem, data: Any, family: list[Callable[..., Any]]) -> None:
        self._evaluate = specialise(reference.squared_norm, [reference.squared_norm, *family])
        self._problem = problem
        self._oracle = new_oracle(problem, data)
        limits = reference.settings(problem, reference.TOLERANCE_ALONG_A_RUN)
        self._settings = *limits, reference.rounding_of(problem)
        self._y, self._v = problem.y0.copy(), np.zeros_like(problem.y0)

    def squared_norms(
        self, positions: np.ndarray, is_late: Callable[[], bool], spent: float
    ) -> tuple[np.ndarray, str]:
        """||grad Phi||^2 at positions (n, p), up to the first NaN, and why that one is unknown."""
        squared: list[float] = []
        for i in in_time(len(positions), is_late, spent):
            x = positions[i]
            if not np.isfinite(x).all():
                return np.array([*squared, np.nan]), ""
            value, self._y, self._v = self._evaluate(
                self._oracle, x, self._y, self._v, *self._settings
            )
            squared.append(value)
            if np.isnan(value):
                return np.array(squared), reference.why_unknown_along_a_run(
                    self._problem, x, self._y
                )
        return np.array(squared), ""
