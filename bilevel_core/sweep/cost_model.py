"""What a run will cost before it is made: outer steps, oracle calls and samples, on any machine.

    K      = T(eps)/beta, beta the solver's outer step, T the time that gradient flow on Phi takes
             (`gradient_flow`); the solver's own `predicted_outer` where it states one; never more
             than its theorem's `outer_bound`
    calls  = sum over k < K of `cost_per_step(params, k)`, all columns together, times the number of
             repetitions over noise seeds; samples likewise from `samples_per_step`, a repetition

K is what reaching eps takes, whether or not `max_outer` lets it. A stored average criterion is met
within 20 % of T/beta by every deterministic solver whose gradient is accurate from the start. It is
too small where that is not so (BA on quadratic problems wastes of order kappa^4 steps first), and
too large for a solver whose x never moves (FO-ITD-BiO where grad_x f = 0), or under criterion
"first" where the flow is too stiff to follow. Under policy "tuned" the parameters are not known
beforehand: outer steps of 1/L_Phi, as sharp as it is known, and `TUNED_CALLS` calls each stand for
what a search finds; of a random solver, whose noise asks for shorter steps, that is too little.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from bilevel_core.constants import Constants
from bilevel_core.cost import Cost, CostRange
from bilevel_core.declarations import bound_on_outer, cost_of_step, predicted_steps
from bilevel_core.policies import constants_for, params_for
from bilevel_core.problem import Problem
from bilevel_core.record import RunConfig
from bilevel_core.solvers import Solver

NODES_PER_OCTAVE = 4
"""Where loops grow with k, their cost is looked at so often per factor of two in k."""
TOWARDS_MOST = 0.4
"""Weight of log(most) against log(least) in a step whose loops stop by a tolerance; of HOAG's."""
TUNED_CALLS = 10.0
"""Calls of an outer step with tuned parameters: few inner and linear steps do."""
LARGEST = 1e300
"""Stands for counts that no float holds, since JSON knows no infinity."""


class Prediction(NamedTuple):
    """Reaching one eps.

    passed: a name of the pass that the eps shares with others of equal parameters; outer: K; calls:
    all oracle calls of all repetitions; samples: of one repetition, whose ledger has to hold them;
    bound: the theorem's on K, None where it states none.
    """

    eps: float
    passed: Any
    params: Mapping[str, Any]
    outer: float
    calls: float
    samples: float
    bound: float | None


def predict(
    config: RunConfig, solver: Solver, problem: Problem, times: Mapping[float, float]
) -> tuple[Prediction, ...]:
    """One prediction for each eps of the configuration, in its order; times: T(eps).

    Raises:
        InputError: the policy or a parameter is not allowed.
    """
    policy = _stand_in(config.policy, problem)
    constants = constants_for(policy, problem)
    found = []
    for eps in config.eps:
        params = params_for(solver, problem, policy, config.overrides, eps)
        if config.policy == "tuned":
            outer, bound = _whole(times[eps] * constants.L_Phi), None
            calls = samples = TUNED_CALLS * outer
        else:
            steps, bound = _steps(config, solver, constants, params, eps, times[eps])
            outer = _whole(steps)
            calls = total(calls_per_step(solver, params), outer)
            declared = solver.samples_per_step is not None
            samples = total(samples_per_step(solver, params), outer) if declared else calls
        calls *= max(1, len(config.noise_seeds))
        passed = eps if config.policy == "tuned" else params
        found.append(Prediction(eps, passed, params._asdict(), outer, calls, samples, bound))
    return tuple(found)


def _steps(
    config: RunConfig, solver: Solver, constants: Constants, params: Any, eps: float, time: float
) -> tuple[float, float | None]:
    """Outer steps to eps, and the theorem's bound on them where parameters are the theorem's."""
    outer = steps_by_size(params, constants, time)
    if config.policy == "custom" or config.overrides:
        return outer, None
    outer = steps_by_theory(solver, constants, eps, time, outer)
    bound = bound_on_outer(solver, constants, eps)
    return (outer, None) if bound is None else (min(outer, bound), bound)


def _whole(outer: float) -> float:
    return float(max(1, math.ceil(min(outer, LARGEST))))


def passes(predictions: Sequence[Prediction]) -> list[tuple[Prediction, ...]]:
    """The predictions by pass; a pass costs what its last eps, the smallest, costs."""
    grouped: dict[Any, list[Prediction]] = {}
    for prediction in predictions:
        grouped.setdefault(prediction.passed, []).append(prediction)
    return [tuple(group) for group in grouped.values()]


def steps_by_size(params: Any, constants: Constants, time: float) -> float:
    """T/beta; without a parameter beta as if it were 1/(8 L_Phi), as in Theorem 1 of AID-BiO."""
    return float(time / params._asdict().get("beta", 1.0 / (8.0 * constants.L_Phi)))


def steps_by_theory(
    solver: Solver, constants: Constants, eps: float, time: float, otherwise: float
) -> float:
    """The solver's own prediction, of a Phi with no more to lose than the flow needs."""
    if solver.predicted_outer is None:
        return otherwise
    used = dataclasses.replace(constants, gap=min(constants.gap, time * eps))
    predicted = predicted_steps(solver, used, eps)
    return LARGEST if predicted is None else predicted


def calls_per_step(solver: Solver, params: Any) -> Callable[[int], float]:
    """Oracle calls of step k, all columns together.

    Of a range: the mean where the number is drawn at random; a weighted geometric mean where loops
    stop by a tolerance, which is long before their limit.
    """
    middle = _mean if solver.is_random else _by_tolerance
    return lambda k: _middle(cost_of_step(solver, params, k), middle)


def samples_per_step(solver: Solver, params: Any) -> Callable[[int], float]:
    """The mean samples of step k, all columns together, of a range drawn at random."""
    return lambda k: _middle(cost_of_step(solver, params, k, "samples"), _mean)


def total(cost_of: Callable[[int], float], outer: float) -> float:
    """The sum of cost_of(k) over k = 0..outer-1; exact where the cost does not depend on k > 0.

    Between nodes, evenly spaced in log k, the cost is taken to be linear in k.
    """
    last = int(outer) - 1
    octaves = max(0, math.ceil(math.log2(last + 1)))
    grown = {int(2.0 ** (i / NODES_PER_OCTAVE)) for i in range(NODES_PER_OCTAVE * octaves)}
    nodes = sorted({0, last} | {k for k in grown if k < last})
    costs = [cost_of(k) for k in nodes]
    between = (
        (b - a) * start + (end - start) * (b - a - 1) / 2.0
        for a, b, start, end in zip(nodes, nodes[1:], costs, costs[1:], strict=False)
    )
    return float(min(sum(between) + costs[-1], LARGEST))


def _stand_in(policy: str, problem: Problem) -> str:
    if policy != "tuned":
        return policy
    return "theory" if problem.exact_smoothness is None else "sharp"


def _middle(cost: Cost | CostRange, middle: Callable[[float, float], float]) -> float:
    if isinstance(cost, CostRange):
        return sum(middle(a, b) for a, b in zip(cost.least, cost.most, strict=True))
    return float(sum(cost))


def _mean(least: float, most: float) -> float:
    return (least + most) / 2.0


def _by_tolerance(least: float, most: float) -> float:
    return max(least, 1.0) ** (1.0 - TOWARDS_MOST) * most**TOWARDS_MOST
