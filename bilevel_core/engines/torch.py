"""The torch engine: the same functions run on many instances at once, batch last.

x is (p, B) and y (q, B), in float64, on any device.  Loops that depend on the data mask the
instances that are done; nothing else inside a chunk of steps waits for the device.  On a CUDA
device random numbers are drawn there (`device_streams`), so that counts of random solvers differ
from the CPU's by the draw, not in law, and steps that allow it are replayed (`captured`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from bilevel_core import reference
from bilevel_core.arrays import dot, where
from bilevel_core.autograd import Graph
from bilevel_core.engines.captured import Recorder, Recording, record_graph, record_step, trial
from bilevel_core.engines.chunk import Chunk, in_time, never, shared_by_all, steps_in_chunk
from bilevel_core.engines.device_streams import open_on_device
from bilevel_core.errors import InputError, shown
from bilevel_core.oracle import SLOTS, Oracle, make_work
from bilevel_core.problem import Problem
from bilevel_core.sampled import open_streams
from bilevel_core.solvers import Solver
from bilevel_core.streams import in_columns, open_generators

OpenStreams = Callable[[Sequence[Problem], Sequence[int], torch.device], tuple[Any, ...]]
"""The streams of a batch from its problems and noise seeds, kind by kind."""


def check_device(device: str) -> torch.device:
    """The torch device of that name.

    Raises:
        InputError: not a device, or none of that kind is there.
    """
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"device: expected 'cpu' or 'cuda', got {shown(device)}") from error
    if found.type not in ("cpu", "cuda"):
        raise InputError(f"device: expected 'cpu' or 'cuda', got {shown(device)}")
    if found.type == "cuda" and not torch.cuda.is_available():
        raise InputError(
            f"device: {shown(device)} was asked for, but this machine has no CUDA device"
        )
    return found


def stack_data(datas: Sequence[Any], device: torch.device) -> Any:
    """One data tuple for a batch: numbers that agree stay numbers, matrices that agree are shared.

    Numbers that differ become (B,), vectors (n,) become (n, B) or (n, 1), matrices (n, m, B) or
    (n, m).
    """
    return type(datas[0])(*(_stack(values, device) for values in zip(*datas, strict=True)))


def _stack(values: tuple[Any, ...], device: torch.device) -> Any:
    first = values[0]
    if isinstance(first, np.ndarray):
        if any(value.shape != first.shape for value in values):
            raise InputError("a batch needs instances of one size")
        shared = all(value is first or np.array_equal(value, first) for value in values)
        if shared:
            return torch.as_tensor(first[:, None] if first.ndim == 1 else first, device=device)
        return torch.as_tensor(np.stack(values, axis=-1), device=device)
    if hasattr(first, "_fields"):
        return stack_data(values, device)
    if isinstance(first, Graph):
        return Graph()
    if isinstance(first, float) and any(value != first for value in values):
        return torch.tensor(values, dtype=torch.float64, device=device)
    if any(value is not first and value != first for value in values):
        raise InputError("a batch needs instances of one kind")
    return first


def open_on_host(
    problems: Sequence[Problem], noise_seeds: Sequence[int], device: torch.device
) -> tuple[Any, ...]:
    """NumPy's streams, one for each instance: the numbers of the compiled engine."""
    return in_columns(
        [
            open_streams(problem.data, open_generators(noise_seed, problem.seed))
            for problem, noise_seed in zip(problems, noise_seeds, strict=True)
        ]
    )


OPEN_STREAMS: dict[str, OpenStreams] = {"cpu": open_on_host, "cuda": open_on_device}
RECORDERS: dict[str, Recorder] = {"cuda": record_graph}
"""How steps are recorded on each type of device; elsewhere they run eagerly."""


class Walk(NamedTuple):
    """n outer steps, still on the device."""

    positions: torch.Tensor  # (n, p, B): x before each step
    ledger: np.ndarray  # (n + 1, 2, slots): what all instances share, before and after each step
    restricted: list[torch.Tensor]  # n + 1 of (2, slots, B), the same one where nothing changed


class TorchSession:
    """A batch of runs in progress on the torch engine."""

    def __init__(
        self,
        problems: Sequence[Problem],
        solver: Solver,
        params: Any,
        device: str = "cpu",
        noise_seeds: Sequence[int] | None = None,
        streams: OpenStreams | None = None,
        record: Recorder | None = None,
    ) -> None:
        """Move data and starts to the device; no oracle is called yet.

        noise_seeds: one a problem, which repetition of a run with random oracles it is; None where
        nothing is random.  streams and record: where random numbers come from and how steps are
        recorded, by default what suits the device.

        Raises:
            InputError: the instances do not fit into one batch, or the device is not there.
        """
        if len({type(problem.data) for problem in problems}) != 1:
            raise InputError("a batch needs instances of one family")
        self.batch = len(problems)
        self.seconds = 0.0
        self._device = check_device(device)
        self._problems = list(problems)
        self._solver, self._params = solver, params
        self._data = stack_data([problem.data for problem in problems], self._device)
        x0, y0 = (self._columns([getattr(p, name) for p in problems]) for name in ("x0", "y0"))
        self._state = solver.init(x0, y0)
        self._y, self._v = y0.clone(), torch.zeros_like(y0)
        self._lost = torch.zeros(self.batch, dtype=torch.bool, device=self._device)
        self._oracle = self._new_oracle()
        if noise_seeds is not None:
            opened = streams or OPEN_STREAMS[self._device.type]
            self._oracle = self._oracle._replace(
                streams=opened(problems, noise_seeds, self._device)
            )
        self._record = record or RECORDERS.get(self._device.type)
        self._recording: Recording | None = None
        self._done = 0
        self._restricts = False

    def _columns(self, vectors: list[np.ndarray]) -> torch.Tensor:
        return torch.as_tensor(np.stack(vectors, axis=-1), dtype=torch.float64, device=self._device)

    def _new_oracle(self) -> Oracle:
        restricted = torch.zeros(
            (2, len(SLOTS), self.batch), dtype=torch.int64, device=self._device
        )
        work = make_work(self._state.x, self._y)
        return Oracle(self._data, np.zeros((2, len(SLOTS)), np.int64), restricted, None, work)

    def _synchronise(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    def iterate(self) -> np.ndarray:
        """The current x, (p, B)."""
        return self._state.x.detach().cpu().numpy().copy()

    def advance(self, n: int, is_late: Callable[[], bool] = never) -> Chunk:
        """Run up to n outer steps, as many as fit into a chunk, and evaluate their iterates.

        Fewer of either where that is late.
        """
        # Until a step was seen, it may charge instances apart.
        counts = 2 * len(SLOTS) if self._restricts or not self._done else 0
        n = min(n, steps_in_chunk(self._state.x.shape[0], self.batch, counts))
        self._synchronise()
        started = time.perf_counter()
        walk = self.walk(n, is_late)
        self._synchronise()
        spent = time.perf_counter() - started
        self.seconds += spent
        with torch.no_grad():
            path = walk.positions
            moved = (path != path[0]).any(0).any(0) | (self._state.x != path[0]).any(0)
            if self._problems[0].closed_forms is None:
                squared, unknown = self._numerical(path, is_late, spent)
            else:
                squared, unknown = self._closed(path), {}
            return Chunk(
                squared=squared.cpu().numpy(),
                ledgers=self._ledgers(walk)[: len(squared) + 1],
                moved=moved.cpu().numpy(),
                unknown=unknown,
            )

    @torch.no_grad()
    def walk(self, n: int, is_late: Callable[[], bool] = never) -> Walk:
        """Run n outer steps without waiting for the device, but for looks of `looking`.

        Fewer, but at least one, where that is late.
        """
        oracle = self._oracle
        positions = torch.empty((n, *self._state.x.shape), dtype=torch.float64, device=self._device)
        ledger = np.empty((n + 1, 2, len(SLOTS)), np.int64)
        ledger[0] = oracle.ledger
        restricted = [oracle.restricted.clone()]
        for i in range(n):
            if i and is_late():
                positions, ledger = positions[:i], ledger[: i + 1]
                break
            positions[i].copy_(self._state.x)  # a step may write over its x
            restricts = self._step()
            ledger[i + 1] = oracle.ledger
            restricted.append(oracle.restricted.clone() if restricts else restricted[-1])
        return Walk(positions, ledger, restricted)

    def _step(self) -> bool:
        """One outer step; whether it charged instances apart."""
        oracle = self._oracle
        if self._done == 1 and self._record is not None:
            self._recording = self._recorded(self._record)
        self._done += 1
        if self._recording is not None:
            self._state = self._recording.step(oracle, self._state)
            return self._recording.constant.restricts
        version = oracle.restricted._version
        self._state = self._solver.step(oracle, self._params, self._state)
        changed = bool(oracle.restricted._version != version)
        self._restricts = self._restricts or changed
        return changed

    def _recorded(self, record: Recorder) -> Recording | None:
        """A recording of all steps but the first, where one can stand for all of them."""
        step, arguments = self._solver.step, (self._oracle, self._params, self._state)
        constant = trial(step, *arguments)
        if constant is None:
            return None
        recording = record_step(step, *arguments, constant, record)
        self._restricts = self._restricts or constant.restricts
        self._state = recording.state
        return recording

    def _ledgers(self, walk: Walk) -> np.ndarray:
        if not self._restricts:
            return shared_by_all(walk.ledger, self.batch)
        ledgers = np.empty((len(walk.ledger), self.batch, *walk.ledger.shape[1:]), np.int64)
        for i, restricted in enumerate(walk.restricted):
            if i == 0 or restricted is not walk.restricted[i - 1]:
                own = restricted.cpu().numpy()
            ledgers[i] = walk.ledger[i] + np.moveaxis(own, -1, 0)
        return ledgers

    def _closed(self, path: torch.Tensor) -> torch.Tensor:
        out = torch.empty((path.shape[0], self.batch), dtype=torch.float64, device=self._device)
        forms = self._problems[0].closed_forms
        assert forms is not None
        gradient = torch.empty_like(path[0])
        for i in range(path.shape[0]):
            forms.grad_phi(self._data, path[i], gradient)
            # A closed form may come to a number where x is none: then 0 x is NaN.
            out[i] = dot(gradient, gradient) + 0.0 * path[i].sum(0)
        return out

    def _numerical(
        self, path: torch.Tensor, is_late: Callable[[], bool], spent: float
    ) -> tuple[torch.Tensor, dict[int, str]]:
        """||grad Phi||^2 along a path (n, p, B); where an instance has no number, it ends."""
        first = self._problems[0]
        tolerance, most = reference.settings(first, reference.TOLERANCE_ALONG_A_RUN)
        rounding = reference.rounding_of(first)
        oracle, rows = self._new_oracle(), []
        unknown: dict[int, str] = {}
        for i in in_time(len(path), is_late, spent):
            # What is lost already must not take the time of the others.
            wanted = where(self._lost, math.inf, tolerance) if bool(self._lost.any()) else tolerance
            squared, self._y, self._v = reference.squared_norm(
                oracle, path[i], self._y, self._v, wanted, most, rounding
            )
            lost = torch.isnan(squared) & ~self._lost
            for b in torch.nonzero(lost).ravel().tolist():
                point = (path[i][:, b].cpu().numpy(), self._y[:, b].cpu().numpy())
                reason = reference.why_unknown_along_a_run(self._problems[b], *point)
                unknown |= {b: reason} if reason else {}
            self._lost |= lost
            rows.append(where(self._lost, math.nan, squared))
            if bool(self._lost.all()):
                break
        return torch.stack(rows), unknown
