"""How far the fitted exponents are from those that are known."""

from __future__ import annotations

from typing import Any

KNOWN: tuple[tuple[str, dict[str, Any], float], ...] = (
    ("hard", {"curvature": 3, "tail": 4.0, "rho": 1.0}, 3.0),
    ("hard", {"curvature": 2, "tail": 4.0}, 2.0),
    ("hard", {"curvature": 1, "tail": 4.0}, 1.0),
    ("quadratic", {}, 2.0),
)
"""Family, its options, and the exponent of K in kappa for AID-BiO under policy sharp."""
KAPPAS, EPS, SEEDS = (8.0, 16.0, 32.0), (0.0316, 0.0178, 0.01), (0, 1)

timeout = 300


def track_worst_error() -> float:
    """The largest |fitted - known| exponent of K, in kappa and in 1/eps (1), of all families."""
    return max(_error(family, options, known) for family, options, known in KNOWN)


track_worst_error.unit = "exponent"  # type: ignore[attr-defined]
track_worst_error.less_is_better = True  # type: ignore[attr-defined]


def _error(family: str, options: dict[str, Any], known: float) -> float:
    import pandas as pd

    import bilevel_core as bl
    import problems

    made = (problems.make(family, kappa=k, seed=s, **options) for k in KAPPAS for s in SEEDS)
    runs = (bl.run(problem, "aid_bio", EPS, "sharp", max_outer=10_000_000) for problem in made)
    rows = pd.DataFrame([row for run in runs for row in run.rows()])
    found = bl.fit(rows[rows["criterion"] == "average"], y="outer")
    return max(abs(float(found.kappa.value) - known), abs(float(found.eps.value) - 1.0))
