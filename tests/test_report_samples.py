"""The stochastic table: samples, three countings of HV, infeasible cells, tuning, one kappa."""

import numpy as np
import pandas as pd
import pytest
from report_frames import (
    NOISE,
    STOCHASTIC_EPSS,
    STOCHASTIC_KAPPAS,
    frame,
    miss,
    samples,
    tuned,
)
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
from bilevel_core.report import collapses, counts, groups, heat
from bilevel_core.report.entries import bounds, entries
from bilevel_core.report.style import lines_of, short

ONE_KAPPA = {"kappas": (3.0,), "epss": tuple(10 ** (-1 - i / 3) for i in range(6)), "budget": 1e18}


def only_group(df):
    (group,) = groups.split(df)
    return group


def entry_of(df, solver, quantity):
    found = {(one.solver, one.quantity): one for one in entries(only_group(df))}
    return found[solver, quantity]


def lines_of_legend(text, start):
    return [line for line in text.splitlines() if line.startswith(f"- {start}")]


def test_a_problem_with_noise_is_counted_in_samples():
    df = samples("stocbio")
    line = csv_line(df, "stocbio", "gc_g")
    assert line["ledger"] == "samples"
    assert float(line["kappa"]) == pytest.approx(fit(df, "samples_gc_g").kappa.value, abs=1e-12)
    assert float(line["kappa"]) == pytest.approx(9.0, abs=0.01)
    assert fit(df, "gc_g").kappa.value == pytest.approx(4.0, abs=0.01)
    assert "Counts are samples" in report.write_table(df, "md")
    assert only_group(df).rows["calls_gc_g"].tolist() == df["gc_g"].tolist()


def test_without_noise_calls_are_read():
    df = samples("stocbio", options={})
    line = csv_line(df, "stocbio", "gc_g")
    assert line["ledger"] == "calls"
    assert float(line["kappa"]) == pytest.approx(4.0, abs=0.01)
    assert "samples" not in report.write_table(frame("aid_bio"), "md")
    assert {x["quantity"] for x in csv_lines(df)} == {"gc_f", "gc_g", "jv", "hv", "outer"}


def test_a_frame_without_samples_is_refused_where_they_count():
    with pytest.raises(InputError, match="no column 'samples_gc_f'"):
        report.write_table(samples("bsa").drop(columns="samples_gc_f"), "md")


def test_hv_of_stocbio_has_three_countings():
    text = report.write_table(samples(), "md")
    (head, row) = markdown_rows(text)[-3::2]
    assert head[1:] == ["HV in samples", "HV as K B Q", "HV in calls, K Q"]
    assert row[0] == "stocBiO"
    assert row[1].startswith("Õ(κ^6 / ε^2)<br>Õ(κ^7 / ε^2)†<br>κ^7.00 [7.00, 7.00]<br>/ ε^2.00")
    assert row[2].startswith("Õ(κ^6 / ε^2)<br>κ^6.00")
    assert row[3].startswith("Õ(κ^4 / ε)†<br>κ^4.00 [4.00, 4.00]<br>/ ε^1.00")
    assert all(cell.endswith("**matches bound**") for cell in row[1:])
    (line,) = [line for line in text.splitlines() if "K B Q" in line and line.startswith("- ")]
    assert "HV of stocBiO is counted in samples" in line


def test_each_counting_is_a_quantity_of_the_csv():
    df = samples("stocbio")
    found = {name: csv_line(df, "stocbio", name) for name in ("hv", "batches_hv", "calls_hv")}
    assert [line["bound_kappa"] for line in found.values()] == ["7", "6", "4"]
    assert found["hv"]["printed_kappa"] == "6"
    exponents = [float(line["kappa"]) for line in found.values()]
    assert exponents == pytest.approx([7.0, 6.0, 4.0], abs=0.01)
    assert [x["quantity"] for x in csv_lines(samples("bsa"))].count("calls_hv") == 0


def test_rows_follow_both_tables_then_ablations():
    parts = [
        samples(),
        samples("stocbio", name="stocbio_single_batch", batches_hv=np.nan),
        *(samples("bsa", name=name) for name in ("aid_bio", "hoag", "aid_bio_cold_v", "zeta")),
    ]
    names = [row[0] for row in markdown_rows(report.write_table(pd.concat(parts), "md"))]
    titles = [name.partition("<br>")[0] for name in names[2 : names.index("HV in three countings")]]
    expected = ["AID-BiO", "TTSA", "BSA", "stocBiO", "HOAG", "AID-BiO, v not warm-started"]
    assert titles == [*expected, "stocBiO, one batch of Hessians", "zeta"]


def test_an_ablation_has_no_bound():
    df = samples("stocbio", name="stocbio_single_batch")
    assert entry_of(df, "stocbio_single_batch", "gc_g").verdict == "no bound"
    (line,) = lines_of_legend(report.write_table(df, "md"), "stocBiO, one batch of Hessians has no")
    assert "ablation" in line


def test_ttsa_is_judged_in_eps_only():
    df = samples("ttsa", budget=np.inf)
    bent = np.exp(np.log(df["kappa"]) ** 3)
    df["samples_gc_g"] = (df["samples_gc_g"] * bent).round()
    line = csv_line(df, "ttsa", "gc_g")
    assert line["verdict"] == "matches bound"
    assert line["asymptotic"] == "False"
    df["samples_gc_g"] = (df["samples_gc_g"] * df["eps"] ** -0.5).round()
    assert csv_line(df, "ttsa", "gc_g")["verdict"] == "exceeds bound"


def test_a_log_factor_of_bsa_is_no_excess():
    df = samples("bsa", budget=np.inf)
    df["samples_gc_f"] = (df["samples_gc_f"] * np.log(1 / df["eps"])).round()
    cells = markdown_row(df, "BSA")
    assert cells[1].startswith("O(κ^6 / ε^2)<br>Õ(κ^6 / ε^2)†")
    assert cells[1].endswith("**matches bound**")


def test_samples_of_a_quadratic_lower_level():
    found = {name: bounds("quadratic", "stocbio", name) for name in ("hv", "batches_hv", "gc_g")}
    assert [bound.kappa for bound, _ in found.values()] == [6, 5, 6]
    assert [printed.kappa for _, printed in found.values()] == [6, 6, 9]
    text = report.write_table(samples("bsa", lower_level="quadratic"), "md")
    assert "The lower level is quadratic" not in text
    text = report.write_table(samples("stocbio", lower_level="quadratic"), "md")
    assert "The lower level is quadratic" in text


def test_infeasible_cells_are_counted_apart():
    df = miss(samples(), solver="stocbio", kappa=8.0, eps=1e-2)
    text = report.write_table(df, "md")
    assert "1 of 45 cells excluded, since an instance did not reach ε (5 censored). " in text
    assert "12 of 45 cells infeasible: predicted 2.0e12 to 1.4e17 oracle calls, above" in text
    names = [row[0] for row in markdown_rows(text)]
    assert "BSA<br>9 of 15 cells infeasible" in names
    assert "stocBiO<br>1 of 15 cells excluded" in names
    line = csv_line(df, "bsa", "hv")
    assert (line["cells"], line["excluded"], line["infeasible"]) == ("15", "0", "9")
    assert float(line["predicted_high"]) == pytest.approx(1.4e17, rel=0.05)
    assert line["verdict"] == "matches bound"


def test_a_solver_that_was_never_run_shows_what_it_would_cost():
    text = report.write_table(samples("bsa", "stocbio", budget=1.0), "md")
    row = next(row for row in markdown_rows(text) if row[0].startswith("BSA"))
    assert row[1].endswith("†<br>**infeasible**:<br>520M to 1.4e17 calls")
    assert "- **infeasible**: no run was started" in text
    assert "All" not in text
    assert "nan" not in text.replace("instance", "")


def test_infeasible_cells_are_named_where_data_run_out():
    df = samples("bsa", budget=1e9)
    found = entry_of(df, "bsa", "hv")
    assert (found.verdict, found.infeasible) == ("not enough data", 14)
    assert found.reason == "1 levels of kappa, 3 needed; 14 more cells are infeasible"


@pytest.mark.parametrize(("status", "excluded"), [("ok", 0), ("censored", 1)])
def test_a_cell_in_which_some_instances_were_not_run(status, excluded):
    df = samples("stocbio")
    cell = (df["kappa"] == 2.0) & (df["eps"] == 1e-1)
    df.loc[cell, "status"] = status
    df.loc[cell & (df["instance"] == "3"), "status"] = "infeasible"
    found = entry_of(df, "stocbio", "hv")
    assert (found.excluded, found.infeasible) == (excluded, 1 - excluded)
    assert found.fit.cells == 14


def test_the_cost_of_tuning_is_told():
    df = tuned(samples("stocbio", "ttsa"), times=40.0)
    (line,) = lines_of_legend(report.write_table(df, "md"), "Tuning cost")
    assert "stocBiO 2.9e9 to 5.6e16, 40 times the run it found" in line
    csv = csv_line(df, "stocbio", "hv")
    assert float(csv["tuning_over_run_low"]) == pytest.approx(40.0)
    cheapest = df[(df["solver"] == "stocbio") & (df["kappa"] == 2.0) & (df["eps"] == 1e-1)]
    total = cheapest[[f"samples_{name}" for name in ("gc_f", "gc_g", "jv", "hv")]].sum(axis=1)
    assert float(csv["tuning_low"]) == pytest.approx(40.0 * total.mean())
    assert "Tuning cost" not in report.write_table(samples("ttsa"), "md")


def test_at_one_kappa_the_exponent_of_eps_is_judged():
    df = samples(**ONE_KAPPA)
    cells = markdown_row(df, "BSA")
    assert cells[2].split("<br>")[2:] == ["1 / ε^3.00 [3.00, 3.00]", "**matches bound**"]
    line = csv_line(df, "bsa", "gc_g")
    assert (line["kappa"], line["bound_kappa"]) == ("", "9")
    assert "κ is held" in report.write_table(df, "md")
    df["samples_gc_g"] = (df["samples_gc_g"] * df["eps"] ** -0.5).round()
    assert csv_line(df, "bsa", "gc_g")["verdict"] == "exceeds bound"
    assert "κ is held" not in report.write_table(samples("bsa"), "md")


def test_at_one_kappa_deterministic_solvers_are_judged_too():
    df = frame("aid_bio")
    line = csv_line(df[df["kappa"] == 4.0], "aid_bio", "hv")
    assert line["verdict"] == "matches bound"


def test_figures_at_one_kappa_run_along_eps(tmp_path):
    df = samples("stocbio", **ONE_KAPPA)
    figure, table = collapses.draw(only_group(df))
    axes = figure.axes[0]
    assert axes.get_xlabel() == "1/ε"
    drawn = [line.get_xdata() for line in axes.lines if len(line.get_xdata()) == 6]
    assert sorted(drawn[0]) == pytest.approx(sorted(1 / table["eps"]))
    assert axes.get_legend_handles_labels()[1] == ["κ = 3"]
    names = {path.stem.rpartition("average-")[2] for path in report.write_figures(df, tmp_path)}
    assert names == {"counts-eps", "heatmap-gc_g", "collapse"}


def test_infeasible_cells_are_marked_at_the_top_of_counts():
    group = only_group(samples())
    figure, table = counts.draw(group, entries(group), "kappa")
    held = table[(table["solver"] == "bsa") & (table["quantity"] == "gc_f")]
    missed = held.loc[held["status"] == "infeasible", "kappa"]
    panel = figure.axes[4]  # second row, first column
    marks = [list(line.get_xdata()) for line in panel.lines if line.get_marker() == "d"]
    assert marks == [list(missed)]
    assert len(missed)
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "infeasible (not run)" in texts
    group = only_group(frame("aid_bio"))
    figure, _ = counts.draw(group, entries(group), "kappa")
    assert len(figure.legends[0].get_texts()) == len(texts) - 1


def test_the_heat_map_shows_no_number_beside_counts_that_it_does_not_compare_with():
    """Predicted calls are of all oracles over all repetitions; a panel is of one, in samples."""
    group = only_group(samples("bsa", budget=1e10))
    figure, table = heat.draw(group, "gc_g")
    infeasible = table["status"] == "infeasible"
    assert infeasible.any()
    assert "predicted_calls" not in table
    shown = [text.get_text() for text in figure.axes[0].texts]
    assert shown.count("infeas.") == infeasible.sum()
    numbers = [short(mean) for mean in table.loc[~infeasible, "mean"]]
    assert sorted(set(shown) - {"infeas."}) == sorted(set(numbers))
    hatches = [patch.get_hatch() for patch in figure.axes[0].patches if patch.get_hatch()]
    assert len(hatches) == infeasible.sum()
    assert "dotted: infeasible, not run)" in figure.get_suptitle()


def test_counts_of_the_stochastic_figures_are_samples():
    group = only_group(samples("stocbio"))
    _, table = heat.draw(group, "gc_g")
    assert len(table) == len(STOCHASTIC_KAPPAS) * len(STOCHASTIC_EPSS)
    cell = group.rows[(group.rows["kappa"] == 4.0) & (group.rows["eps"] == 1e-1)]
    mean = np.exp(np.log(cell["samples_gc_g"]).mean())
    drawn = table[(table["kappa"] == 4.0) & (table["eps"] == 1e-1)]["mean"].item()
    assert drawn == pytest.approx(mean)


def test_long_headings_are_broken_but_not_beside_an_equals_sign():
    lines = lines_of("a problem with many options, at κ = 4, counted", 2.5)
    assert lines == ["a problem with many options, at κ = 4,", "counted"]
    assert lines_of("a problem with many options, at κ = 4", 2.2)[1] == "κ = 4"


@needs_pdflatex
def test_the_stochastic_latex_compiles_and_fits_the_page(tmp_path):
    options = {"curvature": 3, "noise": "finite_sum", "pool": 4096, "sigma": 0.1, "tail": 4.0}
    single = samples("stocbio", name="stocbio_single_batch", options=options, budget=1.0)
    df = pd.concat([samples(options=options), single, samples(problem="quadratic"), samples()])
    df = pd.concat(
        [
            df,
            tuned(samples(options=NOISE | {"size": 3})),
            samples(**ONE_KAPPA).assign(criterion="first"),
        ]
    )
    assert "Overfull" not in compile_latex(tmp_path, report.write_table(df, "latex"))
