"""Compiled code on disk, in folders that are the user's alone.

Numba unpickles what it finds there, which can run anything: a folder that another user owns, or may
write to, is not used. A run never fails for its cache: what is damaged is compiled anew, what
cannot be kept is not kept, and one line on standard error says so.

Of Numba: `config.CACHE_DIR`, `Dispatcher._cache` and, of `numba.core.caching`, `FunctionCache`,
`CompileResultCacheImpl._locator_classes`, `UserProvidedCacheLocator`, and of `IndexDataCacheFile`
`_load_data`, `_save_data`, `_data_path`, `_dump` and `_open_for_write`.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import pickle
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numba
from numba.core import caching

DIGEST = hashlib.sha256().digest_size


def keep(dispatcher: Any, key: str) -> None:
    """Load the code of a dispatcher from the folder of this key, or keep it there, if need be."""
    base = directory()
    if base is None:
        return
    settings: Any = numba.config
    previous, settings.CACHE_DIR = settings.CACHE_DIR, str(base / key)
    try:
        _open(base / key)
        dispatcher._cache = _Cache(dispatcher.py_func)
    except (OSError, RuntimeError) as error:
        _say(f"compiled code is not kept in {base}: {error}")
    finally:
        settings.CACHE_DIR = previous


def directory() -> Path | None:
    """Where compiled code is kept: BILEVEL_CACHE_DIR, the user's cache, or a temporary folder.

    None where none of them is the user's alone, and writable.
    """
    given = os.environ.get("BILEVEL_CACHE_DIR")
    base = Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    own = base.expanduser() if given else base.expanduser() / "bilevel-bench"
    # Users share the folder of temporary files, not what is theirs in it.
    for folder in (own, Path(tempfile.gettempdir()) / f"bilevel-bench-{os.getuid()}"):
        try:
            # A link of the user's own may lead elsewhere; one in a shared folder is not followed.
            _open(folder.resolve() if folder is own else folder)
        except OSError as error:
            _say(f"compiled code is not kept in {folder}: {error.strerror or error}")
        else:
            return folder
    return None


def _open(folder: Path) -> None:
    """Make a folder of the user's own, if it is not there.

    Raises:
        OSError: it cannot be made or written to, or others own it or may write to it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise OSError("it is no folder")
    if found.st_uid != os.getuid():
        raise OSError(f"it belongs to another user ({found.st_uid})")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise OSError("others may write to it; chmod go-w makes it yours")
    if not os.access(folder, os.W_OK):
        raise OSError("it is read-only")


@functools.cache
def _say(line: str) -> None:
    """Once a process."""
    sys.stderr.write(f"{line}\n")


class _Code(caching.CompileResultCacheImpl):
    """Never beside the source, where Numba goes if the folder that it is told is full."""

    _locator_classes: list[type[object]] = [caching.UserProvidedCacheLocator]  # noqa: RUF012


class _Files(caching.IndexDataCacheFile):
    """Files of code with a checksum: changed machine code would run."""

    def _load_data(self, name: str) -> Any:
        content = Path(self._data_path(name)).read_bytes()
        if hashlib.sha256(content[DIGEST:]).digest() != content[:DIGEST]:
            raise ValueError(f"{name} is damaged")
        return pickle.loads(content[DIGEST:])  # noqa: S301  # from a folder that is the user's alone

    def _save_data(self, name: str, data: Any) -> None:
        content = self._dump(data)
        with self._open_for_write(self._data_path(name)) as file:
            file.write(hashlib.sha256(content).digest() + content)


class _Cache(caching.FunctionCache):
    """A cache that fails no run."""

    _impl_class = _Code

    def __init__(self, function: Any) -> None:
        super().__init__(function)
        code = self._impl
        self._cache_file = _Files(
            self._cache_path, code.filename_base, code.locator.get_source_stamp()
        )

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # noqa: BLE001  # a damaged pickle raises anything
            with self._complaining():
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        with self._complaining():
            super().save_overload(sig, data)

    @contextlib.contextmanager
    def _complaining(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001  # whatever it is, the code is there
            _say(f"compiled code is not kept in {self.cache_path}: {error}")
