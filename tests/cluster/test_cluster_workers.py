"""Workers and schedulers that die or do not fit: nothing is lost, and it is told."""

import asyncio
import os
import signal
import sys
from collections import Counter

import pytest
from clusters import DEADLY, RUNS, TEXT, command, dask, grid, outcomes, plug_in, wait_until, workers

import bilevel_core
from bilevel_core.sweep import cluster, store
from bilevel_core.sweep.executors import WorkerDiedError
from bilevel_core.sweep.runner import sweep
from bilevel_core.sweep.specification import load, parse

distributed = pytest.importorskip("distributed")
config = pytest.importorskip("dask.config")
psutil = pytest.importorskip("psutil")


def test_killed_worker_loses_nothing_and_doubles_nothing(
    two, specification, reference, written, tmp_path, capsys
):
    victim = next(iter(two.workers.values())).pid

    def kill_once():
        if sum(written.counted.values()) == 5:
            os.kill(victim, signal.SIGKILL)

    written.then = kill_once
    summary = sweep(load(specification), tmp_path, dask=two.scheduler_address)
    assert not psutil.pid_exists(victim)
    assert (summary.computed, summary.statuses) == (RUNS, {"ok": RUNS})
    assert set(written.counted.values()) == {1}
    assert len(written.counted) == RUNS
    assert outcomes(tmp_path) == reference
    assert " has gone, with at most " in capsys.readouterr().err


def test_answer_that_died_with_its_worker_is_computed_again(two, written, tmp_path, monkeypatch):
    """The worker is killed between the end of its run and the fetching of its answer."""
    original, answers = cluster._fetched, []

    def fetched(future, questions):
        if not answers:
            (holder,) = two.scheduler.tasks[future.key].who_has
            os.kill(holder.pid, signal.SIGKILL)
        monkeypatch.setattr(cluster, "FETCHING", 10.0 if answers else 1e-3)
        answers.append(original(future, questions))
        return answers[-1]

    monkeypatch.setattr(cluster, "_fetched", fetched)
    assert sweep(grid(), tmp_path, dask=two.scheduler_address).statuses == {"ok": 4}
    assert answers[0] is None
    assert Counter(written.counted.values()) == {1: 4}


def test_answer_that_comes_late_is_waited_for_again(two, written, tmp_path, monkeypatch):
    """Dask joins a second question to the first: had that been cancelled, so would be this one."""
    gather, original, answers = distributed.Client._gather_remote, cluster._fetched, []

    async def late(client, *arguments):
        await asyncio.sleep(0.2)
        return await gather(client, *arguments)

    def fetched(future, questions):
        answers.append(original(future, questions))
        return answers[-1]

    monkeypatch.setattr(cluster, "FETCHING", 0.05)
    monkeypatch.setattr(cluster, "_fetched", fetched)
    monkeypatch.setattr(distributed.Client, "_gather_remote", late)
    assert sweep(grid(), tmp_path, dask=two.scheduler_address).statuses == {"ok": 4}
    assert answers[0] is None
    assert Counter(written.counted.values()) == {1: 4}


def test_run_that_kills_every_worker_is_named_and_the_others_are_kept(tmp_path):
    (tmp_path / "deadly.py").write_text(DEADLY)
    (tmp_path / "spec.toml").write_text(
        TEXT.replace('"aid_bio"', f'"aid_bio", "{tmp_path}/deadly.py:own"')
        .replace("[4, 6, 8, 10]", "[4]")
        .replace("[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]", "[0]")
    )
    with command(tmp_path / "spec.toml", tmp_path / "out", "--dask", "local", "--jobs", "1") as ran:
        _, err = ran.communicate(timeout=120)
    assert ran.returncode == 1
    assert err.splitlines()[-1] == (
        f"error: every worker that took it died: {tmp_path}/deadly.py:own on hard, kappa 4, seed "
        "0; the same command resumes"
    )
    assert "Traceback" not in err
    assert len(outcomes(tmp_path / "out")) == 1


def test_runs_beside_a_deadly_one_are_not_blamed(tmp_path):
    """A worker of Dask's defaults holds the next run, too, which is a suspect when it dies."""
    plug_in(tmp_path / "deadly.py", DEADLY.replace('"own"', '"deadly"'))
    settings = {"dashboard": False, "dashboard_address": "127.0.0.1:0", "allowed_failures": 0}
    quick = {"problem": "hard", "kappa": [4.0], "eps": [0.5]}
    one_deadly = quick | {"solvers": [f"{tmp_path}/deadly.py:deadly"], "seeds": [0]}
    others = quick | {"solvers": ["aid_bio"], "seeds": [0, 1, 2, 3]}
    specification = parse({"name": "beside", "grid": [others, one_deadly]})
    with workers(1, scheduler_kwargs=settings) as found, pytest.raises(WorkerDiedError) as died:
        sweep(specification, tmp_path / "out", dask=found.scheduler_address)
    assert str(died.value).count("deadly.py:deadly on hard") == 1
    assert "aid_bio on" not in str(died.value)
    assert len(outcomes(tmp_path / "out")) == 4


def test_worker_of_another_version_is_refused(two, tmp_path, monkeypatch):
    monkeypatch.setattr(bilevel_core, "__version__", "0.0.1")  # here, not there
    with pytest.raises(cluster.UnfitWorkerError, match="install one version everywhere") as refused:
        sweep(grid(), tmp_path, dask=two.scheduler_address)
    assert "has bilevel-bench 0.1.0, and this process 0.0.1" in str(refused.value)
    assert store.paths(tmp_path) == []


def test_worker_of_other_code_is_refused(two, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "fingerprints", lambda: lambda config: "0" * 32)
    with pytest.raises(cluster.UnfitWorkerError, match="other code of aid_bio on hard"):
        sweep(grid(), tmp_path, dask=two.scheduler_address)
    assert store.paths(tmp_path) == []


def test_worker_without_the_package_is_refused(two, tmp_path):
    with distributed.Client(two, set_as_default=False) as client:
        client.run(forbid)
        with pytest.raises(cluster.UnfitWorkerError, match="a worker cannot import bilevel-bench"):
            sweep(grid(), tmp_path, dask=two.scheduler_address)
        client.run(allow)


def forbid():

    sys.modules["bilevel_core.sweep.cluster_worker"] = None


def allow():

    del sys.modules["bilevel_core.sweep.cluster_worker"]


def test_worker_of_several_threads_is_refused(tmp_path):
    with (
        workers(1, threads_per_worker=2, processes=False, protocol="tcp") as found,
        pytest.raises(cluster.UnfitWorkerError, match=r"has 2 threads.*--nthreads 1"),
    ):
        sweep(grid(), tmp_path, dask=found.scheduler_address)


def test_lost_scheduler_is_told_and_what_is_stored_is_kept(specification, written, tmp_path):
    """Scheduler and worker are started by hand here, and the scheduler dies after five runs."""
    file = tmp_path / "scheduler.json"
    by_hand = [
        "--scheduler-file",
        file,
        "--host",
        "127.0.0.1",
        "--dashboard-address",
        "127.0.0.1:0",
    ]
    with (
        dask("scheduler", *by_hand, "--port", "0") as scheduler,
        dask("worker", *by_hand, "--nthreads", "1", "--nworkers", "1"),
    ):
        wait_until(file.exists)
        written.then = lambda: scheduler.kill() if len(written.counted) == 5 else None
        with pytest.raises(cluster.SchedulerLostError, match="scheduler has gone"):
            sweep(load(specification), tmp_path / "out", dask=str(file))
    assert len(outcomes(tmp_path / "out")) >= 5


def test_cluster_that_stays_without_workers_is_told(tmp_path, capsys):
    with (
        config.set({"distributed.scheduler.no-workers-timeout": "100ms"}),
        workers(0) as found,
        pytest.raises(WorkerDiedError, match="has had no worker for too long"),
    ):
        sweep(grid(), tmp_path, dask=found.scheduler_address)
    assert f"no workers at {found.scheduler_address} yet; waiting" in capsys.readouterr().err
