"""Measure commits, publish their history, compare exact counts: `make history`, `history-check`.

Run from the root of the repository.  Exit code 0: done; 1: a count changed, or asv could not run;
2: bad input, told in one line.
"""

from __future__ import annotations

import argparse
import json
import platform
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from benchmarks.asv_history import commits, files, guard
from benchmarks.asv_history.measure import measured
from benchmarks.asv_history.publish import publish
from bilevel_core.errors import InputError


def record(root: Path, asked: str, machine: str) -> None:
    """Measure the present commit, or those of a range that have no results yet."""
    results = results_of(root)
    if not asked:
        kept = str(results.relative_to(root))
        commits.require_clean(root, kept)
        _measure(root, root, commits.head(root), machine)
        return
    done = files.recorded(results, machine)
    todo = commits.in_range(root, asked)
    for place, commit in enumerate(todo, start=1):
        _say(f"commit {commit[:8]}, {place} of {len(todo)}")
        if commit in done:
            _say("has results already")
            continue
        with commits.unpacked(root, commit) as tree:
            _measure(root, tree, commit, machine)


def check(root: Path, machine: str) -> int:
    """Compare the newest commit that has results with the one before; 1 when a count differs.

    Raises:
        InputError: fewer than two commits have results.
    """
    done = files.recorded(results_of(root), machine)
    known = [commit for commit in commits.first_parents(root) if commit in done]
    if len(known) < 2:
        raise InputError(
            f"history-check: expected results of two commits on machine {machine!r}, found "
            f"{len(known)}: make history RANGE=HEAD~2..HEAD"
        )
    new, old = (files.read(done[commit]) for commit in known[:2])
    for name in guard.rewritten(old, new):
        _say(f"{name}: the benchmark itself has changed, not compared")
    changed = guard.changes(old, new)
    for line in changed:
        _say(line)
    pair = f"{old.commit[:8]} and {new.commit[:8]}"
    _say(f"{guard.judged(old, new)} counts of {pair} compared, {len(changed)} changed")
    return 1 if changed else 0


def results_of(root: Path) -> Path:
    """The folder of all kept results."""
    content = json.loads((root / "asv.conf.json").read_text(encoding="utf-8"))
    return root / content["results_dir"]


def main(arguments: Sequence[str]) -> int:
    """The exit code of the command."""
    parser = argparse.ArgumentParser(prog="history", description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=("record", "publish", "check"))
    parser.add_argument("range", nargs="?", default="", help="a..b: older commits")
    parser.add_argument("--machine", default=platform.node(), help="results are kept by machine")
    given = parser.parse_args(arguments)
    root = Path.cwd()
    for ending in (signal.SIGINT, signal.SIGTERM):  # SIGINT is ignored in the background else
        signal.signal(ending, _end)
    try:
        if given.command == "check":
            return check(root, given.machine)
        if given.command == "record":
            record(root, given.range, given.machine)
        _say(f"written: {publish(root).relative_to(root)}; to look at it: make view")
    except InputError as error:
        _say(str(error), file=sys.stderr)
        return 2
    except RuntimeError as error:
        _say(str(error), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        _say("interrupted: finished commits are kept, the same command goes on", file=sys.stderr)
        return 130
    return 0


def _measure(root: Path, tree: Path, commit: str, machine: str) -> None:
    with measured(root, tree, commit, machine) as found:
        path = files.keep(found, results_of(root), machine)
    without = files.failed(files.read(path))
    _say(f"recorded: {path.relative_to(root)}")
    for line in without:
        _say(f"  no number: {line}")


def _end(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _say(line: str, file: object = None) -> None:
    print(line, file=file or sys.stdout, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
