"""Ctrl-C and kills in the middle of a sweep on a cluster: workers end, the sweep resumes."""

import os
import signal
import threading

import pytest
from clusters import ENDLESS, RUNS, command, grid, listening, outcomes, wait_for_files, wait_until

from bilevel_core.sweep import store
from bilevel_core.sweep.runner import sweep
from bilevel_core.sweep.specification import load

distributed = pytest.importorskip("distributed")
psutil = pytest.importorskip("psutil")


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
