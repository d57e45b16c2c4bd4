"""Bad addresses of clusters, and what is missing: one line."""

import importlib
import socket
import subprocess
import sys

import pytest
from clusters import ROOT

from bilevel_core.errors import InputError
from bilevel_core.sweep import cluster, store
from bilevel_core.sweep.runner import sweep
from bilevel_core.sweep.specification import load

pytest.importorskip("distributed")


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
