"""What a fit says about an upper bound, in five words and a sentence.

The interval that is held against a bound is the one over instances with the model's error added at
both ends.  Exponents closer than `EXPONENT_RESOLUTION` are not told apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from bilevel_core.fit_estimate import Estimate, Exponent, Slopes, with_factor
from bilevel_core.fit_models import FACTORS, OFFSETS
from bilevel_core.paper import Bound

if TYPE_CHECKING:
    from bilevel_core.fit import Fit

WITHIN = "within bound"
MATCHES = "matches bound"
EXCEEDS = "exceeds bound"
NOT_ASYMPTOTIC = "not asymptotic"
NOT_ENOUGH = "not enough data"

MIN_INSTANCES = 5
"""Instances that every cell needs."""

MIN_LEVELS = 3
"""Levels that each judged axis needs."""

MIN_SPAN = 1.5
"""The largest over the smallest level that each judged axis needs."""

MAX_HALF_WIDTH = 0.25
"""An interval wider than this to either side carries no verdict."""

EXPONENT_RESOLUTION = 0.05
"""Exponents closer than this are not told apart."""


class Verdict(NamedTuple):
    """One of the five words, and why.

    factor: the log factor, hidden by the bound, that alone lets exponents above it match.
    """

    word: str
    reason: str
    factor: str = ""


DECISIVE = 6.0
"""Difference of criteria, or misfits, from which the data rule out the worse model (20 to 1)."""


def judge(fit: Fit, bound: Bound | float) -> Verdict:
    """Hold the exponents against a bound; a number is a bound on the exponent of kappa.

    Log factors: a tilde hides any of them, log kappa is dropped in every `Bound` of the paper.  A
    fitted log factor that the bound does not hide counts into the exponents; one that it may hide,
    and that the data do not rule out, can explain exponents that lie above it.
    """
    limits = _limits(fit, bound)
    reason = _shortage(fit, limits)
    if reason:
        return Verdict(NOT_ENOUGH, reason)
    reason = _movement(fit, limits)
    if reason:
        return Verdict(NOT_ASYMPTOTIC, reason)
    judged = _judged(fit, bound)
    reason = _blur(judged, limits) or _unknown_drift(fit, limits)
    if reason:
        return Verdict(NOT_ENOUGH, reason)
    verdict = _compare(judged, limits)
    if verdict.word == EXCEEDS and isinstance(bound, Bound):
        for other in _hidden(fit, bound):
            if _compare(other, limits).word != EXCEEDS:
                hidden = f"{verdict.reason}; a factor {other.offset} may explain the excess"
                return Verdict(MATCHES, hidden, other.offset)
    return Verdict(verdict.word, verdict.reason + _doubt(fit, judged, limits, verdict.word))


def _limits(fit: Fit, bound: Bound | float) -> dict[str, float]:
    """Axes to judge, with the bound's exponent; eps only where the fit has more than one."""
    if not isinstance(bound, Bound):
        return {"kappa": float(bound)}
    kappa = {} if bound.kappa is None else {"kappa": bound.kappa}
    return kappa | ({} if fit.eps is None else {"eps": bound.eps})


def _shortage(fit: Fit, limits: dict[str, float]) -> str:
    if not limits:
        return "one level of eps, and the bound states no exponent of kappa"
    if fit.per_cell < MIN_INSTANCES:
        return f"{fit.per_cell} instances in a cell, {MIN_INSTANCES} needed"
    for axis in limits:
        levels = len(fit.levels[axis])
        if levels < MIN_LEVELS:
            return f"{levels} levels of {axis}, {MIN_LEVELS} needed"
        span = max(fit.levels[axis]) / min(fit.levels[axis])
        if span < MIN_SPAN:
            return f"levels of {axis} span a factor of {span:.3g}, {MIN_SPAN:g} needed"
        if getattr(fit, axis) is None:
            return "kappa and eps vary together, so their exponents cannot be separated"
    return ""


def _movement(fit: Fit, limits: dict[str, float]) -> str:
    for axis in limits:
        moving = fit.slopes[axis]
        if not moving.settled and not (axis == "eps" and fit.model == "logarithmic"):
            return moving.because or movement(moving, axis)
    return ""


def local_slopes(slopes: Slopes, axis: str) -> str:
    """The local slopes along an axis, in words."""
    listed = ", ".join(f"{slope:.2f}" for slope in slopes.local)
    return f"local slopes in {_name(axis)} ({listed})"


def movement(slopes: Slopes, axis: str) -> str:
    """How the local slopes along an axis move, as a clause."""
    return f"{local_slopes(slopes, axis)} move by {slopes.drift:+.2f} over the range"


def _unknown_drift(fit: Fit, limits: dict[str, float]) -> str:
    for axis in limits:
        half = fit.slopes[axis].known_to
        if half and not (axis == "eps" and fit.model == "logarithmic"):
            return f"the drift of the local slopes in {_name(axis)} is known to +- {half:.2f} only"
    return ""


def _blur(estimate: Estimate, limits: dict[str, float]) -> str:
    for axis, exponent in _exponents(estimate, limits).items():
        low, high = exponent.widened
        half = (high - low) / 2
        if not half <= MAX_HALF_WIDTH:
            known = f"the exponent of {_name(axis)} is known to +- {half:.2f} only"
            return f"{known}, {MAX_HALF_WIDTH:g} needed"
    return ""


def _judged(fit: Fit, bound: Bound | float) -> Estimate:
    """The chosen estimate; the plain power law where the bound does not hide its log factor."""
    if isinstance(bound, Bound) and fit.offset and not _hides(bound, fit.offset):
        return next(e for e in fit.alternatives if e.model == "power")
    return fit.chosen


def _hides(bound: Bound, offset: str) -> bool:
    return bound.tilde or offset == "log(kappa)"


def _hidden(fit: Fit, bound: Bound) -> Iterator[Estimate]:
    """Estimates beside a log factor that the bound hides, and the data do not rule out.

    Under a tilde the factor may have any constant inside.  What rules it out is its misfit: the
    theorem names a factor, which need not earn its place here.
    """
    if fit.sample is None:
        return
    near = fit.chosen.misfit + DECISIVE
    for offset in FACTORS if bound.tilde else OFFSETS:
        found = with_factor(fit.sample, offset) if _hides(bound, offset) else None
        if found is not None and found.misfit < near:
            yield found


def _doubt(fit: Fit, judged: Estimate, limits: dict[str, float], word: str) -> str:
    """A word on another model that fits nearly as well and says something else."""
    near = judged.criterion + DECISIVE
    for other in (e for e in fit.alternatives if e.criterion < near and not _blur(e, limits)):
        said = _compare(other, limits).word
        if said != word:
            return f"; {other.label} fits nearly as well and says {said!r}"
    return ""


def _compare(estimate: Estimate, limits: dict[str, float]) -> Verdict:
    words, reasons = [], []
    for axis, exponent in _exponents(estimate, limits).items():
        low, high = exponent.widened
        limit = limits[axis]
        words.append(_word(low, high, limit))
        interval = f"{exponent.value:.2f} [{low:.2f}, {high:.2f}]"
        reasons.append(f"{_name(axis)} {interval} against {limit:g}")
    beside = f", beside a factor {estimate.offset}" if estimate.offset else ""
    word = next((w for w in (EXCEEDS, WITHIN) if w in words), MATCHES)
    return Verdict(word, "; ".join(reasons) + beside)


def _word(low: float, high: float, limit: float) -> str:
    if low > limit + EXPONENT_RESOLUTION:
        return EXCEEDS
    return WITHIN if high < limit - EXPONENT_RESOLUTION else MATCHES


def _exponents(estimate: Estimate, limits: dict[str, float]) -> dict[str, Exponent]:
    both = {"kappa": estimate.kappa, "eps": estimate.eps}
    return {axis: found for axis, found in both.items() if found is not None and axis in limits}


def _name(axis: str) -> str:
    return "1/eps" if axis == "eps" else axis
