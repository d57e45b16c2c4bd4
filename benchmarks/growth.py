"""How seconds grow, fitted and drawn: python benchmarks/growth.py DIR [--only PART ...].

Against kappa, the dimension, the number of instances and the number of stored runs.  Writes
growth.json (environment, points, exponents), growth.md and growth.png, .pdf and .csv into DIR.
With --only, parts that are not measured are kept as growth.json has them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.instrument import drawing, solving, stores
from benchmarks.instrument.panels import Panel, from_dict, to_dict
from bilevel_core.environment import environment
from bilevel_core.report.saving import save
from bilevel_core.report.styles import SCREEN, drawn_in
from bilevel_core.sweep.atomic import write_text

PARTS = ("kappa", "dimension", "batch", "store", "instances")


def measure(part: str, largest_store: int) -> list[Panel]:
    """The panels of one part, measured now."""
    levels = [level for level in stores.LEVELS if level <= largest_store]
    of_part: dict[str, Callable[[], list[Panel]]] = {
        "kappa": solving.in_kappa,
        "dimension": solving.in_dimension,
        "batch": solving.in_batch,
        "store": lambda: stores.in_files(levels),
        "instances": stores.in_instances,
    }
    return of_part[part]()


def markdown(panels: Sequence[Panel]) -> str:
    """A table: one line a series, with its exponent and its largest point."""
    lines = ["| what | against | range | exponent | at the largest |", "|---|---|---|---|---|"]
    for panel in panels:
        for series in panel.series:
            x, y = series.points[-1]
            name = f"{panel.title}, {series.name}" if series.name else panel.title
            first = series.fitted[0][0] if series.fitted else x
            lines.append(
                f"| {name} ({panel.note}) | {panel.x} | {first:g} to {x:g} "
                f"| {drawing.exponent(series)} | {y:.3g} {panel.y} |"
            )
    return "\n".join(lines) + "\n"


def write(directory: Path, found: dict[str, dict]) -> None:
    """The figure and the table of all parts that were ever measured, and all of it as JSON."""
    panels = [from_dict(each) for part in PARTS if part in found for each in found[part]["panels"]]
    write_text(directory / "growth.json", json.dumps(found, indent=1, allow_nan=False) + "\n")
    write_text(directory / "growth.md", markdown(panels))
    with drawn_in(SCREEN):
        save(*drawing.draw(panels), directory / "growth")


def main() -> None:
    """Measure and write; what is measured is kept even if a later part is interrupted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--largest-store", type=int, default=stores.LEVELS[-1], metavar="RUNS")
    asked = parser.parse_args()
    if asked.largest_store < 3 * stores.LEVELS[0]:
        parser.error(f"--largest-store: expected at least {3 * stores.LEVELS[0]}")
    asked.directory.mkdir(parents=True, exist_ok=True)
    path = asked.directory / "growth.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for part in asked.only:
        panels = measure(part, asked.largest_store)
        found[part] = {
            "environment": environment(), "panels": [to_dict(panel) for panel in panels]
        }  # fmt: skip
        write(asked.directory, found)


if __name__ == "__main__":
    main()
