"""Dense quadratics: many outer steps of AID-CG and ITD, on one instance and on batches."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import problems
from benchmarks.peers.case import Case
from benchmarks.peers.dense_jax import JAX_STEPS, batched
from benchmarks.peers.ours import aid_params, itd_params
from benchmarks.peers.settings import ALPHA, BETA, INNER, LINEAR
from bilevel_core.engines.compiled import CompiledSession
from bilevel_core.engines.fused import FusedSession, fits
from bilevel_core.engines.torch import TorchSession
from bilevel_core.problem import Problem
from bilevel_core.solvers import get

KAPPA = 10.0


class Size(NamedTuple):
    """One row of the comparison: unknowns, instances, outer steps, and the targets."""

    d: int
    batch: int
    steps: int
    target: float
    floor_target: float = np.nan


SIZES = {
    "aid_bio": (
        Size(2, 1, 20_000, 0.5),
        Size(2, 16, 4000, np.nan),
        Size(2, 128, 2000, np.nan),
        Size(2, 1024, 500, 1.2),
        Size(20, 1, 5000, 0.5),
        Size(20, 16, 1000, np.nan),
        Size(20, 128, 500, 1.0),
        Size(100, 1, 1000, 0.7, 1.3),
        Size(100, 16, 100, np.nan, 1.3),
        Size(100, 128, 50, 0.5, 1.3),
        Size(1000, 1, 20, 0.7, 1.3),
        Size(1000, 16, 2, np.nan, 1.3),
    ),
    "itd_bio": (
        Size(2, 1, 20_000, 0.5),
        Size(20, 1, 5000, 0.5),
        Size(20, 128, 500, 1.0),
        Size(100, 1, 1000, 0.7, 1.3),
        Size(1000, 1, 20, 0.7, 1.3),
    ),
}
PARAMS: dict[str, Callable[[float, float], Any]] = {"aid_bio": aid_params, "itd_bio": itd_params}
NAMES = {"aid_bio": "AID-CG", "itd_bio": "ITD"}
PRODUCTS = {"aid_bio": INNER + LINEAR + 3, "itd_bio": 2 * INNER + 2}
"""Matrix-vector products of a step that multiplies by J once, and by its transpose once."""


def cases() -> Iterator[Case]:
    """Every size of every solver."""
    for solver, sizes in SIZES.items():
        for size in sizes:
            yield case(solver, size)


def case(solver: str, size: Size) -> Case:
    """One size of one solver."""
    instances = [
        problems.make("quadratic", kappa=KAPPA, dim=size.d, seed=seed)
        for seed in range(min(size.batch, 16))
    ]
    instances = [instances[i % len(instances)] for i in range(size.batch)]
    return Case(
        title=f"quadratic, {NAMES[solver]}, d = {size.d}, {size.batch} instance"
        + ("s" if size.batch > 1 else ""),
        unit="outer step of one instance",
        units=size.steps * size.batch,
        ours=_ours(solver, instances, size.steps),
        peers=_peers(solver, instances, size.steps),
        floors=_floors(solver, instances, size.steps),
        target=size.target,
        floor_target=size.floor_target,
    )


def _ours(solver: str, instances: list[Problem], steps: int) -> dict[str, Callable[[], np.ndarray]]:
    found, params = get(solver), PARAMS[solver](ALPHA, BETA)
    sessions: list[CompiledSession] = []
    batches: dict[str, Any] = {}

    def start(problem: Problem) -> Any:
        return found.init(problem.x0.copy(), problem.y0.copy())

    def compiled() -> np.ndarray:
        if not sessions:
            sessions.extend(CompiledSession(problem, found, params) for problem in instances)
        for session, problem in zip(sessions, instances, strict=True):
            session._state = start(problem)
            session._run(steps)
        return np.concatenate([session.iterate() for session in sessions], axis=1)

    def fused() -> np.ndarray:
        if not batches:
            batches["fused"] = FusedSession(instances, found, params)
        for tile in batches["fused"]._tiles:
            x, y = (np.zeros_like(part) for part in (tile.state.x, tile.state.y))
            tile.state = found.init(x, y)
            tile.run(steps)
        return np.asarray(batches["fused"].iterate())

    def torch() -> np.ndarray:
        session = TorchSession(instances, found, params)
        left = steps
        while left:
            left -= len(session.advance(left).squared)
        return session.iterate()

    variants = {"compiled": compiled}
    if fits(instances, found):
        variants["compiled, fused"] = fused
    if steps * len(instances) * instances[0].dim_x ** 2 < 3e8 and steps <= 5000:
        variants["torch"] = torch
    return variants


def _peers(
    solver: str, instances: list[Problem], steps: int
) -> dict[str, Callable[[], np.ndarray]]:
    variants: dict[str, Callable[[], np.ndarray]] = {}
    for name, step in JAX_STEPS[solver].items():
        if len(instances) == 1:
            variants[name] = batched(step, instances, steps, None)
        else:
            variants[f"{name}, vmap"] = batched(step, instances, steps, 0)
            variants[f"{name}, vmap last"] = batched(step, instances, steps, -1)
    if len(instances) == 1 and solver == "aid_bio":
        variants["NumPy"] = functools.partial(_numpy_aid, instances[0].data, steps)
    return variants


def _numpy_aid(data: Any, steps: int) -> np.ndarray:
    x, y, v = (np.zeros(len(data.t)) for _ in range(3))
    for _ in range(steps):
        coupling = x @ data.J
        for _ in range(INNER):
            y = y - ALPHA * (data.H @ y - coupling)
        residual = data.weight * (y - data.t) - data.H @ v
        direction, squared = residual, residual @ residual
        for _ in range(LINEAR):
            product = data.H @ direction
            curvature = direction @ product
            step = squared / curvature if curvature > 0 else 0.0
            v, residual = v + step * direction, residual - step * product
            previous, squared = squared, residual @ residual
            direction = residual + (squared / previous if previous > 0 else 0.0) * direction
        x = x - BETA * (data.J @ v)
    return x[:, None]


def _floors(solver: str, instances: list[Problem], steps: int) -> dict[str, Callable[[], None]]:
    if instances[0].dim_x < 100:
        return {}  # a call of BLAS takes longer than such a product
    matrices = [problem.data.H for problem in instances]
    vector, out = np.ones(instances[0].dim_x), np.empty(instances[0].dim_x)

    def products() -> None:
        for matrix in matrices:
            for _ in range(steps * PRODUCTS[solver]):
                np.dot(matrix, vector, out=out)

    return {"BLAS gemv": products}
