"""The oracle complexities of Ji, Yang and Liang (ICML 2021), as data.

Both tables give, for finding a point with squared gradient norm at most eps, the number of
gradients of f and of g, of Jacobian-vector products (JV) and of Hessian-vector products (HV), as
O(kappa^a eps^-b), with a tilde where log(1/eps) is hidden.  Log kappa is dropped throughout.

What the tables print stands apart from what was worked out here by multiplying the prescribed
parameters (`derived`): where a printed entry does not follow from them, for a quadratic lower level
(rho = tau = 0), where the smoothness constant of the outer objective falls from kappa^3 to kappa^2,
and for algorithms that the tables do not list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from bilevel_core.errors import InputError

COLUMNS = {"gc_f": "Gc(f, ε)", "gc_g": "Gc(g, ε)", "jv": "JV(g, ε)", "hv": "HV(g, ε)"}
"""Counted quantities in the order of the paper's tables, with the headings used there."""

TABLE_1 = ("ba", "aid_bio", "itd_bio")
TABLE_2 = ("ttsa", "bsa", "stocbio")
HEADINGS = {
    "ba": "AID-BiO (Ghadimi and Wang, 2018)",
    "aid_bio": "AID-BiO (Ji, Yang and Liang, 2021)",
    "itd_bio": "ITD-BiO (Ji, Yang and Liang, 2021)",
    "ttsa": "TTSA (Hong et al., 2020)",
    "bsa": "BSA (Ghadimi and Wang, 2018)",
    "stocbio": "stocBiO (Ji, Yang and Liang, 2021)",
}
"""Rows of Table 1 (deterministic) and Table 2 (stochastic), in the paper's order."""

QUANTITIES = (*COLUMNS, "outer", "batches_hv", "calls_hv")
"""Counted quantities: samples in Table 2, where a product with a mini-batch of S costs S; K; and
two other countings of stocBiO's HV: K B Q (every product costs the base batch), and by call."""

LOWER_LEVELS = ("general", "quadratic")

NO_RATE = {
    "hoag": "its paper (Pedregosa, 2016) proves asymptotic convergence only, without a rate",
    "fo_itd_bio": "it drops the second-order terms, so nothing guarantees that it converges",
    "aid_bio_cold_y": "an ablation, without what its theorem assumes",
    "aid_bio_cold_v": "an ablation, without what its theorem assumes",
    "stocbio_single_batch": "an ablation, without what its theorem assumes",
}
"""Solvers without a bound, and why."""


@dataclass(frozen=True)
class Bound:
    """An upper bound O(kappa^a eps^-b).

    kappa: a, or None for an unspecified polynomial; eps: b, the exponent of 1/eps; tilde: whether
    log(1/eps) is hidden; derived: worked out here, not printed in the paper.
    """

    kappa: float | None
    eps: float
    tilde: bool
    source: str
    derived: bool
    note: str = ""

    def text(self) -> str:
        """Plain characters, as in "~O(kappa^4 eps^-1)"."""
        factors = _factors(self, "kappa^{}", "poly(kappa)", "eps^-{}")
        return f"{'~' if self.tilde else ''}O({' '.join(factors)})"

    def latex(self) -> str:
        r"""LaTeX without dollar signs, as in "\tilde O(\kappa^{4}\epsilon^{-1})"."""
        factors = _factors(self, r"\kappa^{{{}}}", r"\mathrm{poly}(\kappa)", r"\epsilon^{{-{}}}")
        order = r"\tilde O" if self.tilde else "O"
        return f"{order}({''.join(factors)})"

    def unicode(self) -> str:
        """Unicode for Markdown and terminals, as in "Õ(κ⁴ε⁻¹)"."""
        kappa = "poly(κ)" if self.kappa is None else f"κ{_raised(self.kappa)}"
        return f"{'Õ' if self.tilde else 'O'}({kappa}ε{_raised(-self.eps)})"


def bound(solver: str, quantity: str, lower_level: str = "general") -> Bound | None:
    """The bound on `quantity` for `solver`, or None where there is none (see `NO_RATE`).

    quantity: "gc_f", "gc_g", "jv", "hv", "outer" for outer iterations, "batches_hv" or "calls_hv";
    lower_level: "general", or "quadratic" for rho = tau = 0.  What the paper prints wins over what
    follows by multiplication; `derived_bound` has the latter where the two differ.
    """
    _check(quantity, lower_level)
    if lower_level == "quadratic":
        return QUADRATIC.get((solver, quantity))
    return (PRINTED | UNPRINTED | COUNTINGS).get((solver, quantity))


def derived_bound(solver: str, quantity: str, lower_level: str = "general") -> Bound | None:
    """What multiplying the prescribed parameters gives where the entry of `bound` does not follow.

    Arguments as of `bound`.
    """
    _check(quantity, lower_level)
    table = CORRECTED if lower_level == "general" else CORRECTED_QUADRATIC
    return table.get((solver, quantity))


def _check(quantity: str, lower_level: str) -> None:
    if quantity not in QUANTITIES:
        raise InputError(f"no bounds on quantity {quantity!r}; expected {', '.join(QUANTITIES)}")
    if lower_level not in LOWER_LEVELS:
        raise InputError(f"no lower_level {lower_level!r}; expected {', '.join(LOWER_LEVELS)}")


def _factors(bound: Bound, kappa: str, poly: str, eps: str) -> list[str]:
    in_kappa = poly if bound.kappa is None else kappa.format(f"{bound.kappa:g}")
    return [in_kappa, eps.format(f"{bound.eps:g}")]


def _raised(power: float) -> str:
    return str(Fraction(power)).translate(str.maketrans("0123456789-/", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻ᐟ"))


_Row = tuple[tuple[float | None, float, bool], ...]
_Table = dict[tuple[str, str], Bound]


def _printed(solver: str, table: int, row: _Row) -> _Table:
    source = f"Ji, Yang and Liang (ICML 2021), Table {table}"
    return {
        (solver, quantity): Bound(kappa, eps, tilde, source, derived=False)
        for quantity, (kappa, eps, tilde) in zip(COLUMNS, row, strict=True)
    }


def _derived(
    solver: str, note: str, entries: Mapping[str, tuple[float | None, float, bool]]
) -> _Table:
    source = "multiplication of the prescribed parameters"
    return {
        (solver, quantity): Bound(kappa, eps, tilde, source, derived=True, note=note)
        for quantity, (kappa, eps, tilde) in entries.items()
    }


PRINTED: _Table = {
    **_printed("ba", 1, ((4, 1, False), (5, 1.25, False), (4, 1, False), (4.5, 1, True))),
    **_printed("aid_bio", 1, ((3, 1, False), (4, 1, False), (3, 1, False), (3.5, 1, False))),
    **_printed("itd_bio", 1, ((3, 1, False), (4, 1, True), (4, 1, True), (4, 1, True))),
    **_printed("ttsa", 2, ((None, 2.5, False),) * 4),
    **_printed("bsa", 2, ((6, 2, False), (9, 3, False), (6, 2, False), (6, 2, True))),
    **_printed("stocbio", 2, ((5, 2, False), (9, 2, False), (5, 2, False), (6, 2, True))),
}
"""The entries of both tables as printed."""

UNPRINTED: _Table = {
    **_derived("ba", "outer iterations K", {"outer": (4, 1, False)}),
    **_derived("aid_bio", "outer iterations K", {"outer": (3, 1, False)}),
    **_derived("itd_bio", "outer iterations K", {"outer": (3, 1, False)}),
    **_derived("bsa", "outer iterations K; log(1/eps) by the variance", {"outer": (6, 2, True)}),
    **_derived("stocbio", "outer iterations K", {"outer": (3, 1, False)}),
    ("ttsa", "outer"): Bound(
        None,
        2.5,
        True,
        "Hong et al. (2020), abstract: O(K^-2/5)",
        True,
        "outer iterations K; log(1/eps) by the variance",
    ),
    **_derived(
        "aid_fp",
        "not in the paper's table; Neumann series from v = 0, N of order kappa log(1/eps)",
        {
            "gc_f": (3, 1, False),
            "gc_g": (4, 1, False),
            "jv": (3, 1, False),
            "hv": (4, 1, True),
            "outer": (3, 1, False),
        },
    ),
}
"""What the tables do not list."""

STOCBIO_HV_CALLS = Bound(
    4,
    1,
    True,
    "multiplication of the prescribed parameters",
    True,
    "K Q: a mini-batch product is 1",
)
"""stocBiO's Hessian-vector products counted by call instead of by sample."""

COUNTINGS: _Table = {
    ("stocbio", "batches_hv"): replace(PRINTED["stocbio", "hv"], note="what K B Q gives"),
    ("stocbio", "calls_hv"): STOCBIO_HV_CALLS,
}
"""stocBiO's Hessian-vector products in the other two countings."""

_SINGLE_DRAW = (
    "b is of order kappa log(1/eps); K grows with the estimator's variance, and that with b; HV is "
    "K (b-1)/2"
)

CORRECTED: _Table = {
    **_derived("ttsa", _SINGLE_DRAW, dict.fromkeys(COLUMNS, (None, 2.5, True))),
    **_derived(
        "bsa",
        _SINGLE_DRAW,
        {
            "gc_f": (6, 2, True),
            "gc_g": (9, 3, True),
            "jv": (6, 2, True),
            "hv": (7, 2, True),
        },
    ),
    **_derived(
        "stocbio",
        "samples, K times the sum of the batches B_j; K B Q is kappa^6",
        {"hv": (7, 2, True)},
    ),
}
"""Printed entries that do not follow from the prescribed parameters, as they do follow."""

_FLAT = "rho = tau = 0: the outer objective is smooth with L (1 + kappa)^2"

QUADRATIC: _Table = {
    **_derived(
        "aid_bio",
        _FLAT,
        {
            "gc_f": (2, 1, False),
            "gc_g": (3, 1, False),
            "jv": (2, 1, False),
            "hv": (2.5, 1, False),
            "outer": (2, 1, False),
        },
    ),
    **_derived(
        "itd_bio",
        _FLAT,
        {
            "gc_f": (2, 1, False),
            "gc_g": (3, 1, True),
            "jv": (3, 1, True),
            "hv": (3, 1, True),
            "outer": (2, 1, False),
        },
    ),
    **_derived(
        "aid_fp",
        _FLAT + "; not in the paper's table",
        {
            "gc_f": (2, 1, False),
            "gc_g": (3, 1, False),
            "jv": (2, 1, False),
            "hv": (3, 1, True),
            "outer": (2, 1, False),
        },
    ),
    **_derived(
        "stocbio",
        _FLAT + "; HV is K B Q",
        {
            "gc_f": (4, 2, False),
            "gc_g": (6, 2, False),
            "jv": (4, 2, False),
            "hv": (5, 2, True),
            "batches_hv": (5, 2, True),
            "calls_hv": (3, 1, True),
            "outer": (2, 1, False),
        },
    ),
}
"""The same for a quadratic lower level.

BA, BSA and TTSA have none: their entries do not follow from L_y and L_Phi alone, so it is not known
how they change.
"""

CORRECTED_QUADRATIC: _Table = _derived(
    "stocbio",
    _FLAT + "; samples, K times the sum of the batches B_j",
    {"hv": (6, 2, True)},
)
"""`CORRECTED` for a quadratic lower level."""
