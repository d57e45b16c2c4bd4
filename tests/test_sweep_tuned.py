"""Tuned sweeps: one search a cell, kept beside the runs, looked up by whoever needs it."""

import json

import pytest

from bilevel_core import tuning
from bilevel_core.sweep import merge, runner, specification, store, tunings

TABLE = {
    "name": "tuned",
    "grid": [
        {
            "problem": "hard",
            "solvers": ["aid_bio"],
            "policy": "tuned",
            "kappa": [4],
            "eps": [0.2, 0.1],
            "seeds": [0, 1],
            "max_outer": 100000,
            "tuning": {"candidates": 4, "refinements": 2, "instances": 1, "held_out": 1},
        }
    ],
}


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    out = tmp_path_factory.mktemp("tuned")
    summary = runner.sweep(specification.parse(TABLE), out)
    return out, summary


def records(directory):
    return sorted(store.records(directory), key=lambda record: record.config.seed)


def test_each_eps_has_one_search_that_all_instances_share(swept):
    out, summary = swept
    assert summary.statuses == {"ok": 2}
    searches = {path.stem: tunings.read(path) for path in tunings.paths(out)}
    assert sorted(found.eps for found in searches.values()) == [0.1, 0.2]
    for record in records(out):
        assert [each["eps"] for each in record.passes] == [[0.2], [0.1]]
        for each in record.passes:
            found = searches[each["tuning"]["key"]]
            assert each["params"] == dict(found.params)
            assert each["tuning"]["cost"] == found.spent["cost"] > 0
        rows = [row for row in record.rows() if row["criterion"] == "average"]
        assert [row["tuning_cost"] for row in rows] == [
            each["tuning"]["cost"] for each in record.passes
        ]
        assert all(row["outer_bound"] is None for row in rows)


def test_a_sweep_resumes_without_searching(swept, monkeypatch):
    out, _ = swept
    monkeypatch.setattr(tuning, "tune", None)
    again = runner.sweep(specification.parse(TABLE), out)
    assert (again.computed, again.skipped) == (0, 2)


def test_a_new_instance_uses_the_search_that_is_kept(swept, monkeypatch):
    out, _ = swept
    monkeypatch.setattr(tuning, "tune", None)
    wider = {**TABLE, "grid": [{**TABLE["grid"][0], "seeds": [0, 1, 2]}]}
    again = runner.sweep(specification.parse(wider), out)
    assert (again.computed, again.skipped) == (1, 2)


def test_a_damaged_search_is_made_again_with_the_same_result(swept, tmp_path):
    out, _ = swept
    copy = tmp_path / "copy"
    merge.merge([out], copy)
    path = tunings.paths(copy)[0]
    before = path.read_text()
    path.write_text(before[:40])
    for run in store.paths(copy):
        run.unlink()
    assert runner.sweep(specification.parse(TABLE), copy).computed == 2
    old, new = (json.loads(text)["record"] for text in (before, path.read_text()))
    old["spent"].pop("seconds"), new["spent"].pop("seconds")
    assert old == new


def test_merging_brings_the_searches_along(swept, tmp_path):
    out, _ = swept
    merge.merge([out], tmp_path / "merged")
    names = [path.name for path in tunings.paths(out)]
    assert [path.name for path in tunings.paths(tmp_path / "merged")] == names


def test_other_settings_are_another_search(swept):
    out, _ = swept
    config = records(out)[0].config
    assert tunings.is_current(records(out)[0])
    changed = {**config.tuning, "seed": 1}
    other = type(config)(**{**vars(config), "tuning": changed})
    assert set(tunings.keys(other)).isdisjoint(tunings.keys(config))


def test_a_search_without_success_is_a_censored_run_with_its_reason(tmp_path):
    grid = {**TABLE["grid"][0], "eps": [1e-6], "seeds": [0], "max_outer": 20}
    summary = runner.sweep(specification.parse({**TABLE, "grid": [grid]}), tmp_path)
    assert summary.statuses == {"censored": 1}
    (record,) = store.records(tmp_path)
    assert record.reason.startswith("tuning: no parameters reached eps = 1e-06")
    assert record.counts(1e-6) is None


def test_workers_make_each_search_once(tmp_path):
    summary = runner.sweep(specification.parse(TABLE), tmp_path, jobs=2)
    assert summary.statuses == {"ok": 2}
    assert len(tunings.paths(tmp_path)) == 2
