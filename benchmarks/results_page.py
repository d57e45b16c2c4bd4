"""Write results/README.md from the stored reference runs: python benchmarks/results_page.py [DIR].

Every number of the page comes from a run under DIR (results/reference by default).
"""

import json
import sys
from pathlib import Path

import numpy as np

from bilevel_core import paper
from bilevel_core.fit import collapse, fit
from bilevel_core.report.policies import compare
from bilevel_core.report.wording import fixed
from bilevel_core.sweep import store

ROOT = Path(__file__).parent.parent
TABLE_SOLVERS = [*paper.TABLE_1, *paper.TABLE_2]
TITLES = {"ba": "BA", "aid_bio": "AID-BiO", "itd_bio": "ITD-BiO"} | {
    "ttsa": "TTSA", "bsa": "BSA", "stocbio": "stocBiO",
    "aid_bio_cold_y": "AID-BiO, y not warm-started",
    "aid_bio_cold_v": "AID-BiO, v not warm-started",
    "stocbio_single_batch": "stocBiO, one batch of Hessians",
}  # fmt: skip
COUNTS = ("gc_f", "gc_g", "jv", "hv")
STORES = ("quick", "quick_stochastic", "eps_exponents", "quick_tuned", "ablations")


def frames_of(directory):
    """The average criterion's rows of each store, with the ledger that the paper's table reads."""
    found = {}
    for name in STORES:
        frame = store.frame(directory / name)
        frame = frame[frame.criterion == "average"].copy()
        noisy = frame.options.str.contains('"noise"')
        total = frame[[f"samples_{c}" for c in COUNTS]].sum(axis=1, min_count=4)
        frame["cost"] = np.where(noisy, total, frame[list(COUNTS)].sum(axis=1, min_count=4))
        found[name] = frame
    return found


def select(frame, solver, options=None, **wanted):
    """The rows of a solver with these options and column values."""
    rows = frame[frame.solver == solver]
    if options is not None:
        rows = rows[rows.options.map(json.loads) == options]
    for column, value in wanted.items():
        rows = rows[rows[column] == value]
    return rows


def exponent(found):
    """An exponent with its interval."""
    value, low, high = (fixed(x) for x in (found.value, found.low, found.high))
    return f"{value} [{low}, {high}]"


def big(value):
    """A count in three digits."""
    return f"{value:,.0f}" if value < 1e6 else f"{value:.2e}".replace("e+0", "e").replace("e+", "e")


def table(head, lines):
    """A Markdown table."""
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


# -- exponents of eps ------------------------------------------------------------------------------
EPS_CASES = [
    ("ba", "gc_g", 1.25, "Gc(g)", {"curvature": 3}, "hard"),
    ("stocbio", "samples_gc_g", 2.0, "Gc(G)", None, "hard"),
    ("ttsa", "samples_gc_g", 2.5, "Gc(G)", None, "quadratic"),
    ("bsa", "samples_gc_g", 3.0, "Gc(G)", None, "quadratic"),
]


def eps_exponents(frame):
    """Measured exponents of 1/eps at a fixed kappa, with the local slopes behind them."""
    lines = []
    for solver, quantity, due, head, options, problem in EPS_CASES:
        rows = select(frame, solver, options, problem=problem)
        plain = fit(rows, quantity, model="power")
        decades = np.log10(rows.eps.max() / rows.eps.min())
        slopes = ", ".join(f"{s:.2f}" for s in plain.local_slopes["eps"])
        lines.append([
            f"{TITLES[solver]}, {head}", f"`{problem}`, κ = {rows.kappa.iloc[0]:g}",
            f"{rows.eps.max():g} to {rows.eps.min():g} ({decades:.1f} decades)", f"{due:g}",
            exponent(plain.eps), slopes,
        ])  # fmt: skip
    head = ["count", "on", "ε", "bound", "measured (power law)", "local slopes"]
    return table(head, lines)


# -- how loose the bounds are ----------------------------------------------------------------------
def looseness(frames):
    """Measured K over the theorem's own bound on K."""
    lines = []
    for name in ("quick", "quick_stochastic"):
        frame = frames[name]
        for (problem, options, policy, solver), rows in frame.groupby(
            ["problem", "options", "policy", "solver"]
        ):
            if solver not in TABLE_SOLVERS or rows.outer_bound.isna().all():
                continue
            found = collapse(rows)
            slopes = exponent(found.kappa) if found.kappa else "-"
            lines.append([
                TITLES[solver], f"`{problem}`{noise_of(options)}", policy,
                f"{1 / found.maximum:.3g} to {1 / found.minimum:.3g}", slopes,
            ])  # fmt: skip
    head = ["algorithm", "on", "policy", "bound on K / measured K", "slope of the ratio in κ"]
    return table(head, lines)


def noise_of(options):
    """The noise of a group in words."""
    values = json.loads(options)
    return "" if "noise" not in values else f", {values['noise']} noise".replace("_", " ")


# -- what tuning buys ------------------------------------------------------------------------------
def tuning(frames):
    """Cost of the theorem's parameters over that of tuned ones, at the smallest common eps."""
    lines = []
    tuned = frames["quick_tuned"]
    for solver in TABLE_SOLVERS:
        prescribed = frames["quick" if solver in paper.TABLE_1 else "quick_stochastic"]
        for (problem, options), rows in tuned[tuned.solver == solver].groupby(
            ["problem", "options"]
        ):
            base = select(prescribed, solver, json.loads(options), problem=problem)
            done = base[(base.policy == "theory") & (base.status == "ok")]
            both = done.merge(
                rows[rows.status == "ok"], on=["kappa", "eps", "instance"], suffixes=("", "_tuned")
            )
            if both.empty:
                continue
            costs = ["cost", "cost_tuned", "tuning_cost_tuned"]
            cells = both.groupby(["kappa", "eps"])[costs].mean()
            ratio = cells.cost / cells.cost_tuned
            search = cells.tuning_cost_tuned / cells.cost_tuned
            lines.append([
                TITLES[solver], f"`{problem}`{noise_of(options)}", str(len(cells)),
                f"{ratio.min():,.0f} to {ratio.max():,.0f}",
                f"{search.min():,.0f} to {search.max():,.0f}",
            ])  # fmt: skip
    head = [
        "algorithm", "on", "cells", "cost under `theory` / cost tuned", "search / run it found",
    ]  # fmt: skip
    return table(head, lines)


# -- ablations -------------------------------------------------------------------------------------
def ablations(frame):
    """K and the cost of each ablation over those of the whole algorithm, at the smallest eps."""
    noisy = frame.options.str.contains("noise")
    exact, drawn = frame[~noisy], frame[noisy]
    cases = [("aid_bio", "{}"), ("aid_bio_cold_y", "{}"), ("aid_bio_cold_v", "{}"),
             ("aid_bio", '{"D": 1}'), ("aid_bio", '{"N": 1}')]  # fmt: skip
    tables = []
    for problem in ("hard", "quadratic"):
        rows = exact[exact.problem == problem]
        lines = [ablation(rows, "aid_bio", *case, f"`{problem}`") for case in cases]
        tables.append(table(heads(rows), lines))
    cases = [("stocbio", "{}"), ("stocbio_single_batch", "{}"), ("stocbio", '{"B": 1}'),
             ("stocbio_single_batch", '{"S_h": 8}')]  # fmt: skip
    lines = [ablation(drawn, "stocbio", *case, "`hard`, gaussian noise, σ = 1") for case in cases]
    return "\n\n".join([*tables, table(heads(drawn), lines)])


def heads(rows):
    """The head of a table with a column for each kappa."""
    return ["algorithm", "on", *(f"κ = {k:g}" for k in sorted(rows.kappa.unique())), "K in κ"]


def ablation(frame, whole, solver, overrides, place):
    """One line: K at the smallest eps for each kappa, with its ratio to the whole algorithm's."""
    eps = frame.eps.min()
    full = select(frame, whole, overrides="{}", eps=eps).groupby("kappa").outer.mean()
    rows = select(frame, solver, overrides=overrides)
    at = rows[rows.eps == eps]
    kappas = sorted(frame.kappa.unique())
    cells = []
    for kappa in kappas:
        own = at[at.kappa == kappa]
        if own.outer.isna().any():
            cells.append("never")
        else:
            ratio = own.outer.mean() / full[kappa]
            cells.append(f"{big(own.outer.mean())} ({ratio:.2f})")
    by_hand = "".join(f", {name} = {value}" for name, value in json.loads(overrides).items())
    slope = "-"
    if "never" not in cells:
        slope = exponent(fit(rows, "outer", model="power").kappa)
    return [TITLES[solver] + by_hand, place, *cells, slope]


def infeasible(frame):
    """How many cells were not run, and what they would have cost."""
    rows = frame[frame.status == "infeasible"].drop_duplicates(
        ["problem", "options", "solver", "policy", "kappa", "eps"]
    )
    lines = []
    for (problem, options, solver, policy), own in rows.groupby(
        ["problem", "options", "solver", "policy"]
    ):
        least, most = own.predicted_calls.min(), own.predicted_calls.max()
        lines.append([TITLES[solver], f"`{problem}`{noise_of(options)}", policy, str(len(own)),
                      f"{big(least)} to {big(most)}"])  # fmt: skip
    return table(["algorithm", "on", "policy", "cells", "predicted calls"], lines)


def page(directory):
    """The whole page."""
    frames = frames_of(directory)
    both = (frames[name] for name in ("quick", "quick_stochastic", "quick_tuned"))
    shown = [frame[frame.solver.isin(TABLE_SOLVERS)] for frame in both]
    text = (Path(__file__).parent / "results_page.md").read_text(encoding="utf-8")
    parts = {
        "COMPARE": compare(shown),
        "EPS": eps_exponents(frames["eps_exponents"]),
        "LOOSE": looseness(frames),
        "TUNING": tuning(frames),
        "ABLATIONS": ablations(frames["ablations"]),
        "INFEASIBLE": infeasible(frames["quick_stochastic"]),
    }
    for name, part in parts.items():
        text = text.replace(f"<!-- {name} -->", part.strip())
    return text


def main():
    """Write the page."""
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "results" / "reference"
    (ROOT / "results" / "README.md").write_text(page(directory), encoding="utf-8")


if __name__ == "__main__":
    main()
