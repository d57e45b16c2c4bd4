"""A store is data: who reads it executes nothing that it names."""

import csv
import dataclasses
import io

import page_store
import pytest
from matplotlib.figure import Figure
from typer.testing import CliRunner

from bilevel_core import report
from bilevel_core.cli import app
from bilevel_core.report import figures, saving
from bilevel_core.report.spreadsheet import FORMULA, NUMBERS, inert
from bilevel_core.sweep import store
from bilevel_core.sweep.currency import Currency, currency_check

LARGE = {"problem": "quadratic", "options": {"dim": 10**9}}
HOSTILE = [
    {"solver": "payload.py:x"},
    {"solver": "evil_package.inner:step"},
    {"problem": "payload.py:family"},
    LARGE,
    {"problem": "chain", "kappa": 1e30, "options": {}},
    {"policy": "tuned", "tuning": {"instances": 10**9}},
    {"policy": "tuned", "solver": "payload.py:x"},
]
SPECIFICATION = """
name = "t"
[[grid]]
problem = "hard"
options = { curvature = 3 }
solvers = ["aid_bio"]
kappa = [4]
eps = [0.1, 0.0316, 0.01]
seeds = [0, 1]
policy = "sharp"
"""


@pytest.fixture
def payload(tmp_path, monkeypatch):
    """The file that code would write which a store names, beside it and on sys.path."""
    marker = tmp_path / "executed"
    text = f"open({str(marker)!r}, 'a').write(__name__)\n"
    (tmp_path / "payload.py").write_text(text)
    (tmp_path / "evil_package").mkdir()
    for name in ("__init__", "inner"):
        (tmp_path / "evil_package" / f"{name}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    hostile = [named(change) for change in HOSTILE]
    page_store.make(tmp_path / "store", [*page_store.records(("aid_bio",)), *hostile])
    page_store.make(tmp_path / "one_group", hostile[:2])  # pictures take seconds a group
    return marker


def named(change, counts="aid_bio"):
    """A record whose configuration is changed, with the counts of a solver."""
    usual = page_store.planted(page_store.config(kappa=8.0), counts)
    return dataclasses.replace(usual, config=dataclasses.replace(usual.config, **change))


def invoke(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.mark.parametrize(
    "words",
    [
        ("fit", "store", "--quantity", "outer"),
        ("table", "store"),
        ("table", "store", "--format", "latex"),
        ("table", "store", "--format", "csv"),
        ("plot", "one_group"),
        ("report", "store"),
        ("merge", "store", "other"),
        ("sweep", "t.toml", "--out", "store", "--dry-run"),
    ],
    ids=" ".join,
)
def test_reading_a_store_executes_nothing_that_it_names(payload, tmp_path, words, monkeypatch):
    monkeypatch.setattr(figures, "save", lambda *drawn: [])  # which takes seconds
    (tmp_path / "t.toml").write_text(SPECIFICATION)
    found = invoke(*words)
    assert found.exit_code == 0, found.output
    assert not payload.exists()


def test_a_merge_of_runs_that_differ_executes_nothing_either(payload, tmp_path):
    page_store.make(tmp_path / "other", [named(HOSTILE[0], "ba"), named(LARGE, "ba")])
    found = invoke("merge", "store", "other")
    assert found.exit_code == 1  # what cannot be compared is a conflict
    assert "2 conflicts" in found.output
    assert not payload.exists()


def test_what_was_not_compared_is_counted_and_the_rest_is_shown(payload):
    found = invoke("table", "store", "--format", "csv")
    assert "6 runs name plug-ins or large instances and were not compared" in found.stderr
    alone = page_store.make(payload.parent / "alone", page_store.records(("aid_bio",)))
    clean = invoke("table", alone, "--format", "csv").stdout.splitlines()
    assert set(clean) <= set(found.stdout.splitlines())


def test_plug_ins_are_loaded_on_demand(payload):
    invoke("table", "store", "--load-plugins")
    assert "bilevel_plugin_payload" in payload.read_text()


def test_small_instances_of_registered_names_are_compared():
    compare = currency_check()
    assert compare(named({})) is Currency.OUTDATED
    assert compare(named(LARGE)) is Currency.NOT_COMPARED


FORMULAS = ("=1+cmd|' /C calc'!A0", "+1+f()", "-2+f()", "@SUM(A1)", "\t=1", "\r=1")


def test_names_are_no_formulas_in_any_csv(tmp_path):
    page_store.make(tmp_path, [named({"solver": name}) for name in FORMULAS])
    data = store.frame(tmp_path)
    plotted = saving.save(Figure(), data.assign(**{"=1+f()": data["solver"]}), tmp_path / "figure")
    for text in (report.write_table(data, "csv"), plotted[-1].read_bytes().decode()):
        assert "'=1+cmd" in text
        cells = [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]
        assert not [
            c for c in cells if c.startswith((*FORMULA, "\t", "\r")) and not NUMBERS.fullmatch(c)
        ]
    assert {inert(number) for number in (-2.5, "-2.5", "-1e-05; +2")} == {
        -2.5,
        "-2.5",
        "-1e-05; +2",
    }


def test_names_do_nothing_to_a_terminal(tmp_path):
    evil = "a.py:\x1b[2J\x1b]0;owned\x07\u202e\x9b31m"
    reason = "\x1b[31mred\u202e"
    page_store.make(
        tmp_path,
        [
            named({"solver": evil}),
            named({"options": {"word": evil}}),
            dataclasses.replace(named({"problem": evil}), reason=reason),
        ],
    )
    store.paths(tmp_path)[0].with_name("\x1b[2J.json").write_text("{")
    for words in (
        ("fit",),
        ("table",),
        ("table", "--format", "csv"),
        ("table", "--format", "latex"),
    ):
        found = invoke(*words, tmp_path)
        assert found.exit_code == 0
        assert not [c for c in found.output if not c.isprintable() and c != "\n"]
