"""A training run in progress on disk: one .npz, written whole, that holds no pickled object.

Arrays as `snapshots` names them, and one more with a text of JSON: the curve so far, the key of the
run, its code, and a digest of all of it.  A file of another run, of other code or of code that is
not known, that was changed or that cannot be read is none.
"""

from __future__ import annotations

import hashlib
import io
import json
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

TEXT, DIGEST = "json", "digest"
PERIOD = 10.0
"""Seconds between two checkpoints: one of a large state takes a tenth of a second."""


def write(path: Path, arrays: dict[str, np.ndarray], progress: dict[str, Any]) -> None:
    """Write a checkpoint, replacing the last one.

    Raises:
        OSError: the file cannot be written.
    """
    content = io.BytesIO()
    progress = {**progress, DIGEST: _digest(arrays, json.loads(json.dumps(progress)))}
    with zipfile.ZipFile(content, "w") as archive:
        for name, array in {**arrays, TEXT: np.array(json.dumps(progress))}.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_bytes(path, content.getvalue())


def read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """What `write` was given, or None where there is no whole checkpoint."""
    try:
        if not path.is_file():
            return None
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: _member(stored, name) for name in stored.files}
        progress = json.loads(str(arrays.pop(TEXT)))
        digest = progress.pop(DIGEST)
    except DECODER_ERRORS:
        return None
    return (arrays, progress) if digest == _digest(arrays, progress) else None


def _member(stored: Any, name: str) -> np.ndarray:
    """An array of the archive, which is no larger than what is stored of it."""
    entry = stored.zip.getinfo(f"{name}.npy")
    if entry.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{name} is compressed, as no checkpoint of ours is")
    found: np.ndarray = stored[name]
    return found


def _digest(arrays: Mapping[str, np.ndarray], progress: Mapping[str, Any]) -> str:
    """SHA-256 of the names, types, shapes and bytes of the arrays, and of the progress."""
    digest = hashlib.sha256(json.dumps(progress, sort_keys=True).encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


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
        return found

    def save(arrays: dict[str, np.ndarray], progress: dict[str, Any]) -> None:
        nonlocal written
        if clock() - written >= period:
            write(path, arrays, {**progress, "run": run, "code": code})
            written = clock()

    return Keep(load, save)
