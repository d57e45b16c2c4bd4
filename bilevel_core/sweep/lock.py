"""One sweep at a time in one directory: two would compute the same runs twice."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from bilevel_core.errors import InputError


@contextlib.contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Hold the directory's lock; the system releases it when the process ends, however it ends.

    Does nothing where the system has no `flock`.

    Raises:
        InputError: another sweep holds it, or the lock is no regular file.
        OSError: the lock file cannot be written.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    path = directory / ".lock"
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise InputError(f"{str(path)!r} is no regular file; delete it")
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise InputError(
                f"another sweep (process {holder}) is writing to {str(directory)!r}; "
                "wait for it, or choose another --out"
            ) from None
        # The lock holds also where the disk is full; what is in it is for people.
        with contextlib.suppress(OSError):
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
        yield
