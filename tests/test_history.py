"""The history: suites for asv, commits recorded whole, counts guarded, pages without network."""

import contextlib
import functools
import http.server
import importlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from browser import browser  # noqa: F401

import bilevel_core
from benchmarks.asv_history import __main__ as command
from benchmarks.asv_history import commits, files, guard
from benchmarks.asv_history.publish import NARROW, WIDER, publish
from benchmarks.history import counts
from bilevel_core import solvers
from bilevel_core.errors import InputError

pytest.importorskip("asv")

SUITES = ("conformance", "counts", "exponents", "running", "starting", "storing")
MACHINE = "planted"
COLUMNS = ["result", "params", "version"]
SUITE = """
import os, sys
sys.path.insert(0, os.environ["BILEVEL_HISTORY_TREE"])
def track_calls(what):
    import small
    return small.calls(what)
track_calls.params, track_calls.param_names = ["a", "b"], ["what"]
track_calls.unit, track_calls.less_is_better = "calls", True
"""


def git(root, *arguments):
    own = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.org")
    done = subprocess.run(["git", *own, *arguments], cwd=root, check=True, capture_output=True)
    return done.stdout.decode().strip()


def commit(root, **texts):
    """Hash of a commit of these files, one module each."""
    for name, text in texts.items():
        (root / f"{name}.py").write_text(text)
    git(root, "add", "-A")
    git(root, "commit", "-q", "--allow-empty", "-m", "another")
    return git(root, "rev-parse", "HEAD")


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A repository of its own, with a suite of one benchmark; the working folder."""
    root = tmp_path / "repository"
    (root / "benchmarks" / "history").mkdir(parents=True)
    (root / "benchmarks" / "history" / "__init__.py").touch()
    (root / "benchmarks" / "history" / "counts.py").write_text(SUITE)
    (root / ".gitignore").write_text("/results/asv/html/\n__pycache__/\n")
    shutil.copy(Path(command.__file__).parents[2] / "asv.conf.json", root)
    git(root.parent, "init", "-q", "-b", "main", str(root))
    commit(root, small="def calls(what): return {'a': 7, 'b': 9}[what]\n")
    monkeypatch.chdir(root)
    monkeypatch.setenv("HOME", str(tmp_path))  # asv writes what it knows of machines there
    monkeypatch.setattr("signal.signal", lambda *_: None)
    return root


def plant(root, commit_hash, results, versions=()):
    """A result file as asv writes it; results: name to (numbers, parameters)."""
    folder = root / "results" / "asv" / MACHINE
    folder.mkdir(parents=True, exist_ok=True)
    names = dict(versions)
    rows = {name: [*row, names.get(name, "1")] for name, row in results.items()}
    content = {
        "commit_hash": commit_hash, "env_name": "existing", "date": 1000,
        "params": {"machine": MACHINE, "python": "3.11"}, "python": "3.11", "requirements": {},
        "env_vars": {}, "result_columns": COLUMNS, "results": rows, "durations": {}, "version": 2,
    }  # fmt: skip
    path = folder / f"{commit_hash[:8]}-existing.json"
    path.write_text(json.dumps(content))
    return path


def run(*arguments):
    """Exit code of the command, and what it says on both streams."""
    said, complained = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complained):
        code = command.main([*arguments, "--machine", MACHINE])
    return code, said.getvalue(), complained.getvalue()


# The suites


def test_counts_are_those_of_every_registered_solver():
    assert sorted(solvers.BUILT_IN) == counts.SOLVERS


def test_suites_load_nothing_of_the_project_and_say_what_is_better():
    modules = [f"benchmarks.history.{name}" for name in SUITES]
    code = f"import sys, {', '.join(modules)}; print('bilevel_core' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    for module in map(importlib.import_module, modules):
        for name, track in vars(module).items():
            if name.startswith("track_"):
                assert isinstance(track.less_is_better, bool), name
                assert track.unit, name


def test_every_suite_is_known_here():
    folder = Path(counts.__file__).parent
    assert sorted(path.stem for path in folder.glob("[!_]*.py")) == list(SUITES)


def test_the_pages_call_a_change_of_one_percent_of_a_count_a_regression():
    """asv matches a pattern from the beginning of the full name."""
    content = json.loads((Path(command.__file__).parents[2] / "asv.conf.json").read_text())
    (pattern,) = content["regressions_thresholds"]
    assert re.match(pattern, "counts.track_hv('aid_bio')")
    assert not re.match(pattern, "running.Compiled.time_run('aid_bio')")


def test_a_count_is_a_plain_number_and_a_failure_says_why():
    numbers = counts._numbers_or_reason("aid_bio")
    assert {type(number) for number in numbers.values()} == {int}
    assert counts.track_hv({"aid_bio": numbers}, "aid_bio") == numbers["hv"] > 0
    reason = counts._numbers_or_reason("no_such_solver")
    with pytest.raises(RuntimeError, match="no solver 'no_such_solver'"):
        counts.track_hv({"no_such_solver": reason}, "no_such_solver")


def test_a_run_that_failed_has_no_counts(monkeypatch):
    ended = SimpleNamespace(status="failed", reason="no such luck")
    monkeypatch.setattr(bilevel_core, "run", lambda *_, **__: ended)
    assert counts._numbers_or_reason("aid_bio") == "RuntimeError: no such luck"


def test_a_biased_solver_does_not_get_there_and_its_steps_are_counted():
    numbers = counts._numbers_or_reason("fo_itd_bio")
    assert numbers["outer"] != numbers["outer"]
    assert numbers["steps"] > counts.STEPS


def test_the_tree_that_is_measured_comes_before_what_is_installed(tmp_path):
    (tmp_path / "problems.py").touch()
    code = "import benchmarks.history, problems; print(problems.__file__)"
    environment = os.environ | {"BILEVEL_HISTORY_TREE": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(tmp_path / "problems.py")


# Commits


@pytest.mark.parametrize("change", ["small.py", "new.py"])
def test_a_tree_that_is_not_its_commits_is_refused(root, change):
    (root / change).write_text("def calls(what): return 8\n")
    code, said, complained = run("record")
    assert (code, said) == (2, "")
    assert complained.count("\n") == 1
    assert change in complained


def test_results_do_not_make_a_tree_dirty(root):
    plant(root, commits.head(root), {})
    commits.require_clean(root, "results/asv")
    with pytest.raises(InputError, match="results"):
        commits.require_clean(root, "elsewhere")


@pytest.mark.parametrize(
    ("asked", "message"),
    [("HEAD", "expected two revisions"), ("a..b", "git rev-list"), ("HEAD..HEAD", "no commit")],
)
def test_a_range_that_names_nothing_is_bad_input(root, asked, message):
    code, _, complained = run("record", asked)
    assert code == 2
    assert message in complained
    assert complained.count("\n") == 1


def test_a_commit_is_unpacked_as_it_was_and_gone_afterwards(root):
    first = commits.head(root)
    commit(root, small="later = True\n")
    with contextlib.suppress(KeyboardInterrupt), commits.unpacked(root, first) as tree:
        assert "def calls" in (tree / "small.py").read_text()
        raise KeyboardInterrupt
    assert not tree.exists()
    assert git(root, "worktree", "list").count("\n") == 0


# Recording


def test_older_commits_run_their_own_code_and_a_failure_is_recorded(root, monkeypatch):
    """What asv is given, from end to end: a range of two, then nothing left to do."""
    monkeypatch.setattr("tempfile.tempdir", str(root.parent))
    commit(root, small="def calls(what): return {'a': 8}[what]\n")
    last = commit(root, small="def calls(what): return {'a': 8, 'b': 10}[what]\n")
    code, said, complained = run("record", "main~2..main")
    assert (code, complained) == (0, "")
    assert "no number: counts.track_calls('b')" in said
    found = files.recorded(root / "results" / "asv", MACHINE)
    values = {hash_: list(files.read(path).values.values()) for hash_, path in found.items()}
    assert values == {git(root, "rev-parse", "main~1"): [8.0, None], last: [8.0, 10.0]}
    kept = "".join(path.name + path.read_text() for path in found.values())
    assert not [path for path in (sys.executable, str(root)) if path in kept]
    machine = json.loads((root / "results" / "asv" / MACHINE / "machine.json").read_text())
    assert (machine["machine"], machine["num_cpu"]) == (MACHINE, str(os.cpu_count()))
    code, said, _ = run("record", "main~2..main")
    assert (code, said.count("has results already")) == (0, 2)
    leftovers = [path.name for path in root.parent.iterdir() if path.name.startswith("bilevel-")]
    assert leftovers == []


# Exact counts

SOLVERS = [["'aid'", "'ba'"]]


def two(root, old, new, versions=()):
    first = commits.head(root)
    plant(root, first, old)
    second = commit(root)
    plant(root, second, new, versions)
    return first[:8], second[:8]


def test_a_planted_change_of_a_count_fails_and_is_named(root):
    old, new = two(
        root, {"counts.track_hv": [[5, 70], SOLVERS]}, {"counts.track_hv": [[5, 71], SOLVERS]}
    )
    code, said, _ = run("check")
    assert code == 1
    assert said.splitlines()[0] == f"counts.track_hv('ba'): 70 at {old}, 71 at {new}"
    assert "2 counts" in said


def test_a_count_that_fails_now_is_a_change(root):
    two(root, {"counts.track_hv": [[5, 70], SOLVERS]}, {"counts.track_hv": [None, SOLVERS]})
    code, said, _ = run("check")
    assert code == 1
    assert "'aid'" in said
    assert "failed at" in said


@pytest.mark.parametrize(
    ("old", "new", "versions"),
    [
        ([[5, 70], SOLVERS], [[5, 70], SOLVERS], {}),
        ([[5, float("nan")], SOLVERS], [[5, float("nan")], SOLVERS], {}),
        ([[5], [["'aid'"]]], [[5, 70], SOLVERS], {}),
        ([[5, None], SOLVERS], [[5, 70], SOLVERS], {}),
        ([[5, 70], SOLVERS], [[6, 70], SOLVERS], {"counts.track_hv": "2"}),
    ],
    ids=["same", "not reached", "another solver", "failed before", "another benchmark"],
)
def test_what_is_no_change_passes(root, old, new, versions):
    two(root, {"counts.track_hv": old}, {"counts.track_hv": new}, versions)
    code, said, _ = run("check")
    assert code == 0
    assert ("the benchmark itself has changed" in said) == bool(versions)


def test_times_are_not_judged(root):
    two(root, {"running.time_run": [[1.0], []]}, {"running.time_run": [[9.0], []]})
    code, said, _ = run("check")
    assert code == 0
    assert said.startswith("0 counts")


def test_reaching_no_more_is_a_change():
    key = ("counts.track_hv", ())
    old = files.Measured("a" * 40, {key: 5.0}, {"counts.track_hv": "1"})
    new = old._replace(values={key: float("nan")})
    assert guard.changes(old, new) == ["counts.track_hv: 5 at aaaaaaaa, not reached at aaaaaaaa"]


def test_one_commit_is_too_few_to_compare(root):
    plant(root, commits.head(root), {})
    code, _, complained = run("check")
    assert code == 2
    assert "found 1" in complained


# Pages


@contextlib.contextmanager
def served(folder):
    """The address of a server on loopback."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()


@pytest.fixture
def pages(root):
    """The folder of the pages of a planted history: three commits, one count."""
    results = root / "results" / "asv"
    for numbers in ([50, 70], [50, 60], [40, 60]):
        plant(root, commit(root), {"counts.track_hv": [numbers, SOLVERS]})
    machine = {"machine": MACHINE, "version": 1}
    (results / MACHINE / "machine.json").write_text(json.dumps(machine))
    described = {
        "name": "counts.track_hv", "code": "", "type": "track", "unit": "calls", "version": "1",
        "params": SOLVERS, "param_names": ["solver"], "timeout": 60, "less_is_better": True,
    }  # fmt: skip
    benchmarks = {"counts.track_hv": described, "version": 2}
    (results / "benchmarks.json").write_text(json.dumps(benchmarks))
    return publish(root)


COLOURED = """
    const canvas = document.querySelector('canvas');
    if (!canvas) return 0;
    const [w, h] = [canvas.width, canvas.height];
    const pixels = canvas.getContext('2d').getImageData(0, 0, w, h).data;
    let coloured = 0;
    for (let i = 0; i < pixels.length; i += 4) {
        const [r, g, b, opaque] = pixels.slice(i, i + 4);
        coloured += opaque > 128 && Math.max(r, g, b) - Math.min(r, g, b) > 60;
    }
    return coloured;"""
"""Pixels of lines and points: axes and grid are grey."""


def test_a_published_graph_is_drawn_without_leaving_this_machine(pages, browser):  # noqa: F811
    with served(pages) as address:
        browser.open(address)
        browser.wait_for(lambda: "counts.track_hv" in browser.text())
        browser.click("counts.track_hv")
        browser.wait_for(lambda: browser.driver.execute_script(COLOURED) > 500)
        assert "solver='ba'" in browser.text()
        assert browser.outside() == []
        assert [said for said in browser.complaints() if "404" not in said] == []
    assert browser.screenshot("history").stat().st_size > 10_000


def test_numbers_of_the_axis_have_room(pages):
    (script,) = (pages / "assets").glob("index-*.js")
    assert WIDER in script.read_text()
    assert NARROW not in script.read_text()
