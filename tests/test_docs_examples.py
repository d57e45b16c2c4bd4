"""The pages on adding a solver and a problem: their code is the files, their output what comes."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = {"single_loop": "add_a_solver.md", "target": "add_a_problem.md"}


def page(name):
    return (DOCS / PAGES[name]).read_text(encoding="utf-8")


def blocks(text, language):
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def bilevel_bench(*arguments):
    command = [sys.executable, "-m", "bilevel_core", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def table_lines(text):
    return [line for line in text.splitlines() if line.startswith("|")]


@pytest.mark.parametrize("name", PAGES)
def test_the_code_of_a_page_is_the_file(name):
    text = page(name)
    for language, suffix in (("python", "py"), ("toml", "toml")):
        assert blocks(text, language) == [
            (DOCS / "examples" / f"{name}.{suffix}").read_text("utf-8")
        ]


def test_the_readme_shows_the_same_solver():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert (DOCS / "examples" / "single_loop.py").read_text("utf-8") in blocks(readme, "python")


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_the_output_of_a_page_is_what_comes_out(name, tmp_path):
    example = f"docs/examples/{name}"
    checked = bilevel_bench("check", f"{example}.py:{name}").splitlines()[-1]
    assert checked in page(name).splitlines()
    bilevel_bench("sweep", f"{example}.toml", "--out", tmp_path / "store", "--jobs", 1)
    table = bilevel_bench("table", tmp_path / "store").partition("criterion first")[0]
    assert table_lines(page(name)) == table_lines(table)


@pytest.mark.slow
def test_the_run_of_the_page_and_of_the_gallery_is_what_comes_out():
    for text in (page("single_loop"), (DOCS / "gallery.md").read_text(encoding="utf-8")):
        (command,) = re.findall(r"^\$ bilevel-bench (run .*)$", text, flags=re.MULTILINE)
        shown = [line.split() for line in text.splitlines()]
        printed = [line.split() for line in bilevel_bench(*command.split()).splitlines()]
        counted = [words for words in printed if words[1:2] == ["average"]]
        assert len(counted) == 2
        assert all(words in shown for words in counted)
