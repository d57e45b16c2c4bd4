"""The words of a table's cells, in either notation."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import TYPE_CHECKING

from bilevel_core.report import entries as measured
from bilevel_core.report.entries import Entry
from bilevel_core.report.groups import TITLES
from bilevel_core.report.notation import Notation

if TYPE_CHECKING:
    from bilevel_core.fit import Fit
    from bilevel_core.fit_estimate import Exponent
    from bilevel_core.paper import Bound


def title(solver: str, notation: Notation) -> str:
    """What a table calls a solver."""
    return TITLES.get(solver) or notation.escape(solver)


def cell(entry: Entry, notation: Notation) -> list[str]:
    """The lines of a cell: bound, exponents with intervals, factors of the model, verdict."""
    lines = [order(bound, notation) for bound in (entry.printed, entry.bound) if bound is not None]
    if entry.verdict == measured.ZERO:
        return [*lines, "0"]
    if entry.fit is not None:
        lines += exponents(entry.fit, notation)
    verdict = notation.strong(entry.verdict)
    if entry.verdict == measured.UNREACHED:
        verdict += f": {counted(entry.statuses)}"
    return [*lines, verdict]


def order(bound: Bound, notation: Notation) -> str:
    """A bound as O(κ^a / ε^b), with a dagger where the paper does not print it."""
    kappa = "poly(κ)" if bound.kappa is None else _power("κ", bound.kappa, notation)
    big_o, dagger = "Õ" if bound.tilde else "O", "†" if bound.derived else ""
    return notation.say(f"{big_o}({kappa} / {_power('ε', bound.eps, notation)}){dagger}")


def exponents(fit: Fit, notation: Notation) -> list[str]:
    """Measured exponents of κ and of 1/ε with their intervals, and the factors of the model."""
    lines = []
    for symbol, axis, exponent in (("κ", "kappa", fit.kappa), ("ε", "eps", fit.eps)):
        if exponent is None or (axis == "eps" and fit.model == "logarithmic"):
            continue
        settled = fit.slopes[axis].settled
        value = ("" if settled else "≈") + fixed(exponent.value)
        power = notation.power(symbol, value)
        over = "/ " if axis == "eps" else ""
        lines.append(f"{over}{power} {interval(exponent)}")
        if not settled:
            lines.append(f"local slopes {_ends(fit.local_slopes[axis])}")
    return [notation.say(line) for line in (*lines, *factors(fit))]


def interval(exponent: Exponent) -> str:
    """The 95 % interval over instances, then the model's error where it is not 0.00."""
    if not (isfinite(exponent.low) and isfinite(exponent.high)):
        return "(one instance)"
    text = f"[{fixed(exponent.low)}, {fixed(exponent.high)}]"
    model_error = fixed(exponent.model_error)
    return text if model_error == "0.00" else f"{text} ±{model_error}"


def factors(fit: Fit) -> list[str]:
    """What a model multiplies the powers by; nothing for a plain power."""
    if fit.model == "power_log":
        return [f"× {fit.offset.replace('kappa', 'κ').replace('eps', 'ε')}"]
    return {"logarithmic": ["× log(1/ε)"], "lower_order": ["× (1 + b/κ)"]}.get(fit.model, [])


def exclusion(found: list[Entry]) -> str:
    """How many cells of a solver are in no fit, "" for none; `found`: its entries."""
    first = found[0]
    return f"{first.excluded} of {first.cells} cells excluded" if first.excluded else ""


def fixed(value: float) -> str:
    """Two decimals, without a sign on zero."""
    text = f"{value:.2f}"
    return "0.00" if text == "-0.00" else text


def counted(statuses: dict[str, int]) -> str:
    """Statuses with their numbers, as in "5 censored, 1 diverged"."""
    return ", ".join(f"{number} {status}" for status, number in statuses.items())


def _power(symbol: str, exponent: float, notation: Notation) -> str:
    return symbol if exponent == 1 else notation.power(symbol, f"{exponent:g}")


def _ends(slopes: Iterable[float]) -> str:
    known = [slope for slope in slopes if isfinite(slope)]
    return f"{fixed(known[0])} → {fixed(known[-1])}" if known else ""
