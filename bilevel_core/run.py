"""Run one solver on one instance and record when every eps was reached, and at what cost."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import problems
from bilevel_core import checking, reference
from bilevel_core.constants import Constants
from bilevel_core.engines import ENGINES
from bilevel_core.engines.chunk import Session
from bilevel_core.engines.loop import CRITERIA, Track, drive
from bilevel_core.engines.repeated import RepeatedSession
from bilevel_core.errors import (
    FOREIGN_ERRORS,
    InputError,
    OneAtATimeError,
    blaming,
    plain_reason,
    shown,
    unknown_name,
)
from bilevel_core.fingerprint import Fingerprint, fingerprint
from bilevel_core.interrupts import deferred
from bilevel_core.jacobian_sums import sums_behind
from bilevel_core.making import instances_kept, make_problem, once
from bilevel_core.oracle import family_functions
from bilevel_core.passes import TUNED, Pass, Tune, check_tuning, passes_of, searched
from bilevel_core.problem import Problem
from bilevel_core.record import RunConfig, RunRecord
from bilevel_core.recording import outer_bounds, record_of
from bilevel_core.run_arguments import (
    configuration,
    levels,
    policy_of,
    problem_of,
    problems_of,
    seeds_of,
)
from bilevel_core.sampled import sampled_functions
from bilevel_core.solvers import BUILT_IN, Solver, get
from bilevel_core.streams import open_generators

NOISE_SEEDS = (0, 1, 2, 3, 4)
"""Repetitions of a run with random oracles, unless others are asked for."""


def run(
    problem: Problem,
    solver: str,
    eps: float | Sequence[float],
    params: str | Mapping[str, Any] = "theory",
    engine: str | None = None,
    device: str = "cpu",
    criterion: str = "average",
    max_outer: int = 1_000_000,
    max_seconds: float | None = None,
    seed: int | None = None,
    overrides: Mapping[str, Any] | None = None,
    progress: Callable[[int], None] = lambda outer: None,
    noise_seeds: Sequence[int] | None = None,
    tuning: Mapping[str, Any] | None = None,
) -> RunRecord:
    """Run a solver on a problem until every eps is reached; eps bounds ||grad Phi||^2.

    params: a policy ("theory", "sharp" or "tuned"), or a dict of the solver's parameters;
    `overrides` sets some on top of a policy; `tuning` holds settings of the search behind "tuned"
    (`bilevel_core.tuning.settings`).
    engine: "compiled" or "torch", by default the first that can run the problem.
    criterion: "average" ((1/K) sum over the first K iterates) or "first" (the first iterate).
    max_outer: at least 1; max_seconds: None or positive.  A run that goes wrong ends in the status
    of its record.
    noise_seeds: the repetitions of a solver that draws random numbers, by default 0 to 4; K and the
    counts are those at which the mean of the criterion over them reaches eps.

    Raises:
        InputError: an argument is not allowed; the message names it.
    """
    return run_many(
        [problem_of(problem)], solver, eps, params, engine, device, criterion, max_outer,
        max_seconds, None if seed is None else [seed], overrides, progress, noise_seeds, tuning,
    )[0]  # fmt: skip


def run_many(
    instances: Sequence[Problem],
    solver: str,
    eps: float | Sequence[float],
    params: str | Mapping[str, Any] = "theory",
    engine: str | None = None,
    device: str = "cpu",
    criterion: str = "average",
    max_outer: int = 1_000_000,
    max_seconds: float | None = None,
    seeds: Sequence[int] | None = None,
    overrides: Mapping[str, Any] | None = None,
    progress: Callable[[int], None] = lambda outer: None,
    noise_seeds: Sequence[int] | None = None,
    tuning: Mapping[str, Any] | None = None,
) -> list[RunRecord]:
    """Run a solver on several instances; as one batch where parameters agree.

    The torch engine always makes a batch, the compiled one of many small instances, which are
    faster together; counts are the same either way.

    Arguments as in `run`; returns one record an instance, in order.

    Raises:
        InputError: an argument is not allowed, or the instances do not fit into one batch.
    """
    instances = problems_of(instances)
    own_seeds = seeds_of(seeds, len(instances))
    policy, by_hand = policy_of(params, overrides)
    checking.function("progress", progress)
    first = instances[0]
    chosen = (engine if engine is None else checking.text("engine", engine)) or first.engines[0]
    targets = levels(eps)
    found = get(solver)
    repeated = repetitions(noise_seeds, found)
    configs = [
        RunConfig(
            problem=problem.name,
            kappa=float(problem.kappa),
            solver=solver,
            eps=targets,
            options=problem.options,
            seed=problem.seed if own_seeds is None else own_seeds[i],
            policy=policy,
            overrides=by_hand,
            criterion=criterion,
            engine=chosen,
            device=device,
            max_outer=max_outer,
            max_seconds=max_seconds,
            noise_seeds=repeated,
            tuning={} if tuning is None else tuning,
        )
        for i, problem in enumerate(instances)
    ]
    for config, problem in zip(configs, instances, strict=True):
        _check(config, problem)
    tune = searched()
    plans = [
        passes_of(config, found, problem, tune)
        for config, problem in zip(configs, instances, strict=True)
    ]
    if all(plan == plans[0] for plan in plans) and _in_one_batch(chosen, found, instances):
        with contextlib.suppress(OneAtATimeError):
            return _run_batch(configs, found, list(instances), plans[0], progress)
    return [
        _run_batch([config], found, [problem], plan, progress)[0]
        for config, problem, plan in zip(configs, instances, plans, strict=True)
    ]


def _in_one_batch(engine: str, solver: Solver, instances: Sequence[Problem]) -> bool:
    if engine == "torch":
        return True
    if len(instances) == 1:
        return False
    from bilevel_core.engines.fused import fits

    return fits(instances, solver)


def execute(
    config: RunConfig,
    progress: Callable[[int], None] = lambda outer: None,
    tune: Tune | None = None,
) -> RunRecord:
    """Make the problem that a configuration names, and run it.

    tune: where searches under policy "tuned" come from; they are made on the spot by default.

    Raises:
        InputError: the configuration is not allowed.
    """
    config = configuration(config)
    checking.function("progress", progress)
    search = searched() if tune is None else checking.function("tune", tune)
    with instances_kept():
        problem = make_problem(config)
        _check(config, problem)
        solver = get(config.solver)
        plan = passes_of(config, solver, problem, search)
        return _run_batch([config], solver, [problem], plan, progress)[0]


def validate(config: RunConfig) -> None:
    """Check a configuration without running it.

    Raises:
        InputError: names the key, its value, and what is allowed.
    """
    config = configuration(config)
    problem = make_problem(config)
    _check(config, problem)
    if config.policy != TUNED:
        passes_of(config, get(config.solver), problem, searched())


def code_fingerprint(config: RunConfig) -> str:
    """A fingerprint of the source, and of real data, that this configuration's counts rest on.

    "unknown: ..." where something behind them cannot be followed.
    """
    return _code(get(config.solver), make_problem(config))


def _code(solver: Solver, problem: Problem) -> str:
    return once(f"code {solver.name}", problem, lambda: str(_fingerprint(solver, problem)))


def _fingerprint(solver: Solver, problem: Problem) -> Fingerprint:
    roots: list[Any] = [solver.step, solver.init, solver.theory, solver.outer_bound, drive]
    roots += [solver.Params, solver.State, type(problem.data), Constants]
    roots += family_functions(problem.data)
    roots += sums_behind(solver.step, problem.data)
    roots += problem.closed_forms or [reference.squared_norm, reference.settings]
    roots += problems.factories(problem.name) or [problem.data]
    if solver.is_random:
        roots += [*sampled_functions(problem.data), open_generators, RepeatedSession.advance]
    if problem.noise is not None:
        from problems.noise import make_noisy

        roots.append(make_noisy)
    return fingerprint(roots, *([problem.content] if problem.content else []))


def repetitions(noise_seeds: Sequence[int] | None, solver: Solver) -> tuple[int, ...]:
    """The noise seeds of a run: those given, or `NOISE_SEEDS` of a solver that is random.

    Raises:
        InputError: no sequence of different integers >= 0.
    """
    if noise_seeds is None:
        return NOISE_SEEDS if solver.is_random else ()
    return tuple(checking.different_seeds("noise_seeds", noise_seeds))


def _check(config: RunConfig, problem: Problem) -> None:
    levels(config.eps)
    if tuple(sorted(set(config.eps), reverse=True)) != tuple(config.eps):
        raise InputError(f"eps: expected decreasing values, got {list(config.eps)}")
    if config.criterion not in CRITERIA:
        raise unknown_name("criterion", config.criterion, CRITERIA)
    if config.engine not in ENGINES:
        raise unknown_name("engine", config.engine, ENGINES)
    if config.engine not in problem.engines:
        raise InputError(
            f"engine: {shown(problem.name)} runs on {', '.join(problem.engines)}, "
            f"got {config.engine!r}"
        )
    if config.engine == "compiled" and config.device != "cpu":
        raise InputError(f"device: the compiled engine runs on 'cpu', got {shown(config.device)}")
    if config.engine == "torch" and config.device != "cpu":
        from bilevel_core.engines.torch import check_device

        check_device(config.device)
    _check_noise(config, problem)
    check_tuning(config, get(config.solver), problem)
    outer_bounds(config, get(config.solver), problem)


def _check_noise(config: RunConfig, problem: Problem) -> None:
    seeds, solver = config.noise_seeds, get(config.solver)
    if solver.is_random:
        if not seeds:
            raise InputError("noise_seeds: expected different integers >= 0, at least one")
        return
    if seeds:
        raise InputError(
            f"noise_seeds: solver {shown(config.solver)} draws no random numbers, "
            f"got {shown(list(seeds))}"
        )
    if problem.noise is not None:
        random = [name for name in BUILT_IN if get(name).is_random]
        raise InputError(
            f"solver: {shown(config.solver)} needs exact oracles, which {shown(problem.name)} with "
            f"noise={problem.noise!r} does not have; expected a solver that draws batches: "
            f"{', '.join(random)}, or your own"
        )


def _session(config: RunConfig, solver: Solver, instances: list[Problem], params: Any) -> Session:
    seeds = config.noise_seeds
    if config.engine == "compiled":
        from bilevel_core.engines.compiled import CompiledSession

        if len(instances) > 1:
            from bilevel_core.engines.fused import FusedSession

            return FusedSession(instances, solver, params)
        if not seeds:
            return CompiledSession(instances[0], solver, params)
        repeated = [CompiledSession(instances[0], solver, params, seed) for seed in seeds]
        return RepeatedSession(repeated, len(seeds))
    from bilevel_core.engines.torch import TorchSession

    if not seeds:
        return TorchSession(instances, solver, params, config.device)
    columns = [(problem, seed) for problem in instances for seed in seeds]
    every, own = [problem for problem, _ in columns], [seed for _, seed in columns]
    session = TorchSession(every, solver, params, config.device, own)
    return RepeatedSession([session], len(seeds))


def _run_batch(
    configs: list[RunConfig],
    solver: Solver,
    instances: list[Problem],
    plan: list[Pass],
    progress: Callable[[int], None],
) -> list[RunRecord]:
    config = configs[0]
    results: list[list[tuple[Pass, Track]]] = [[] for _ in instances]
    seconds = 0.0
    for each in plan:
        try:
            tracks, spent = _drive(config, solver, instances, each, progress)
            seconds += spent
        except (InputError, OneAtATimeError):
            raise
        except FOREIGN_ERRORS as error:
            tracks = [Track(status="failed", reason=plain_reason(error)) for _ in instances]
        for result, track in zip(results, tracks, strict=True):
            result.append((each, track))
    return [
        record_of(own, solver, problem, result, seconds / len(configs), _code(solver, problem))
        for own, problem, result in zip(configs, instances, results, strict=True)
    ]


def _drive(
    config: RunConfig,
    solver: Solver,
    instances: list[Problem],
    each: Pass,
    progress: Callable[[int], None],
) -> tuple[list[Track], float]:
    """The tracks of one pass, and its seconds in outer steps."""
    if each.tuning is not None and each.params is None:
        return [Track(status="censored", reason=each.tuning.failure) for _ in instances], 0.0
    session = _session(config, solver, instances, each.params)
    # A run that overflows ends in its status; NumPy need not warn of it as well.
    with deferred() as let_out, np.errstate(over="ignore", invalid="ignore"):

        def look(outer: int) -> None:
            let_out(outer)
            with blaming("progress"):
                progress(outer)

        tracks = drive(
            session, each.eps, config.criterion, config.max_outer, config.max_seconds, look
        )
    return tracks, session.seconds
