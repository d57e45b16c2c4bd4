"""The command line: what it prints, its exit codes, and one line for each bad input."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from tiny_data import OPTIONS

import bilevel_core
import problems
from bilevel_core.cli import main
from bilevel_core.cli.guard import guarded
from bilevel_core.sweep import store

ROOT = Path(__file__).parent.parent
RUN = {"--problem": "hard", "--solver": "aid_bio", "--kappa": "4", "--eps": "1,0.5"}

SPECIFICATION = """
name = "t"
[[grid]]
problem = "hard"
options = { curvature = 3 }
solvers = ["aid_bio"]
kappa = [4, 6, 8]
eps = [0.5, 0.2]
seeds = [0, 1, 2, 3, 4]
"""


def run_options(**changes):
    """The words of a `run` command with some options changed; None leaves one out."""
    options = RUN | {f"--{name.replace('_', '-')}": value for name, value in changes.items()}
    return ["run", *(w for pair in options.items() if pair[1] is not None for w in pair)]


@pytest.fixture
def invoke(capsys):
    """Run a command in this process; gives exit code, standard output and standard error."""

    def call(*words):
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        return ended.value.code, *capsys.readouterr()

    return call


def process(*words, **settings):
    """Run a command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "bilevel_core", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        **settings,
    )


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A store made by the `sweep` command."""
    folder = tmp_path_factory.mktemp("swept")
    (folder / "spec.toml").write_text(SPECIFICATION)
    with pytest.raises(SystemExit) as ended:
        main(["sweep", str(folder / "spec.toml"), "--out", str(folder / "out"), "--jobs", "1"])
    assert ended.value.code == 0
    return folder / "out"


# What works


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


# Bad input

PLUGINS = {
    "raises.py": "raise RuntimeError('not today')",
    "syntax.py": "def",
    "empty.py": "",
    "partial.py": (
        "from bilevel_core.solvers import register_solver\n"
        "@register_solver('partial')\n"
        "def step(oracle, params, state):\n    return state\n"
    ),
}

BAD_RUNS = [
    (["run"], ["--problem"]),
    (run_options(kappa=None), ["--kappa", "above 1", "'hard'"]),
    (run_options(kappa=None, problem="hrad"), ["'hrad'", "did you mean 'hard'"]),
    (run_options(kapa="4"), ["--kapa", "did you mean --kappa"]),
    (run_options(kappa="many"), ["--kappa", "'many'"]),
    (run_options(kappa="0.5"), ["kappa", "> 1", "0.5"]),
    (run_options(kappa="1"), ["kappa", "> 1", "1.0"]),
    (run_options(kappa="nan"), ["kappa", "nan"]),
    (run_options(kappa="inf"), ["kappa", "inf"]),
    (run_options(eps="0"), ["eps", "> 0", "0.0"]),
    (run_options(eps="1e-320"), ["eps", "from 1e-300"]),
    (run_options(option="seed=4"), ["option of problem 'hard'", "'seed'"]),
    (run_options(option="name=x"), ["option of problem 'hard'", "'name'"]),
    (run_options(option="L=1e300"), ["'hard'", "L=1e+300", "OverflowError"]),
    (run_options(problem="quadratic", option="L=1e-200"), ["'aid_bio'", "theory raised"]),
    (run_options(set="D=1e30"), ["D", "at most 1000000000000000", "1e+30"]),
    (run_options(solver="..:x"), ["'..:x'"]),
    (run_options(eps="-1"), ["eps", "> 0", "-1.0"]),
    (run_options(eps="nan"), ["eps", "nan"]),
    (run_options(eps="0.1,nan"), ["eps", "nan"]),
    (run_options(eps="inf"), ["eps", "inf"]),
    (run_options(eps="0.1,,0.2"), ["--eps", "'0.1,,0.2'"]),
    (run_options(eps="small"), ["--eps", "'small'"]),
    (run_options(problem="hrad"), ["'hrad'", "did you mean 'hard'"]),
    (run_options(solver="aid_bo"), ["'aid_bo'", "did you mean 'aid_bio'"]),
    (run_options(engine="gpu"), ["'gpu'", "compiled, torch"]),
    (run_options(device="cuda", engine="compiled"), ["device", "'cuda'"]),
    (run_options(device="toaster", engine="torch"), ["device", "toaster"]),
    (run_options(criterion="last"), ["'last'", "average, first"]),
    (run_options(noise_seeds="0,1"), ["noise_seeds", "draws no random numbers"]),
    (run_options(solver="bsa", noise_seeds="0,x"), ["--noise-seeds", "'0,x'"]),
    (run_options(solver="bsa", noise_seeds="0,0"), ["noise_seeds", "different"]),
    (run_options(params="thoery"), ["'thoery'", "did you mean 'theory'"]),
    (run_options(params="custom"), ["missing", "alpha"]),
    (run_options(seed="-1"), ["seed", ">= 0", "-1"]),
    (run_options(seed="1.5"), ["--seed", "1.5"]),
    (run_options(set="D=-1"), ["D", ">= 1", "-1"]),
    (run_options(set="D=0.5"), ["D", "integer", "0.5"]),
    (run_options(set="D=many"), ["--set D", "'many'"]),
    (run_options(set="D=true"), ["--set D", "'true'"]),
    (run_options(set="D=nan"), ["--set D", "finite", "'nan'"]),
    (run_options(set="alpha=inf"), ["--set alpha", "finite", "'inf'"]),
    (run_options(set="D"), ["--set", "key=value", "'D'"]),
    (run_options(set="=5"), ["--set", "key=value", "'=5'"]),
    (run_options(set="unknown=1"), ["'unknown'", "allowed:"]),
    ([*run_options(set="D=5"), "--set", "D=6"], ["--set", "D is given twice"]),
    (run_options(option="curvatur=3"), ["'curvatur'", "did you mean 'curvature'"]),
    (run_options(option="curvature=7"), ["curvature", "7"]),
    (run_options(option="curvature"), ["--option", "key=value"]),
    (run_options(max_outer="0"), ["max_outer", ">= 1", "0"]),
    (run_options(max_seconds="-1"), ["max_seconds", "> 0", "-1"]),
    (run_options(max_seconds="nan"), ["max_seconds", "nan"]),
    (run_options(solver="absent.py:s"), ["absent.py"]),
    (run_options(problem="absent.py:p"), ["absent.py"]),
    (run_options(solver="raises.py:s"), ["raises.py", "RuntimeError", "not today"]),
    (run_options(solver="syntax.py:s"), ["syntax.py", "SyntaxError"]),
    (run_options(solver="empty.py:s"), ["empty.py", "'s'"]),
    (run_options(problem="empty.py:p"), ["empty.py", "'p'"]),
    (run_options(solver="empty.py:"), ["path/to/file.py:name"]),
    (run_options(solver="partial.py:partial"), ["partial", "lacks", "Params"]),
    (run_options(problem="raises.py:p"), ["raises.py", "not today"]),
]

BAD_COMMANDS = [
    ([], ["missing command"]),
    (["swep"], ["'swep'", "'sweep'"]),
    (["--wibble"], ["--wibble"]),
    (["list", "extra"], ["extra"]),
    (["sweep"], ["SPEC.toml"]),
    (["sweep", "good.toml"], ["--out"]),
    (["sweep", "absent.toml", "--out", "o"], ["absent.toml"]),
    (["sweep", ".", "--out", "o"], ["directory"]),
    (["sweep", "binary.toml", "--out", "o"], ["binary.toml", "UTF-8"]),
    (["sweep", "broken.toml", "--out", "o"], ["broken.toml", "TOML"]),
    (["sweep", "zero.toml", "--out", "o"], ["zero.toml", "grid 1", "eps", "greater than 0"]),
    (["sweep", "good.toml", "--out", "file"], ["'file'", "not a directory"]),
    (["sweep", "good.toml", "--out", "file/below"], ["file/below"]),
    (["sweep", "good.toml", "--out", "o", "--jobs", "0"], ["jobs", ">= 1", "0"]),
    (["sweep", "good.toml", "--out", "o", "--jobs", "two"], ["--jobs", "'two'"]),
    (["fit"], ["DIR"]),
    (["fit", "absent"], ["no directory 'absent'"]),
    (["fit", "nothing"], ["no runs in 'nothing'"]),
    (["fit", "file"], ["'file'", "not a directory"]),
    (["fit", "nothing", "--quantity", "hvp"], ["'hvp'", "did you mean 'hv'"]),
    (["fit", "nothing", "--model", "cubic"], ["'cubic'", "power_log"]),
    (["table", "absent"], ["no directory 'absent'"]),
    (["table", "nothing", "--format", "pdf"], ["--format", "'pdf'", "latex"]),
    (["plot", "absent"], ["no directory 'absent'"]),
    (["report"], ["DIR"]),
    (["report", "absent"], ["no directory 'absent'"]),
    (["report", "absent", "--output", "nothing"], ["no directory 'absent'"]),
    (["report", "nothing"], ["no runs in 'nothing'"]),
    (["report", "file"], ["'file'", "not a directory"]),
    (["merge", "nothing"], ["two or more directories"]),
    (["merge", "nothing", "o"], ["no runs in 'nothing'"]),
    (["check"], ["FILE.py:NAME"]),
    (["check", "absent.py:s"], ["absent.py"]),
    (["check", "empty.py:s"], ["empty.py", "'s'"]),
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with plug-ins and specifications of every kind."""
    monkeypatch.chdir(tmp_path)
    for name, text in PLUGINS.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "good.toml").write_text(SPECIFICATION)
    (tmp_path / "zero.toml").write_text(SPECIFICATION.replace("0.5", "0.0"))
    (tmp_path / "broken.toml").write_text("name =")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "file").touch()
    (tmp_path / "nothing").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("words", "named"), BAD_RUNS + BAD_COMMANDS, ids=lambda v: " ".join(v)[-60:]
)
def test_bad_input_is_one_line_and_exit_2(invoke, folder, words, named):
    code, out, err = invoke(*words)
    assert code == 2, err
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("error: ")
    for part in named:
        assert part in err


@pytest.mark.parametrize("words", [run_options(eps="0"), run_options(kapa="4"), ["fit", "absent"]])
def test_bad_input_in_a_process_of_its_own(words):
    result = process(*words)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_unwritable_directory_is_bad_input(invoke, folder):
    folder.chmod(0o500)
    code, _, err = invoke("sweep", "good.toml", "--out", "o")
    folder.chmod(0o700)
    assert (code, err) == (2, "error: o: Permission denied\n")


@pytest.mark.parametrize(
    ("output", "named"), [("nothing", "is a directory"), ("absent/t.md", "absent/")]
)
@pytest.mark.parametrize("command", ["table", "report"])
def test_unwritable_output_is_bad_input(invoke, folder, swept, command, output, named):
    code, out, err = invoke(command, swept, "--output", output)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert named in err
    assert list((folder / "nothing").iterdir()) == []
