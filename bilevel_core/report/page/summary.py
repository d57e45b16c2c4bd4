"""The head of the page: what was measured, and how many verdicts fell which way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from bilevel_core.fit_verdict import EXPONENT_RESOLUTION
from bilevel_core.report.entries import NOT_ASYMPTOTIC, ZERO, Entry
from bilevel_core.report.groups import LABELS, solver_order
from bilevel_core.report.ledgers import COUNTED
from bilevel_core.report.legend import VERDICTS
from bilevel_core.report.page.inventory import Inventory
from bilevel_core.report.page.sections import Section
from bilevel_core.report.wording import head
from bilevel_core.sweep.currency import Currency
from bilevel_core.sweep.progress import compact

WORDS = {**VERDICTS, ZERO: "the algorithm never calls this oracle"}
"""Every verdict, with its meaning."""


class Summary(NamedTuple):
    """statuses: of runs; verdicts: words that occur; table: of a section, a number for each word.

    exceeding: solver, count and heading wherever a verdict says "exceeds bound"; unsettled_above:
    how many exponents that are not asymptotic read above their bound.
    """

    runs: int
    problems: tuple[str, ...]
    solvers: tuple[str, ...]
    kappa: str
    eps: str
    instances: int
    statuses: tuple[tuple[str, int], ...]
    verdicts: tuple[str, ...]
    table: tuple[tuple[Section, tuple[int, ...]], ...]
    totals: tuple[int, ...]
    exceeding: tuple[str, ...]
    unsettled_above: int
    outdated: int
    not_compared: int
    hours: float


def summary(inventory: Inventory, sections: Sequence[Section]) -> Summary:
    """Of the four counted oracles: K and other countings have no verdict of their own here."""
    counted = [Counter(entry.verdict for entry in _counted(one)) for one in sections]
    total = sum(counted, Counter[str]())
    words = tuple(word for word in WORDS if total[word])
    rows = inventory.frame
    return Summary(
        len(inventory.runs),
        tuple(sorted({str(name) for name in rows["problem"]})),
        tuple(LABELS.get(name, name) for name in solver_order(rows["solver"])),
        _span(rows["kappa"].min(), rows["kappa"].max()),
        _span(rows["eps"].max(), rows["eps"].min()),
        rows["instance"].nunique(),
        tuple(Counter(run.status for run in inventory.runs).most_common()),
        words,
        tuple(
            (one, tuple(number[word] for word in words))
            for one, number in zip(sections, counted, strict=True)
        ),
        tuple(total[word] for word in words),
        tuple(_exceeding(sections)),
        sum(_is_unsettled_above(entry) for one in sections for entry in _counted(one)),
        sum(run.currency is Currency.OUTDATED for run in inventory.runs),
        sum(run.currency is Currency.NOT_COMPARED for run in inventory.runs),
        sum(run.seconds for run in inventory.runs) / 3600,
    )


def _counted(section: Section) -> list[Entry]:
    return [entry for entry in section.found if entry.quantity in COUNTED]


def _exceeding(sections: Sequence[Section]) -> list[str]:
    return [
        f"{LABELS.get(entry.solver, entry.solver)}, {head(entry.quantity)}, on {one.group.heading}"
        for one in sections
        for entry in _counted(one)
        if entry.verdict == "exceeds bound"
    ]


def _is_unsettled_above(entry: Entry) -> bool:
    if entry.verdict != NOT_ASYMPTOTIC or entry.fit is None or entry.bound is None:
        return False
    pairs = ((entry.fit.kappa, entry.bound.kappa), (entry.fit.eps, entry.bound.eps))
    return any(
        exponent is not None and limit is not None and exponent.value > limit + EXPONENT_RESOLUTION
        for exponent, limit in pairs
    )


def _span(first: float, last: float) -> str:
    return compact(first) if first == last else f"{compact(first)} to {compact(last)}"
