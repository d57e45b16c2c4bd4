"""Where data is looked for, and where what is downloaded goes.

In order: the folder that is asked for, $BILEVEL_DATA, the usual caches of scikit-learn, torchvision
and keras in the user's home, and this project's own cache.
"""

from __future__ import annotations

import os
from pathlib import Path

from bilevel_core.errors import InputError, one_line

VARIABLE = "BILEVEL_DATA"
USUAL = ("scikit_learn_data", "data", ".keras/datasets", ".cache/bilevel-bench")
"""Folders in the user's home; the last one is ours."""


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


def store(home: Path | None = None) -> Path:
    """Where downloads go: the folder asked for, else $BILEVEL_DATA, else our own cache."""
    own = os.environ.get(VARIABLE)
    if home is not None:
        return home
    return Path(own) if own else Path.home() / USUAL[-1]


def missing(what: str, files: str, folder: Path, why: str) -> InputError:
    """The one line on data that is nowhere: what, where to put it, and why it was not downloaded.

    files: what has to lie in `folder`, in words.
    """
    return InputError(
        f"no data {what!r}: put {files} into ${VARIABLE} or {str(folder)!r}; {looked_in()}; "
        f"not downloaded: {one_line(why, 40)}"
    )


def looked_in(home: Path | None = None) -> str:
    """Which folders were searched, and what is in the first that exists."""
    there = [path for path in candidates(home) if path.is_dir()]
    if not there:
        return "no folder of data exists"
    names = sorted(path.name for path in there[0].iterdir())
    found = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
    others = f" and {len(there) - 1} more" if len(there) > 1 else ""
    return f"looked in {one_line(str(there[0]), 60)!r}{others}, found {one_line(found, 60) or '-'}"
