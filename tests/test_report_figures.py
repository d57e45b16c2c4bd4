"""Figures: the files, and that what is drawn is what the frame says."""

import io

import matplotlib
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from report_frames import EPSS, KAPPAS, SEEDS, frame, miss

from bilevel_core import report
from bilevel_core.errors import InputError
from bilevel_core.report import collapses, counts, groups, heat
from bilevel_core.report.entries import entries
from bilevel_core.report.page.collapsed import collapsed
from bilevel_core.report.points import held, points, worst
from bilevel_core.report.saving import raster
from bilevel_core.report.style import MARKS, short
from bilevel_core.report.styles import PAPER, SCREEN, STYLES


def only_group(df):
    (group,) = groups.split(df)
    return group


def drawn_counts(df, axis="kappa"):
    group = only_group(df)
    return counts.draw(group, entries(group), axis)


def cell(table, **where):
    for name, value in where.items():
        table = table[table[name] == value]
    assert len(table) == 1
    return table.iloc[0]


def test_every_figure_is_pdf_png_and_csv(tmp_path):
    paths = report.write_figures(frame("aid_bio", "fo_itd_bio"), tmp_path / "new" / "figures")
    stems = {path.stem for path in paths}
    assert stems == {
        f"hard-sharp-average-{name}"
        for name in ("counts-kappa", "counts-eps", "heatmap-gc_g", "collapse")
    }
    assert sorted(paths) == sorted((tmp_path / "new" / "figures").iterdir())
    assert {path.suffix for path in paths} == {".pdf", ".png", ".csv"}
    assert all(path.stat().st_size > 200 for path in paths)


def test_fonts_are_embedded_as_outlines_and_bytes_repeat(tmp_path):
    df = frame("aid_bio")
    df = df[df["eps"] == 1e-1]
    first = {path.name: path.read_bytes() for path in report.write_figures(df, tmp_path / "a")}
    second = {path.name: path.read_bytes() for path in report.write_figures(df, tmp_path / "b")}
    assert first == second
    pdf = first["hard-sharp-average-counts-kappa.pdf"]
    assert b"/Type3" not in pdf
    assert b"/FontFile2" in pdf


def test_pngs_have_a_palette_that_keeps_their_colours_and_their_resolution():
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2, 1))
    axes = figure.subplots()
    axes.fill_between([0, 1], [0, 0], [1, 1], color="#d55e00")
    with matplotlib.rc_context({"savefig.dpi": 160}), Image.open(io.BytesIO(raster(figure))) as png:
        assert (png.mode, png.size) == ("P", (320, 160))
        assert png.info["dpi"] == pytest.approx((160, 160), abs=0.1)
        assert png.convert("RGB").getpixel((160, 80)) == pytest.approx((0xD5, 0x5E, 0), abs=2)


def test_drawing_leaves_matplotlib_as_it_was(tmp_path):
    before = dict(matplotlib.rcParams)
    df = frame("fo_itd_bio")
    report.write_figures(df[df["eps"] == 1e-1], tmp_path)
    assert dict(matplotlib.rcParams) == before


def test_points_are_means_of_the_frame():
    df = frame("aid_bio")
    _, table = drawn_counts(df)
    assert set(table["eps"]) == {min(EPSS)}
    rows = df[(df["kappa"] == 8.0) & (df["eps"] == min(EPSS))]
    point = cell(table, kappa=8.0, quantity="hv")
    logs = np.log(rows["hv"])
    half = 2.7764451 * logs.std(ddof=1) / np.sqrt(len(SEEDS))
    assert point["mean"] == pytest.approx(np.exp(logs.mean()))
    assert point["low"] == pytest.approx(np.exp(logs.mean() - half))
    assert point["high"] == pytest.approx(np.exp(logs.mean() + half))
    assert point["instances"] == len(SEEDS)
    assert point["fitted"] == pytest.approx(point["mean"], rel=1e-3)


def test_the_guide_has_the_slope_of_the_bound():
    _, table = drawn_counts(frame("ba"))
    guide = table[table["quantity"] == "gc_g"].set_index("kappa")["guide"]
    assert np.log(guide[32.0] / guide[4.0]) / np.log(8.0) == pytest.approx(5.0)
    _, table = drawn_counts(frame("ba"), "eps")
    guide = table[table["quantity"] == "gc_g"].set_index("eps")["guide"]
    assert np.log(guide[1e-3] / guide[1e-1]) / np.log(100.0) == pytest.approx(1.25)


def told_of_counts(df, style):
    """Words of the legend, and what stands above the panels."""
    group = only_group(df)
    figure, _ = counts.draw(group, entries(group), "kappa", style)
    above = " ".join(text.get_text() for text in figure.texts).replace("\n", " ")
    return [text.get_text() for text in figure.legends[0].get_texts()], above


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_only_what_is_drawn_is_explained(style):
    words, above = told_of_counts(frame("aid_bio"), style)
    assert words == ["mean, 95 % interval", "fit", "slope of the bound"]
    assert "its 95 % interval, and the bound's" in above
    words, above = told_of_counts(frame("aid_bio", name="a.py:plugin"), style)
    assert words == ["mean, 95 % interval", "fit"]
    assert "and its 95 % interval" in above
    assert "bound" not in above
    words, _ = told_of_counts(miss(frame("aid_bio")), style)
    assert words == ["mean, 95 % interval", "censored (at edge)"]


def test_lines_in_the_axes_are_the_table():
    figure, table = drawn_counts(frame("aid_bio"))
    fitted = table.loc[table["quantity"] == "gc_f", "fitted"]
    drawn = [list(line.get_ydata()) for line in figure.axes[0].lines]
    assert list(fitted) in drawn


def test_a_cell_with_a_censored_instance_has_no_mean():
    df = miss(frame("aid_bio"), kappa=32.0, instance="2")
    df = df.fillna(dict.fromkeys(("outer", "gc_f", "gc_g", "jv", "hv"), 1.0))
    for table in (
        drawn_counts(df)[1],
        heat.draw(only_group(df), "gc_g")[1],
        collapses.draw(only_group(df))[1],
    ):
        missed = table[table["kappa"] == 32.0]
        assert (missed["status"] == "censored").all()
        assert missed[["mean", "low", "high"]].isna().all(axis=None)
        assert table.loc[table["kappa"] < 32.0, "mean"].notna().all()


@pytest.mark.parametrize(("status", "marker"), [("censored", "^"), ("diverged", "x")])
def test_missed_cells_are_marked_at_the_top(status, marker):
    figure, _ = drawn_counts(miss(frame("aid_bio"), status, kappa=32.0))
    marks = [line for line in figure.axes[0].lines if line.get_marker() == marker]
    assert [list(line.get_xdata()) for line in marks] == [[32.0]]
    assert all(0.9 < y < 1 for line in marks for y in line.get_ydata())


def test_ticks_are_the_levels():
    figure, _ = drawn_counts(frame("aid_bio"))
    axis = figure.axes[0].xaxis
    assert list(axis.get_majorticklocs()) == list(KAPPAS)
    assert [axis.get_major_formatter()(value) for value in KAPPAS] == ["4", "8", "16", "32"]


def test_the_heat_map_shows_every_cell():
    group = only_group(miss(frame("aid_bio"), kappa=32.0, eps=1e-3))
    figure, table = heat.draw(group, "gc_g")
    shown = [text.get_text() for text in figure.axes[0].texts]
    assert len(shown) == len(table) == len(KAPPAS) * len(EPSS)
    assert shown.count("cens.") == 1
    assert shown.count(short(cell(table, kappa=4.0, eps=1e-1)["mean"])) == 1
    hatched = [patch for patch in figure.axes[0].patches if patch.get_hatch()]
    assert len(hatched) == 1


def test_the_heat_map_says_what_its_blank_cells_are():
    df = frame("aid_bio", "ba")
    full, _ = heat.draw(only_group(df), "hv")
    sparse, _ = heat.draw(only_group(df[(df["solver"] == "ba") | (df["eps"] == 1e-1)]), "hv")
    assert "blank" not in full.get_suptitle()
    assert "blank: not asked for" in sparse.get_suptitle()


def test_the_collapse_is_flat_where_the_bound_describes_the_counts():
    _, table = collapses.draw(only_group(frame("aid_bio", "ba", "fo_itd_bio")))
    assert set(table["solver"]) == {"aid_bio", "ba"}
    assert table["mean"].to_numpy() == pytest.approx(0.25, rel=1e-4)


def many_levels_beside():
    """AID-BiO, which has a bound, beside a solver without one on levels of its own, finer ones."""
    other = frame("fo_itd_bio")
    parts = [
        other.assign(kappa=other["kappa"] * factor, eps=other["eps"] * 3 * factor)
        for factor in (0.01, 0.1, 10.0)
    ]
    return pd.concat([miss(frame("aid_bio"), eps=1e-3), *parts])


@pytest.mark.parametrize("style", [SCREEN, PAPER], ids=["screen", "paper"])
def test_the_collapse_tells_levels_apart_that_have_marks(style):
    figure, _ = collapses.draw(only_group(many_levels_beside()), style)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["ε = 0.1", "ε = 0.01"]
    (axes,) = figure.axes
    assert axes.get_xlim() == pytest.approx((4 / 1.25, 32 * 1.25))
    assert list(axes.xaxis.get_majorticklocs()) == list(KAPPAS)


def test_the_collapse_is_against_the_axis_on_which_there_are_several_levels():
    df = frame("aid_bio")
    one = df[df["kappa"] == 8.0]
    figure, _ = collapses.draw(only_group(pd.concat([one, frame("fo_itd_bio")])))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["κ = 8"]
    assert [axes.get_xlabel() for axes in figure.axes] == ["1/ε"]


def test_the_collapse_of_the_page_has_the_same_levels():
    picture = collapsed(only_group(many_levels_beside()))
    assert picture is not None
    assert [entry.name for entry in picture.legend] == ["ε = 0.1", "ε = 0.01"]
    assert [picture.panels[0].count(f">{kappa:g}<") for kappa in (*KAPPAS, 320)] == [1, 1, 1, 1, 0]


def test_no_collapse_without_a_bound_and_no_axis_of_one_level(tmp_path):
    df = frame("fo_itd_bio")
    paths = report.write_figures(df[df["eps"] == 1e-1], tmp_path)
    names = {path.stem.removeprefix("hard-sharp-average-") for path in paths}
    assert names == {"counts-kappa", "heatmap-gc_g"}


def test_a_group_that_reached_nothing_is_drawn(tmp_path):
    paths = report.write_figures(miss(frame("aid_bio"), "failed"), tmp_path)
    assert len(paths) == 9


def test_names_of_files_are_plain_and_differ(tmp_path):
    df = pd.concat([frame("aid_bio", problem=name) for name in ("../x/y.py:z", "../x-y.py:z")])
    one_level = df[(df["eps"] == 1e-1) & (df["kappa"] == 4.0)]
    paths = report.write_figures(one_level.assign(solver="$a$_|κ"), tmp_path)
    assert {path.parent for path in paths} == {tmp_path}
    assert len({path.name for path in paths}) == len(paths) == 12
    assert all(path.name.isascii() for path in paths)


def test_counts_are_drawn_where_enough_is_complete():
    df = frame("aid_bio", "ba")
    assert held(df, "kappa") == 1e-3
    assert held(df, "eps") == 32.0
    sparse = miss(miss(df, eps=1e-3), solver="ba", kappa=32.0)
    assert held(sparse, "kappa") == 1e-2
    assert held(miss(df), "kappa") in EPSS


def test_a_solver_that_was_asked_for_other_eps_is_drawn_at_its_own():
    df = frame("aid_bio", "ba")
    only = df[(df["solver"] == "aid_bio") | (df["eps"] == 1e-1)]
    figure, table = drawn_counts(only)
    assert set(table[table["solver"] == "ba"]["eps"]) == {1e-1}
    assert set(table[table["solver"] == "aid_bio"]["eps"]) == {1e-3}
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert "BA\nε = 0.1" in labels
    assert "AID-BiO" in labels


def test_one_instance_has_no_spread():
    df = frame("aid_bio")
    one = df[df["instance"] == "0"]
    table = points(one, one["hv"])
    assert (table["low"] == table["mean"]).all()


def test_the_worst_status_speaks():
    assert worst(pd.Series(["ok", "censored", "ok"])) == "censored"
    assert worst(pd.Series(["diverged", "censored"])) == "diverged"
    assert worst(pd.Series(["ok", "ok"])) == "ok"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0316227, "0.0316"),
        (8.0, "8"),
        (999.0, "999"),
        (999.7, "1k"),
        (1234.0, "1.23k"),
        (250e3, "250k"),
        (4.21e6, "4.21M"),
        (31.4e9, "3.1e10"),
    ],
)
def test_short_numbers(value, text):
    assert short(value) == text


def test_series_differ_in_colour_mark_and_dashes():
    for attribute in ("colour", "marker", "dashes"):
        assert len({getattr(look, attribute) for look in MARKS}) == len(MARKS)


def test_an_empty_frame_is_refused(tmp_path):
    with pytest.raises(InputError, match="frame is empty"):
        report.write_figures(frame("aid_bio").iloc[:0], tmp_path)
