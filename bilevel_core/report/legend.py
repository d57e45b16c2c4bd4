"""The words around a table, in either notation: its caption, and the legend below it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from bilevel_core.report import entries as measured
from bilevel_core.report.entries import Entry
from bilevel_core.report.groups import HEADS, Group
from bilevel_core.report.notation import Notation
from bilevel_core.report.wording import counted, fixed, interval, title

if TYPE_CHECKING:
    from bilevel_core.fit import Collapse

CRITERIA = {
    "average": "K is the first at which (1/K) Σ ‖∇Φ(x)‖² over the first K iterates is at most ε",
    "first": "K is the first k at which ‖∇Φ(x)‖² of the iterate is at most ε",
}

READING = (
    "In each cell: the bound, the measured exponents of κ and of 1/ε with their 95 % intervals "
    "over instances (± the model's error: the largest change when the smallest or the largest "
    "level is left out), and the verdict."
)

VERDICTS = {
    "matches bound": "every exponent reaches the bound's, none exceeds it",
    "within bound": "an exponent lies below the bound's, none above",
    "exceeds bound": "an exponent lies above the bound's: a fault, or a regime outside the theorem",
    "not asymptotic": "the local slopes (first → last) still move over the range, so that the "
    "fitted exponent (marked ≈) is not yet one",
    "not enough data": "too few levels or instances, or an interval too wide, for a verdict",
    "nothing reached": "no run reached its ε; the statuses follow",
    "no bound": "no theorem to hold the exponents against",
}
"""Every verdict that a cell may show."""


def caption(group: Group, notation: Notation) -> str:
    """What the table is of: ranges, instances, and how much is left out of the fits."""
    kappa, eps = group.levels("kappa"), group.levels("eps")
    instances = group.rows["instance"].nunique()
    sentences = [
        f"κ {_span(kappa)}, ε {_span(eps[::-1])}, {_number(instances, 'instance')}.",
        _left_out(group),
        CRITERIA.get(group.criterion, ""),
    ]
    if group.conflicts:
        sentences.append(f"{group.conflicts} counts differ between runs: the largest is taken.")
    text = " ".join(sentence for sentence in sentences if sentence)
    return notation.say(text.rstrip(".") + ".")


def legend(group: Group, found: list[Entry], notation: Notation) -> list[str]:
    """What the words and signs of a table mean, only those that occur in it, and the collapse."""
    lines = [READING]
    if any(bound.derived for e in found for bound in (e.bound, e.printed) if bound is not None):
        lines.append("† derived from the theorem's parameters, not printed in the paper's table.")
    if any(entry.printed is not None for entry in found):
        lines.append(
            "The lower level is quadratic (ρ = τ = 0), where the theorems give smaller exponents: "
            "of two bounds the first is the general one, the second the derived one for this case, "
            "and the verdict is against the second."
        )
    if any(_logs_count(entry) for entry in found):
        lines.append(
            "Where the bound has no tilde, a measured factor log(1/ε) is counted into the exponent "
            "that the verdict is about."
        )
    used = [word for word in VERDICTS if any(entry.verdict == word for entry in found)]
    lines += [f"{notation.strong(word)}: {VERDICTS[word]}." for word in used]
    return [notation.say(line) for line in lines] + [
        *_without_rate(found, notation),
        *_undecided(found, notation),
        *_collapses(group, notation),
    ]


def _logs_count(entry: Entry) -> bool:
    if entry.fit is None or entry.bound is None or entry.bound.tilde:
        return False
    return entry.fit.offset in ("log(1/eps)", "log(kappa/eps)")


def _span(levels: list[float]) -> str:
    if len(levels) == 1:
        return f"= {levels[0]:.4g}"
    return f"from {levels[0]:.4g} to {levels[-1]:.4g} ({len(levels)} values)"


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _left_out(group: Group) -> str:
    missed = group.rows["status"] != "ok"
    cells = missed.groupby([group.rows[name] for name in ("solver", "kappa", "eps")]).any()
    if not cells.any():
        return f"All {len(cells)} cells complete."
    kinds = dict(Counter(group.rows.loc[missed, "status"].astype(str)).most_common())
    return (
        f"{int(cells.sum())} of {len(cells)} cells excluded, since an instance did not reach ε "
        f"({counted(kinds)})."
    )


def _without_rate(found: list[Entry], notation: Notation) -> list[str]:
    from bilevel_core import paper

    solvers = dict.fromkeys(entry.solver for entry in found)
    return [
        f"{title(solver, notation)} has no bound: {notation.escape(paper.NO_RATE[solver])}."
        for solver in solvers
        if solver in paper.NO_RATE
    ]


def _undecided(found: list[Entry], notation: Notation) -> list[str]:
    undecided = [entry for entry in found if entry.verdict == measured.TOO_LITTLE]
    return [
        f"{title(e.solver, notation)}, {HEADS[e.quantity]}: {notation.escape(e.reason)}."
        for e in undecided
    ]


def _collapses(group: Group, notation: Notation) -> list[str]:
    pairs = ((solver, measured.collapse(group, solver)) for solver in group.solvers)
    lines = [
        f"{title(solver, notation)}: {notation.say(_collapse(found))}."
        for solver, found in pairs
        if found is not None
    ]
    head = (
        "Measured K over the theorem's own bound on K, all constants in (flat where slopes are 0):"
    )
    return [head, *lines] if lines else []


def _collapse(collapse: Collapse) -> str:
    slopes = [
        f", slope in {axis} {fixed(slope.value)} {interval(slope)}"
        for axis, slope in (("κ", collapse.kappa), ("1/ε", collapse.eps))
        if slope is not None
    ]
    return f"{collapse.minimum:.3g} to {collapse.maximum:.3g}" + "".join(slopes)
