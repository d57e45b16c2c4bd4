"""The paper's tables: entries, what is derived, and how a bound is written."""

import pytest

from bilevel_core import paper
from bilevel_core.errors import InputError

TABLES = {
    "ba": "O(κ⁴ε⁻¹) O(κ⁵ε⁻⁵ᐟ⁴) O(κ⁴ε⁻¹) Õ(κ⁹ᐟ²ε⁻¹)",
    "aid_bio": "O(κ³ε⁻¹) O(κ⁴ε⁻¹) O(κ³ε⁻¹) O(κ⁷ᐟ²ε⁻¹)",
    "itd_bio": "O(κ³ε⁻¹) Õ(κ⁴ε⁻¹) Õ(κ⁴ε⁻¹) Õ(κ⁴ε⁻¹)",
    "ttsa": "O(poly(κ)ε⁻⁵ᐟ²) O(poly(κ)ε⁻⁵ᐟ²) O(poly(κ)ε⁻⁵ᐟ²) O(poly(κ)ε⁻⁵ᐟ²)",
    "bsa": "O(κ⁶ε⁻²) O(κ⁹ε⁻³) O(κ⁶ε⁻²) Õ(κ⁶ε⁻²)",
    "stocbio": "O(κ⁵ε⁻²) O(κ⁹ε⁻²) O(κ⁵ε⁻²) Õ(κ⁶ε⁻²)",
}


def get(solver: str, quantity: str, lower_level: str = "general") -> paper.Bound:
    found = paper.bound(solver, quantity, lower_level)
    assert found is not None
    return found


@pytest.mark.parametrize("solver", [*paper.TABLE_1, *paper.TABLE_2])
def test_both_tables_as_printed(solver: str) -> None:
    row = [get(solver, quantity) for quantity in paper.COLUMNS]
    assert " ".join(bound.unicode() for bound in row) == TABLES[solver]
    assert not any(bound.derived for bound in row)
    table = 1 if solver in paper.TABLE_1 else 2
    assert all(bound.source.endswith(f"Table {table}") for bound in row)


def test_columns_and_headings_are_in_the_papers_order() -> None:
    assert list(paper.COLUMNS) == ["gc_f", "gc_g", "jv", "hv"]
    assert list(paper.HEADINGS) == [*paper.TABLE_1, *paper.TABLE_2]


@pytest.mark.parametrize(
    ("solver", "kappa"),
    [
        ("aid_bio", [2, 3, 2, 2.5]),
        ("itd_bio", [2, 3, 3, 3]),
        ("aid_fp", [2, 3, 2, 3]),
        ("stocbio", [4, 6, 4, 5]),
    ],
)
def test_quadratic_lower_level(solver: str, kappa: list[float]) -> None:
    row = [get(solver, quantity, "quadratic") for quantity in paper.COLUMNS]
    assert [bound.kappa for bound in row] == kappa
    assert all(bound.derived for bound in row)


@pytest.mark.parametrize(
    ("solver", "kappa", "eps"),
    [("ba", 4, 1), ("aid_bio", 3, 1), ("itd_bio", 3, 1), ("aid_fp", 3, 1), ("ttsa", None, 2.5)],
)
def test_outer_iterations(solver: str, kappa: float | None, eps: float) -> None:
    bound = get(solver, "outer")
    assert (bound.kappa, bound.eps, bound.derived) == (kappa, eps, True)


def test_gradients_of_f_and_jacobian_products_follow_the_outer_iterations() -> None:
    for solver in ("ba", "aid_bio", "bsa", "aid_fp"):
        outer = get(solver, "outer")
        for quantity in ("gc_f", "jv"):
            bound = get(solver, quantity)
            assert (bound.kappa, bound.eps) == (outer.kappa, outer.eps)


def test_printed_entries_that_do_not_follow_stand_beside_what_does() -> None:
    for solver in ("bsa", "stocbio"):
        derived = paper.derived_bound(solver, "hv")
        assert derived is not None
        assert derived.derived
        assert (derived.kappa, derived.eps, derived.tilde) == (7, 2, True)
        assert get(solver, "hv").kappa == 6
    assert paper.derived_bound("aid_bio", "hv") is None
    assert paper.STOCBIO_HV_CALLS.text() == "~O(kappa^4 eps^-1)"


@pytest.mark.parametrize(
    ("quantity", "general", "quadratic"),
    [
        ("hv", (7, 2, True), (6, 2, True)),
        ("batches_hv", (6, 2, True), (5, 2, True)),
        ("calls_hv", (4, 1, True), (3, 1, True)),
    ],
)
def test_three_countings_of_stocbio(
    quantity: str, general: tuple[float, float, bool], quadratic: tuple[float, float, bool]
) -> None:
    for level, expected in (("general", general), ("quadratic", quadratic)):
        bound = paper.derived_bound("stocbio", quantity, level) or get("stocbio", quantity, level)
        assert (bound.kappa, bound.eps, bound.tilde) == expected
    # One of them is what the paper prints for HV.
    assert not get("stocbio", "batches_hv").derived
    assert paper.bound("bsa", "calls_hv") is None


def test_a_log_factor_comes_with_the_variance_of_a_single_draw() -> None:
    for solver in ("ttsa", "bsa"):
        for quantity in paper.COLUMNS:
            printed, derived = get(solver, quantity), paper.derived_bound(solver, quantity)
            assert derived is not None
            assert derived.tilde
            assert derived.eps == printed.eps
            if quantity != "hv":
                assert derived.kappa == printed.kappa


def test_aid_fp_is_marked_as_not_in_the_paper() -> None:
    row = [get("aid_fp", quantity) for quantity in paper.COLUMNS]
    assert [(b.kappa, b.tilde) for b in row] == [(3, False), (4, False), (3, False), (4, True)]
    assert all("not in the paper's table" in bound.note for bound in row)


@pytest.mark.parametrize("solver", ["hoag", "fo_itd_bio", "aid_bio_cold_y", "stocbio_single_batch"])
def test_solvers_without_a_rate_say_why(solver: str) -> None:
    assert paper.bound(solver, "hv") is None
    assert paper.bound(solver, "hv", "quadratic") is None
    assert len(paper.NO_RATE[solver]) > 20


def test_a_bound_in_three_notations() -> None:
    bound = get("itd_bio", "hv")
    assert bound.text() == "~O(kappa^4 eps^-1)"
    assert bound.latex() == r"\tilde O(\kappa^{4}\epsilon^{-1})"
    assert bound.unicode() == "Õ(κ⁴ε⁻¹)"
    assert get("ba", "gc_g").latex() == r"O(\kappa^{5}\epsilon^{-1.25})"
    assert get("ttsa", "hv").latex() == r"O(\mathrm{poly}(\kappa)\epsilon^{-2.5})"
    assert get("ttsa", "hv").text() == "O(poly(kappa) eps^-2.5)"


def test_wrong_names_are_refused_with_what_is_allowed() -> None:
    with pytest.raises(InputError, match="quantity 'hvp'; expected gc_f, gc_g, jv, hv, outer"):
        paper.bound("aid_bio", "hvp")
    with pytest.raises(InputError, match="lower_level 'flat'; expected general, quadratic"):
        paper.bound("aid_bio", "hv", "flat")


def test_an_unknown_solver_has_no_bound() -> None:
    assert paper.bound("my_solver", "hv") is None
