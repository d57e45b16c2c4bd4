"""Stored results are of today's code, and what is derived from them is what today's code makes."""

import importlib.util
import re
import subprocess
from pathlib import Path

import pytest

from bilevel_core import report
from bilevel_core.fingerprint import is_known
from bilevel_core.making import instances_kept
from bilevel_core.sweep import store, tunings
from bilevel_core.sweep.stock import code_check

ROOT = Path(__file__).parent.parent
STORES = sorted(path.parent for path in ROOT.glob("results/reference/*/runs"))


def script(name):
    """A module of `benchmarks`, by its file."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def refuse(damaged):
    raise AssertionError(damaged)


def test_there_are_stores():
    assert len(STORES) == 6


@pytest.mark.parametrize("directory", STORES, ids=lambda path: path.name)
def test_no_stored_run_is_stale_or_of_unknown_provenance(directory):
    is_current = code_check()
    with instances_kept():
        for record in store.summaries(directory, refuse):
            assert is_known(record.code)
            assert is_current(record), record.config


@pytest.mark.parametrize("directory", STORES, ids=lambda path: path.name)
def test_every_stored_search_is_behind_a_stored_run(directory):
    used = {
        each["tuning"]["key"]
        for record in store.summaries(directory, refuse)
        for each in record.passes
        if "tuning" in each
    }
    kept = [tunings.read(path) for path in tunings.paths(directory)]
    assert {search.key for search in kept} == used


@pytest.mark.parametrize("directory", STORES, ids=lambda path: path.name)
def test_stored_tables_are_what_the_runs_make(directory):
    stored = (directory / "tables" / "table.md").read_text(encoding="utf-8")
    assert report.write_table(store.frame(directory, refuse), "md") == stored


def test_the_results_page_is_what_the_runs_make():
    stored = (ROOT / "results" / "README.md").read_text(encoding="utf-8")
    assert script("results_page").page(ROOT / "results" / "reference") == stored


def test_the_readme_shows_what_the_runs_make():
    readme = script("readme")
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(re.escape(readme.BEGIN) + ".*?" + re.escape(readme.END), text, re.DOTALL)
    assert found[0] == readme.section()


def test_every_picture_that_a_page_shows_is_kept():
    tracked = subprocess.run(
        ["git", "ls-files", "results", "docs", "README.md"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if tracked.returncode:
        pytest.skip("no git repository: what is tracked is not known")
    files = {ROOT / name for name in tracked.stdout.splitlines()}
    for page in (path for path in files if path.suffix == ".md" and path.exists()):
        for name in re.findall(r"!\[[^\]]*\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if not name.startswith("http"):
                assert (page.parent / name).resolve() in files, (page, name)
