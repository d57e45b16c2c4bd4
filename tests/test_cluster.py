"""Sweeps on a Dask cluster: the same counts as anywhere, whatever becomes of the workers.

Every server listens on loopback, and every process that is hurt was started here.
"""

import asyncio
import contextlib
import dataclasses
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

import bilevel_core
from bilevel_core.cli import main
from bilevel_core.errors import InputError
from bilevel_core.sweep import cluster, cluster_worker, keys, plan, store, tunings
from bilevel_core.sweep.executors import WorkerDiedError
from bilevel_core.sweep.forecast import forecaster
from bilevel_core.sweep.merge import outcome
from bilevel_core.sweep.runner import sweep
from bilevel_core.sweep.specification import cells, load, parse

distributed = pytest.importorskip("distributed")
config = pytest.importorskip("dask.config")
psutil = pytest.importorskip("psutil")

ROOT = Path(__file__).parent.parent
RUNS = 40
TEXT = """
name = "t"
[[grid]]
problem = "hard"
solvers = ["aid_bio"]
kappa = [4, 6, 8, 10]
eps = [0.3, 0.1]
seeds = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
"""

PLUGIN = """
from typing import Any, NamedTuple
from bilevel_core.cost import Cost
from bilevel_core.oracle import grad_x_f, grad_y_g
from bilevel_core.solvers import register_solver

class Params(NamedTuple):
    alpha: float

class State(NamedTuple):
    x: Any
    y: Any

def init(x0, y0):
    return State(x0, y0)

@register_solver("own")
def step(oracle, params, state):
    x, y = state
    y = y - params.alpha * grad_y_g(oracle, x, y)
    return State(x - 1.0 * params.alpha * grad_x_f(oracle, x, y), y)

def cost_per_step(params, k):
    return Cost(grad_x_f=1, grad_y_g=1)

def theory(constants, eps):
    return Params(1.0 / constants.L)
"""
DEADLY = PLUGIN.replace("return State(x0, y0)", "import os; os._exit(3)")


def grid(**changes):
    """Four quick runs, as a specification."""
    table = {"problem": "hard", "solvers": ["aid_bio"], "kappa": [4.0, 5.0], "eps": [0.5]}
    return parse({"name": "small", "grid": [table | {"seeds": [0, 1]} | changes]})


ENDLESS = {"kappa": [64.0], "seeds": [0], "eps": [1e-9], "max_outer": 10**12, "max_seconds": 60}
TUNED = {
    "policy": "tuned",
    "kappa": [4.0],
    "eps": [0.2, 0.1],
    "max_outer": 100000,
    "tuning": {"candidates": 4, "refinements": 2, "instances": 1, "held_out": 1},
}


@contextlib.contextmanager
def workers(number, **settings):
    """A scheduler and its workers, as Dask starts them by default, but on loopback alone."""
    servers = {"scheduler_kwargs": {"dashboard": False, "dashboard_address": "127.0.0.1:0"}}
    with distributed.LocalCluster(
        n_workers=number,
        host="127.0.0.1",
        memory_limit=0,
        silence_logs="CRITICAL",
        **({"threads_per_worker": 1} | servers | settings),
    ) as found:
        yield found


@pytest.fixture(autouse=True)
def _at_most_two_minutes():
    """A sweep that waits for ever is a failure, not a test-suite that hangs."""

    def end(number, frame):
        pytest.fail("the test takes longer than two minutes")

    previous = signal.signal(signal.SIGALRM, end)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)


@pytest.fixture(scope="module")
def two():
    """Two workers of a scheduler of its own."""
    with workers(2) as found:
        yield found


@pytest.fixture(scope="module")
def one():
    """One worker of a scheduler of its own."""
    with workers(1) as found:
        yield found


@pytest.fixture(scope="module")
def specification(tmp_path_factory):
    path = tmp_path_factory.mktemp("specification") / "spec.toml"
    path.write_text(TEXT)
    return path


@pytest.fixture(scope="module")
def reference(specification, tmp_path_factory):
    """What every run measures in this process, by key."""
    out = tmp_path_factory.mktemp("reference")
    assert sweep(load(specification), out).statuses == {"ok": RUNS}
    return outcomes(out)


@pytest.fixture
def written(monkeypatch):
    """How often each run was stored, by key; after each time, what `then` holds is called."""
    counted = Counter()
    original = store.write
    found = SimpleNamespace(counted=counted, then=lambda: None)

    def write(directory, record):
        path = original(directory, record)
        counted[keys.key(record.config)] += 1
        found.then()
        return path

    monkeypatch.setattr(store, "write", write)
    return found


def outcomes(directory):
    """What every run measured, by key; fails on any file that is not intact."""
    found = {path.stem: store.read(path) for path in store.paths(directory)}
    assert not [record for record in found.values() if isinstance(record, store.Damaged)]
    return {name: outcome(record.to_dict()) for name, record in found.items()}


@pytest.fixture
def invoke(capsys):
    """Run a command in this process; gives exit code, standard output and standard error."""

    def call(*words):
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        return ended.value.code, *capsys.readouterr()

    return call


# What works


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


def listening():
    """Addresses and ports on which this process and its children listen."""
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    found = [each for process in processes for each in process.net_connections()]
    return {tuple(each.laddr) for each in found if each.status == psutil.CONN_LISTEN}


def is_deaf_to_ctrl_c():
    import signal

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
        content = json.loads(path.read_text())
        content["params"]["beta"] *= 0.5
        path.write_text(json.dumps(content))
    kept = [path.read_text() for path in tunings.paths(tmp_path)]
    assert sweep(grid(**TUNED, seeds=[0, 1, 2]), tmp_path, dask=two.scheduler_address).computed == 1
    assert [path.read_text() for path in tunings.paths(tmp_path)] == kept
    (record,) = (each for each in store.records(tmp_path) if each.config.seed == 2)
    steps = [each["params"]["beta"] for each in record.passes]
    assert sorted(steps) == sorted(json.loads(text)["params"]["beta"] for text in kept)


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


def plug_in(path, text):
    """A solver's file that was there before this process, as it was before any worker."""
    path.write_text(text)
    os.utime(path, (1, 1))


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


# What goes wrong with workers


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
    import sys

    sys.modules["bilevel_core.sweep.cluster_worker"] = None


def allow():
    import sys

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


@contextlib.contextmanager
def dask(*words):
    """A command of Dask's in a process group of its own, which does not outlive the block."""
    with subprocess.Popen(
        [sys.executable, "-m", "dask", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd=ROOT,
    ) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_cluster_that_stays_without_workers_is_told(tmp_path, capsys):
    with (
        config.set({"distributed.scheduler.no-workers-timeout": "100ms"}),
        workers(0) as found,
        pytest.raises(WorkerDiedError, match="has had no worker for too long"),
    ):
        sweep(grid(), tmp_path, dask=found.scheduler_address)
    assert f"no workers at {found.scheduler_address} yet; waiting" in capsys.readouterr().err


# Ctrl-C and resuming


@contextlib.contextmanager
def command(specification, out, *words):
    """A sweep in a process group of its own, which does not outlive the block."""
    with subprocess.Popen(
        [sys.executable, "-m", "bilevel_core", "sweep", specification, "--out", out, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=ROOT,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def wait_for_files(process, out, number):
    deadline = time.monotonic() + 120
    while len(store.paths(out)) < number:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_ctrl_c_says_how_to_resume(specification, reference, tmp_path):
    """A terminal sends SIGINT to every process of the group."""
    with command(specification, tmp_path, "--dask", "local", "--jobs", "2") as process:
        wait_for_files(process, tmp_path, 5)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"runs are stored in {tmp_path}; the same command resumes" in err
    assert "Traceback" not in err
    assert not store.being_written(tmp_path)
    resume(specification, tmp_path)
    assert outcomes(tmp_path) == reference


def test_ctrl_c_while_local_workers_start_ends_them(tmp_path, monkeypatch):
    class Interrupted(distributed.LocalCluster):
        def __init__(self, *arguments, **settings):
            super().__init__(*arguments, **settings)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(distributed, "LocalCluster", Interrupted)
    before, over = listening(), threading.Event()
    # Another thread, as libraries have them, gets a signal that the main one does not take yet.
    threading.Thread(target=over.wait).start()
    with pytest.raises(KeyboardInterrupt):
        sweep(grid(), tmp_path, dask="local")
    over.set()
    assert listening() <= before
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def resume(specification, out):
    """Finish an interrupted sweep; what was stored stays as it is, byte for byte."""
    before = {path: path.read_bytes() for path in store.paths(out)}
    assert 5 <= len(before) < RUNS
    summary = sweep(load(specification), out)
    assert (summary.skipped, summary.statuses) == (len(before), {"ok": RUNS})
    assert all(path.read_bytes() == content for path, content in before.items())


def test_killed_sweep_leaves_no_worker_and_resumes(specification, reference, tmp_path):
    with command(specification, tmp_path, "--dask", "local", "--jobs", "2") as process:
        wait_for_files(process, tmp_path, 5)
        started = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.communicate(timeout=30)
        assert psutil.wait_procs(started, timeout=30)[1] == []
    resume(specification, tmp_path)
    assert outcomes(tmp_path) == reference


def test_ctrl_c_frees_the_workers_of_a_cluster(one, tmp_path, capsys):
    with distributed.Client(one, set_as_default=False) as client:
        interrupting = threading.Thread(target=interrupt_when_busy, args=[client])
        interrupting.start()
        with pytest.raises(KeyboardInterrupt):
            sweep(grid(**ENDLESS), tmp_path, dask=one.scheduler_address)
        interrupting.join()
        wait_until(lambda: not any(client.run(busy).values()))
    assert f"0 of 1 runs are stored in {tmp_path}; the same command resumes" in (
        capsys.readouterr().err
    )


def interrupt_when_busy(client):
    try:
        wait_until(lambda: any(client.run(busy).values()))
    finally:
        os.kill(os.getpid(), signal.SIGINT)


def busy(dask_worker):
    return len(dask_worker.active_threads)


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# Bad input


@pytest.mark.parametrize(
    ("address", "named"),
    [
        ("nonsense", ["tcp://HOST:PORT", "local", "'nonsense'"]),
        ("", ["tcp://HOST:PORT", "''"]),
        ("absent.json", ["scheduler file that exists", "'absent.json'"]),
        ("tcp://127.0.0.1", ["tcp://HOST:PORT", "'tcp://127.0.0.1'"]),
        ("broken.json", ["'broken.json'", "JSON with an address"]),
        ("other.json", ["'other.json'", "JSON with an address"]),
        ("htp://127.0.0.1:1", ["'htp://127.0.0.1:1'", "unknown address scheme"]),
        ("tls://127.0.0.1:1", ["'tls://127.0.0.1:1'", "TLS"]),
        ("tcp://127.0.0.1:1", ["'tcp://127.0.0.1:1'", "no Dask scheduler answers"]),
        ("dead.json", ["'tcp://127.0.0.1:1'", "no Dask scheduler answers"]),
        ("silent", ["no Dask scheduler answers"]),
    ],
)
def test_bad_address_is_one_line_and_exit_2(
    invoke, tmp_path, specification, monkeypatch, address, named
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cluster, "PATIENCE", 0.2)
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "other.json").write_text('{"id": 1}')
    (tmp_path / "dead.json").write_text('{"address": "tcp://127.0.0.1:1"}')
    with socket.create_server(("127.0.0.1", 0)) as mute:
        if address == "silent":
            address = f"127.0.0.1:{mute.getsockname()[1]}"
        code, out, err = invoke("sweep", specification, "--out", "out", "--dask", address)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("error: dask: ")
    for part in named:
        assert part in err
    assert store.paths(tmp_path / "out") == []


@pytest.mark.parametrize("words", [["--jobs", "2"], ["--dry-run"]])
def test_address_goes_with_no_number_of_processes(invoke, specification, tmp_path, words):
    code, _, err = invoke("sweep", specification, "--out", tmp_path, "--dask", "h:1", *words)
    assert (code, err.count("\n")) == (2, 1)
    assert f"expected no {words[0]} beside an address, got 'h:1'" in err


def test_missing_extra_is_one_line(invoke, specification, tmp_path, monkeypatch):
    original = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "distributed" else original(name, *rest),
    )
    words = ["sweep", specification, "--out", tmp_path / "out", "--dask", "local"]
    assert invoke(*words) == (
        2,
        "",
        "error: dask: needs the extra 'cluster': pip install 'bilevel-bench[cluster]'\n",
    )
    with pytest.raises(InputError, match="cluster"):
        sweep(load(specification), tmp_path / "out", dask="127.0.0.1:1")
    assert not (tmp_path / "out").exists()


def test_dask_is_imported_by_sweeps_that_use_it_alone():
    code = "import sys, bilevel_core.sweep.runner, bilevel_core.sweep.cluster, bilevel_core.cli"
    code += "; print(*sorted(name.split('.')[0] for name in sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0
    assert not {"dask", "distributed", "tornado"} & set(result.stdout.split())
