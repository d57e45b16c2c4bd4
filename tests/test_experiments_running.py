"""Experiments on a toy: tuning, stored records, resuming, the command, tables and figures."""

import copy
import dataclasses
import functools
import json
import signal

import pandas as pd
import pytest
import toy_experiment
from typer.testing import CliRunner

from bilevel_core import cli
from bilevel_core.errors import InputError
from bilevel_core.experiments import (
    catalogue,
    checkpoint,
    executing,
    figures,
    planning,
    records,
    running,
    table,
    tuning,
)
from bilevel_core.experiments.curves import band
from bilevel_core.experiments.experiment import TUNING_SEED, profile_of
from bilevel_core.experiments.trial import Trial, TrialRecord

EXPERIMENT = toy_experiment.EXPERIMENT
PROFILE = EXPERIMENT.profiles["quick"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("toy")
    return out, running.run(EXPERIMENT, PROFILE, out)


def comparable(record):
    content = copy.deepcopy(record.to_dict())
    for point in [content["total"], *content["curve"]]:
        del point["seconds"]
    return content


def find(done, name):
    return next(one for one in done if one.part.name == name)


def test_tuning_picks_the_planted_step(finished):
    _, done = finished
    for name in ("three-itd_bio", "three-ttsa"):
        tuned = find(done, name).tuning
        assert tuned["chosen"] == {"beta": 0.2}
        assert [point["status"] for point in tuned["points"]][1] in ("ok", "censored")
        assert tuned["points"][2]["score"] is None or (
            tuned["points"][2]["score"] > tuned["points"][1]["score"]
        )
        assert tuned["at_edge"] == []
        assert tuned["seed"] == TUNING_SEED
        for kind in ("calls", "samples"):
            assert tuned["cost"][kind] == sum(point[kind] for point in tuned["points"]) > 0


def test_tuning_is_stored_with_every_point(finished):
    out, done = finished
    stored = json.loads((out / "tuning" / "three-itd_bio.json").read_text())
    assert stored == json.loads(json.dumps(find(done, "three-itd_bio").tuning))
    assert {point["run"] for point in stored["points"]} <= {
        path.stem for path in (out / "tuning" / "runs").glob("*.json")
    }


def test_a_scenario_may_take_over_the_parameters_of_another(finished):
    _, done = finished
    again, first = find(done, "again-itd_bio"), find(done, "three-itd_bio")
    assert again.tuning is first.tuning
    assert again.records[0].trial.params == first.records[0].trial.params
    assert again.records[0].trial.settings == {"kappa": 4.0}


def test_records_are_complete(finished):
    out, done = finished
    assert sum(len(one.records) for one in done) == 8
    record = find(done, "three-itd_bio").records[1]
    assert (record.trial.seed, record.status, record.provenance) == (1, "ok", {"checksum": "toy"})
    assert record.total["reached"] >= 2000 > record.curve[-2]["reached"]
    assert records.read(out, record.trial) == record
    assert record.environment["numpy"]
    assert not list((out / "checkpoints").glob("*"))


def test_a_second_run_computes_nothing(finished, capsys):
    out, done = finished
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.json")}
    again = running.run(EXPERIMENT, PROFILE, out)
    assert [one.records for one in again] == [one.records for one in done]
    kept = [path for path in before if "runs" in path.parts]
    assert all(path.stat().st_mtime_ns == before[path] for path in kept)
    assert "runs: 0 to run, 8 stored" in capsys.readouterr().err


@pytest.mark.slow
def test_workers_give_the_same_records(finished, tmp_path):
    _, done = finished
    other = running.run(EXPERIMENT, PROFILE, tmp_path, processes=2)
    for one, same in zip(done, other, strict=True):
        assert list(map(comparable, one.records)) == list(map(comparable, same.records))


def test_damaged_or_outdated_records_are_computed_again(finished):
    out, done = finished
    trial = find(done, "three-ttsa").records[0].trial
    path = records.path_of(out, trial)
    good = path.read_text()
    code = json.loads(good)["record"]["code"]
    assert records.current(out, trial, code)
    assert records.current(out, trial, "other") is None
    path.write_text(good.replace('"seed":0', '"seed":1'))
    assert records.read(out, trial) is None
    path.write_text(good)


def test_interrupted_says_how_to_resume(tmp_path, monkeypatch, capsys):
    real, calls = executing.execute, []

    def once(job):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(job)
        return real(job)

    monkeypatch.setattr(executing, "execute", once)
    with pytest.raises(KeyboardInterrupt):
        running.run(EXPERIMENT, PROFILE, tmp_path)
    assert "2 of 6 tuning are stored" in capsys.readouterr().err
    monkeypatch.setattr(executing, "execute", real)
    running.run(EXPERIMENT, PROFILE, tmp_path)
    assert "tuning: 4 to run, 2 stored" in capsys.readouterr().err


def test_ctrl_c_in_the_middle_of_a_run_is_resumed_to_the_bit(tmp_path, monkeypatch):
    part = planning.parts(EXPERIMENT, PROFILE, None)[1]
    trial = planning.tuning_trials(part, PROFILE, "cpu")[1]
    whole, cut = (planning.job_of(part, trial, tmp_path / name) for name in ("whole", "cut"))
    executing.execute(whole)
    looks = []

    def pressed(settings, seed):
        task = EXPERIMENT.task(settings, seed)

        def evaluate(state):
            looks.append(state.x)
            if len(looks) == 3:
                signal.raise_signal(signal.SIGINT)
            return task.evaluate(state)

        return dataclasses.replace(task, evaluate=evaluate)

    monkeypatch.setattr(toy_experiment, "EXPERIMENT", EXPERIMENT._replace(task=pressed))
    often = functools.partial(checkpoint.keep_in, period=0.0)
    monkeypatch.setattr(checkpoint, "keep_in", often)
    executing.task_of.cache_clear()
    with pytest.raises(KeyboardInterrupt):
        executing.execute(cut)
    assert records.read(cut.directory, trial) is None
    assert len(list((cut.directory / "checkpoints").iterdir())) == 1
    executing.execute(cut)
    assert len(looks) == 5  # none of them twice
    executing.task_of.cache_clear()
    first, second = (records.read(job.directory, trial) for job in (whole, cut))
    assert comparable(first) == comparable(second)
    assert not list((cut.directory / "checkpoints").iterdir())


def test_a_run_that_raises_ends_in_a_status(tmp_path, monkeypatch):
    def broken(settings, seed):
        raise RuntimeError("no such luck")

    part = planning.parts(EXPERIMENT, PROFILE, None)[0]
    trial = planning.tuning_trials(part, PROFILE, "cpu")[0]
    job = planning.job_of(part, trial, tmp_path)
    executing.task_of.cache_clear()
    monkeypatch.setattr(toy_experiment, "EXPERIMENT", EXPERIMENT._replace(task=broken))
    ending = executing.execute(job)
    assert ending.status == "failed"
    assert ending.reason.startswith("RuntimeError: no such luck (test_experiments_running.py, line")
    stored = records.read(tmp_path, trial)
    assert stored.final("loss") is None
    assert records.current(tmp_path, trial, job.code) is None


def curve(values, status="ok"):
    """The record of a run that was looked at after each sample."""
    points = [{"metrics": {"loss": value}, "spent": i} for i, value in enumerate(values)]
    trial = Trial("toy", "s", {}, "m", "m", {}, 0, PROFILE.budget, 1, "torch")
    total = {"calls": {"hvp": 2}, "spent": len(values) - 1, "seconds": 0.5}
    return TrialRecord(trial, status, "", total, points, {}, {}, "")


def test_scores_are_means_of_the_second_half_and_failures_never_win():
    method = toy_experiment.task(toy_experiment.Settings(), 0).methods[0]
    runs = [curve([9, 3, 3, 3]), curve([0, 1, 2, 2.5]), curve([0] * 4, "diverged")]
    found = tuning.result(method, runs, "loss")
    assert [point["score"] for point in found["points"]] == [3.0, 2.25, None]
    assert found["chosen"] == {"beta": 0.2}
    assert found["cost"] == {"calls": 6, "samples": 9, "seconds": 1.5}


def test_equal_scores_are_decided_by_order_and_edges_are_told():
    method = toy_experiment.task(toy_experiment.Settings(), 0).methods[0]
    found = tuning.result(method, [curve([1.0])] * 3, "loss")
    assert found["chosen"] == {"beta": 1e-4}
    assert found["at_edge"] == ["beta"]
    none = tuning.result(method, [curve([None])] * 3, "loss")
    assert (none["chosen"], none["at_edge"]) == (None, [])


def test_a_run_of_few_long_steps_is_not_scored_by_its_start():
    assert curve([9.0, 1.0]).late("loss") == 1.0
    assert curve([9.0, 2.0, 1.0]).late("loss") == 1.5
    assert curve([9.0, 2.0, 1.0], "diverged").late("loss") is None
    assert curve([9.0, 2.0, None]).late("loss") is None


@pytest.mark.parametrize(
    ("scores", "beta"),
    [
        ((2.0, 2.0 / 1.004, 2.0), 1e-4),  # close: the first
        ((2.0, 2.0 / 1.006, 2.0), 0.2),
        ((None, 2.0, 2.0 / 1.004), 0.2),
        ((-2.0, -2.004, -2.1), 1e3),
    ],
)
def test_of_scores_that_are_close_the_first_is_chosen(scores, beta):
    method = toy_experiment.task(toy_experiment.Settings(), 0).methods[0]
    runs = [curve([score]) for score in scores]
    assert tuning.result(method, runs, "loss")["chosen"] == {"beta": beta}


def test_bands_are_medians_over_what_all_seeds_cover():
    def seed(xs, ys):
        record = curve([0.0, *ys])
        for point, x in zip(record.curve, [0, *xs], strict=True):
            point["spent"] = x
        return record

    found = band([seed([1, 4], [0.0, 3.0]), seed([1, 2], [5.0, 5.0])], "spent", "loss")
    assert (found.x[0], found.x[-1]) == (1.0, pytest.approx(2.0))
    assert found.median[-1] == pytest.approx(3.0)
    assert (found.low[-1], found.high[-1]) == (pytest.approx(1.0), 5.0)
    assert band([], "spent", "loss") is None


def test_table_and_figures(finished, tmp_path):
    _, done = finished
    text = table.text(EXPERIMENT, PROFILE, done)
    assert "## κ = 3" in text
    assert "| ITD |" in text
    assert "beta = 0.2" in text
    assert "Parameters taken over from three" in text
    written = figures.write(EXPERIMENT, done, tmp_path)
    names = {path.name for path in written}
    assert {f"{name}.{kind}" for name in ("loss", "size") for kind in ("pdf", "png", "csv")} < names
    assert "ablation-loss.png" in names
    assert all(path.stat().st_size > 0 for path in written)
    data = pd.read_csv(tmp_path / "loss.csv")
    assert set(data.axis) == {"spent", "seconds"}
    assert set(data.method) == {"ITD", "TTSA"}
    assert (data.low <= data["median"]).all()


def test_a_method_without_any_score_is_told_in_the_table(finished):
    _, done = finished
    one = done[0]
    bad = one._replace(tuning={**one.tuning, "chosen": None, "at_edge": []}, records=[])
    assert "no point of the grid went well" in table.text(EXPERIMENT, PROFILE, [bad])
    figures.draw(figures.compared([bad]), EXPERIMENT.metrics[0])


@pytest.mark.parametrize(
    ("seeds", "message"),
    [((), "different"), ((1, 1), "different"), ((-1,), "different"), ((TUNING_SEED,), "tuning")],
)
def test_seeds_that_are_not_allowed(seeds, message):
    with pytest.raises(InputError, match=message):
        profile_of(EXPERIMENT, "quick", seeds)


@pytest.fixture
def toy_in_catalogue(monkeypatch):
    monkeypatch.setitem(catalogue.MODULES, "toy", "toy_experiment")


def test_the_command_writes_everything(toy_in_catalogue, tmp_path):
    out = tmp_path / "out"
    result = CliRunner().invoke(
        cli.app, ["experiment", "toy", "--out", str(out), "--jobs", "1", "--seeds", "5"]
    )
    assert result.exit_code == 0, result.output
    assert (out / "table.md").read_text().startswith("# Toy")
    assert (out / "figures" / "loss.png").exists()
    assert len(list((out / "runs").glob("*.json"))) == 4


def command(*arguments):
    """The exit code."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["experiment", *arguments])
    return ended.value.code


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["newsgroup"], "no experiment 'newsgroup'; did you mean 'newsgroups'?"),
        (["newsgroups", "--seeds", "a"], "--seeds: expected integers"),
        (["newsgroups", "--data-home", "/no/such"], "--data-home: no folder '/no/such'"),
        (["newsgroups", "--profile", "quik"], "quik"),
        (["newsgroups", "--jobs", "0"], "jobs: expected a whole number >= 1, got 0"),
        (["newsgroups", "--device", "tpu"], "device: expected 'cpu' or 'cuda', got 'tpu'"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, message, capsys):
    assert command(*arguments) == 2
    told = capsys.readouterr().err
    assert message in told
    assert len(told.splitlines()) == 1


def test_missing_data_is_one_line_and_exit_code_2(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("BILEVEL_DATA", str(tmp_path))
    executing.task_of.cache_clear()
    assert command("fewshot", "--out", str(tmp_path / "out")) == 2
    told = capsys.readouterr().err
    assert "omniglot" in told
    assert len(told.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_ctrl_c_is_exit_code_130(toy_in_catalogue, tmp_path, monkeypatch, capsys):
    def interrupted(job):
        raise KeyboardInterrupt

    monkeypatch.setattr(executing, "execute", interrupted)
    assert command("toy", "--out", str(tmp_path), "--jobs", "1") == 130
    assert "the same command resumes" in capsys.readouterr().err


def test_order_of_runs(tmp_path):
    parts = planning.parts(EXPERIMENT, PROFILE, None)[:2]
    jobs = [
        planning.job_of(part, trial, tmp_path)
        for part in parts
        for trial in planning.reported_trials(part, PROFILE, {"beta": 0.2}, "cpu")
    ]
    seconds = {job.trial.key: 2.0 if job.trial.method == "ttsa" else 1.0 for job in jobs}
    ordered = [(job.trial.seed, job.trial.method) for job in planning.longest_first(jobs, seconds)]
    assert ordered == [(0, "ttsa"), (0, "itd_bio"), (1, "ttsa"), (1, "itd_bio")]
    assert planning.in_turns([jobs[:2], jobs[2:]]) == [jobs[0], jobs[2], jobs[1], jobs[3]]
