"""Commands for tests: their words, and a process of their own."""

import subprocess
import sys
from pathlib import Path

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


def process(*words, **settings):
    """Run a command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "bilevel_core", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        **settings,
    )
