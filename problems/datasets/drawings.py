"""The drawings of a part of Omniglot, ALPHABET/CHARACTER/DRAWING.png in a folder or in a zip.

Other files, such as those that systems leave beside them, are passed over.  What an archive says of
sizes is not believed: no more than a drawing can have is unpacked.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bilevel_core.errors import InputError, plain_reason
from bilevel_core.reading import DECODER_ERRORS
from problems.datasets.home import is_foreign

LARGEST = 2**16
"""Bytes of a drawing's file; a usual one has 300."""
LARGEST_ARCHIVE = 2**25
"""Bytes of a zip; the largest has 10^7."""
_PACKING = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

Key = tuple[str, str, str]
"""(alphabet, character, file)."""


def where(path: Path) -> Mapping[Key, Any]:
    """Where each drawing of a folder or zip is: its file, or its entry."""
    if not path.is_dir():
        return _in_zip(path, lambda archive: _entries(path, archive))
    try:
        return _files(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {plain_reason(error)}") from error


def texts(path: Path) -> dict[Key, bytes]:
    """The bytes of each drawing."""
    if not path.is_dir():
        return _in_zip(
            path,
            lambda archive: {
                key: _unpacked(archive, entry) for key, entry in _entries(path, archive).items()
            },
        )
    try:
        return {key: file.read_bytes() for key, file in where(path).items()}
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {plain_reason(error)}") from error


def _files(folder: Path) -> dict[Key, Path]:
    """The drawings in a folder, however deep."""
    found: dict[Key, Path] = {}
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_foreign(name))
        for name in files:
            path = Path(place, name)
            key = _key(path.relative_to(folder).parts)
            if key is not None and path.is_file():
                _check_size(folder, key, path.stat().st_size)
                found.setdefault(key, path)
    return found


def _entries(path: Path, archive: zipfile.ZipFile) -> dict[Key, zipfile.ZipInfo]:
    found = {}
    for entry in archive.infolist():
        key = _key(entry.filename.split("/"))
        if key is not None:
            _check_size(path, key, max(entry.file_size, entry.compress_size))
            if entry.compress_type not in _PACKING:
                raise InputError(f"{path}: {'/'.join(key)} is packed in a way that is not usual")
            found[key] = entry
    return found


def _key(names: Sequence[str]) -> Key | None:
    """What a path of a drawing says of it; None for other files."""
    if len(names) < 3 or not names[-1].endswith(".png") or any(map(is_foreign, names)):
        return None
    return names[-3], names[-2], names[-1]


def _check_size(path: Path, key: Key, size: int) -> None:
    if size > LARGEST:
        raise InputError(f"{path}: {'/'.join(key)} has {size} bytes; expected at most {LARGEST}")


def _in_zip(path: Path, use: Callable[[zipfile.ZipFile], dict[Key, Any]]) -> dict[Key, Any]:
    """What `use` makes of an archive."""
    try:
        size = path.stat().st_size
        if size > LARGEST_ARCHIVE:
            raise InputError(f"{path}: {size} bytes; expected at most {LARGEST_ARCHIVE}")
        with zipfile.ZipFile(path) as archive:
            return use(archive)
    except InputError:
        raise
    except DECODER_ERRORS as error:
        raise InputError(f"{path}: not a readable zip: {plain_reason(error)}") from error


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """An entry's bytes; never more than `LARGEST`, whatever the archive says of it."""
    with archive.open(entry) as member:
        return member.read(LARGEST + 1)
