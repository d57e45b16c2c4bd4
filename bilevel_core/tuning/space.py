"""Where a search for parameters looks: a box in the logarithms of the solver's parameters.

The box stands around the theorem's parameters, computed with the sharpest constants known of the
first tuning instance.  Searched are, unless the solver's module names others in `TUNABLE` (a tuple
of field names),

    integers (numbers of steps, batch sizes)     from 1 to 4 times the theorem's value
    outer step sizes                              from 1/4 of it to 2/L, at least 16 times
    inner step sizes                              from 1/4 of it to 2/(L + mu), `eta` to 1/L

Which number is a step size is seen from what the theorem makes of other constants: it shrinks where
f and g are multiplied by the same factor, and an outer one where L_Phi alone is, too.  All else
(powers, tolerances, the mu that a method is told) stays as the theorem has it; named in `TUNABLE`,
it is searched over a factor of 100 both ways.  `first_X`, an integer beside X, stays too, but never
falls below X.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple, get_type_hints

import numpy as np

from bilevel_core.constants import Constants
from bilevel_core.errors import unknown_name
from bilevel_core.solvers import Solver, make_params

UP_INTEGER, DOWN_STEP, UP_STEP, FREE = 4.0, 4.0, 16.0, 100.0
"""How far the box reaches, as factors of the theorem's value."""
SCALE, ROUGH = 4.0, 1e9
"""Factors of f and g, and of L_Phi alone, that show what is a step size."""
FIRST = "first_"


class Axis(NamedTuple):
    """One parameter's range, 0 < low <= high."""

    name: str
    low: float
    high: float
    is_integer: bool


class Space(NamedTuple):
    """The box, and the theorem's parameters, which hold what is not searched."""

    solver: Solver
    nominal: Any
    axes: tuple[Axis, ...]
    by_hand: frozenset[str]


def space_of(
    solver: Solver, constants: Constants, eps: float, nominal: Any, by_hand: Collection[str]
) -> Space:
    """The box around `nominal`, without the parameters that are set by hand.

    Raises:
        InputError: the solver's TUNABLE names a parameter that it does not have.
    """
    kinds = get_type_hints(solver.Params)
    named = solver.step.__globals__.get("TUNABLE")
    for name in named or ():
        if name not in kinds:
            raise unknown_name(f"parameter of {solver.name} in TUNABLE", name, kinds)
    outer, inner = _step_sizes(solver, constants, eps)
    searched = kinds if named is None else named
    axes = []
    for name in searched:
        value = getattr(nominal, name)
        if name in by_hand or _leader(name, kinds) is not None:
            continue
        if kinds[name] is int:
            axes.append(Axis(name, 1.0, UP_INTEGER * value, True))
        elif name in outer:
            highest = max(2.0 / constants.L, UP_STEP * value)
            axes.append(Axis(name, value / DOWN_STEP, highest, False))
        elif name in inner:
            limit = 1.0 / constants.L if name == "eta" else 2.0 / (constants.L + constants.mu)
            axes.append(Axis(name, value / DOWN_STEP, max(limit, value), False))
        elif named is not None:
            axes.append(Axis(name, value / FREE, value * FREE, False))
    return Space(solver, nominal, tuple(axes), frozenset(by_hand))


def _step_sizes(solver: Solver, constants: Constants, eps: float) -> tuple[set[str], set[str]]:
    """Names of the outer and of the inner step sizes."""
    c = SCALE
    scaled = dataclasses.replace(
        constants,
        **{name: c * getattr(constants, name) for name in ("L", "mu", "M", "rho", "tau", "sigma")},
        gap=c * constants.gap,
        smoothness=c * constants.L_Phi,
    )
    rough = constants.sharpened(ROUGH * constants.L_Phi)
    given = solver.theory(constants, eps)._asdict()
    of_scaled = solver.theory(scaled, c * c * eps)._asdict()
    of_rough = solver.theory(rough, eps)._asdict()
    steps = {name for name in given if 2.0 * of_scaled[name] <= given[name]}
    outer = {name for name in steps if 2.0 * of_rough[name] <= given[name]}
    return outer, steps - outer


def _leader(name: str, kinds: Collection[str]) -> str | None:
    """The X of `first_X`."""
    leader = name.removeprefix(FIRST)
    return leader if leader != name and leader in kinds else None


def unit_points(rng: np.random.Generator, n: int, dimension: int) -> np.ndarray:
    """A Latin hypercube, (n, dimension) in [0, 1): each coordinate has one point in each n-th."""
    strata = np.stack([rng.permutation(n) for _ in range(dimension)], axis=1) if dimension else 0.0
    return np.asarray((strata + rng.random((n, dimension))) / max(n, 1))


def at(space: Space, point: np.ndarray) -> Any:
    """The parameters at a point of the unit cube: (axes,) in [0, 1]."""
    return _with(
        space,
        {
            axis.name: axis.low * (axis.high / axis.low) ** float(u)
            for axis, u in zip(space.axes, point, strict=True)
        },
        space.nominal,
    )


def changed(space: Space, params: Any, factors: Sequence[float]) -> Any:
    """The parameters, each times its factor (1 leaves it), in the box; integers move by >= 1."""
    values = {}
    for axis, factor in zip(space.axes, factors, strict=True):
        old = float(getattr(params, axis.name))
        value = old * factor
        if axis.is_integer and factor != 1.0 and round(value) == old:
            value = old + math.copysign(1.0, factor - 1.0)
        if factor != 1.0:
            values[axis.name] = value
    return _with(space, values, params)


def _with(space: Space, values: dict[str, float], params: Any) -> Any:
    """Parameters with some values clipped to the box and rounded."""
    given = params._asdict()
    for axis in space.axes:
        if axis.name in values:
            value = min(max(values[axis.name], axis.low), axis.high)
            given[axis.name] = max(1, round(value)) if axis.is_integer else value
    for name in given:
        leader = _leader(name, given)
        if leader is not None and name not in space.by_hand:
            given[name] = max(getattr(space.nominal, name), given[leader])
    return make_params(space.solver, given)
