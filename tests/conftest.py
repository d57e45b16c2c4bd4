"""Data for families that read files: tiny contents in the real formats, for the whole session."""

import os
import signal
from pathlib import Path

import pytest
from commands import SPECIFICATION
from tiny_data import write_digits, write_newsgroups
from tiny_images import write_omniglot

from bilevel_core.cli import main

ROOT = Path(__file__).resolve().parents[1]
_GIVEN = os.environ.get("BILEVEL_DATA")
_PLACES = [Path(_GIVEN)] if _GIVEN else [ROOT.parent / "shared" / "data"]


@pytest.fixture(scope="session", autouse=True)
def tiny_data(tmp_path_factory):
    """The folder that every test, and every process that a test starts, reads data from."""
    folder = tmp_path_factory.mktemp("data")
    write_digits(folder / "mnist")
    write_newsgroups(folder / "scikit_learn_data")
    write_omniglot(folder / "omniglot")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BILEVEL_DATA", str(folder))
        yield folder


@pytest.fixture(scope="session", autouse=True)
def heard_signals():
    """Ctrl-C and SIGTERM as at a terminal, here and in what tests start, also under `nohup ... &`.

    A process hands on which signals it ignores.
    """
    given = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in given.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def real_data(monkeypatch):
    """The folder of the real data sets; a test that asks for it is skipped where there is none."""
    found = next((place for place in _PLACES if place.is_dir()), None)
    if found is None:
        pytest.skip("no real data: set BILEVEL_DATA to a folder as in docs/data.md")
    monkeypatch.setenv("BILEVEL_DATA", str(found))
    return found


@pytest.fixture
def invoke(capsys):
    """Run a command in this process; gives exit code, standard output and standard error."""

    def call(*words):
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        return ended.value.code, *capsys.readouterr()

    return call


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A store made by the `sweep` command."""
    folder = tmp_path_factory.mktemp("swept")
    (folder / "spec.toml").write_text(SPECIFICATION)
    with pytest.raises(SystemExit) as ended:
        main(["sweep", str(folder / "spec.toml"), "--out", str(folder / "out"), "--jobs", "1"])
    assert ended.value.code == 0
    return folder / "out"
