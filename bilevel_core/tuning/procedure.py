"""The search behind policy "tuned": the cheapest parameters that reach one eps.

1. Candidates are the theorem's parameters, with the exact L_Phi where it is known and without, and
   a Latin hypercube around them (`space`).  The draws depend on the settings' seed and the solver
   alone, so that searches at different kappa and eps differ by these and not by luck.
2. Successive halving on the tuning instances, then a local search around the best (`search`).  A
   candidate's cost is what a run costs until the configuration's criterion reaches eps, on the
   dearest of these instances.
3. The cheapest is run on the held-out instances.  Where one of them does not reach eps, or only at
   more than `tolerance` times the dearest tuning instance, the choice was luck and is rejected:
   that instance joins the tuning instances, a fresh one takes its place, and the search is made
   again, `searches` times at most.  At last come the theorem's parameters, which only have to reach
   eps.
"""

from __future__ import annotations

import dataclasses
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from bilevel_core.fingerprint import fingerprint, is_known
from bilevel_core.making import make_problem
from bilevel_core.policies import constants_for, params_for
from bilevel_core.record import RunConfig
from bilevel_core.run import code_fingerprint, execute
from bilevel_core.solvers import Solver, get
from bilevel_core.sweep.keys import KEY_LENGTH, canonical, digest, to_json
from bilevel_core.tuning.bench import Bench, Execute, trial
from bilevel_core.tuning.price import budgets, cost_of, total
from bilevel_core.tuning.result import Tuning
from bilevel_core.tuning.search import Scored, Trial, halve, order, refine
from bilevel_core.tuning.settings import Settings, settings_from
from bilevel_core.tuning.space import Space, at, changed, space_of, unit_points


class Instances(NamedTuple):
    """Seeds of the instances that a search goes by, and of those that its winner is checked on."""

    tuning: tuple[int, ...]
    held_out: tuple[int, ...]


class Choice(NamedTuple):
    """Parameters and their trials on both sets of instances."""

    origin: str  # "search" or "theorem"
    params: Any
    tuning: Trial
    held_out: Trial


class Outcome(NamedTuple):
    """What all searches for one eps came to."""

    choice: Choice | None
    rejected: tuple[dict[str, Any], ...]
    instances: Instances
    tried: frozenset[Any]


def tune(config: RunConfig, eps: float, execute: Execute = execute) -> Tuning:
    """Search for the parameters of the configuration's solver that reach eps at the least cost.

    The configuration's seed, policy and other eps play no part; parameters in its `overrides` stay
    as they are set; `max_outer` and `max_seconds` bound each run.

    Raises:
        InputError: a setting, or the configuration, is not allowed.
    """
    solver = get(config.solver)
    settings = settings_from(config.tuning, solver.is_random)
    alone = dataclasses.replace(config, eps=(float(eps),))
    bench = Bench(alone, solver, settings, execute, [])
    theorems, space = _start(bench)
    choice, rejected, instances, tried = _search_and_check(bench, theorems, space)
    spent = total(bench.spent)
    return Tuning(
        key=tuning_key(config, eps),
        eps=float(eps),
        params=choice.params._asdict() if choice else None,
        origin=choice.origin if choice else "",
        costs=choice.tuning.costs if choice else (),
        held_out_costs=choice.held_out.costs if choice else (),
        failure="" if choice else _failure(eps, rejected),
        rejected=rejected,
        tried=len(tried),
        spent={"cost": cost_of(spent, settings)} | dataclasses.asdict(spent),
        nominal=space.nominal._asdict(),
        settings=settings.to_dict(),
        tuning_seeds=instances.tuning,
        held_out_seeds=instances.held_out,
    )


_THIS_PROCESS = secrets.token_hex(8)


def tuning_key(config: RunConfig, eps: float) -> str:
    """32 hex digits of everything that decides the search: the name of its file.

    The configuration's seed does not count, nor which noise seeds it names, only how many.  A
    search whose code is unknown has another key in each process: no other can take it over.

    Raises:
        InputError: as `tune`.
    """
    settings = settings_from(config.tuning, get(config.solver).is_random)
    code = code_fingerprint(dataclasses.replace(config, seed=settings.tuning_seeds[0]))
    decides = config.to_dict() | {
        "eps": float(eps),
        "tuning": settings.to_dict(),
        "noise_seeds": len(config.noise_seeds),
        "code": code if is_known(code) else _THIS_PROCESS,
        "search": str(fingerprint((space_of, _search_and_check))),
    }
    named = get(config.solver).tunable
    decides |= {} if named is None else {"tunable": list(named)}
    without = {name: value for name, value in decides.items() if name not in ("seed", "policy")}
    return digest(to_json(canonical(without)))[:KEY_LENGTH]


def _start(bench: Bench) -> tuple[list[Any], Space]:
    """The theorem's parameters, sharpest first, and the box around those."""
    config, solver = bench.config, bench.solver
    seed = bench.settings.tuning_seeds[0]
    problem = make_problem(dataclasses.replace(config, seed=seed))
    policies = ["theory"] if problem.exact_smoothness is None else ["sharp", "theory"]
    eps, by_hand = config.eps[0], config.overrides
    theorems = [params_for(solver, problem, policy, by_hand, eps) for policy in policies]
    constants = constants_for(policies[0], problem)
    return theorems, space_of(solver, constants, eps, theorems[0], frozenset(by_hand))


def _search_and_check(bench: Bench, theorems: list[Any], space: Space) -> Outcome:
    """Searches until the held-out instances confirm a winner; the theorem's parameters at last."""
    settings = bench.settings
    instances = Instances(settings.tuning_seeds, settings.held_out_seeds)
    rejected: tuple[dict[str, Any], ...] = ()
    tried: frozenset[Any] = frozenset(theorems)
    for _ in range(settings.searches):
        ranked = _search(bench, theorems, space, instances.tuning)
        tried |= {scored.candidate for scored in ranked}
        params, tuning = ranked[0]
        if not tuning.costs:
            break
        bound = settings.tolerance * tuning.cost
        held_out = [trial(bench, params, [seed], bound) for seed in instances.held_out]
        failed = [i for i, one in enumerate(held_out) if not one.costs]
        if not failed:
            costs = tuple(one.cost for one in held_out)
            confirmed = Choice("search", params, tuning, Trial(costs, max(costs)))
            return Outcome(confirmed, rejected, instances, tried)
        rejected += (_rejection(params, tuning, held_out[failed[0]]),)
        instances = _learned(instances, [instances.held_out[i] for i in failed])
    choice, refused = _theorems(bench, theorems, instances)
    return Outcome(choice, rejected + refused, instances, tried)


def _learned(instances: Instances, failed: Sequence[int]) -> Instances:
    """The instances with those that a winner failed on first to tune on, fresh ones held out."""
    kept = tuple(seed for seed in instances.held_out if seed not in failed)
    last = max(instances.held_out)
    fresh = tuple(range(last + 1, last + 1 + len(failed)))
    return Instances((*failed, *instances.tuning), (*kept, *fresh))


def _search(
    bench: Bench, theorems: list[Any], space: Space, seeds: tuple[int, ...]
) -> list[Scored]:
    """Everything tried on these instances, best first."""
    settings, axes = bench.settings, len(space.axes)
    draws = unit_points(_generator(settings, bench.solver), settings.candidates, axes)
    candidates = [*theorems, *(at(space, point) for point in draws)]

    def evaluate(params: Any, budget: float) -> Trial:
        return trial(bench, params, seeds, budget)

    def change(params: Any, factors: tuple[float, ...]) -> Any:
        return changed(space, params, factors)

    first, last = budgets(bench.solver, candidates, bench.config.max_outer, settings)
    raced = halve(candidates, evaluate, first, last, settings.keep)
    if not raced[0].trial.costs:
        return raced
    refined = refine(raced[0], evaluate, change, axes, settings.refinements * axes)
    return sorted([*raced, *refined], key=order)


def _generator(settings: Settings, solver: Solver) -> np.random.Generator:
    # A plug-in's folder says nothing about the algorithm.
    name = solver.name.rpartition(":")[2]
    own = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return np.random.default_rng([settings.seed, own])


def _theorems(
    bench: Bench, theorems: list[Any], instances: Instances
) -> tuple[Choice | None, tuple[dict[str, Any], ...]]:
    """The first of the theorem's parameters that reach eps at all, and the others."""
    _, most = budgets(bench.solver, theorems, bench.config.max_outer, bench.settings)
    refused: tuple[dict[str, Any], ...] = ()
    for params in dict.fromkeys(theorems):
        tuning = trial(bench, params, instances.tuning, most)
        held_out = trial(bench, params, instances.held_out, most) if tuning.costs else tuning
        if held_out.costs:
            return Choice("theorem", params, tuning, held_out), refused
        refused += (_rejection(params, tuning, held_out),)
    return None, refused


def _rejection(params: Any, tuning: Trial, held_out: Trial) -> dict[str, Any]:
    costs = list(tuning.costs)
    return {"params": params._asdict(), "costs": costs, "reason": held_out.reason}


def _failure(eps: float, rejected: Sequence[Mapping[str, Any]]) -> str:
    return (
        f"tuning: no parameters reached eps = {eps:g} on all instances; "
        f"the theorem's: {rejected[-1]['reason']}"
    )
