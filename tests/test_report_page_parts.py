"""The page's parts by themselves: specification, commands, colours, axes, files of the package."""

import dataclasses
import json
import re
import shlex
import tomllib
from itertools import product
from pathlib import Path

import pytest
from page_store import config, make, planted
from report_frames import frame

from bilevel_core.cli import main
from bilevel_core.report import groups
from bilevel_core.report.entries import entries
from bilevel_core.report.notation import HTML, escape_html
from bilevel_core.report.page import axes, commands, explorer, manifest, pictures, provenance, svg
from bilevel_core.report.page.cells import cells
from bilevel_core.report.page.inventory import read
from bilevel_core.report.page.looks import DASHES, SHAPES, look
from bilevel_core.sweep import store
from bilevel_core.sweep.specification import load, parse

ROOT = Path(__file__).parent.parent
TEMPLATES = ROOT / "bilevel_core" / "report" / "page" / "templates"
SWEEPS = sorted((ROOT / "benchmarks" / "sweeps").glob("*.toml"))
CSS = (TEMPLATES / "page.css").read_text(encoding="utf-8")
COLOURS = re.findall(r"--(\w+): light-dark\((#\w{6}), (#\w{6})\)", CSS)


# Specification and commands


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_a_specification_comes_back_from_its_toml(path):
    specification = load(path)
    assert parse(tomllib.loads(manifest.toml_of(specification))) == specification


def test_any_text_comes_back_from_the_toml():
    text = 'quote " backslash \\ tab \t line \n delete \x7f kappa κ </script>'
    grid = {
        "problem": text,
        "solvers": [text],
        "kappa": [4.5, 1e300],
        "eps": [3.5e-5],
        "seeds": [0],
    }
    specification = parse({"name": text, "grid": [grid | {"options": {text: True, "b": 0.1}}]})
    assert parse(tomllib.loads(manifest.toml_of(specification))) == specification


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"specification": {"name": 3}}', "null"])
def test_a_manifest_that_cannot_be_believed_is_none(tmp_path, content):
    (tmp_path / "sweep.json").write_text(content)
    assert manifest.read(tmp_path) is None


def test_grids_are_found_by_problem_options_policy_and_criterion(tmp_path):
    specification = manifest.read(make(tmp_path, [planted(config())])).specification
    (average, first) = groups.split(store.frame(tmp_path))
    assert manifest.grids_of(average, specification) == [1]
    assert manifest.grids_of(first, specification) == [1]
    for changed in (
        {"problem": "ramp"},
        {"options": {}},
        {"policy": "theory"},
        {"overrides": {"D": 1}},
    ):
        assert manifest.grids_of(average._replace(**changed), specification) == []


def test_the_command_of_a_run_makes_that_run(capsys):
    """The words are read by the command line itself."""
    wanted = config(kappa=4.5, eps=(0.5, 0.3), seed=2, overrides={"D": 3}, max_outer=7)
    words = shlex.split(commands.one(wanted))
    with pytest.raises(SystemExit):
        main([*words[1:], "--json"])
    made = json.loads(capsys.readouterr().out)["config"]
    assert made == wanted.to_dict()


def test_the_command_of_a_run_names_everything_that_is_set():
    wanted = config(
        "stocbio",
        device="cuda",
        max_seconds=3.0,
        noise_seeds=(1, 2),
        options={"a": "x; rm y", "b": True},
    )
    words = shlex.split(commands.one(wanted))
    for option, value in (
        ("--device", "cuda"),
        ("--max-seconds", "3.0"),
        ("--noise-seeds", "1,2"),
        ("--option", "a=x; rm y"),
    ):
        assert words[words.index(option) + 1] == value
    assert "b=true" in words


def test_a_tuned_run_has_no_command_of_its_own():
    assert commands.one(config(policy="tuned")) is None


def test_the_whole_command_is_safe_to_paste(tmp_path):
    found = manifest.read(make(tmp_path, [planted(config())]))
    hostile = found.specification.model_copy(update={"name": "a; rm -rf $HOME `b` && ../c"})
    command = commands.whole(found._replace(specification=hostile))
    assert re.fullmatch(r"[A-Za-z0-9 ._&-]+", command)
    assert command.count("&&") == 1


# Provenance


def test_runs_are_counted_by_machine_and_configuration(tmp_path):
    other = dataclasses.replace(
        planted(config(seed=7)), environment={"numpy": "3", "system": "BeOS"}
    )
    make(tmp_path, [planted(config(seed=s)) for s in (0, 1, 2)] + [other])
    inventory = read(tmp_path)
    first, second = provenance.machines(inventory)
    assert (first.runs, second.runs) == (3, 1)
    assert second.told == (("system", "BeOS"), ("numpy", "3"))
    (one,) = provenance.configurations(inventory.runs)
    assert (one.runs, one.seeds, one.noise_seeds, one.outdated) == (4, "0 to 2, 7", "none drawn", 4)


@pytest.mark.parametrize(
    ("numbers", "text"), [([], ""), ([3], "3"), ([1, 2], "1, 2"), ([0, 1, 2, 5], "0 to 2, 5")]
)
def test_spans(numbers, text):
    assert provenance.spans(numbers) == text


# Text in pictures and data


def test_data_cannot_end_the_element_that_it_stands_in():
    hostile = frame("aid_bio", name="x.py:</script><!--\u2028")
    (group,) = groups.split(hostile.assign(problem="</SCRIPT>&"))
    text = explorer.embedded([{"name": list(group.solvers), "problem": group.problem}])
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text)["groups"][0]["name"] == list(group.solvers)


def test_html_means_only_itself():
    assert escape_html("<a href='x'>\"&\x00\n") == "&lt;a href=&#x27;x&#x27;&gt;&quot;&amp;\ufffd"
    assert HTML.power("κ", "3.5") == "κ<sup>3.5</sup>"


def test_a_panel_holds_its_points_and_escapes_its_words():
    x = axes.logarithmic("κ", 1.0, 100.0, [(1.0, "1"), (100.0, "100")])
    line = svg.Line(0, points=((1.0, 1.0), (100.0, 10.0)), missed=((10.0, "censored"),))
    panel = svg.Panel("<b>", 'say "1" & <2>', (line,))
    drawn = svg.draw(panel, x, axes.logarithmic("", 1.0, 10.0), svg.SMALL)
    assert drawn.count('class="mark"') == 2
    assert drawn.count('class="missed"') == 1
    assert 'aria-label="say &quot;1&quot; &amp; &lt;2&gt;"' in drawn
    assert "&lt;b&gt;" in drawn
    left, right = re.findall(r'class="mark" transform="translate\(([\d.]+),([\d.]+)\)', drawn)
    assert left == (f"{svg.LEFT:.1f}", f"{svg.SMALL.height - svg.BOTTOM:.1f}")
    assert right == (f"{svg.SMALL.width - svg.RIGHT:.1f}", f"{svg.TOP:.1f}")


def test_the_legend_names_the_level_of_a_solver_that_is_drawn_at_its_own():
    df = frame("aid_bio", "ba")
    (group,) = groups.split(df[(df["solver"] == "aid_bio") | (df["eps"] == 1e-1)])
    found = entries(group)
    for axis, names in (("kappa", ["BA at ε = 0.1", "AID-BiO"]), ("eps", ["BA", "AID-BiO"])):
        drawn = pictures.counts(group, found, cells(group, found), axis)
        assert [entry.name for entry in drawn.legend] == names


def test_steps_have_a_corner_before_and_after_each_rise():
    assert svg.steps([1, 3], [0.5, 1.0], 9.0) == [(1, 0), (1, 0.5), (3, 0.5), (3, 1.0), (9.0, 1.0)]
    assert svg.steps([], [], 9.0) == []


def test_axes_place_their_ends_and_their_middle():
    x = axes.logarithmic("", 1.0, 1e4)
    assert [x.place(v) for v in (1.0, 100.0, 1e4)] == pytest.approx([0, 0.5, 1])
    assert [text for _, text in x.ticks] == ["10⁰", "10¹", "10²", "10³", "10⁴"]
    assert [text for _, text in axes.logarithmic("", 2.0, 9.0).ticks] == ["2", "5"]
    assert axes.stretch(1.02, 1.3, 0.25) == (1.0, 1.5, [1.0, 1.25, 1.5])
    assert axes.stretch(2.0, 2.0, 0.25)[:2] == (2.0, 2.25)
    assert len(axes.stretch(-3.0, 40.0, 0.25)[2]) <= 8


def test_looks_differ_in_shape_and_dashes():
    assert len({look(n) for n in range(49)}) == 49
    assert len({look(n).shape for n in range(7)}) == len(SHAPES) == len(DASHES) == 7


# Colours


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first, second):
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_of_black_on_white_is_21():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_can_be_read_in_both_schemes(scheme):
    """WCAG 2.1: 4.5 for text, 3 for what pictures are drawn with and for borders of controls."""
    colours = {name: pair[scheme] for name, *pair in COLOURS}
    assert {
        "page",
        "raised",
        "text",
        "muted",
        "link",
        "good",
        "fair",
        "bad",
        "open",
    } <= colours.keys()
    for ink, paper in product(
        ("text", "muted", "link", "good", "fair", "bad", "open"), ("page", "raised")
    ):
        assert contrast(colours[ink], colours[paper]) >= 4.5, (ink, paper)
    for ink in ("edge", *(f"s{n}" for n in range(7))):
        assert contrast(colours[ink], colours["page"]) >= 3, ink


def test_every_variable_of_the_style_is_defined():
    assert set(re.findall(r"var\(--(\w+)\)", CSS)) - {"c"} <= {name for name, *_ in COLOURS}


# The package


def test_templates_are_in_the_wheel():
    builders = pytest.importorskip("hatchling.builders.wheel")
    files = builders.WheelBuilder(str(ROOT)).recurse_included_files()
    packed = {file.distribution_path for file in files}
    wanted = {path.relative_to(ROOT).as_posix() for path in TEMPLATES.iterdir()}
    assert {Path(name).suffix for name in wanted} == {".html", ".css", ".js"}
    assert wanted <= packed


def test_the_script_is_small_and_asks_for_nothing():
    script = (TEMPLATES / "explorer.js").read_text(encoding="utf-8")
    assert not re.search(r"fetch|XMLHttp|import\(|WebSocket|eval|innerHTML|\.src", script)
    assert len(script.splitlines()) < 260
