"""Sweeps on a Dask cluster: the same counts as anywhere, and runs that fail."""

import dataclasses
import importlib
import json
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
from clusters import PLUGIN, RUNS, TEXT, TUNED, grid, listening, outcomes, plug_in

import bilevel_core
from bilevel_core.sweep import cluster, cluster_worker, keys, plan, store, tunings
from bilevel_core.sweep.forecast import forecaster
from bilevel_core.sweep.runner import sweep
from bilevel_core.sweep.specification import cells, load

distributed = pytest.importorskip("distributed")
config = pytest.importorskip("dask.config")


def test_local_workers_measure_the_same_as_this_process(specification, reference, tmp_path):
    summary = sweep(load(specification), tmp_path, jobs=2, dask="local")
    assert (summary.computed, summary.statuses) == (RUNS, {"ok": RUNS})
    assert outcomes(tmp_path) == reference


def test_a_scheduler_is_found_by_its_address_and_by_its_file(two, tmp_path, invoke):
    (tmp_path / "scheduler.json").write_text(json.dumps(two.scheduler.identity()))
    (tmp_path / "spec.toml").write_text(TEXT.replace("4, 5, 6, 7, 8, 9", "4"))
    words = ["sweep", tmp_path / "spec.toml", "--out", tmp_path / "out", "--dask"]
    code, out, err = invoke(*words, two.scheduler_address)
    assert (code, out) == (0, "20 computed, 0 skipped: 20 ok, 0 censored, 0 diverged, 0 failed\n")
    assert "20 runs to make (0 stored)" in err
    assert "with 2 processes" in err
    for path in store.paths(tmp_path / "out")[:3]:
        path.unlink()
    assert invoke(*words, tmp_path / "scheduler.json")[1].startswith(
        "3 computed, 17 skipped: 20 ok"
    )


def test_second_sweep_needs_no_cluster(two, tmp_path, monkeypatch):
    assert sweep(grid(), tmp_path, dask=two.scheduler_address).computed == 4
    monkeypatch.setattr(cluster, "connected", None)
    assert sweep(grid(), tmp_path, dask=two.scheduler_address).skipped == 4


def test_runs_start_in_the_order_of_the_plan(one, written, tmp_path):
    specification = grid(kappa=[4.0, 9.0, 16.0], seeds=[0, 1, 2])
    sweep(specification, tmp_path, dask=one.scheduler_address)
    planned = plan.make(Path("nowhere"), cells(specification), forecaster()).pending
    assert list(written.counted) == [keys.key(config) for config in planned]


def test_local_servers_are_on_loopback_and_have_one_thread():
    before = listening()
    with cluster.connected("local", 1) as executor:
        assert executor.processes == 1
        assert {address for address, _ in listening() - before} == {"127.0.0.1"}
        client = executor.execute.keywords["client"]
        assert set(client.nthreads().values()) == {1}
        assert all(client.run(is_deaf_to_ctrl_c).values())
    assert listening() <= before


def is_deaf_to_ctrl_c():

    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_searches_travel_and_are_stored_here_alone(two, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where workers are not, so that they do not find what is there
    sweep(grid(**TUNED), Path("here"))
    summary = sweep(grid(**TUNED), Path("there"), dask=two.scheduler_address)
    assert summary.statuses == {"ok": 2}
    assert outcomes(Path("there")) == outcomes(Path("here"))
    assert searches(Path("there")) == searches(Path("here"))


def searches(directory):
    found = {path.stem: tunings.read(path).to_dict() for path in tunings.paths(directory)}
    for content in found.values():
        content["spent"].pop("seconds")
    return found


def test_a_kept_search_is_used_and_not_made_again(two, tmp_path):
    sweep(grid(**TUNED), tmp_path, dask=two.scheduler_address)
    for path in tunings.paths(tmp_path):
        found = tunings.read(path)
        params = {**found.params, "beta": found.params["beta"] * 0.5}
        tunings.write(tmp_path, dataclasses.replace(found, params=params))
    kept = [path.read_text() for path in tunings.paths(tmp_path)]
    assert sweep(grid(**TUNED, seeds=[0, 1, 2]), tmp_path, dask=two.scheduler_address).computed == 1
    assert [path.read_text() for path in tunings.paths(tmp_path)] == kept
    (record,) = (each for each in store.records(tmp_path) if each.config.seed == 2)
    steps = [each["params"]["beta"] for each in record.passes]
    assert sorted(steps) == sorted(json.loads(text)["record"]["params"]["beta"] for text in kept)


# What goes wrong with a run


def test_a_plug_in_that_workers_cannot_read_is_a_failed_run(two, tmp_path, monkeypatch):
    plug_in(tmp_path / "plug.py", PLUGIN)
    monkeypatch.chdir(tmp_path)  # where workers are not
    summary = sweep(
        grid(solvers=["aid_bio", "plug.py:own"]), Path("out"), dask=two.scheduler_address
    )
    assert summary.statuses == {"ok": 4, "failed": 4}
    assert {failure.reason for failure in summary.failures} == {"'plug.py:own': no file 'plug.py'"}
    assert len(store.paths(Path("out"))) == 4


def test_record_that_is_no_json_is_a_failure(monkeypatch):
    run_module = importlib.import_module("bilevel_core.run")
    original = run_module.execute

    def with_nan(config, progress, tune=None):
        return dataclasses.replace(original(config, progress), seconds=float("nan"))

    monkeypatch.setattr(run_module, "execute", with_nan)
    answer = answered(monkeypatch)
    assert answer["failure"].startswith("the record cannot be stored: ")


@pytest.mark.parametrize(("state", "status"), [("cancelled", "running"), ("executing", "closing")])
def test_run_that_nobody_waits_for_and_run_of_a_closing_worker_are_dropped(
    monkeypatch, state, status
):
    assert "record" in answered(monkeypatch)
    with pytest.raises(distributed.Reschedule):
        answered(monkeypatch, state, status)


def test_order_of_another_version_is_not_even_read(monkeypatch):
    def of_a_later_version(order):
        asked = json.loads(order)
        asked["config"]["unheard_of"] = 1
        asked["terms"]["version"] = "9.9"
        return json.dumps(asked)

    answer = answered(monkeypatch, change=of_a_later_version)
    assert answer.keys() == {"worker", "terms"}
    assert answer["terms"]["version"] == bilevel_core.__version__


def answered(monkeypatch, state="executing", status="running", change=lambda order: order):
    """What a worker answers to an order while its task is in this state, and itself in `status`."""
    worker = SimpleNamespace(
        address="tcp://127.0.0.1:1",
        status=SimpleNamespace(name=status),
        state=SimpleNamespace(nthreads=1, tasks={"run": SimpleNamespace(state=state)}),
        get_current_task=lambda: "run",
    )
    monkeypatch.setattr(distributed, "get_worker", lambda: worker)
    (cell,) = cells(grid(kappa=[4.0], seeds=[0]))
    order = cluster._order(Path("nowhere"), cell.configs[0], cluster.fingerprints())
    return json.loads(cluster_worker.compute(change(order)))
