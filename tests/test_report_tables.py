"""Tables: the numbers in the cells, and text that each language can read."""

import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from report_frames import frame, miss, rows
from report_text import (
    compile_latex,
    csv_line,
    csv_lines,
    markdown_row,
    markdown_rows,
    needs_pdflatex,
)

from bilevel_core import report
from bilevel_core.errors import InputError
from bilevel_core.fit import fit
from bilevel_core.report import groups
from bilevel_core.report.entries import entries
from bilevel_core.report.notation import escape_latex, escape_markdown

HOSTILE = r"a|b_c&d%e$f#g{h}i~j^k\l<m>n`o*p[q](r) κ" + "\n\\end{document}"


def test_a_cell_holds_bound_exponents_and_verdict():
    cells = markdown_row(frame("aid_bio"), "AID-BiO")
    assert cells[1].split("<br>") == [
        "O(κ^3 / ε)",
        "κ^3.00 [3.00, 3.00]",
        "/ ε^1.00 [1.00, 1.00]",
        "**matches bound**",
    ]
    assert cells[4].split("<br>")[:2] == ["O(κ^3.5 / ε)", "κ^3.50 [3.50, 3.50]"]
    assert cells[5].startswith("O(κ^3 / ε)†<br>κ^3.00")


def test_the_numbers_are_those_of_the_fit():
    df = frame("ba")
    line = csv_line(df, "ba", "gc_g")
    fitted = fit(df, y="gc_g")
    assert float(line["kappa"]) == pytest.approx(fitted.kappa.value, abs=1e-12)
    assert float(line["eps_low"]) == pytest.approx(fitted.eps.low, abs=1e-12)
    assert float(line["kappa"]) == pytest.approx(5.0, abs=0.01)
    assert float(line["eps"]) == pytest.approx(1.25, abs=0.01)
    assert (line["bound_kappa"], line["bound_eps"]) == ("5", "1.25")
    assert line["verdict"] == "matches bound"


def test_intervals_are_those_of_the_fit():
    df = frame("aid_bio")
    slope = 0.1 * np.sin(df["seed"] + 1.0)
    df["hv"] = (df["hv"] * df["kappa"] ** slope / df["eps"] ** slope).round()
    fitted = fit(df, y="hv")
    low, high = (f"{end:.2f}" for end in (fitted.kappa.low, fitted.kappa.high))
    assert low < f"{fitted.kappa.value:.2f}" < high
    cell = markdown_row(df, "AID-BiO")[4]
    assert f"κ^{fitted.kappa.value:.2f} [{low}, {high}]" in cell
    assert f"/ ε^{fitted.eps.value:.2f} [{fitted.eps.low:.2f}, {fitted.eps.high:.2f}]" in cell


def test_rows_follow_the_paper_then_the_names():
    df = pd.concat([frame(), frame("aid_bio", name="zeta"), frame("aid_bio", name="alpha")])
    names = [row[0] for row in markdown_rows(report.write_table(df, "md"))[2:]]
    assert names == ["BA", "AID-BiO", "FO-ITD-BiO", "alpha", "zeta"]


def test_counts_that_are_always_zero_read_zero():
    cells = markdown_row(frame("fo_itd_bio"), "FO-ITD-BiO")
    assert (cells[3], cells[4]) == ("0", "0")
    assert "**no bound**" in cells[1]
    assert csv_line(frame("fo_itd_bio"), "fo_itd_bio", "hv")["kappa"] == ""


def test_a_solver_that_reached_nothing_shows_its_statuses():
    df = miss(miss(frame("aid_bio", "ba"), solver="ba"), "diverged", solver="ba", kappa=4.0)
    cells = markdown_row(df, "BA<br>12 of 12 cells excluded")
    assert cells[1] == "O(κ^4 / ε)<br>**nothing reached**: 45 censored, 15 diverged"


def test_a_censored_cell_enters_no_mean_and_is_counted():
    complete = frame("aid_bio")
    missed = miss(complete, kappa=32.0, eps=1e-3, instance="3")
    # The instances that did reach the cell tell a story that must not be heard.
    lucky = (missed["kappa"] == 32.0) & (missed["eps"] == 1e-3) & (missed["status"] == "ok")
    missed.loc[lucky, ["outer", "gc_f", "gc_g", "jv", "hv"]] = 1.0
    without = complete[(complete["kappa"] != 32.0) | (complete["eps"] != 1e-3)]
    line, expected = csv_line(missed, "aid_bio", "hv"), csv_line(without, "aid_bio", "hv")
    assert line["kappa"] == expected["kappa"]
    assert (line["cells"], line["excluded"], expected["excluded"]) == ("12", "1", "0")
    text = report.write_table(missed, "md")
    assert "1 of 12 cells excluded, since an instance did not reach ε (1 censored)" in text
    assert "| AID-BiO<br>1 of 12 cells excluded |" in text


def test_a_quadratic_lower_level_is_judged_by_its_own_bound():
    df = frame("aid_bio", problem="any", lower_level="quadratic", shift=(-1.0, 0.0))
    cells = markdown_row(df, "AID-BiO")
    assert cells[1].startswith("O(κ^3 / ε)<br>O(κ^2 / ε)†<br>κ^2.00")
    assert cells[1].endswith("**matches bound**")
    assert "The lower level is quadratic" in report.write_table(df, "md")
    line = csv_line(df, "aid_bio", "hv")
    assert (line["bound_kappa"], line["printed_kappa"]) == ("2.5", "3.5")


def test_local_slopes_stand_where_they_still_move():
    df = frame("aid_bio")
    counts = ["outer", "gc_f", "gc_g", "jv", "hv"]
    df[counts] = df[counts].mul(df["kappa"] ** (0.15 * np.log(df["kappa"])), axis=0).round()
    lines = markdown_row(df, "AID-BiO")[1].split("<br>")
    assert lines[-1] == "**not asymptotic**"
    assert re.fullmatch(r"κ\^≈\d\.\d\d \[.*\].*", lines[1])
    assert re.fullmatch(r"local slopes \d\.\d\d → \d\.\d\d \(\+\d\.\d\d\)", lines[2])
    assert "**not asymptotic**: the local slopes" in report.write_table(df, "md")


def test_one_instance_has_no_interval():
    df = frame("aid_bio")
    cells = markdown_row(df[df["instance"] == "0"], "AID-BiO")
    assert cells[1] == (
        "O(κ^3 / ε)<br>κ^3.00 (one instance)<br>/ ε^1.00 (one instance)<br>**not enough data**"
    )


@pytest.mark.parametrize("fmt", report.FORMATS)
def test_one_cell_is_a_table_without_exponents(fmt):
    df = frame("aid_bio")
    text = report.write_table(df[(df["kappa"] == 4.0) & (df["eps"] == 1e-1)], fmt)
    assert "not enough data" in text
    assert "nan" not in text.lower().replace("instance", "")


def test_the_collapse_is_below_the_table():
    text = report.write_table(frame("aid_bio", "fo_itd_bio"), "md")
    assert "AID-BiO: 0.25 to 0.25, slope in κ 0.00 [0.00, 0.00], slope in 1/ε 0.00" in text
    line = csv_line(frame("aid_bio"), "aid_bio", "outer")
    assert float(line["collapse_low"]) == pytest.approx(0.25, rel=1e-4)
    assert csv_line(frame("aid_bio"), "aid_bio", "hv")["collapse_low"] == ""


def test_the_heading_names_problem_policy_and_criterion():
    df = pd.DataFrame(rows("aid_bio", options={"curvature": 3, "tail": 4.0}, criterion="first"))
    text = report.write_table(df, "md")
    assert "### hard (curvature 3, tail 4), policy sharp, criterion first\n" in text
    assert "κ from 4 to 32 (4 values), ε from 0.1 to 0.001 (3 values), 5 instances." in text


def test_every_group_has_its_table():
    df = pd.concat([frame(), frame(problem="quadratic"), frame(criterion="first")])
    text = report.write_table(df, "md")
    assert text.count("### ") == 3
    assert report.write_table(df, "latex").count(r"\begin{table}") == 3
    assert len(csv_lines(df)) == 3 * 3 * 5


def test_markdown_tables_have_one_width():
    df = pd.concat([frame(), frame("aid_bio", name=HOSTILE)])
    widths = {len(row) for row in markdown_rows(report.write_table(df, "md"))}
    assert widths == {6}


def test_a_hostile_name_stays_text():
    markdown = escape_markdown(HOSTILE)
    assert "\n" not in markdown
    assert r"\|" in markdown
    assert "&lt;m&gt;" in markdown
    latex = escape_latex(HOSTILE)
    assert r"\end" not in latex
    assert "U+03BA" in latex
    line = csv_line(frame("aid_bio", name=HOSTILE), HOSTILE, "hv")
    assert line["verdict"] == "no bound"


@needs_pdflatex
def test_latex_compiles_by_itself_and_fits_the_page(tmp_path):
    df = miss(pd.concat([frame(), frame(problem="quadratic")]), solver="ba", kappa=32.0)
    assert "Overfull" not in compile_latex(tmp_path, report.write_table(df, "latex"))


@needs_pdflatex
def test_latex_compiles_with_hostile_names(tmp_path):
    df = frame("aid_bio", name=HOSTILE, problem=HOSTILE, options={HOSTILE: HOSTILE})
    compile_latex(tmp_path, report.write_table(df, "latex"))


@needs_pdflatex
def test_latex_can_be_input(tmp_path):
    (tmp_path / "inner.tex").write_text(report.write_table(frame(), "latex"), encoding="utf-8")
    outer = r"\documentclass{article}\usepackage{booktabs}\begin{document}\input{inner}after"
    compile_latex(tmp_path, outer + r"\end{document}")


def test_latex_is_ascii_but_for_latin():
    text = report.write_table(frame("aid_bio", name=HOSTILE), "latex")
    assert {c for c in text if ord(c) > 0xFF} == set()


def test_repeated_rows_are_one():
    df = frame("aid_bio")
    twice = pd.concat([df, miss(df, kappa=4.0)], ignore_index=True)
    (group,) = groups.split(twice)
    assert len(group.rows) == len(df)
    assert (group.rows["status"] == "ok").all()
    assert group.conflicts == 0


def test_frames_put_together_may_repeat_indices():
    parts = [frame("ba"), frame("aid_bio"), miss(frame("aid_bio"), kappa=4.0)]
    (group,) = groups.split(pd.concat(parts))
    (same,) = groups.split(pd.concat(parts, ignore_index=True))
    assert len(group.rows) == len(same.rows) == len(frame("ba", "aid_bio"))
    assert (group.rows["status"] == "ok").all()


def test_runs_that_count_differently_are_told():
    df = frame("aid_bio")
    more = df[df["kappa"] == 4.0].copy()
    more["outer"] += 10
    (group,) = groups.split(pd.concat([more, df], ignore_index=True))
    assert group.conflicts == 15
    kept = group.rows.loc[group.rows["kappa"] == 4.0, "outer"]
    assert sorted(kept) == sorted(more["outer"])
    text = report.write_table(pd.concat([more, df]), "md")
    assert "15 counts differ between runs: the largest is taken." in text


def test_bad_input_is_named():
    df = frame("aid_bio")
    with pytest.raises(InputError, match=r"no table format 'html'.*csv, latex, md"):
        report.write_table(df, "html")
    with pytest.raises(InputError, match="no column 'gc_g'"):
        report.write_table(df.drop(columns="gc_g"), "md")
    with pytest.raises(InputError, match="frame is empty"):
        report.write_table(df.iloc[:0], "md")


def test_unfittable_counts_are_not_enough_data():
    df = frame("aid_bio")
    df.loc[df["kappa"] == 4.0, "hv"] = 0.0
    (group,) = groups.split(df)
    entry = next(one for one in entries(group) if one.quantity == "hv")
    assert (entry.verdict, entry.fit) == ("not enough data", None)
    assert "'hv' must be finite and > 0" in entry.reason


def test_importing_the_report_is_light():
    code = "import sys, bilevel_core.report; print({'matplotlib', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("fmt", ["md", "latex"])
def test_what_a_hidden_log_factor_explains_is_named(fmt):
    """ITD-BiO's unrolling depth is kappa log(kappa^2/eps), under the tilde of its bound."""
    df = frame("aid_bio", name="itd_bio")
    df["gc_g"] = df["jv"] = df["hv"] = df["outer"] * np.ceil(df["kappa"])
    assert "Above the bound" not in report.write_table(df, fmt)
    depth = np.ceil(df["kappa"] * np.log(5000 * df["kappa"] ** 2 / df["eps"]))
    df["gc_g"] = df["jv"] = df["hv"] = df["outer"] * depth
    line = csv_line(df, "itd_bio", "gc_g")
    assert (line["verdict"], line["hidden_factor"][:4]) == ("matches bound", "log(")
    assert "may explain: ITD-BiO Gc(g), JV, HV." in report.write_table(df, fmt)
