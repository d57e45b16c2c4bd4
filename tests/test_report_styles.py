"""Styles of figures: the size of the page, embedded fonts, and texts that keep apart."""

import os
import re
import subprocess
import sys

import pytest
from figure_text import outside, overlapping
from report_frames import frame, miss, samples

from bilevel_core import report
from bilevel_core.errors import InputError
from bilevel_core.report import figures, groups
from bilevel_core.report.styles import PAPER, SCREEN, SLIDE, STYLES, drawn_in

NAMES = ("counts-kappa", "counts-eps", "heatmap-gc_g", "collapse")
NOISE = {"curvature": 3, "noise": "finite_sum", "pool": 4096, "sigma": 0.1, "tail": 4.0}


def pages(folder):
    """Width and height in inches of the PDF files of a folder, by name."""
    found = {}
    for path in folder.glob("*.pdf"):
        box = re.search(rb"/MediaBox \[\s*0 0 ([\d.]+) ([\d.]+)", path.read_bytes())
        found[path.stem] = tuple(float(side) / 72 for side in box.groups())
    return found


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    df = frame("aid_bio")
    return folder, {style: report.write_figures(df, folder, style) for style in STYLES}


@pytest.mark.slow
def test_styles_have_folders_of_their_own(written):
    folder, paths = written
    assert {path.parent for path in paths["screen"]} == {folder}
    assert {path.parent for path in paths["paper"]} == {folder / "paper"}
    assert {path.parent for path in paths["slide"]} == {folder / "slide"}
    assert {path.name for path in paths["paper"]} == {path.name for path in paths["screen"]}


@pytest.mark.slow
def test_a_paper_figure_has_the_width_of_a_column_or_of_both(written):
    widths = {name: size[0] for name, size in pages(written[0] / "paper").items()}
    start = "hard-sharp-average-"
    assert widths.pop(f"{start}collapse") == pytest.approx(3.25, abs=0.01)
    assert list(widths.values()) == pytest.approx([6.75] * 3, abs=0.01)


@pytest.mark.slow
def test_a_slide_is_16_to_9(written):
    sizes = pages(written[0] / "slide")
    assert {name.removeprefix("hard-sharp-average-") for name in sizes} == {
        f"{name}-1-AID-BiO" for name in NAMES
    }
    for width, height in sizes.values():
        assert (width, height) == pytest.approx((40 / 3, 7.5), abs=0.01)


@pytest.mark.slow
def test_fonts_are_embedded_as_truetype(written):
    for style, letters in (("paper", b"STIXGeneral"), ("slide", b"DejaVuSans")):
        for path in (written[0] / style).glob("*.pdf"):
            pdf = path.read_bytes()
            fonts = pdf.count(b"/FontDescriptor")
            assert b"/Type3" not in pdf
            assert letters in pdf
            assert fonts
            assert b"/FontFile2" in pdf


@pytest.mark.slow
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    "df",
    [
        miss(frame("aid_bio", name="a/b.py:as_long_as_a_name_is"), kappa=32.0, eps=1e-3),
        samples("stocbio", options=NOISE, budget=1e10),
    ],
    ids=["calls", "samples"],
)
def test_texts_stay_inside_and_apart(style, df):
    (group,) = groups.split(df)
    with drawn_in(STYLES[style]):
        drawn = list(figures.drawings(group, STYLES[style]))
        assert {name for one in drawn for name in NAMES if one.name.startswith(name)} == set(NAMES)
        for name, figure, _ in drawn:
            assert (name, outside(figure)) == (name, [])
            assert (name, overlapping(figure)) == (name, [])


def test_no_letters_of_paper_or_slide_are_small():
    sizes = ("heading", "text", "title", "tick", "legend", "cell")
    assert {getattr(PAPER, size) for size in sizes} == {8}
    assert min(getattr(SLIDE, size) for size in sizes) >= 18
    assert SLIDE.line >= 3 * SCREEN.line


def test_an_unknown_style_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no style 'poster'.*paper, screen, slide"):
        report.write_figures(frame("aid_bio"), tmp_path, "poster")


HOSTILE = """
text.usetex: True
lines.linewidth: 30
axes.grid: True
figure.facecolor: red
savefig.bbox: tight
"""
DRAW = """
import hashlib
from bilevel_core.report.styles import SCREEN, drawn_in
with drawn_in(SCREEN):
    from matplotlib.figure import Figure
    from bilevel_core.report.saving import vector
    figure = Figure()
    figure.subplots().plot([1, 2], label="a")
    print(hashlib.sha256(vector(figure)).hexdigest())
"""


def test_the_users_own_settings_of_matplotlib_change_no_figure(tmp_path):
    (tmp_path / "matplotlibrc").write_text(HOSTILE)
    theirs = {"MATPLOTLIBRC": str(tmp_path), "MPLBACKEND": "nonsense"}
    drawn = [
        subprocess.run(
            [sys.executable, "-c", DRAW],
            env=os.environ | more,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for more in ({}, theirs)
    ]
    assert drawn[0] == drawn[1] != ""
