"""The page about peers: tables of what was measured, and a figure of the ratios."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bilevel_core.environment import environment
from bilevel_core.report.saving import raster
from bilevel_core.report.style import GUIDE
from bilevel_core.report.styles import SCREEN, drawn_in
from bilevel_core.sweep.atomic import write_bytes, write_text

INTRODUCTION = """# Speed, beside JAX and NumPy

Written by `make peers`; every number comes from `peers.json` beside this page. All variants of a
row do the same outer steps from the same start in one process, in turns, pinned to one processor
and one thread, in float64; medians of CPU time. That they compute the same iterates is asserted
before anything is timed (1e-8). JAX is written plainly: `jit`, `lax.scan`, `vmap` over instances,
and closed forms that multiply by the constant J of the quadratics once forwards and once backwards,
as this package does; *autodiff* differentiates the whole loop, which comes to the same. A floor is
the bare products of the same number and size, from the BLAS or the sparse library.

A ratio below 1 means faster than the best JAX variant on the same work. Of the 20 oracle calls of a
stocBiO step 9 meet the dense matrices of its dense variant.
"""


def write(out: Path, report: dict[str, Any]) -> None:
    """Write peers.json, peers.md and peers.png for what the report holds so far."""
    report["environment"] = dict(environment()) | _jax_version()
    write_text(out / "peers.json", json.dumps(report, indent=1) + "\n")
    rows = [row for group in _tables() for row in report.get(group, [])]
    parts = [INTRODUCTION]
    for group, title in _tables().items():
        if report.get(group):
            tables = [_table(rows) for rows in _alike(report[group])]
            parts.append("\n".join([f"## {title}\n", *tables]))
    parts += [text(report) for text in (_sweep, _counting, _memory, _environment)]
    write_text(out / "peers.md", "\n".join(part for part in parts if part))
    if rows:
        _figure(rows, out / "peers.png")


def _tables() -> dict[str, str]:
    return {
        "dense": "Dense quadratics, microseconds an outer step and instance",
        "stochastic": "stocBiO on a finite sum, microseconds an outer step",
        "hypercleaning": "Hyper-cleaning, microseconds a hypergradient",
        "sparse": "Sparse softmax regression, microseconds a hypergradient",
    }


def _jax_version() -> dict[str, str]:
    import importlib.metadata

    try:
        return {"jax": importlib.metadata.version("jax")}
    except importlib.metadata.PackageNotFoundError:
        return {"jax": "not installed"}


def _table(rows: list[dict[str, Any]]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row["microseconds"]))
    heads = ["case", *names, "ours / best JAX", "due", "ours / floor", "due"]
    lines = [_line(heads), _line(["---", *["---:"] * (len(heads) - 1)])]
    for row in rows:
        cells = [_number(row["microseconds"].get(name)) for name in names]
        best = {names.index(row["ours"]), names.index(row["peer"])}
        cells = [f"**{cell}**" if i in best else cell for i, cell in enumerate(cells)]
        judged = [
            _judged(row["ratio"], row["target"]),
            _number(row["target"]),
            _judged(row["floor_ratio"], row["floor_target"]),
            _number(row["floor_target"]),
        ]
        lines.append(_line([row["title"], *cells, *judged]))
    return "\n".join(lines) + "\n"


def _alike(rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Rows of one solver each."""
    groups: dict[bool, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault("ITD" in row["title"], []).append(row)
    return list(groups.values())


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}" if value < 1 else f"{value:.3g}"


def _judged(ratio: float | None, target: float | None) -> str:
    if ratio is None:
        return ""
    return f"{_number(ratio)}{'' if is_met(ratio, target) else ' (missed)'}"


def is_met(ratio: float, target: float | None) -> bool:
    """Whether a ratio is what is due, within the half per cent that medians scatter."""
    return target is None or ratio <= 1.005 * target


def _sweep(report: dict[str, Any]) -> str:
    if "sweep" not in report:
        return ""
    cold, steady = report["sweep"]["cold"], report["sweep"]["steady"]
    return f"""## A sweep of 128 instances

16 condition numbers, 8 instances each, d = 20, 500 outer steps, seconds of the wall clock. Cold is
a whole fresh process, imports included, with the cache of compiled code filled; JAX compiles anew.

| | this package | JAX, vmap | ratio | due |
| --- | ---: | ---: | ---: | ---: |
| cold | {cold["ours"]:.2f} | {cold["jax"]:.2f} | {_judged(cold["ours"] / cold["jax"], 1.0)} | 1 |
| steady | {steady["ours"]:.3f} | {steady["jax"]:.3f} | \
{_judged(steady["ours"] / steady["jax"], 1.0)} | 1 |
"""


def _counting(report: dict[str, Any]) -> str:
    if "counting" not in report:
        return ""
    rows = [
        _line([d, _number(found["microseconds"]), f"{100 * (found['ratio'] - 1):+.1f} %"])
        for d, found in report["counting"].items()
    ]
    heads = [_line(["d", "microseconds a step", "counting adds"]), _line(["---:"] * 3)]
    return (
        "## What counting costs\n\nThe compiled step of AID-CG with the ledger, and compiled "
        "without (due: at most 2 %).\n\n" + "\n".join([*heads, *rows]) + "\n"
    )


def _memory(report: dict[str, Any]) -> str:
    if "memory" not in report:
        return ""
    rows = [
        _line([found["group"], name, _number(megabytes)])
        for found in report["memory"]
        for name, megabytes in found["megabytes"].items()
    ]
    heads = [_line(["case", "variant", "peak MB"]), _line(["---", "---", "---:"])]
    return (
        "## Peak memory\n\nResident, of a process that imports all libraries, makes the data and "
        "runs one variant twice.\n\n" + "\n".join([*heads, *rows]) + "\n"
    )


def _environment(report: dict[str, Any]) -> str:
    listed = ", ".join(f"{name} {value}" for name, value in report["environment"].items())
    return f"## Where\n\n{listed}.\n"


def _figure(rows: list[dict[str, Any]], path: Path) -> None:
    from matplotlib.figure import Figure

    with drawn_in(SCREEN):
        figure = Figure(figsize=(6.9, 0.6 + 0.2 * len(rows)), layout="constrained")
        axes = figure.subplots()
        for y, row in enumerate(reversed(rows)):
            met = is_met(row["ratio"], row["target"])
            axes.plot(
                row["ratio"],
                y,
                "o",
                color="#0072B2" if met else "#D55E00",
                markersize=4.5,
                zorder=3,
            )
            if row["target"] is not None:
                axes.plot(row["target"], y, "|", color="black", markersize=9, markeredgewidth=1.2)
            # Beside the axes, where no mark is hidden.
            axes.annotate(
                _number(row["ratio"]), (1.01, y), xycoords=("axes fraction", "data"), fontsize=6,
                va="center", ha="left",
            )  # fmt: skip
        axes.axvline(1.0, color=GUIDE, linewidth=0.8, linestyle=(0, (4, 2)))
        axes.set_yticks(range(len(rows)), [row["title"] for row in reversed(rows)])
        axes.set_xscale("log")
        ticks = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.set_ylim(-0.7, len(rows) - 0.3)
        axes.grid(axis="x", color="#dddddd", linewidth=0.4, zorder=0)
        axes.set_xlabel(
            "time of this package / best JAX variant on the same work (| is what is due)"
        )
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        write_bytes(path, raster(figure))
