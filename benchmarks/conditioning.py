"""Where real tasks lie on the measured complexity curves: python -m benchmarks.conditioning OUT.

Measures the ends of the inner Hessian's spectrum of each task, by Lanczos' method over counted
products, and draws the curves of a store (the quick profile's, on the hard family) on to these
condition numbers.  Writes OUT/conditions.json, OUT/README.md and OUT/placement.{pdf,png,csv}; with
--redraw nothing is measured: page and picture are made from OUT/conditions.json.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import problems
from bilevel_core.environment import environment
from bilevel_core.errors import InputError
from bilevel_core.experiments.conditioning import Condition, conditions
from bilevel_core.report import placement
from bilevel_core.report.groups import HEADS, Group, label, split
from bilevel_core.report.saving import save
from bilevel_core.report.style import short
from bilevel_core.report.styles import SCREEN, drawn_in
from bilevel_core.sweep import atomic, store
from bilevel_core.sweep.progress import say

if TYPE_CHECKING:
    import pandas as pd

TASKS = ("fewshot", "hypercleaning", "newsgroups")
PROBLEM, POLICY, CRITERION = "hard", "sharp", "average"
"""The group whose curves are drawn."""
SECONDS = "seconds_of_task"

PAGE = """\
# Where the real tasks lie

Ends of the inner Hessian's spectrum by Lanczos' method over counted products, at each task's own
regularisation; an eigenvalue lies within ± of its Ritz value. *Certified* is L/mu from constants
that hold whatever the point (`newsgroups`: around the start; `fewshot`: in y). Seconds are of both
points of a task. Written by `make conditioning`, from `conditions.json`.

| task | point | unknowns | mu | L | κ | certified | HV spent | gradients of g | seconds |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
{conditions}

![Counts against κ, and the tasks](placement.png)

The curves are those of {heading}, measured up to κ = {largest:g} and drawn on by their fits: what a
method would pay, with the prescribed parameters, on an instance made to be as hard as its theorem
allows. A task is no such instance, and nobody trains with these parameters: the numbers say how far
the theorems are from the tasks, and predict nothing. Calls that the fits ask for at the tasks' κ:

| task | κ | over the largest measured |{heads}
| --- | ---: | ---: |{rule}
{extrapolated}
"""


def group_of(directory: Path) -> Group:
    """The group of curves in a store.

    Raises:
        InputError: the store has no runs, or not that group.
    """
    wanted = (PROBLEM, POLICY, CRITERION)
    for group in split(store.frame(directory)):
        if (group.problem, group.policy, group.criterion) == wanted and not group.overrides:
            return group
    raise InputError(f"{directory}: expected runs on {PROBLEM} under policy {POLICY}")


def measured() -> list[tuple[Condition, float]]:
    """Every task at its protocol's regularisation, both points, and the seconds of the task."""
    found = []
    for name in TASKS:
        problem = problems.make(name)
        started = time.perf_counter()
        pair = conditions(name, problem)
        seconds = time.perf_counter() - started
        found += [(one, seconds) for one in pair]
        say(f"{name}: kappa {pair[0].kappa:.3g} at the start")
    return found


def stored(directory: Path) -> list[tuple[Condition, float]]:
    """What `measured` gave when it was last written there.

    Raises:
        InputError: nothing was.
    """
    path = directory / "conditions.json"
    if not path.exists():
        raise InputError(f"{path} does not exist; expected what a run without --redraw writes")
    found = json.loads(path.read_text(encoding="utf-8"))["conditions"]
    return [
        (Condition(**{name: one[name] for name in Condition._fields}), one[SECONDS])
        for one in found
    ]


def page(found: Sequence[tuple[Condition, float]], group: Group, table: pd.DataFrame) -> str:
    """The README of the folder."""
    largest = max(group.levels("kappa"))
    asked = table[(table["task"] != "") & (table["quantity"] == "hv")]
    heads = "".join(f" {label(solver)}, {HEADS['hv']} |" for solver in group.solvers)
    return PAGE.format(
        conditions="\n".join(_condition(one, seconds) for one, seconds in found),
        heading=group.heading,
        largest=largest,
        heads=heads,
        rule=" ---: |" * len(group.solvers),
        extrapolated="\n".join(
            _extrapolated(str(task), rows, group, largest)
            for task, rows in asked.groupby("task", sort=False)
        ),
    )


def _condition(one: Condition, seconds: float) -> str:
    cells = [
        one.task,
        one.point,
        f"{one.unknowns:,}",
        f"{one.smallest:.3g} ± {one.smallest_error:.1g}",
        f"{one.largest:.3g} ± {one.largest_error:.1g}",
        short(one.kappa),
        short(one.certified),
        f"{one.products:,}",
        f"{one.gradients:,}",
        f"{seconds:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def _extrapolated(task: str, rows: pd.DataFrame, group: Group, largest: float) -> str:
    calls = rows.set_index("solver")["fitted"]
    cells = [f"{calls[name]:.1e}" if name in calls else "–" for name in group.solvers]
    kappa = float(rows["kappa"].iloc[0])
    return f"| {task} | {short(kappa)} | {short(kappa / largest)} | {' | '.join(cells)} |"


def write(directory: Path, curves: Path) -> None:
    """Measure, draw and write everything."""
    group = group_of(curves)
    found = measured()
    directory.mkdir(parents=True, exist_ok=True)
    content = {
        "conditions": [one._asdict() | {SECONDS: seconds} for one, seconds in found],
        "environment": environment(),
    }
    atomic.write_text(directory / "conditions.json", json.dumps(content, indent=1) + "\n")
    draw(directory, group, found)


def draw(directory: Path, group: Group, found: Sequence[tuple[Condition, float]]) -> None:
    """Write the picture, and the page around it."""
    starts = {one.task: one.kappa for one, _ in found if one.gradients == 0}
    with drawn_in(SCREEN):
        figure, table = placement.draw(group, starts)
        save(figure, table, directory / "placement")
    atomic.write_text(directory / "README.md", page(found, group, table))


def main(arguments: Sequence[str]) -> int:
    """The exit code of the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--curves", type=Path, default=Path("results/reference/quick"))
    parser.add_argument("--redraw", action="store_true", help="from OUT/conditions.json")
    given = parser.parse_args(arguments)
    try:
        if given.redraw:
            draw(given.out, group_of(given.curves), stored(given.out))
        else:
            write(given.out, given.curves)
    except InputError as error:
        say(f"error: {error}")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
