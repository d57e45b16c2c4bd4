"""The cost of a store grows with its runs: no file is opened twice, nor one that is not needed."""

import builtins
import dataclasses
import importlib
import io
import itertools
import json
import math
import os
import sys
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from benchmarks import growth
from benchmarks.instrument import stores
from benchmarks.instrument.line import line
from benchmarks.instrument.panels import Panel, Series, best_seconds, from_dict, to_dict
from bilevel_core.errors import InputError
from bilevel_core.fit import fit
from bilevel_core.record import RunConfig
from bilevel_core.sweep import frames, keys, plan, store
from bilevel_core.sweep.feasibility import Cell, record, single
from bilevel_core.sweep.forecast import forecaster

RUNS = 60


@pytest.fixture(scope="module")
def original():
    config = RunConfig(problem="hard", kappa=4.0, solver="aid_bio", eps=(0.5, 0.3))
    return importlib.import_module("bilevel_core.run").execute(config)


@pytest.fixture(scope="module")
def asked(original):
    return stores.cells(original.config, RUNS)


@pytest.fixture(scope="module")
def filled(original, asked, tmp_path_factory):
    directory = tmp_path_factory.mktemp("store")
    configs = [config for cell in asked for config in cell.configs]
    stores.fill(directory, (stores.variant(original, config) for config in configs))
    return directory


@pytest.fixture
def opened(monkeypatch):
    """How often each run file is opened, by name."""
    counted = Counter()

    def counting(original):
        def opening(file, *arguments, **options):
            if isinstance(file, str | Path) and Path(file).parent.parent.name == "runs":
                counted[Path(file).name] += 1
            return original(file, *arguments, **options)

        return opening

    for module, name in ((io, "open"), (builtins, "open"), (os, "open")):
        monkeypatch.setattr(module, name, counting(getattr(module, name)))
    return counted


def test_stored_runs_are_variants_that_stand(filled, asked):
    assert len(store.paths(filled)) == RUNS
    assert stores.resume(filled, asked).kept == {"ok": RUNS}
    with pytest.raises(RuntimeError, match="20 runs of"):
        stores.resume(filled, stores.cells(asked[0].configs[0], RUNS + 20))


def test_listing_opens_no_file(filled, opened):
    assert len(store.paths(filled)) == RUNS
    assert not opened


def test_a_store_is_listed_in_the_order_of_its_paths(filled):
    assert store.paths(filled) == sorted(store.paths(filled))


def test_resuming_opens_each_file_once(filled, asked, opened):
    plan.make(filled, asked, forecaster())
    assert set(opened.values()) == {1}
    assert len(opened) == RUNS


def test_resuming_a_part_opens_that_part(filled, asked, opened):
    plan.make(filled, asked[:1], forecaster())
    assert opened == {f"{keys.key(config)}.json": 1 for config in asked[0].configs}


def test_resuming_with_a_budget_opens_each_file_once(filled, asked, opened):
    budgeted = [Cell(cell.configs, 1e300) for cell in asked]
    assert not plan.make(filled, budgeted, forecaster()).pending
    assert set(opened.values()) == {1}


def test_what_is_not_stored_opens_no_file(filled, asked, opened):
    others = [
        Cell(tuple(dataclasses.replace(config, max_outer=9) for config in cell.configs), None)
        for cell in asked[:1]
    ]
    assert len(plan.make(filled, others, forecaster()).pending) == stores.INSTANCES
    assert not opened


def test_notes_of_infeasible_eps_that_runs_serve_are_found_among_other_files(
    original, asked, tmp_path
):
    """Without a budget now; a file of another sweep stays."""
    small = Cell(asked[0].configs[:2], 1.0)
    refused = plan.make(tmp_path, [small], forecaster()).infeasible
    assert len(refused) == 4
    notes = [store.write(tmp_path, record(each, original.code)) for each in refused]
    other = dataclasses.replace(original.config, max_outer=9)
    store.write(tmp_path, dataclasses.replace(original, config=other))
    todo = plan.make(tmp_path, [small._replace(budget=None)], forecaster())
    assert todo.stale == sorted(notes, key=lambda path: path.stem)
    both = plan.make(tmp_path, [small, small._replace(budget=None)], forecaster())
    assert (both.stale, both.infeasible) == (todo.stale, [])
    assert single(small.configs[0], 0.3) in [each.config for each in refused]


def test_a_file_in_a_wrong_folder_does_not_hide_the_right_one(original, tmp_path):
    right = store.write(tmp_path, original)
    for folder in ("00", "ff"):
        wrong = tmp_path / "runs" / folder / right.name
        wrong.parent.mkdir()
        wrong.write_text("{")
    asked = [Cell((original.config,), None)]
    assert stores.resume(tmp_path, asked).kept == {"ok": 1}
    right.unlink()
    todo = plan.make(tmp_path, asked, forecaster())
    assert (todo.pending, todo.notes) == ([original.config], [])


def test_reading_a_frame_opens_each_file_once(filled, opened):
    store.frame(filled)
    assert set(opened.values()) == {1}
    assert len(opened) == RUNS


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_a_frame_does_not_depend_on_how_many_records_become_columns_at_a_time(
    filled, batch, monkeypatch
):
    rows = [row for each in store.records(filled) for row in each.rows()]
    monkeypatch.setattr(frames, "BATCH", batch)
    pd.testing.assert_frame_equal(store.frame(filled), frames.to_frame(rows))


def test_a_frame_has_numbers_where_none_is_known(original, asked, tmp_path, monkeypatch):
    """A batch in which no run is infeasible, and some in which all are."""
    monkeypatch.setattr(frames, "BATCH", 1)
    refused = plan.make(tmp_path, [Cell(asked[0].configs[:1], 1.0)], forecaster()).infeasible
    mixed = [original, *(record(each, original.code) for each in refused)]
    table = frames.of_records(mixed)
    for name in ("outer", "hv", "samples_hv", "outer_bound", "predicted_calls", "batches_hv"):
        assert table[name].dtype == float
    assert table["predicted_calls"].notna().sum() == 4  # two eps under both criteria
    assert frames.of_records([]) is None


def test_each_record_is_shown_on_its_way_into_the_frame(filled):
    seen = []
    store.frame(filled, on_record=seen.append)
    assert len({each.config.seed for each in seen}) == stores.INSTANCES


def test_planted_counts_are_fitted(filled):
    rows = stores.average_rows(store.frame(filled))
    one = rows[rows["options"] == rows["options"].iloc[0]]
    assert fit(one, "hv", "power").kappa.value == pytest.approx(stores.EXPONENT, abs=0.02)


# Lines


def test_a_planted_exponent_is_found_in_its_interval():
    spread = itertools.cycle([1.1, 0.93, 1.02])
    found = line([(x, 5.0 * x**1.5 * next(spread)) for x in (1, 2, 4, 8, 16, 32, 64)])
    assert found.exponent == pytest.approx(1.5, abs=0.05)
    assert found.low < 1.5 < found.high
    assert found.high - found.low < 0.3
    assert found.at(4.0) == pytest.approx(40.0, rel=0.1)


def test_two_points_have_an_exponent_and_no_interval():
    found = line([(1.0, 2.0), (10.0, 200.0)])
    assert (found.exponent, found.low, found.high) == (pytest.approx(2.0), None, None)


@pytest.mark.parametrize("points", [[(1.0, 1.0)], [(2.0, 1.0), (2.0, 3.0)]])
def test_a_line_needs_two_places(points):
    with pytest.raises(InputError, match="expected two different x"):
        line(points)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_a_line_needs_numbers_above_zero(value):
    with pytest.raises(InputError, match="points: expected finite numbers > 0"):
        line([(1.0, 1.0), (2.0, value)])


def test_the_line_goes_through_the_points_from_where_it_is_asked_to():
    flat_then_square = [(x, max(1.0, x * x / 100.0)) for x in (1.0, 3.0, 10.0, 30.0, 100.0)]
    assert Series("", flat_then_square, 10.0).line.exponent == pytest.approx(2.0)
    assert Series("", flat_then_square[:1]).line is None


def test_the_best_of_some_repetitions_is_taken_and_long_work_is_done_once():
    clock = iter([0.0, 0.2, 1.0, 1.1, 2.0, 2.15]).__next__
    assert best_seconds(lambda: None, clock) == pytest.approx(0.1)
    clock = iter([0.0, 7.0]).__next__
    assert best_seconds(lambda: None, clock) == 7.0


# The command


def panel(title="Planted"):
    points = [(10.0**i, 3.0 * 10.0**i) for i in range(1, 5)]
    return Panel(title, "files", "seconds", "a note", [Series("one", points, 10.0)])


def test_panels_survive_json():
    content = json.loads(json.dumps(to_dict(panel())))
    assert content["series"][0]["line"]["exponent"] == pytest.approx(1.0)
    assert from_dict(content).series[0].line == panel().series[0].line


def test_the_command_writes_all_of_it_and_keeps_parts_that_it_does_not_measure(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(growth, "measure", lambda part, largest: [panel(part)])
    for only in (["store"], ["batch"]):
        monkeypatch.setattr(sys, "argv", ["growth.py", str(tmp_path), "--only", *only])
        growth.main()
    content = json.loads((tmp_path / "growth.json").read_text())
    assert set(content) == {"store", "batch"}
    assert content["store"]["environment"]["numpy"]
    table = (tmp_path / "growth.md").read_text().splitlines()
    assert [line.split(",")[0] for line in table[2:]] == ["| batch", "| store"]
    assert all("1.00" in line for line in table[2:])
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {f"growth.{suffix}" for suffix in ("json", "md", "png", "pdf", "csv")}


def test_a_store_too_small_for_a_line_is_bad_input(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["growth.py", str(tmp_path), "--largest-store", "5"])
    with pytest.raises(SystemExit, match="2"):
        growth.main()
    assert "--largest-store: expected at least" in capsys.readouterr().err
