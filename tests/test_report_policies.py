"""Policies beside one another."""

import pandas as pd
import pytest
from report_frames import frame, miss, samples, tuned
from report_text import markdown_rows

from bilevel_core.errors import InputError
from bilevel_core.report.policies import compare


def test_policies_are_columns_in_order():
    df = frame("aid_bio")
    text = compare([df.assign(policy=name) for name in ("tuned", "custom", "theory", "sharp")])
    assert markdown_rows(text)[0][3:] == ["theory", "sharp", "tuned", "custom"]
    assert text.count("### ") == 1


def test_a_cell_holds_exponents_and_verdict():
    slow = frame("aid_bio", shift=(0.5, 0.0))
    (_, _, first, second, third) = markdown_rows(
        compare([frame("aid_bio"), slow.assign(policy="x")])
    )
    assert first[:3] == ["AID-BiO", "Gc(f), JV", "O(κ^3 / ε)"]
    assert first[3] == "κ^3.00 [3.00, 3.00] / ε^1.00 [1.00, 1.00]<br>**matches bound**"
    assert first[4] == "κ^3.50 [3.50, 3.50] / ε^1.00 [1.00, 1.00]<br>**exceeds bound**"
    assert [second[:2], third[:2]] == [["", "Gc(g)"], ["", "HV"]]


def test_counts_that_differ_in_one_policy_have_rows_of_their_own():
    other = frame("aid_bio")
    other["jv"] = (other["jv"] * other["kappa"]).round()
    counts = [
        row[1] for row in markdown_rows(compare([frame("aid_bio"), other.assign(policy="x")]))
    ]
    assert counts[2:] == ["Gc(f)", "Gc(g)", "JV", "HV"]


def test_what_is_missing_or_zero_is_shown():
    first, second = frame("aid_bio", "fo_itd_bio"), frame("aid_bio").assign(policy="theory")
    found = {row[0]: row for row in markdown_rows(compare([first, miss(second)])) if row[0]}
    assert found["AID-BiO"][3] == "**nothing reached**: 60 censored"
    assert found["FO-ITD-BiO"][3] == "–"
    zero = [row for row in markdown_rows(compare([first])) if row[1] == "JV, HV"]
    assert zero[0][3] == "0"


def test_countings_coverage_and_tuning_cost_are_there():
    text = compare([samples(), tuned(samples("stocbio"))])
    counts = [row[1] for row in markdown_rows(text)]
    assert counts[-3:] == ["HV", "HV as K B Q", "HV in calls, K Q"]
    assert "### hard (noise gaussian, sigma 0.1), criterion average, counted in samples\n" in text
    assert "- theory: κ from 2 to 8 (5 values)" in text
    assert "12 of 45 cells infeasible" in text
    assert text.count("Tuning cost") == 1


def test_one_kappa_has_a_table_of_its_own():
    df = frame("aid_bio")
    text = compare([df, df[df["kappa"] == 4.0]])
    assert "### hard, criterion average\n" in text
    assert "### hard, criterion average, κ = 4\n" in text
    assert "1 / ε^1.00 [1.00, 1.00]<br>**matches bound**" in text


def test_overrides_are_part_of_the_policy():
    df = frame("aid_bio")
    text = compare([pd.concat([df, frame("aid_bio", overrides='{"D": 5}')])])
    assert markdown_rows(text)[0][3:] == ["sharp", "sharp (D 5)"]


def test_a_policy_given_twice_is_refused():
    with pytest.raises(InputError, match=r"two of them hold hard, criterion average, policy sharp"):
        compare([frame("aid_bio"), frame("ba")])
