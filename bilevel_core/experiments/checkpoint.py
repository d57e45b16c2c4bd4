"""A training run in progress on disk: one .npz, written whole, that holds no pickled object.

Arrays as `snapshots` names them, a text of JSON (the curve so far, the key of the run and its
code), and a checksum of all of it.  A file of another run, of other code, of code that is not known
or that cannot be read is none: the run starts again.  What is read is never larger than the file,
for nothing in it is packed.  The checksum finds what was damaged or changed by hand; it is no
signature.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import stat
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bilevel_core.experiments.training import Keep
from bilevel_core.fingerprint import is_known
from bilevel_core.reading import DECODER_ERRORS
from bilevel_core.sweep import atomic

TEXT, CHECKSUM = "json", "checksum"
SUFFIX = ".npy"
KINDS = "biufU"
"""Of numbers: whole ones, floats, and text."""
PERIOD = 10.0
"""Seconds between two checkpoints: one of a large state takes a tenth of a second."""


def write(path: Path, arrays: dict[str, np.ndarray], progress: dict[str, Any]) -> None:
    """Write a checkpoint, replacing the last one.

    Raises:
        OSError: the file cannot be written.
    """
    whole = {**arrays, TEXT: np.array(json.dumps(progress))}
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, array in {**whole, CHECKSUM: np.array(checksum(whole))}.items():
            with archive.open(f"{name}{SUFFIX}", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_bytes(path, content.getvalue())


def checksum(arrays: Mapping[str, np.ndarray]) -> str:
    """64 hex digits that change with any name, type, shape or number."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(json.dumps([name, array.dtype.str, array.shape]).encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """What `write` was given, or None where there is no whole checkpoint in a regular file."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return None
        arrays = _arrays(path.read_bytes())
        if str(arrays.pop(CHECKSUM)) != checksum(arrays):
            return None
        progress = json.loads(str(arrays.pop(TEXT)))
    except DECODER_ERRORS:
        return None
    return (arrays, progress) if isinstance(progress, dict) else None


def _arrays(content: bytes) -> dict[str, np.ndarray]:
    """The arrays of an archive in which nothing is packed, so that they are no larger than it.

    Raises:
        ValueError: it is another archive; and whatever damaged content raises.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
        if sum(entry.file_size for entry in entries) > len(content):
            raise ValueError("more than the file can hold")
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise ValueError("a packed member")
        return {
            entry.filename.removesuffix(SUFFIX): _array(archive.read(entry)) for entry in entries
        }


def _array(content: bytes) -> np.ndarray:
    """One .npy of plain numbers, whose size has to be that of its shape."""
    stream = io.BytesIO(content)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("another version of the format")
    shape, in_fortran_order, dtype = np.lib.format.read_array_header_1_0(stream)
    numbers = content[stream.tell() :]
    if dtype.kind not in KINDS or math.prod(shape) * dtype.itemsize != len(numbers):
        raise ValueError("numbers that do not fit their shape")
    order = "F" if in_fortran_order else "C"
    return np.array(np.frombuffer(numbers, dtype).reshape(shape, order=order))  # type: ignore[call-overload]


def keep_in(
    path: Path,
    run: str,
    code: str,
    period: float = PERIOD,
    clock: Callable[[], float] = time.monotonic,
) -> Keep:
    """A place for the run of this key, computed by this code; a write at most each `period`."""
    written = clock()

    def load() -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        found = read(path) if is_known(code) else None
        if found is None or (found[1].get("run"), found[1].get("code")) != (run, code):
            return None
        return found if isinstance(found[1].get("curve"), list) else None

    def save(arrays: dict[str, np.ndarray], progress: dict[str, Any]) -> None:
        nonlocal written
        if clock() - written >= period:
            write(path, arrays, {**progress, "run": run, "code": code})
            written = clock()

    return Keep(load, save)
