"""Outer steps and nothing else on the torch engine: one instance, run eagerly on any device."""

from __future__ import annotations

import time
from collections.abc import Container, Mapping
from typing import Any

import numpy as np
import torch

from bilevel_core.engines.device_streams import Draws, Pools
from bilevel_core.engines.snapshots import (
    as_arrays,
    changed,
    leaves,
    restore_stream,
    stream_arrays,
    with_leaves,
)
from bilevel_core.engines.steps import Change, Clock, Stretch
from bilevel_core.engines.torch import OPEN_STREAMS, check_device, stack_data
from bilevel_core.oracle import SLOTS, Oracle, make_work
from bilevel_core.problem import Problem
from bilevel_core.solvers import Solver


class TorchSteps:
    """A run in progress on the torch engine, as a batch of one: x (p, 1), y (q, 1)."""

    def __init__(
        self,
        problem: Problem,
        solver: Solver,
        params: Any,
        noise_seed: int | None = None,
        clock: Clock = time.perf_counter,
        device: str = "cpu",
    ) -> None:
        """Move data and start to the device; no oracle is called yet.

        noise_seed: of the random numbers; None where nothing is random.

        Raises:
            InputError: the device is not there.
        """
        self._device = check_device(device)
        self._solver, self._params, self._clock = solver, params, clock
        self._first_data = stack_data([problem.data], self._device)
        x0, y0 = (
            torch.as_tensor(vector[:, None], dtype=torch.float64, device=self._device).clone()
            for vector in (problem.x0, problem.y0)
        )
        self._state = solver.init(x0, y0)
        streams = None
        if noise_seed is not None:
            streams = OPEN_STREAMS[self._device.type]([problem], [noise_seed], self._device)
        counts = (2, len(SLOTS), 1)
        restricted = torch.zeros(counts, dtype=torch.int64, device=self._device)
        self._oracle = Oracle(
            self._first_data, np.zeros(counts[:2], np.int64), restricted, None,
            make_work(x0, y0), streams,
        )  # fmt: skip
        self.outer = 0
        self.seconds = 0.0

    def _synchronise(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    @torch.no_grad()
    def advance(self, stretch: Stretch) -> None:
        """Run outer steps up to the end of the stretch, or until x is not finite."""
        self._synchronise()
        started = self._clock()
        for _ in range(stretch.most):
            if int((stretch.prices * self.ledger()).sum()) >= stretch.amount:
                break
            self._state = self._solver.step(self._oracle, self._params, self._state)
            self.outer += 1
            if not bool(torch.isfinite(self._state.x.sum())):
                break
        self._synchronise()
        self.seconds += self._clock() - started

    def ledger(self) -> np.ndarray:
        """Calls and samples by slot, int64 (2, slots)."""
        return self._oracle.ledger + self._oracle.restricted[..., 0].cpu().numpy()

    def state(self) -> Any:
        """The solver's state, its vectors as NumPy (p,) and (q,)."""
        vectors = {
            key: _on_host(leaf)[..., 0]
            for key, leaf in leaves(self._state, "state")
            if isinstance(leaf, torch.Tensor)
        }
        return with_leaves(self._state, "state", vectors)

    @torch.no_grad()
    def refresh(self, change: Change) -> None:
        """Let `change` replace data and state, both in tensors, before the next outer step."""
        data, state = change(self._oracle.data, self._state, self.outer)
        self._oracle = self._oracle._replace(data=data)
        self._state = state

    def snapshot(self) -> dict[str, np.ndarray]:
        """State, ledger, streams, progress, and what `refresh` has changed in the data."""
        own = changed(self._first_data, self._oracle.data, "data")
        return {
            "outer": np.array(self.outer),
            "seconds": np.array(self.seconds),
            "ledger": self.ledger(),
            **_arrays(self._state, "state"),
            **_stream_arrays(self._oracle.streams),
            **_arrays(self._oracle.data, "data", own),
        }

    def restore(self, stored: Mapping[str, np.ndarray]) -> None:
        """Go on where a snapshot of the same run was taken."""
        self.outer, self.seconds = int(stored["outer"]), float(stored["seconds"])
        self._oracle.ledger[:] = stored["ledger"]
        self._oracle.restricted.zero_()
        self._state = self._back(self._state, "state", stored)
        self._oracle = self._oracle._replace(data=self._back(self._first_data, "data", stored))
        _restore_streams(self._oracle.streams, stored)

    def _back(self, tree: Any, name: str, stored: Mapping[str, np.ndarray]) -> Any:
        found = {}
        for key, leaf in leaves(tree, name):
            if key in stored:
                held = stored[key]
                is_tensor = isinstance(leaf, torch.Tensor)
                found[key] = (
                    torch.tensor(held, device=self._device)
                    if is_tensor
                    else type(leaf)(held.item())
                )
        return with_leaves(tree, name, found)


def _on_host(leaf: torch.Tensor) -> np.ndarray:
    return np.array(leaf.detach().cpu().numpy())


def _arrays(tree: Any, name: str, only: Container[str] | None = None) -> dict[str, np.ndarray]:
    """`snapshots.as_arrays` of a tree of tensors."""
    host = {
        key: _on_host(leaf)
        for key, leaf in leaves(tree, name)
        if isinstance(leaf, torch.Tensor) and (only is None or key in only)
    }
    return as_arrays(with_leaves(tree, name, host), name, only)


def _stream_arrays(streams: tuple[Any, ...] | None) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for i, stream in enumerate(streams or ()):
        name = f"streams.{i}"
        if isinstance(stream, Draws | Pools):
            found[name] = stream.generator.get_state().cpu().numpy()
            if isinstance(stream, Pools):
                found[f"{name}.order"] = stream.order.cpu().numpy()
                found[f"{name}.position"] = stream.position.cpu().numpy()
        else:
            found |= stream_arrays(stream, name)
    return found


def _restore_streams(streams: tuple[Any, ...] | None, stored: Mapping[str, np.ndarray]) -> None:
    for i, stream in enumerate(streams or ()):
        name = f"streams.{i}"
        if isinstance(stream, Draws | Pools):
            stream.generator.set_state(torch.from_numpy(stored[name]))
            if isinstance(stream, Pools):
                stream.order.copy_(torch.from_numpy(stored[f"{name}.order"]))
                stream.position.copy_(torch.from_numpy(stored[f"{name}.position"]))
        else:
            restore_stream(stream, name, stored)
