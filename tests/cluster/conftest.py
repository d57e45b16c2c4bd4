"""Clusters, and the sweep whose outcomes everything is held against."""

import signal
from collections import Counter
from types import SimpleNamespace

import pytest
from clusters import RUNS, TEXT, outcomes, workers

from bilevel_core.sweep import keys, store
from bilevel_core.sweep.runner import sweep
from bilevel_core.sweep.specification import load


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
