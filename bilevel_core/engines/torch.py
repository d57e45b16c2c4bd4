"""The torch engine: the same functions run eagerly on many instances at once, batch last.

x is (p, B) and y (q, B), in float64, on any device.  Loops that depend on the data mask the
instances that are done; nothing inside a chunk of steps waits for the device.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from bilevel_core import reference
from bilevel_core.arrays import dot
from bilevel_core.autograd import Graph
from bilevel_core.engines.chunk import Chunk
from bilevel_core.errors import InputError
from bilevel_core.oracle import SLOTS, Oracle, make_work
from bilevel_core.problem import Problem
from bilevel_core.sampled import open_streams
from bilevel_core.solvers import Solver
from bilevel_core.streams import in_columns, open_generators

LONGEST = 1000
"""Steps after which a run is looked at even if more were asked for: a NaN goes on no longer."""


def check_device(device: str) -> torch.device:
    """The torch device of that name.

    Raises:
        InputError: not a device, or none of that kind is there.
    """
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise InputError(f"device: expected 'cpu' or 'cuda', got {device!r}") from error
    if found.type not in ("cpu", "cuda"):
        raise InputError(f"device: expected 'cpu' or 'cuda', got {device!r}")
    if found.type == "cuda" and not torch.cuda.is_available():
        raise InputError(f"device: {device!r} was asked for, but this machine has no CUDA device")
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


class TorchSession:
    """A batch of runs in progress on the torch engine."""

    def __init__(
        self,
        problems: Sequence[Problem],
        solver: Solver,
        params: Any,
        device: str = "cpu",
        noise_seeds: Sequence[int] | None = None,
    ) -> None:
        """Move data and starts to the device; no oracle is called yet.

        noise_seeds: one a problem, which repetition of a run with random oracles it is; None where
        nothing is random.

        Raises:
            InputError: the instances do not fit into one batch, or the device is not there.
        """
        if len({type(problem.data) for problem in problems}) != 1:
            raise InputError("a batch needs instances of one family")
        self.batch = len(problems)
        self.seconds = 0.0
        self._device = check_device(device)
        self._problem = problems[0]
        self._solver, self._params = solver, params
        self._data = stack_data([problem.data for problem in problems], self._device)
        x0, y0 = (self._columns([getattr(p, name) for p in problems]) for name in ("x0", "y0"))
        self._state = solver.init(x0, y0)
        self._y, self._v = y0.clone(), torch.zeros_like(y0)
        streams = None
        if noise_seeds is not None:
            streams = in_columns(
                [
                    open_streams(problem.data, open_generators(noise_seed, problem.seed))
                    for problem, noise_seed in zip(problems, noise_seeds, strict=True)
                ]
            )
        self._oracle = self._new_oracle()._replace(streams=streams)

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

    @torch.no_grad()
    def advance(self, n: int) -> Chunk:
        """Run up to n outer steps and evaluate the iterates they started from."""
        n = min(n, LONGEST)
        oracle = self._oracle
        positions: list[torch.Tensor] = []
        uniform = np.empty((n + 1, 2, len(SLOTS)), np.int64)
        uniform[0] = oracle.ledger
        restricted = [oracle.restricted.clone()]
        self._synchronise()
        started = time.perf_counter()
        for i in range(n):
            positions.append(self._state.x.clone())  # a step may write over its x
            version = oracle.restricted._version
            self._state = self._solver.step(oracle, self._params, self._state)
            uniform[i + 1] = oracle.ledger
            changed = oracle.restricted._version != version
            restricted.append(oracle.restricted.clone() if changed else restricted[-1])
        self._synchronise()
        self.seconds += time.perf_counter() - started
        path = torch.stack(positions)
        moved = (path != path[0]).any(0).any(0) | (self._state.x != path[0]).any(0)
        own = torch.stack(restricted).movedim(-1, 1).cpu().numpy()
        return Chunk(
            squared=self._squared_norms(path).cpu().numpy(),
            ledgers=uniform[:, None] + own,
            moved=moved.cpu().numpy(),
        )

    def _squared_norms(self, path: torch.Tensor) -> torch.Tensor:
        out = torch.empty((path.shape[0], self.batch), dtype=torch.float64, device=self._device)
        forms = self._problem.closed_forms
        if forms is None:
            limits = reference.settings(self._problem, reference.TOLERANCE_ALONG_A_RUN)
            self._y, self._v = reference.squared_norms(
                self._new_oracle(), path, self._y, self._v, *limits, out
            )
            return out
        gradient = torch.empty_like(path[0])
        for i in range(path.shape[0]):
            forms.grad_phi(self._data, path[i], gradient)
            out[i] = dot(gradient, gradient)
        return out
