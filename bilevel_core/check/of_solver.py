"""Conformance of a solver: what it declares is what it does, on both engines."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

import problems
from bilevel_core import solvers
from bilevel_core.check.finding import Finding, find
from bilevel_core.check.of_batch import NOISE_SEEDS, mixes, moved_apart
from bilevel_core.check.sessions import open_session
from bilevel_core.cost import CostRange
from bilevel_core.engines.chunk import Chunk, Session, never
from bilevel_core.engines.loop import drive
from bilevel_core.errors import InputError
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
"""Outer steps of a short run: enough for a first step that differs and for warm starts."""
LENGTHS = (3, 30, 300)
"""Outer steps after which the ledger is held against the spy."""
CASES: dict[str, dict[str, Any]] = {"hard": {"kappa": 4.0}, "quadratic": {"kappa": 3.0, "dim": 4}}
NOISY: dict[str, dict[str, Any]] = {"quadratic": {**CASES["quadratic"], "noise": "gaussian"}}
"""Where a solver that draws random numbers has something to draw."""
SPIED_WHEN_COMPILED = ("hard",)
"""A spy is compiled apart, in 5 to 10 s; the functions that count are the same everywhere."""
EPS = 1e-2
LONGEST, SECONDS = 20_000, 3.0
"""Budget of the whole run, in outer steps and in seconds."""
AGREEMENT = 1e-10


def _mismatch(ledger: np.ndarray, seen: np.ndarray) -> str:
    for row, unit in enumerate(LEDGERS):
        counted = dict(zip(SLOTS, ledger[row].tolist(), strict=True))
        saw = dict(zip(SLOTS, seen[row].tolist(), strict=True))
        if counted != saw:
            return (
                f"the ledger says {_differing(counted, saw)} in {unit}, "
                f"the problem saw {_differing(saw, counted)}"
            )
    return ""


@dataclasses.dataclass
class Watched:
    """A session of a spied problem that holds its ledger against the spy after every chunk."""

    session: Session
    seen: np.ndarray
    batch: int = 1
    done: int = 0
    wrong: str = ""

    @property
    def seconds(self) -> float:
        """Those of the session."""
        return self.session.seconds

    def iterate(self) -> np.ndarray:
        """The current x, (p, 1)."""
        return self.session.iterate()

    def advance(self, n: int, is_late: Callable[[], bool] = never) -> Chunk:
        """Up to n outer steps; the first mismatch is kept in `wrong`."""
        chunk = self.session.advance(n, is_late)
        self.done += len(chunk.squared)
        if not self.wrong:
            found = _mismatch(chunk.ledgers[-1, 0], self.seen)
            late = f"after {self.done} outer steps " if self.done > STEPS else ""
            self.wrong = late + found if found else ""
        return chunk


def _watched(problem: Problem, solver: Solver, params: Any, engine: str) -> Watched:
    spied = spy_on(problem)
    return Watched(open_session(spied, solver, params, engine), spied.data.seen)


def ledger_against_spy(
    problem: Problem,
    solver: Solver,
    params: Any,
    engine: str,
    lengths: Sequence[int] = (STEPS,),
) -> str:
    """Whether the ledger says what the problem itself has seen, after runs of these lengths."""
    session = _watched(problem, solver, params, engine)
    for length in lengths:
        while session.done < length and not session.wrong:
            before = session.done
            squared = session.advance(length - session.done).squared
            if session.done == before or not np.isfinite(squared[-1]).all():
                return session.wrong
    return session.wrong


def whole_run_against_spy(problem: Problem, solver: Solver, params: Any, engine: str) -> str:
    """Whether the ledger says what the problem has seen, from the start until eps is reached."""
    session = _watched(problem, solver, params, engine)
    with np.errstate(over="ignore", invalid="ignore"):
        drive(session, (EPS,), "average", LONGEST, SECONDS)
    return session.wrong


def ledger_against_declared(problem: Problem, solver: Solver, params: Any, engine: str) -> str:
    """Whether every outer step costs what `cost_per_step` and `samples_per_step` declare."""
    chunk = open_session(problem, solver, params, engine).advance(STEPS)
    spent = np.diff(chunk.ledgers[:, 0], axis=0)
    declarations = (solver.cost_per_step, solver.samples_per_step or solver.cost_per_step)
    for (row, unit), declare in zip(enumerate(LEDGERS), declarations, strict=True):
        for k in range(len(spent)):
            declared = declare(params, k)
            least, most = declared if isinstance(declared, CostRange) else (declared, declared)
            counted = spent[k, row].tolist()
            for slot, low, count, high in zip(SLOTS, least, counted, most, strict=True):
                if not low <= count <= high:
                    wanted = f"{low}" if low == high else f"{low} to {high}"
                    return f"outer step {k}: {slot} declared {wanted} {unit}, counted {count}"
    return ""


def engines_agree(
    problem: Problem, solver: Solver, params: Any, noise_seeds: Sequence[int] = (0,)
) -> str:
    """Whether both engines count the same and visit the same points, to 1e-10 relative."""
    for seed in noise_seeds if solver.is_random else (0,):
        sessions = [
            open_session(problem, solver, params, engine, seed) for engine in problem.engines
        ]
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
            for policy in ("theory", "sharp"):
                params_for(solver, problem, policy, {}, eps)
    return ""


def _on_torch(family: str, options: dict[str, Any], solver: Solver) -> Iterator[Finding]:
    """What needs no compilation."""
    noisy = "noise" in options
    instances = [problems.make(family, seed=seed, **options) for seed in NOISE_SEEDS]
    problem = instances[0]
    params = params_for(solver, problem, "sharp", {}, EPS)
    where = f"{family}, {options['noise']} noise, torch" if noisy else f"{family}, torch"
    yield find(
        f"{where}: the ledger is what the problem saw",
        partial(ledger_against_spy, problem, solver, params, "torch", LENGTHS),
    )
    yield find(
        f"{where}: a step costs what cost_per_step declares",
        partial(ledger_against_declared, problem, solver, params, "torch"),
    )
    yield find(
        f"{where}: three instances as a batch are what each is alone",
        partial(mixes, moved_apart(instances), solver, params, [0] * len(instances)),
    )
    if solver.is_random:
        yield find(
            f"{where}: three noise seeds as a batch are what each is alone",
            partial(mixes, [problem] * len(NOISE_SEEDS), solver, params, NOISE_SEEDS),
        )
    if not noisy:
        yield find(
            f"{family}: no step writes into its input",
            partial(keeps_its_input, problem, solver, params),
        )


def _compiled(family: str, options: dict[str, Any], solver: Solver) -> Iterator[Finding]:
    """What the compiled engine has to do alike; one compilation a family."""
    problem = problems.make(family, **options)
    params = params_for(solver, problem, "sharp", {}, EPS)
    noise = f", {options['noise']} noise" if "noise" in options else ""
    if family in SPIED_WHEN_COMPILED and not noise:
        yield find(
            f"{family}, compiled: the ledger is what the problem saw",
            partial(ledger_against_spy, problem, solver, params, "compiled", LENGTHS),
        )
        yield find(
            f"{family}, compiled: so it is in a whole run to eps",
            partial(whole_run_against_spy, problem, solver, params, "compiled"),
        )
        problem = spy_on(problem)
    yield find(
        f"{family}{noise}, compiled: a step costs what cost_per_step declares",
        partial(ledger_against_declared, problem, solver, params, "compiled"),
    )
    yield find(
        f"{family}{noise}: both engines count and move alike",
        partial(engines_agree, problem, solver, params, NOISE_SEEDS),
    )


def solver_findings(solver: Solver) -> Iterator[Finding]:
    """Every conformance test on a solver as it is made, those that need no compilation first.

    Never raises for what the solver does wrong.
    """
    prescribed = find("theory gives allowed parameters", partial(prescribes, solver))
    yield prescribed
    if not prescribed.passed:
        return
    cases = [*CASES.items(), *(NOISY.items() if solver.is_random else ())]
    for part in (_on_torch, _compiled):
        for family, options in cases:
            yield from part(family, options, solver)


def check_solver(solver: Any) -> list[Finding]:
    """Run every conformance test on a solver: its name, its step function, or a Solver.

    Raises:
        InputError: no such solver, or its module lacks a part; never for what it does wrong.
    """
    if isinstance(solver, str):
        return list(solver_findings(solvers.get(solver)))
    if inspect.isfunction(solver):
        return list(solver_findings(solvers.of_step(solver)))
    if not isinstance(solver, Solver):
        raise InputError(f"solver: expected a name, a step function or a Solver, got {solver!r}")
    return list(solver_findings(solver))


def _differing(one: dict[str, int], other: dict[str, int]) -> str:
    return ", ".join(f"{slot} {count}" for slot, count in one.items() if count != other[slot])
