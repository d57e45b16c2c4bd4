"""Conformance of a solver: what it declares is what it does, on both engines."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import problems
from bilevel_core.check.finding import Finding, find
from bilevel_core.cost import CostRange
from bilevel_core.engines.chunk import Session
from bilevel_core.oracle import SLOTS
from bilevel_core.policies import params_for
from bilevel_core.problem import Problem
from bilevel_core.record import LEDGERS
from bilevel_core.reference import private_oracle
from bilevel_core.sampled import open_streams
from bilevel_core.solvers import Solver
from bilevel_core.spy import spy_on
from bilevel_core.streams import open_generators

STEPS = 12
"""Outer steps of each conformance run: enough for a first step that differs and for warm starts."""
CASES: dict[str, dict[str, Any]] = {"hard": {"kappa": 4.0}, "quadratic": {"kappa": 3.0, "dim": 4}}
AGREEMENT = 1e-10


def open_session(problem: Problem, solver: Solver, params: Any, engine: str) -> Session:
    """A run in progress on either engine; its random numbers are those of noise seed 0."""
    if engine == "compiled":
        from bilevel_core.engines.compiled import CompiledSession

        return CompiledSession(problem, solver, params, 0 if solver.is_random else None)
    from bilevel_core.engines.torch import TorchSession

    return TorchSession([problem], solver, params, "cpu", [0] if solver.is_random else None)


def ledger_against_spy(problem: Problem, solver: Solver, params: Any, engine: str) -> str:
    """Whether the ledger says what the problem itself has seen."""
    spied = spy_on(problem)
    chunk = open_session(spied, solver, params, engine).advance(STEPS)
    for row, unit in enumerate(LEDGERS):
        ledger = dict(zip(SLOTS, chunk.ledgers[-1, 0, row].tolist(), strict=True))
        seen = dict(zip(SLOTS, spied.data.seen[row].tolist(), strict=True))
        if ledger != seen:
            return (
                f"the ledger says {_differing(ledger, seen)} in {unit}, "
                f"the problem saw {_differing(seen, ledger)}"
            )
    return ""


def ledger_against_declared(problem: Problem, solver: Solver, params: Any, engine: str) -> str:
    """Whether every outer step costs what `cost_per_step` and `samples_per_step` declare."""
    chunk = open_session(problem, solver, params, engine).advance(STEPS)
    spent = np.diff(chunk.ledgers[:, 0], axis=0)
    declarations = (solver.cost_per_step, solver.samples_per_step or solver.cost_per_step)
    for (row, unit), declare in zip(enumerate(LEDGERS), declarations, strict=True):
        for k in range(STEPS):
            declared = declare(params, k)
            least, most = declared if isinstance(declared, CostRange) else (declared, declared)
            counted = spent[k, row].tolist()
            for slot, low, count, high in zip(SLOTS, least, counted, most, strict=True):
                if not low <= count <= high:
                    wanted = f"{low}" if low == high else f"{low} to {high}"
                    return f"outer step {k}: {slot} declared {wanted} {unit}, counted {count}"
    return ""


def engines_agree(problem: Problem, solver: Solver, params: Any) -> str:
    """Whether both engines count the same and visit the same points, to 1e-10 relative."""
    sessions = [open_session(problem, solver, params, engine) for engine in problem.engines]
    chunks = [session.advance(STEPS) for session in sessions]
    for session, chunk in zip(sessions[1:], chunks[1:], strict=True):
        if not np.array_equal(chunks[0].ledgers, chunk.ledgers):
            return "the engines count differently"
        x, other = sessions[0].iterate(), session.iterate()
        gap = float(np.max(np.abs(x - other)) / max(np.max(np.abs(x)), 1e-300))
        if not gap <= AGREEMENT:
            return f"the engines differ by {gap:.1e} in x, allowed {AGREEMENT:.0e}"
    return ""


def keeps_its_input(problem: Problem, solver: Solver, params: Any) -> str:
    """Whether no step writes into the start or into the x that it was given."""
    x0, y0 = problem.x0.copy(), problem.y0.copy()
    oracle, state = private_oracle(problem), solver.init(x0, y0)
    if solver.is_random:
        streams = open_streams(problem.data, open_generators(0, problem.seed))
        oracle = oracle._replace(streams=streams)
    for k in range(STEPS):
        x, before = state.x, state.x.copy()
        state = solver.step(oracle, params, state)
        if not np.array_equal(x, before):
            return f"outer step {k} writes into the x that it was given; return a new array"
    if np.array_equal(x0, problem.x0) and np.array_equal(y0, problem.y0):
        return ""
    return "a step writes into the start that `init` was given; return new arrays"


def prescribes(solver: Solver) -> str:
    """Whether `theory` gives allowed parameters over a range of kappa and eps."""
    for kappa in (1.5, 4.0, 64.0):
        for eps in (1e-1, 1e-4):
            problem = problems.make("hard", kappa=kappa)
            params_for(solver, problem, "theory", {}, eps)
    return ""


def check_solver(solver: Solver) -> list[Finding]:
    """Run every conformance test on a solver; never raises for what the solver does wrong."""
    findings = [find("theory gives allowed parameters", partial(prescribes, solver))]
    if not findings[0].passed:
        return findings
    for family, options in CASES.items():
        problem = problems.make(family, **options)
        params = params_for(solver, problem, "theory", {}, 1e-2)
        for engine in problem.engines:
            findings += [
                find(
                    f"{family}, {engine}: the ledger is what the problem saw",
                    partial(ledger_against_spy, problem, solver, params, engine),
                ),
                find(
                    f"{family}, {engine}: a step costs what cost_per_step declares",
                    partial(ledger_against_declared, problem, solver, params, engine),
                ),
            ]
        findings += [
            find(
                f"{family}: both engines count and move alike",
                partial(engines_agree, problem, solver, params),
            ),
            find(
                f"{family}: no step writes into its input",
                partial(keeps_its_input, problem, solver, params),
            ),
        ]
    return findings


def _differing(one: dict[str, int], other: dict[str, int]) -> str:
    return ", ".join(f"{slot} {count}" for slot, count in one.items() if count != other[slot])
