"""What it takes to start: a new interpreter each time."""

from __future__ import annotations

import os
import subprocess
import sys

rounds, repeat, timeout = 1, (3, 7, 8.0), 120


def time_import() -> None:
    """import bilevel_core, problems."""
    _python("-c", "import bilevel_core, problems")


def time_help() -> None:
    """bilevel-bench --help."""
    _python("-m", "bilevel_core", "--help")


def time_list() -> None:
    """bilevel-bench list."""
    _python("-m", "bilevel_core", "list")


for _benchmark in (time_import, time_help, time_list):
    _benchmark.number = 1  # type: ignore[attr-defined]


def _python(*arguments: str) -> None:
    tree = os.environ.get("BILEVEL_HISTORY_TREE") or os.path.dirname(
        os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    )
    command = [sys.executable, *arguments]
    environment = os.environ | {"PYTHONPATH": tree}
    subprocess.run(command, env=environment, cwd=tree, check=True, stdout=subprocess.DEVNULL)
