"""The words of a table's cells, in any notation."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from bilevel_core.report import entries as measured
from bilevel_core.report.entries import Entry
from bilevel_core.report.groups import COUNTINGS, HEADS, TITLES
from bilevel_core.report.notation import Notation
from bilevel_core.report.style import short

if TYPE_CHECKING:
    from bilevel_core.fit import Fit
    from bilevel_core.fit_estimate import Exponent, Slopes
    from bilevel_core.paper import Bound


def title(solver: str, notation: Notation) -> str:
    """What a table calls a solver."""
    return TITLES.get(solver) or notation.escape(solver)


def head(quantity: str) -> str:
    """What a table calls a quantity."""
    return HEADS.get(quantity) or COUNTINGS[quantity]


def cell(entry: Entry, notation: Notation) -> list[str]:
    """The lines of a cell: bound, exponents with intervals, factors of the model, verdict."""
    lines = orders(entry, notation)
    if entry.verdict == measured.ZERO:
        return [*lines, "0"]
    if entry.fit is not None:
        lines += exponents(entry.fit, notation)
    return [*lines, *verdict(entry, notation)]


def verdict(entry: Entry, notation: Notation) -> list[str]:
    """The word of a verdict, and what stands behind it where nothing was measured; lines."""
    word = notation.strong(entry.verdict)
    if entry.verdict == measured.UNREACHED:
        return [f"{word}: {notation.escape(counted(entry.statuses))}"]
    if entry.verdict == measured.NOT_RUN and entry.predicted is not None:
        return [f"{word}:", f"{span(entry.predicted)} calls"]
    return [word]


def orders(entry: Entry, notation: Notation) -> list[str]:
    """The bounds of a cell: the printed one where it is another, then the one that is judged by."""
    return [order(bound, notation) for bound in (entry.printed, entry.bound) if bound is not None]


def order(bound: Bound, notation: Notation) -> str:
    """A bound as O(κ^a / ε^b), with a dagger where the paper does not print it."""
    kappa = "poly(κ)" if bound.kappa is None else _power("κ", bound.kappa, notation)
    big_o, dagger = "Õ" if bound.tilde else "O", "†" if bound.derived else ""
    return notation.say(f"{big_o}({kappa} / {_power('ε', bound.eps, notation)}){dagger}")


def exponents(fit: Fit, notation: Notation) -> list[str]:
    """Measured exponents of κ and of 1/ε with their intervals, and the factors of the model."""
    lines = []
    for axis, line in powers(fit, notation).items():
        lines.append(line)
        if not fit.slopes[axis].settled:
            lines.append(notation.say(f"local slopes {_ends(fit.slopes[axis])}"))
    return [*lines, *factors(fit, notation)]


def powers(fit: Fit, notation: Notation) -> dict[str, str]:
    """Measured powers of κ and of 1/ε with their intervals, of the axes that have one."""
    found = {}
    for symbol, axis, exponent in (("κ", "kappa", fit.kappa), ("ε", "eps", fit.eps)):
        if exponent is None or (axis == "eps" and fit.model == "logarithmic"):
            continue
        value = ("" if fit.slopes[axis].settled else "≈") + fixed(exponent.value)
        over = {"kappa": "", "eps": "1 / " if fit.kappa is None else "/ "}[axis]
        line = f"{over}{notation.power(symbol, value)} {interval(exponent)}"
        found[axis] = notation.say(line)
    return found


def interval(exponent: Exponent) -> str:
    """The 95 % interval over instances, then the model's error where it is not 0.00."""
    if not (isfinite(exponent.low) and isfinite(exponent.high)):
        return "(one instance)"
    text = f"[{fixed(exponent.low)}, {fixed(exponent.high)}]"
    model_error = fixed(exponent.model_error)
    return text if model_error == "0.00" else f"{text} ±{model_error}"


def factors(fit: Fit, notation: Notation) -> list[str]:
    """What a model multiplies the powers by; nothing for a plain power."""
    logs = fit.offset.replace("kappa", "κ").replace("eps", "ε")
    factor = {
        "power_log": f"× {logs.replace('κ^2', notation.power('κ', '2'))}",
        "logarithmic": "× log(1/ε)",
        "lower_order": "× (1 + b/κ)",
    }.get(fit.model)
    return [notation.say(factor)] if factor else []


def exclusions(found: list[Entry]) -> list[str]:
    """How many cells of a solver are in no fit, and why; `found`: its entries."""
    first = found[0]
    left_out = {"excluded": first.excluded, "infeasible": first.infeasible}
    return [f"{n} of {first.cells} cells {word}" for word, n in left_out.items() if n]


def fixed(value: float) -> str:
    """Two decimals, without a sign on zero."""
    text = f"{value:.2f}"
    return "0.00" if text == "-0.00" else text


def counted(statuses: dict[str, int]) -> str:
    """Statuses with their numbers, as in "5 censored, 1 diverged"."""
    return ", ".join(f"{number} {status}" for status, number in statuses.items())


def span(ends: tuple[float, float]) -> str:
    """Two numbers in few characters, as in "2.0e10 to 3.1e14"; one where they read the same."""
    low, high = (short(end) for end in ends)
    return low if low == high else f"{low} to {high}"


def _power(symbol: str, exponent: float, notation: Notation) -> str:
    return symbol if exponent == 1 else notation.power(symbol, f"{exponent:g}")


def _ends(slopes: Slopes) -> str:
    """The first and the last local slope, and the drift fitted to all."""
    known = [slope for slope in slopes.local if isfinite(slope)]
    return f"{fixed(known[0])} → {fixed(known[-1])} ({slopes.drift:+.2f})" if known else ""
