"""Write the README's results from the stored reference runs: python benchmarks/readme.py.

Replaces what stands between the two markers in README.md, and nothing else.
"""

import json
import re
from pathlib import Path

from bilevel_core.fit import collapse, fit
from bilevel_core.sweep import store

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "results" / "reference"
BEGIN, END = "<!-- results: written by benchmarks/readme.py -->", "<!-- end of results -->"
# What the theory says of each: exponents of kappa in K, Gc(g) and HV; of 1/eps in K.
KNOWN = [
    ("hard", 3, "sharp", "κ³ at a stationary point", (3, 4, 3.5), 1),
    ("hard", 2, "sharp", "κ²", (2, 3, 2.5), 1),
    ("hard", 1, "sharp", "κ", (1, None, None), 1),
    ("quadratic", None, "sharp", "quadratic lower level", (2, 3, 2.5), 1),
]


def rows_of(frame, problem, curvature, policy, criterion="average"):
    """The rows of one group."""
    wanted = frame.problem.eq(problem) & frame.policy.eq(policy) & frame.criterion.eq(criterion)
    if curvature is not None:
        wanted &= frame.options.map(lambda text: json.loads(text).get("curvature") == curvature)
    return frame[wanted]


def measured(rows, quantity, axis):
    """An exponent with its interval and the model's error."""
    exponent = getattr(fit(rows, quantity), axis)
    return f"{exponent.value:.2f} [{exponent.low:.2f}, {exponent.high:.2f}] ±{exponent.model_error:.2f}"


def beside(known, text):
    """A measured exponent with what is known of it."""
    return text if known is None else f"{text} ({known:g})"


def exponents(frame):
    """The table of known exponents."""
    lines = [
        "| family, policy `sharp`, criterion average | K in κ | Gc(g) in κ | HV in κ | K in 1/ε |",
        "|---|---|---|---|---|",
    ]
    for problem, curvature, policy, text, in_kappa, in_eps in KNOWN:
        rows = rows_of(frame, problem, curvature, policy)
        name = f"`{problem}`" + ("" if curvature is None else f", curvature {curvature}")
        cells = [
            beside(known, measured(rows, quantity, "kappa"))
            for known, quantity in zip(in_kappa, ("outer", "gc_g", "hv"), strict=True)
        ]
        cells.append(beside(in_eps, measured(rows, "outer", "eps")))
        lines.append(f"| {name}: {text} | {' | '.join(cells)} |")
    return "\n".join(lines)


def theory(frame):
    """What the theorem's own parameters give."""
    rows = rows_of(frame, "hard", 3, "theory")
    plain, lower = (fit(rows, "outer", model=model) for model in ("power", "lower_order"))
    flat = collapse(rows)
    slopes = plain.local_slopes["kappa"]
    return (
        f"Under policy `theory` (κ from {rows.kappa.min():g} to {rows.kappa.max():g}) the local slopes "
        f"of K still climb from {slopes[0]:.2f} to {slopes[-1]:.2f}: the plain power law reads "
        f"{plain.kappa.value:.2f} and is called *{plain.verdict(3.0)}*; with a lower-order term it "
        f"reads {lower.kappa.value:.2f}. Divided by the theorem's own bound, all constants in, K is "
        f"flat in κ: slope {flat.kappa.value:.4f} [{flat.kappa.low:.4f}, {flat.kappa.high:.4f}], ratio "
        f"{flat.minimum:.2f} to {flat.maximum:.2f}."
    )


def speed():
    """The figures of benchmarks/speed.py."""
    report = json.loads((REFERENCE / "speed.json").read_text(encoding="utf-8"))
    rates = report["calls_per_second"]
    per_family = ", ".join(
        f"{rates[name]['calls_per_second'] / 1e6:.0f} million on `{name}` "
        f"({rates[name]['inner_unknowns']} inner unknowns)"
        for name in ("hard", "ramp", "quadratic", "chain")
    )
    runs = report["hard_kappa_32_eps_10^-2.5"]
    return (
        f"Speed, one core, compiled engine: oracle calls a second {per_family}. AID-BiO on `hard` at "
        f"κ = 32 down to ε = 10^-2.5 takes {runs['sharp']['seconds']:.0f} s under `sharp` "
        f"({runs['sharp']['outer']:,} outer iterations) and {runs['theory']['seconds']:.0f} s under "
        f"`theory` ({runs['theory']['outer']:,})."
    )


def section():
    """The whole text between the markers."""
    frame = store.frame(REFERENCE / "known_exponents")
    return f"""{BEGIN}
## What it reads
Instances whose exponents are known must be read back before anything else is believed. AID-BiO, five
instances a cell, κ from 8 to 64, ε from 10^-1.5 to 10^-2.5; 95 % intervals over instances, ± the
model's error; in brackets what is due:

{exponents(frame)}

{theory(frame)}

![Counts of the six solvers against κ](results/reference/quick/figures/hard-curvature-3-theory-average-counts-kappa.png)

*`make bench` on `hard`, policy `theory`, criterion average: each panel gives the exponent, its
interval and the bound. The tables beside the paper's, with verdicts:
[results/reference/quick/tables/table.md](results/reference/quick/tables/table.md).*

{speed()}

`make reference` measures all of this again.
{END}"""


def main():
    """Rewrite the section in place."""
    path = ROOT / "README.md"
    text = path.read_text(encoding="utf-8")
    pattern = re.escape(BEGIN) + ".*?" + re.escape(END)
    path.write_text(re.sub(pattern, lambda _: section(), text, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    main()
