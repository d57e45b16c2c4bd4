"""Outer steps of this package from one start, as variants of a case."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.peers.case import Case
from benchmarks.peers.settings import INNER, LINEAR
from bilevel_core.constants import Constants
from bilevel_core.engines.compiled import CompiledSession
from bilevel_core.engines.torch import TorchSession
from bilevel_core.problem import ClosedForms, Problem
from bilevel_core.solvers import aid_bio, get, itd_bio
from problems.softmax_kept import Kept


def aid_params(alpha: float, beta: float) -> aid_bio.Params:
    """AID-CG: LINEAR + 1 products."""
    return aid_bio.Params(alpha, beta, INNER, LINEAR, INNER, LINEAR)


def itd_params(alpha: float, beta: float) -> itd_bio.Params:
    """ITD: INNER products."""
    return itd_bio.Params(alpha, beta, INNER)


def _not_evaluated(data: Any, x: np.ndarray, out: np.ndarray) -> None:
    out[:] = 0.0


def _without_value(data: Any, x: np.ndarray) -> float:
    return 0.0


def unevaluated(name: str, data: Any, dim_x: int, dim_y: int) -> Problem:
    """An instance that starts at 0 and is not evaluated; its constants are not its own."""
    return Problem(
        name=name,
        data=data,
        constants=Constants(L=1.0, mu=0.5, M=1.0),
        x0=np.zeros(dim_x),
        y0=np.zeros(dim_y),
        kappa=2.0,
        closed_forms=ClosedForms(_not_evaluated, _without_value, _not_evaluated),
    )


def forget(data: Any) -> None:
    """Give up what the data keeps at its latest points: a repetition is no cheaper than a step."""
    for value in data:
        if isinstance(value, Kept):
            value.point[:] = math.nan


def first_step(problem: Problem, solver: str, params: Any) -> dict[str, Callable[[], np.ndarray]]:
    """The first outer step on each engine, begun anew at each call: x after it, (p,)."""
    sessions: list[CompiledSession] = []

    def compiled() -> np.ndarray:
        # A session is made once, as in a run of many steps, whose memory is its own from the start.
        if not sessions:
            sessions.append(CompiledSession(problem, get(solver), params))
        session = sessions[0]
        forget(problem.data)
        session._state = get(solver).init(problem.x0.copy(), problem.y0.copy())
        session._run(1)
        return session.iterate()[:, 0]

    def torch() -> np.ndarray:
        forget(problem.data)
        session = TorchSession([problem], get(solver), params)
        session.advance(1)
        return session.iterate()[:, 0]

    return {"compiled": compiled, "torch": torch}


def both_hypergradients(
    title: str,
    problem: Problem,
    alpha: float,
    beta: float,
    peers: Callable[[str], dict[str, Callable[[], np.ndarray]]],
    floors: dict[str, tuple[str, Callable[[], None]]],
) -> Iterator[Case]:
    """AID-CG and ITD from one start, beside peers("aid" | "itd") and a named floor of each."""
    solvers = {
        "aid": ("AID-CG", "aid_bio", aid_params, f"{INNER} inner and {LINEAR} linear steps"),
        "itd": ("ITD", "itd_bio", itd_params, f"{INNER} inner steps, and back"),
    }
    for key, (name, solver, params, steps) in solvers.items():
        yield Case(
            title=f"{title}, {name}",
            unit=f"outer step with {steps}",
            units=1,
            ours=first_step(problem, solver, params(alpha, beta)),
            peers=peers(key),
            floors=dict([floors[key]]),
            target=1.0,
            floor_target=1.3,
        )
