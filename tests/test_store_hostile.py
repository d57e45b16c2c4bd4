"""Stores made to hurt, with checksums that fit: each is damaged and named, or can be shown."""

import json
import math
import os
import subprocess
import sys

import page_store
import pytest
from matplotlib.figure import Figure
from page_store import KAPPAS, config, planted

from bilevel_core import report
from bilevel_core.cli.fits import fit_all
from bilevel_core.errors import InputError
from bilevel_core.record import RunRecord
from bilevel_core.report import collapses
from bilevel_core.report.groups import QUANTITIES, split
from bilevel_core.report.page import axes
from bilevel_core.report.saving import save
from bilevel_core.report.style import short
from bilevel_core.sweep import atomic, keys, merge, packing, runner, specification, store, tunings

SPECIFICATION = {
    "name": "t",
    "grid": [
        {
            "problem": "hard", "solvers": ["aid_bio"], "kappa": [4], "eps": [0.5], "seeds": [0],
            "engine": "torch",
        }
    ],
}  # fmt: skip


def forged(folder, change):
    """A run file with a changed content under a checksum that fits, among intact ones."""
    page_store.make(folder, [planted(config(kappa=kappa)) for kappa in KAPPAS])
    path = store.paths(folder)[0]
    content = json.loads(json.dumps(packing.packed(store.read(path).to_dict())))
    change(content)
    text = json.dumps(content, sort_keys=True, separators=(",", ":")).replace("Infinity", "1e400")
    path.unlink()
    name = keys.digest(keys.to_json(keys.canonical(content["config"])))[: keys.KEY_LENGTH]
    path = store.path_of(folder, name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'{{"format":1,"checksum":"{keys.digest(text)}","record":{text}}}\n')
    return path


def points(content, name, change):
    content[name] = getattr(planted(config()), name)
    change(content[name][0])


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content["passes"][0].update(more=math.inf),
        lambda content: content["config"].update(solver="a.py:\0"),
        lambda content: content["config"].update(kappa=10**300),
        lambda content: content["config"].update(kappa=1e305),
        lambda content: content.update(
            config=content["config"] | {"eps": [5e-324]}, passes=[], hits=[]
        ),
        lambda content: points(content, "hits", lambda hit: hit.update(more=1)),
        lambda content: points(content, "trajectory", lambda point: point.update(more=1)),
        lambda content: points(content, "trajectory", lambda point: point.pop("samples")),
        lambda content: points(content, "trajectory", lambda point: point.update(samples={})),
    ],
)
def test_what_would_stop_a_reader_is_damaged(change, tmp_path, capsys):
    path = forged(tmp_path / "store", change)
    assert "not a record of this version" in store.read(path).reason
    assert merge.merge([tmp_path / "store"], tmp_path / "other").damaged == 1
    assert str(path.name) in capsys.readouterr().err


def test_numbers_at_the_ends_of_what_is_allowed_are_shown(tmp_path):
    records = []
    for number, kappa in enumerate((1e-3, 1e200, 16.0)):
        record = planted(config(kappa=16.0), "aid_bio").to_dict()
        record["config"] |= {"kappa": kappa, "seed": 2**127 + number}
        record["passes"][0]["outer_bound"] = dict.fromkeys(record["passes"][0]["outer_bound"], 0)
        record["trajectory"][2] |= {"squared": 1.7e308, "average": 5e-324}
        for slots in (record["hits"][number][name] for name in ("calls", "samples")):
            slots.update(dict.fromkeys(slots, 2**63 - 1))
        records.append(RunRecord.from_dict(record))
    page_store.make(tmp_path, [*records, *page_store.records(("aid_bio",))])
    frame = store.frame(tmp_path)
    assert fit_all(frame, QUANTITIES, "auto")
    assert all(report.write_table(frame, form) for form in report.FORMATS)
    for group in split(frame):
        collapses.draw(group)
    page = report.write_page(tmp_path, tmp_path / "page.html").read_text()
    assert "nan," not in page
    assert "inf," not in page


def test_an_axis_holds_what_no_float_holds():
    axis = axes.logarithmic("x", 5e-324, math.inf)
    assert all(0 <= axis.place(value) <= 1 for value in (0.0, 5e-324, 1.0, 1.7e308, math.inf))
    assert axes.logarithmic("x", math.inf, math.inf).place(math.inf) == 1
    assert short(math.inf) == "inf"


def test_nothing_is_written_through_a_link_of_a_store(tmp_path):
    page_store.make(tmp_path / "store", [planted(config(kappa=kappa)) for kappa in KAPPAS])
    mine = tmp_path / "mine"
    for name in ("report.html", "figure.csv"):
        mine.write_text("mine")
        (tmp_path / "store" / name).symlink_to(mine)
    report.write_page(tmp_path / "store", tmp_path / "store" / "report.html")
    save(Figure(), store.frame(tmp_path / "store"), tmp_path / "store" / "figure")
    assert mine.read_text() == "mine"
    assert not (tmp_path / "store" / "report.html").is_symlink()
    named = tmp_path / "named.html"
    named.symlink_to(mine)
    report.write_page(tmp_path / "store", named)
    assert named.is_symlink()
    assert mine.read_text().startswith("<!doctype html>")


@pytest.mark.parametrize("place", ["run", "runs", "tuning"])
def test_what_cannot_be_written_is_said_before_anything_runs(place, tmp_path, monkeypatch):
    (one,) = specification.expand(specification.parse(SPECIFICATION))
    path = store.path_of(tmp_path, keys.key(one))
    if place == "run":
        path.mkdir(parents=True)
    else:
        os.mkfifo(tmp_path / place)
    monkeypatch.setattr(runner, "_compute", None)
    for do in (
        lambda: runner.sweep(specification.parse(SPECIFICATION), tmp_path),
        lambda: runner.preview(specification.parse(SPECIFICATION), tmp_path, 1, lambda _: None),
    ):
        with pytest.raises(InputError, match=path.name if place == "run" else place):
            do()
    assert path.is_dir() == (place == "run")


def test_a_directory_in_the_place_of_a_search_is_refused_before_it_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr("bilevel_core.tuning.tuning_key", lambda *asked: "a" * 32)
    monkeypatch.setattr("bilevel_core.tuning.tune", None)
    tunings.path_of(tmp_path, "a" * 32).mkdir(parents=True)
    with pytest.raises(InputError, match="move it away"):
        tunings.kept(tmp_path, lambda outer: None)(config(), 0.1)


def test_a_search_that_is_being_written_is_waited_for(tmp_path):
    (tmp_path / "tuning").mkdir()
    assert not store.being_written(tmp_path)
    (tmp_path / "tuning" / f".x.json.{atomic.HOST}.{os.getpid()}.tmp").touch()
    assert store.being_written(tmp_path)


def test_names_that_turn_the_reading_order_are_seen_in_every_table(tmp_path):
    evil = "a.py:\u202egnp\x1b[2J\u2066"
    found = [planted(config(evil, kappa=k, options={evil: evil}), "aid_bio") for k in KAPPAS]
    page_store.make(tmp_path, found, manifest=False)
    frame = store.frame(tmp_path)
    texts = [report.write_table(frame, form) for form in report.FORMATS]
    page = report.write_page(tmp_path, tmp_path / "page.html").read_text()
    for text in (*texts, page):
        assert not {"\u202e", "\u2066", "\x1b"} & set(text)
    assert "\\u202e" not in page


AUDIT = """
import os, sys
root = os.getcwd()
def heard(event, arguments):
    if event == "open" and str(arguments[0]).endswith((".py", ".pyc")):
        assert not os.path.abspath(arguments[0]).startswith(root), arguments
    if event == "exec":
        assert not arguments[0].co_filename.startswith(root), arguments
    if event == "import":
        assert "evil" not in arguments[0] and "payload" not in arguments[0], arguments
import bilevel_core.cli, bilevel_core.report.figures as figures
figures.save = lambda *drawn: []  # which takes seconds
sys.path.append(root)
sys.addaudithook(heard)
for words in (
    ["fit", "store", "--quantity", "outer"],
    *(["table", "store", "--format", form] for form in ("md", "latex", "csv")),
    ["plot", "store"], ["report", "store"], ["merge", "store", "other"],
):
    try:
        bilevel_core.cli.main(words)
    except SystemExit as ended:
        assert not ended.code, words
"""


def test_no_file_of_a_store_is_opened_as_code_or_executed(tmp_path):
    for name in ("payload.py", "evil/__init__.py", "evil/inner.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"open({str(tmp_path / 'executed')!r}, 'a')")
    hostile = ({"solver": "payload.py:x"}, {"solver": "evil.inner:step"},
               {"problem": "payload.py:x"}, {"options": {"dim": 10**9}, "problem": "quadratic"},
               {"solver": "payload.py:x", "policy": "tuned"})  # fmt: skip
    page_store.make(
        tmp_path / "store",
        [planted(config(**each), "aid_bio") for each in hostile],
    )
    done = subprocess.run(
        [sys.executable, "-c", AUDIT], cwd=tmp_path, capture_output=True, text=True, timeout=300,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "5 runs name plug-ins or large instances" in done.stderr
    assert not (tmp_path / "executed").exists()
