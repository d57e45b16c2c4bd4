"""Write docs/gallery.md: what each command gives, from docs/examples/single_loop.toml.

Usage: python benchmarks/gallery.py (make gallery).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bilevel_core import report
from bilevel_core.sweep import store

ROOT = Path(__file__).parent.parent
PAGE, IMAGES = ROOT / "docs" / "gallery.md", ROOT / "docs" / "images"
EXAMPLE = "docs/examples/single_loop"
START = "hard-curvature-1-sharp-average"

COMMANDS = (
    ("list", "problems and solvers", "list", 6),
    (
        "run",
        "one solver on one instance; gc, JV, HV and K at each ε",
        f"run --problem hard --option curvature=1 --solver {EXAMPLE}.py:single_loop --kappa 4 --eps 0.1,0.05 --params sharp",
        None,
    ),
    ("check", "does a file of yours count what it says", f"check {EXAMPLE}.py:single_loop", None),
    (
        "sweep --dry-run",
        "predicted calls and time, nothing made",
        f"sweep {EXAMPLE}.toml --out DIR --dry-run --jobs 1",
        None,
    ),
    ("sweep", "every run of a grid; the same command resumes", f"sweep {EXAMPLE}.toml --out DIR --jobs 1", None),
    ("fit", "exponents, drift and verdicts", "fit DIR --quantity gc_g", 6),
    ("table", "measured exponents beside the paper's; `--format latex` and `csv`, too", "table DIR", 8),
    ("merge", "several stores into one", "merge DIR --out BOTH", None),
)  # fmt: skip

PLOT = """## plot
Counts, heat maps and the collapse check, as PDF, PNG and CSV, in three styles:
```
$ bilevel-bench plot DIR                  # for the screen: DIR/figures/
$ bilevel-bench plot DIR --style paper    # 3.25 or 6.75 inches, 8 points: DIR/figures/paper/
$ bilevel-bench plot DIR --style slide    # 16:9, a solver a page: DIR/figures/slide/
```
![Counts against κ, paper style](images/gallery-paper.png)
![Counts against κ, slide style](images/gallery-slide.png)
![The collapse check](images/gallery-collapse.png)

## report
All of a store as one HTML file, `DIR/report.html`; [report.md](report.md) says what is on it:
```
$ bilevel-bench report DIR
```
![A section of the page](images/report.png)

## experiment
Every algorithm trained on real data under one budget, tuned on one grid: records, a table and figures
in `results/experiments/NAME/`; [data.md](data.md) says where data is looked for:
```
$ bilevel-bench experiment hypercleaning --data-home FOLDER
```
The results that the repository holds: [results/experiments/](../results/experiments/README.md).
"""


def output(arguments: str, folder: Path) -> str:
    """What a command prints, as a terminal of 160 characters shows it."""
    words = arguments.replace("DIR", str(folder / "DIR")).replace("BOTH", str(folder / "BOTH"))
    done = subprocess.run(
        [sys.executable, "-m", "bilevel_core", *words.split()],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "160"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def section(head: str, what: str, arguments: str, most: int | None, folder: Path) -> str:
    """A command with its output; the first `most` lines of it, and then how many more there are."""
    lines = [line.rstrip() for line in output(arguments, folder).strip().splitlines()]
    shown = lines if most is None else lines[:most]
    rest = [] if len(shown) == len(lines) else [f"... {len(lines) - len(shown)} more lines"]
    text = "\n".join([f"$ bilevel-bench {arguments}", *shown, *rest])
    return f"## {head}\n{what[0].upper()}{what[1:]}:\n```\n{text}\n```\n"


def draw(folder: Path) -> None:
    """The pictures of the page, of criterion average."""
    df = store.frame(folder / "DIR")
    for style in ("paper", "slide"):
        report.write_figures(df[df["criterion"] == "average"], folder / "figures", style)
    for name, target in (
        ("paper/{}-counts-kappa", "paper"),
        ("slide/{}-counts-kappa-2-single-loop", "slide"),
        ("paper/{}-collapse", "collapse"),
    ):
        source = folder / "figures" / f"{name.format(START)}.png"
        shutil.copyfile(source, IMAGES / f"gallery-{target}.png")


def main() -> None:
    """Run all commands, and write the page and its pictures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sections = [section(*command, folder) for command in COMMANDS]
        draw(folder)
    head = (
        "# What each command gives\n"
        "Written by `make gallery`, from `docs/examples/single_loop.toml`; DIR is its store.\n\n"
    )
    PAGE.write_text(head + "\n".join([*sections, PLOT]), encoding="utf-8")


if __name__ == "__main__":
    main()
