"""The command line: what it prints, and its exit codes."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from commands import ROOT, SPECIFICATION, process, run_options
from tiny_data import OPTIONS

import bilevel_core
import problems
from bilevel_core.cli.guard import guarded
from bilevel_core.sweep import store


def test_help_names_every_command():
    result = process("--help")
    for command in ("list", "run", "sweep", "fit", "table", "plot", "report", "check", "merge"):
        assert f"\n  {command} " in result.stdout
        assert process(command, "--help").returncode == 0


def test_help_imports_nothing_slow():
    code = "import sys, bilevel_core.cli; print(*sorted(m.split('.')[0] for m in sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    slow = {"pandas", "scipy", "statsmodels", "matplotlib", "torch", "numba", "joblib", "pydantic"}
    slow |= {"jinja2", "markupsafe"}
    assert not slow & set(result.stdout.split())


def test_version(invoke):
    assert invoke("--version") == (0, f"{bilevel_core.__version__}\n", "")


def test_list_names_everything(invoke):
    code, out, err = invoke("list")
    assert (code, err) == (0, "")
    for part in ("hard", "curvature=3", "aid_bio", "hoag", "K = O(kappa^3 / eps)"):
        assert part in out


def test_run_prints_both_criteria(invoke):
    code, out, err = invoke(*run_options())
    assert (code, err) == (0, "")
    for part in ("average", "first", "Gc(f)", "HV", "ok: ", "aid_bio on hard, kappa 4, seed 0"):
        assert part in out


def test_run_as_json_is_the_record(invoke):
    code, out, _ = invoke(*run_options(set="D=5", option="curvature=2", seed="3"), "--json")
    record = json.loads(out)
    assert (code, record["status"]) == (0, "ok")
    assert record["config"]["overrides"] == {"D": 5}
    assert record["config"]["options"] == {"curvature": 2}
    assert record["config"]["seed"] == 3
    assert record["passes"][0]["params"]["D"] == 5


def test_run_on_real_data_needs_no_kappa(invoke):
    options = {"problem": "hypercleaning", "engine": "torch", "set": "D=2", "max_outer": "2"}
    sizes = [
        word for key, n in OPTIONS["hypercleaning"].items() for word in ("--option", f"{key}={n}")
    ]
    code, out, err = invoke(*run_options(kappa=None, **options), *sizes, "--json")
    assert (code, err) == (0, "")
    own = problems.make("hypercleaning", **OPTIONS["hypercleaning"])
    assert json.loads(out)["config"]["kappa"] == own.kappa


def test_censored_run_is_a_result_and_divergence_is_not(invoke):
    code, out, _ = invoke(*run_options(eps="1e-9", max_outer="3"))
    assert (code, "censored" in out) == (0, True)
    code, out, _ = invoke(*run_options(eps="1e-9", set="alpha=1e6"))
    assert (code, "diverged" in out) == (1, True)


def test_sweep_again_computes_nothing(invoke, swept):
    specification = swept.parent / "spec.toml"
    code, out, err = invoke("sweep", specification, "--out", swept)
    assert (code, err) == (0, "")
    assert out == "0 computed, 15 skipped: 15 ok, 0 censored, 0 diverged, 0 failed\n"


def test_sweep_with_failed_runs_exits_1_and_says_which(invoke, tmp_path, monkeypatch):
    run = importlib.import_module("bilevel_core.run")
    original = run.execute

    def fail_at_6(config, progress, tune=None):
        record = original(config, progress)
        failed = {"status": "failed", "reason": "no luck", "hits": [], "passes": []}
        return type(record)(**{**vars(record), **(failed if config.kappa == 6 else {})})

    monkeypatch.setattr(run, "execute", fail_at_6)
    specification = tmp_path / "spec.toml"
    specification.write_text(SPECIFICATION)
    code, out, _ = invoke("sweep", specification, "--out", tmp_path / "out", "--jobs", 1)
    assert code == 1
    assert "15 computed, 0 skipped: 10 ok, 0 censored, 0 diverged, 5 failed" in out
    assert "failed: aid_bio on hard, kappa 6, seed 3: no luck" in out


def test_fit_prints_exponents_and_verdicts(invoke, swept):
    code, out, _ = invoke("fit", swept)
    assert code == 0
    for part in (
        "hard (curvature 3), policy theory, criterion average",
        "HV",
        "O(kappa^3.5 eps^-1)",
    ):
        assert part in out


def test_fit_as_json(invoke, swept):
    code, out, _ = invoke("fit", swept, "--quantity", "outer", "--model", "power", "--json")
    fits = json.loads(out)
    assert (code, [fit["criterion"] for fit in fits]) == (0, ["average", "first"])
    average = fits[0]
    assert average["fit"]["model"] == "power"
    assert average["fit"]["instances"] == 5
    table = store.frame(swept).query("criterion == 'average'")
    expected = importlib.import_module("bilevel_core.fit").fit(table, y="outer", model="power")
    assert average["fit"]["kappa"]["value"] == expected.kappa.value
    assert average["fit"]["kappa"]["low"] == expected.kappa.low
    assert average["bound"]["kappa"] == 3


@pytest.mark.parametrize(("name", "part"), [("md", "|"), ("latex", "\\toprule"), ("csv", ",")])
def test_table_in_every_format(invoke, swept, tmp_path, name, part):
    code, out, _ = invoke("table", swept, "--format", name)
    assert (code, part in out) == (0, True)
    assert invoke("table", swept, "--format", name, "--output", tmp_path / "t")[0] == 0
    assert (tmp_path / "t").read_text() == out.removesuffix("\n")


def test_plot_names_its_files(invoke, swept, tmp_path):
    code, out, _ = invoke("plot", swept, "--output", tmp_path / "figures")
    files = [Path(line) for line in out.split()]
    assert code == 0
    assert {file.suffix for file in files} == {".pdf", ".png", ".csv"}
    assert all(file.stat().st_size > 0 for file in files)


def test_report_is_one_file_beside_the_runs_or_where_it_is_asked_for(invoke, swept, tmp_path):
    code, out, err = invoke("report", swept)
    assert (code, out, err) == (0, f"{swept / 'report.html'}\n", "")
    page = (swept / "report.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "hard (curvature 3), policy theory, criterion average" in page
    assert invoke("report", swept, "--output", tmp_path / "page")[0] == 0
    assert (tmp_path / "page").read_text() == page


def test_report_names_what_is_left_out(invoke, swept, tmp_path):
    assert invoke("merge", swept, tmp_path / "copy")[0] == 0
    damaged, *_ = store.paths(tmp_path / "copy")
    damaged.write_text("{")
    code, _, err = invoke("report", tmp_path / "copy")
    assert code == 0
    assert err == f"left out {damaged}: not complete JSON: truncated or edited\n"


def test_readers_name_damaged_and_outdated_runs(invoke, swept, tmp_path):
    assert invoke("merge", swept, tmp_path / "copy")[0] == 0
    damaged, *_ = store.paths(tmp_path / "copy")
    damaged.write_text("{")
    code, _, err = invoke("fit", tmp_path / "copy", "--quantity", "hv")
    assert code == 0
    assert err == f"left out {damaged}: not complete JSON: truncated or edited\n"


def test_merge_into_the_last_or_into_out(invoke, swept, tmp_path):
    assert invoke("merge", swept, tmp_path / "a")[:2] == (
        0,
        "15 copied, 0 replaced, 0 there already, 0 damaged, 0 conflicts\n",
    )
    assert "15 there already" in invoke("merge", swept, "--out", tmp_path / "a")[1]


def test_internal_error_is_one_line_and_debug_shows_the_traceback(invoke, monkeypatch):
    def explode(config):
        raise RuntimeError("boom\nand more")

    monkeypatch.setattr(importlib.import_module("bilevel_core.run"), "execute", explode)
    code, _, err = invoke(*run_options())
    assert (code, err.count("\n")) == (1, 1)
    assert err.startswith("internal error: RuntimeError: boom and more (for the traceback: ")
    assert "bilevel-bench --debug run --problem hard" in err
    code, _, err = invoke("--debug", *run_options())
    assert (code, "Traceback" in err) == (1, True)


def test_ctrl_c_exits_130(invoke, monkeypatch):
    def interrupt(config):
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib.import_module("bilevel_core.run"), "execute", interrupt)
    code, _, err = invoke(*run_options())
    assert (code, "Traceback" in err) == (130, False)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, typer.Abort])
def test_ctrl_c_outside_of_a_command_exits_130(capsys, kind):
    def interrupt(arguments):
        raise kind

    assert guarded(interrupt, []) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_broken_pipe_is_quiet():
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(
        [sys.executable, "-m", "bilevel_core", "list"],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    os.close(writer)
    assert (result.stderr, result.returncode) == ("", 1)
