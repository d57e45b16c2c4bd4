"""Bad input on the command line: one line that names it, and exit code 2."""

import os

import pytest
from commands import SPECIFICATION, process, run_options

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
    (run_options(problem="quadratic", option="L=1e-200"), ["L=1e-200", "beyond float64"]),
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


def test_check_says_once_what_is_wrong_with_a_file(invoke, folder):
    code, _, err = invoke("check", "raises.py:s")
    assert (code, err.count("not today")) == (2, 1)


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
