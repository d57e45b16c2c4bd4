"""Commits of the repository: which to measure, and their files as they were."""

from __future__ import annotations

import contextlib
import io
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bilevel_core.errors import InputError

SHOWN = 3
"""Names of changed files in a message."""


def head(root: Path) -> str:
    """The full hash of the commit that is checked out.

    Raises:
        InputError: no repository, or one without a commit.
    """
    return _git(root, "rev-parse", "--verify", "HEAD").strip()


def require_clean(root: Path, kept: str) -> None:
    """Refuse a tree that is not its commit's; what lies under `kept` is no part of it.

    Raises:
        InputError: files differ from the commit's, or are new.
    """
    lines = _git(root, "status", "--porcelain", "--", ".", f":(exclude){kept}").splitlines()
    if lines:
        names = [line[3:] for line in lines]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        raise InputError(
            f"the working tree differs from its commit ({', '.join(names[:SHOWN])}{more}): "
            "commit first, so that numbers are kept under the code they belong to"
        )


def in_range(root: Path, asked: str) -> list[str]:
    """Full hashes of the first-parent commits of a range "a..b", oldest first; a is not in it.

    Raises:
        InputError: no range, or a revision that there is not.
    """
    if ".." not in asked or asked.startswith("-"):
        raise InputError(f"RANGE: expected two revisions as in v0.1..main, got {asked!r}")
    found = _git(root, "rev-list", "--first-parent", "--reverse", asked, "--").split()
    if not found:
        raise InputError(f"RANGE: no commit in {asked!r}")
    return found


def first_parents(root: Path) -> list[str]:
    """Full hashes of the commits that led to the present one, newest first."""
    return _git(root, "rev-list", "--first-parent", "HEAD").split()


@contextlib.contextmanager
def unpacked(root: Path, commit: str) -> Iterator[Path]:
    """The files of a commit in a temporary folder, which is gone afterwards.

    An archive and no worktree: git then keeps nothing of it that a killed process could leave.
    """
    with tempfile.TemporaryDirectory(prefix="bilevel-commit-") as name:
        packed = subprocess.run(
            ["git", "archive", commit], cwd=root, check=True, capture_output=True
        ).stdout
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(name, filter="data")
        yield Path(name)


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise InputError(f"git {arguments[0]}: {said[0] if said else 'failed'}")
    return done.stdout
