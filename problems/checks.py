"""Checks of family options, and the numbers that a seed draws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from bilevel_core import checking
from bilevel_core.errors import InputError, shown, unknown_name


def number(name: str, value: Any, low: float = 0.0, high: float = math.inf) -> float:
    """A finite number strictly between low and high.

    Raises:
        InputError: it is not.
    """
    limit = f" and < {high:g}" if high < math.inf else ""
    allowed = f"a finite number > {low:g}{limit}"
    return float(checking.number(name, value, allowed, lambda found: low < found < high))


def integer(name: str, value: Any, low: int) -> int:
    """An integer of at least low.

    Raises:
        InputError: it is not.
    """
    allowed = f"an integer >= {low}"
    return int(checking.number(name, value, allowed, lambda v: v == int(v) and v >= low))


def choice(name: str, value: Any, allowed: Sequence[Any]) -> Any:
    """One of a closed list.

    Raises:
        InputError: it is not.
    """
    found = checking.plain(value)
    if type(found) in (int, float, str) and found in allowed:
        return found
    if isinstance(found, str) and all(isinstance(a, str) for a in allowed):
        raise unknown_name(name, found, allowed)
    raise InputError(f"{name}: expected one of {', '.join(map(str, allowed))}, got {shown(value)}")


def generator(family: str, seed: int) -> np.random.Generator:
    """The random numbers of one instance: they depend on the family and the seed, not on kappa."""
    return np.random.default_rng([seed, *family.encode()])


def jitter(
    random: np.random.Generator, seed: int, low: float, nominal: float, high: float
) -> float:
    """A scale drawn log-uniformly from [low, high]; the nominal one for seed 0."""
    drawn = float(np.exp(random.uniform(np.log(low), np.log(high))))
    return nominal if seed == 0 else drawn


def small_start(family: str, seed: int, dim: int) -> np.ndarray:
    """y0 of a family on real data: 0 for seed 0, else normal numbers of standard deviation 0.01."""
    if seed == 0:
        return np.zeros(dim)
    return 0.01 * generator(f"{family} y0", seed).standard_normal(dim)
