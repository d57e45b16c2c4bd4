"""Where data is looked for, and where what is downloaded goes.

In order: the folder that is asked for, $BILEVEL_DATA, the usual caches of scikit-learn, torchvision
and keras in the user's home, and this project's own cache.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from bilevel_core.errors import InputError, one_line

VARIABLE = "BILEVEL_DATA"
USUAL = ("scikit_learn_data", "data", ".keras/datasets", ".cache/bilevel-bench")
"""Folders in the user's home; the last one is ours."""
SHOWN = 3
"""Files that a message names."""
LONGEST_REASON = 60
"""Characters of why a download failed."""


def candidates(home: Path | None = None) -> list[Path]:
    """The folders that are searched, in order, whether they exist or not, each once.

    Raises:
        InputError: `home` is given and is no folder.
    """
    if home is not None and not home.is_dir():
        raise InputError(f"data_home: no folder {str(home)!r}")
    given = [home] if home is not None else []
    own = os.environ.get(VARIABLE)
    listed = [*given, *([Path(own)] if own else []), *(Path.home() / name for name in USUAL)]
    return list(dict.fromkeys(listed))


def places(home: Path | None, folders: Sequence[str]) -> Iterator[Path]:
    """Where the files of a set may lie, in order: `places_in` each candidate.

    Raises:
        InputError: as `candidates`.
    """
    for candidate in candidates(home):
        yield from places_in(candidate, folders)


def places_in(candidate: Path, folders: Sequence[str]) -> Iterator[Path]:
    """Folders of these names; each within itself, too, as unpacking leaves it: mnist/mnist."""
    for folder in folders:
        yield candidate / folder
        if (parts := Path(folder).parts)[:1]:
            yield candidate / parts[0] / folder


def store(home: Path | None = None) -> Path:
    """Where downloads go: the folder asked for, else $BILEVEL_DATA, else our own cache."""
    own = os.environ.get(VARIABLE)
    if home is not None:
        return home
    return Path(own) if own else Path.home() / USUAL[-1]


def is_foreign(name: str) -> bool:
    """True for what systems leave beside data: macOS's ._x.png and __MACOSX, and hidden files."""
    return name.startswith(".") or name == "__MACOSX"


def looked(home: Path | None, folders: Sequence[str]) -> str:
    """In words, where a set was looked for and what is there instead."""
    roots = candidates(home)
    for place in places(home, folders):
        if place not in roots and place.is_dir():
            return f"looked in {place}, found {_listed(place)}"
    others = f" and {len(roots) - 1} other folders" if len(roots) > 1 else ""
    return f"looked in {roots[0]}{others}, found no {folders[0]!r}"


def _listed(folder: Path) -> str:
    try:
        names = sorted(name for name in os.listdir(folder) if not is_foreign(name))
    except OSError as error:
        return f"that it cannot be read: {error.strerror}"
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN]) or 'nothing'}{more}"


def missing(what: str, files: str, folder: Path, seen: str, why: str) -> InputError:
    """The one line on data that is nowhere: where it was looked for, what to put where.

    files: what has to lie in `folder`, in words.  seen: as `looked` gives it.  why: it was not
    downloaded.
    """
    return InputError(
        f"no data {what!r}: put {files} into ${VARIABLE}/{folder.name} or {folder}; {seen}; "
        f"not downloaded: {one_line(why, LONGEST_REASON)}"
    )
