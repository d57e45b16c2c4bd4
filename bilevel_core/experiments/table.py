"""The table of an experiment in Markdown: final metrics, parameters, what tuning cost, statuses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bilevel_core.experiments.budget import Budget
from bilevel_core.experiments.experiment import TUNING_SEED, Experiment, Metric, Profile
from bilevel_core.experiments.running import Done
from bilevel_core.experiments.tuning import CLOSE
from bilevel_core.report.style import short
from bilevel_core.sweep import atomic

NOTHING = "—"


def write(experiment: Experiment, profile: Profile, done: Sequence[Done], path: Path) -> Path:
    """Write the table; gives its path.

    Raises:
        OSError: the file cannot be written.
    """
    atomic.write_text(path, text(experiment, profile, done))
    return path


def text(experiment: Experiment, profile: Profile, done: Sequence[Done]) -> str:
    """The whole page, one table a scenario."""
    pages = [f"# {experiment.title}", "", _preamble(profile)]
    for scenario in profile.scenarios:
        own = [one for one in done if one.part.scenario == scenario]
        pages += ["", f"## {scenario.title}", ""]
        if scenario.tuned_as:
            pages += [f"Parameters taken over from {scenario.tuned_as}, not tuned.", ""]
        pages += _table(own, experiment.metrics)
    return "\n".join(pages) + "\n"


def _preamble(profile: Profile) -> str:
    part = profile.budget.share(profile.tuning_share)
    return (
        f"Budget of a run: {_budget(profile.budget)}. Median over {len(profile.seeds)} seeds "
        f"({', '.join(map(str, profile.seeds))}), in brackets the least and the most, at the last "
        f"evaluation. An exact call costs as many samples as its sum has terms. Every point of the "
        f"grid was run once on seed {TUNING_SEED} with {_budget(part)}; of scores within "
        f"{CLOSE:.1%} of the lowest the one of the smallest steps wins; * marks a chosen value "
        "at an edge of its grid of three or more. Seconds are of outer steps alone, of the machine "
        "that ran them."
    )


def _budget(budget: Budget) -> str:
    outer = "" if budget.max_outer is None else f", at most {budget.max_outer:,} outer steps"
    return f"{short(budget.amount)} {budget.kind}{outer}"


def _table(done: Sequence[Done], metrics: Sequence[Metric]) -> list[str]:
    heads = [
        "method", *(metric.label for metric in metrics), "status", "outer steps", "samples",
        "seconds", "parameters", "tuning: points", "samples", "seconds",
    ]  # fmt: skip
    lines = [heads, ["---"] * len(heads)]
    for one in done:
        totals = [record.total for record in one.records if record.total]
        cost = one.tuning["cost"]
        is_own = not one.part.scenario.tuned_as
        lines.append(
            [
                one.part.method.label,
                *(_spread([r.final(metric.name) for r in one.records]) for metric in metrics),
                _statuses(one),
                _middle([total["outer"] for total in totals]),
                _middle([total["spent"] for total in totals]),
                _middle([total["seconds"] for total in totals]),
                _chosen(one),
                str(len(one.tuning["points"])) if is_own else NOTHING,
                short(cost["samples"]) if is_own else NOTHING,
                short(cost["seconds"]) if is_own else NOTHING,
            ]
        )
    return ["| " + " | ".join(line) + " |" for line in lines]


def _spread(values: Sequence[float | None]) -> str:
    """Median and range of the runs that have a value; how many do, where not all."""
    known = sorted(value for value in values if value is not None)
    if not known:
        return NOTHING
    middle = _median(known)
    missing = f" ({len(known)} of {len(values)})" if len(known) < len(values) else ""
    return f"{middle:.3f} [{known[0]:.3f}, {known[-1]:.3f}]{missing}"


def _median(ordered: Sequence[float]) -> float:
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else 0.5 * (ordered[half - 1] + ordered[half])


def _middle(values: Sequence[float]) -> str:
    return short(_median(sorted(values))) if values else NOTHING


def _statuses(one: Done) -> str:
    if not one.records:
        return "no point of the grid went well"
    counts = Counter(record.status for record in one.records)
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{n} {status}" for status, n in sorted(counts.items()))


def _chosen(one: Done) -> str:
    chosen = one.tuning["chosen"]
    if chosen is None:
        return NOTHING
    edges = one.tuning["at_edge"]
    return ", ".join(
        f"{name} = {value:g}{'*' if name in edges else ''}" for name, value in chosen.items()
    )
