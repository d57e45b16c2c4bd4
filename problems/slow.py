"""A slowly falling function phi with phi'(t) = -(1 + a t^2 + b max(t, 0))^{-power}.

With (a, b, power) = (1, 0, (1 + q)/2) its slope is even ("even"); with (0, 1, 1 + q) it has a
closed form ("one_sided"); q > 0 is the tail, and phi falls to 0 at infinity.  A gradient flow on
it takes time of order eps^{-(2 + q)/(2 (1 + q))} to bring phi'^2 below eps.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from bilevel_core.arrays import Array, arctan, sin, where


class Slow(NamedTuple):
    """The three numbers of the slope, and the tail q."""

    a: float
    b: float
    power: float
    tail: float


PROFILES = ("even", "one_sided")
STEPS, STEP = 45, 0.09
"""Nodes on either side, and their distance, of the double-exponential quadrature below."""


def slow(profile: str, tail: float) -> Slow:
    """The function of a profile and a tail q > 0."""
    if profile == "even":
        return Slow(1.0, 0.0, 0.5 * (1.0 + tail), tail)
    return Slow(0.0, 1.0, 1.0 + tail, tail)


def slow_slope(a: float, b: float, power: float, t: Array) -> Array:
    """phi'(t), for numbers or (B,)."""
    return -((1.0 + a * t * t + b * where(t > 0.0, t, 0.0)) ** -power)


def largest_curvature(profile: str, tail: float) -> float:
    """The maximum of |phi''|."""
    if profile == "one_sided":
        return 1.0 + tail
    power = 0.5 * (1.0 + tail)
    # |phi''| = 2 p t (1 + t^2)^(-p-1) is largest at t^2 = 1/(2 p + 1).
    square = 1.0 / (2.0 * power + 1.0)
    return float(2.0 * power * square**0.5 * (1.0 + square) ** (-power - 1.0))


def slow_value(a: float, tail: float, t: Array) -> Array:
    """phi(t), for numbers or (B,): the integral of -phi' from t to infinity."""
    if a == 0.0:
        ahead = where(t > 0.0, t, 0.0)
        return (1.0 + ahead) ** -tail / tail - (t - ahead)
    # With t = cot(delta) it is int_0^delta sin(u)^(q-1) du, whose end at 0 is singular for q < 1:
    # tanh-sinh quadrature (Takahasi and Mori 1974).
    delta = 0.5 * math.pi - arctan(t)
    total = 0.0 * delta
    for i in range(-STEPS, STEPS + 1):
        s = i * STEP
        share = 1.0 / (1.0 + math.exp(-math.pi * math.sinh(s)))
        weight = math.pi * math.cosh(s) * share * (1.0 - share) * STEP
        total = total + weight * sin(delta * share) ** (tail - 1.0)
    return delta * total
