"""The words around a table, in any notation: its caption, and the legend below it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from bilevel_core.report import entries as measured
from bilevel_core.report.entries import Entry
from bilevel_core.report.groups import Group
from bilevel_core.report.ledgers import SAMPLES
from bilevel_core.report.notation import Notation
from bilevel_core.report.points import INFEASIBLE, predicted, statuses
from bilevel_core.report.tuning import tuning
from bilevel_core.report.wording import counted, fixed, head, interval, span, title

if TYPE_CHECKING:
    from bilevel_core.fit import Collapse

REPEATED = {
    "average": "K is the first at which (1/K) Σ ‖∇Φ(x)‖² over the first K iterates, in the mean "
    "over repetitions of the noise, is at most ε",
    "first": "K is the first k at which ‖∇Φ(x)‖² of the iterate, in the mean over repetitions of "
    "the noise, is at most ε",
}
"""With noise."""

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
    "matches bound": "every exponent reaches the bound's, none exceeds it by more than a log "
    "factor that the bound hides",
    "within bound": "an exponent lies below the bound's, none above",
    "exceeds bound": "an exponent lies above the bound's: a fault, or a regime outside the theorem",
    "not asymptotic": "the local slopes of the count, or of K in it, still move over the range "
    "(first → last, in brackets the drift fitted to all), so that the exponent (marked ≈) is not "
    "yet one",
    "not enough data": "too few levels or instances, too short a range, or an interval too wide, "
    "for a verdict",
    "nothing reached": "no run reached its ε; the statuses follow",
    "infeasible": "no run was started, since its predicted calls exceed the budget",
    "no bound": "no theorem to hold the exponents against",
}
"""Every verdict that a cell may show."""

_DRAWN = "b is of order κ log(1/ε), K grows with b as the variance does, HV is K (b-1)/2"

CORRECTED = {
    "ttsa": f"TTSA: {_DRAWN}",
    "bsa": f"BSA: {_DRAWN}, and what is printed for HV follows from K alone",
    "stocbio": "HV of stocBiO is counted in samples, K times the sum of its batches; what is "
    "printed follows from K B Q alone, and by call it is K Q",
}
"""Why printed bounds of a solver do not follow from its parameters."""


def caption(group: Group, notation: Notation) -> str:
    """What the table is of: ranges, instances, how much is left out of the fits, what counts."""
    sentences = [*coverage(group, notation), *_ledger(group)]
    if group.conflicts:
        sentences.append(f"{group.conflicts} counts differ between runs: the largest is taken.")
    text = " ".join(sentence for sentence in sentences if sentence)
    return notation.say(text.rstrip(".") + ".")


def coverage(group: Group, notation: Notation) -> list[str]:
    """Ranges and instances, then the cells that are in no fit; sentences of ours, not yet said."""
    kappa, eps = group.levels("kappa"), group.levels("eps")
    instances = group.rows["instance"].nunique()
    ranges = f"κ {_span(kappa)}, ε {_span(eps[::-1])}, {_number(instances, 'instance')}."
    return [ranges, *_left_out(group, notation)]


def legend(group: Group, found: list[Entry], notation: Notation) -> list[str]:
    """What the words and signs that occur in a table mean, the cost of tuning, the collapse."""
    lines = [READING]
    if _in_eps_alone(group):
        lines.append("κ is held: only the exponent of 1/ε is measured and judged.")
    if any(bound.derived for e in found for bound in (e.bound, e.printed) if bound is not None):
        lines.append("† derived from the theorem's parameters, not printed in the paper's table.")
    if group.lower_level == "quadratic" and any(_is_smaller(entry) for entry in found):
        lines.append(
            "The lower level is quadratic (ρ = τ = 0), where the theorems give smaller exponents: "
            "of two bounds the first is the general one, the second the derived one for this case, "
            "and the verdict is against the second."
        )
    lines += _corrected(found)
    if any(_logs_count(entry) for entry in found):
        lines.append(
            "Where the bound has no tilde, a measured factor log(1/ε) is counted into the exponent "
            "that the verdict is about."
        )
    used = [word for word in VERDICTS if any(entry.verdict == word for entry in found)]
    lines += [f"{notation.strong(word)}: {VERDICTS[word]}." for word in used]
    return [notation.say(line) for line in lines] + [
        *_conceded(found, notation),
        *_without_rate(found, notation),
        *_undecided(found, notation),
        *tuning_cost(group, notation),
        *_collapses(group, notation),
    ]


def _is_smaller(entry: Entry) -> bool:
    from bilevel_core import paper

    smaller = paper.bound(entry.solver, entry.quantity, "quadratic")
    return entry.printed is not None and entry.bound == smaller


def _logs_count(entry: Entry) -> bool:
    if entry.fit is None or entry.bound is None or entry.bound.tilde:
        return False
    return entry.fit.offset in ("log(1/eps)", "log(kappa/eps)")


def _corrected(found: list[Entry]) -> list[str]:
    solvers = {e.solver for e in found if e.quantity == "hv" and e.printed is not None}
    shown = [text for solver, text in CORRECTED.items() if solver in solvers]
    lead = (
        "Where a printed bound does not follow by multiplying the prescribed parameters, what does "
        "stands below it, and the verdict is against that"
    )
    return [f"{lead}. {'; '.join(shown)}."] if shown else []


def _in_eps_alone(group: Group) -> bool:
    return len(group.levels("kappa")) == 1 and len(group.levels("eps")) > 1


def _ledger(group: Group) -> list[str]:
    if group.ledger == SAMPLES:
        counted = "Counts are samples: a call with a mini-batch of S costs S."
        return [counted, REPEATED.get(group.criterion, "")]
    return [CRITERIA.get(group.criterion, "")]


def _span(levels: list[float]) -> str:
    if len(levels) == 1:
        return f"= {levels[0]:.4g}"
    return f"from {levels[0]:.4g} to {levels[-1]:.4g} ({len(levels)} values)"


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _left_out(group: Group, notation: Notation) -> list[str]:
    cells = statuses(group.rows)
    kinds = dict(Counter(group.rows["status"].astype(str)).most_common())
    infeasible = int((cells == INFEASIBLE).sum())
    excluded = int((cells != "ok").sum()) - infeasible
    if not excluded and not infeasible:
        return [f"All {len(cells)} cells complete."]
    missed = {name: number for name, number in kinds.items() if name not in ("ok", INFEASIBLE)}
    ends = predicted(group.rows)
    calls = f": predicted {span(ends)} oracle calls, above the budget" if ends else ""
    sentences = {
        f"{excluded} of {len(cells)} cells excluded, since an instance did not reach ε "
        f"({notation.escape(counted(missed))}).": excluded,
        f"{infeasible} of {len(cells)} cells infeasible{calls}.": infeasible,
    }
    return [sentence for sentence, number in sentences.items() if number]


def _without_rate(found: list[Entry], notation: Notation) -> list[str]:
    from bilevel_core import paper

    solvers = dict.fromkeys(entry.solver for entry in found)
    return [
        f"{title(solver, notation)} has no bound: {notation.escape(paper.NO_RATE[solver])}."
        for solver in solvers
        if solver in paper.NO_RATE
    ]


def _conceded(found: list[Entry], notation: Notation) -> list[str]:
    """What lies above its bound by no more than a hidden log factor explains."""
    conceded: dict[str, list[str]] = {}
    for entry in found:
        if entry.factor:
            conceded.setdefault(entry.solver, []).append(head(entry.quantity))
    counts = "; ".join(f"{title(s, notation)} {', '.join(heads)}" for s, heads in conceded.items())
    lead = "Above the bound, by what a log factor that it hides may explain"
    return [f"{lead}: {counts}."] if conceded else []


def _undecided(found: list[Entry], notation: Notation) -> list[str]:
    undecided: dict[tuple[str, str], list[str]] = {}
    for entry in found:
        if entry.verdict == measured.TOO_LITTLE:
            undecided.setdefault((entry.solver, entry.reason), []).append(head(entry.quantity))
    return [
        f"{title(solver, notation)}, {', '.join(counts)}: {notation.escape(reason)}."
        for (solver, reason), counts in undecided.items()
    ]


def tuning_cost(group: Group, notation: Notation) -> list[str]:
    """What the search for parameters cost, one line; none where nothing was tuned."""
    costs = ((solver, tuning(group.of(solver))) for solver in group.solvers)
    parts = [
        f"{title(solver, notation)} {span(cost.spent)}"
        + (f", {span(cost.over_run)} times the run it found" if cost.over_run else "")
        for solver, cost in costs
        if cost is not None
    ]
    lead = "Tuning cost of a cell (all four counts added up; in no count of the table)"
    return [f"{lead}: {'; '.join(parts)}."] if parts else []


def _collapses(group: Group, notation: Notation) -> list[str]:
    pairs = ((solver, measured.collapse(group, solver)) for solver in group.solvers)
    lines = [
        f"{title(solver, notation)}: {notation.say(_collapse(found))}."
        for solver, found in pairs
        if found is not None
    ]
    lead = (
        "Measured K over the theorem's own bound on K, all constants in (flat where slopes are 0):"
    )
    return [lead, *lines] if lines else []


def _collapse(collapse: Collapse) -> str:
    slopes = [
        f", slope in {axis} {fixed(slope.value)} {interval(slope)}"
        for axis, slope in (("κ", collapse.kappa), ("1/ε", collapse.eps))
        if slope is not None
    ]
    return f"{collapse.minimum:.3g} to {collapse.maximum:.3g}" + "".join(slopes)
