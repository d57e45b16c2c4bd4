"""One commit measured by asv, in a folder of its own: it is recorded whole or not at all.

asv is given this interpreter with all that is installed ("existing"): an environment for each
commit would take torch once more each time.  The suites are those of the present checkout.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

SOME_FAILED = 2
"""asv's exit code when benchmarks failed and the others were recorded."""
PATIENCE = 10.0
"""Seconds that asv has to end its own processes."""


@contextlib.contextmanager
def measured(root: Path, tree: Path, commit: str, machine: str) -> Iterator[Path]:
    """asv's results folder of one commit; tree: the files whose packages are imported.

    Raises:
        RuntimeError: asv could not run; a benchmark that fails is recorded as null instead.
    """
    with tempfile.TemporaryDirectory(prefix="bilevel-asv-") as name:
        folder = Path(name)
        config = folder / "asv.conf.json"
        config.write_text(json.dumps(_configuration(root, folder)), encoding="utf-8")
        environment = os.environ | {
            "BILEVEL_HISTORY_TREE": str(tree),
            "OMP_NUM_THREADS": "1",
            "TMPDIR": name,
        }
        _introduce(machine, environment)
        code = _asv(
            [
                "run", "--config", str(config), "--environment", f"existing:{sys.executable}",
                "--set-commit-hash", commit, "--machine", machine, "--no-pull",
            ],
            environment,
        )  # fmt: skip
        if code not in (0, SOME_FAILED):
            raise RuntimeError(f"asv ended with exit code {code} on commit {commit[:8]}")
        yield folder / "results"


def _introduce(machine: str, environment: dict[str, str]) -> None:
    """Have asv know the machine's name, for this user: else it asks."""
    command = [sys.executable, "-m", "asv", "machine", "--yes", "--machine", machine]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"asv machine failed:\n{(done.stdout + done.stderr).strip()}")


def _configuration(root: Path, folder: Path) -> dict[str, object]:
    own = json.loads((root / "asv.conf.json").read_text(encoding="utf-8"))
    return own | {
        "repo": str(root),
        "branches": ["HEAD"],
        "benchmark_dir": str(root / own["benchmark_dir"]),
        "results_dir": str(folder / "results"),
        "html_dir": str(folder / "html"),
        "env_dir": str(folder / "env"),
    }


def _asv(arguments: Sequence[str], environment: dict[str, str]) -> int:
    """The exit code of asv; it is ended, with its benchmarks, when this process is."""
    command = [sys.executable, "-m", "asv", *arguments]
    with subprocess.Popen(command, env=environment) as process:
        try:
            return process.wait()
        except BaseException:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
            raise
