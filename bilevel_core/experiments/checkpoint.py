"""A training run in progress on disk: one .npz, written whole, that holds no pickled object.

Arrays as `snapshots` names them, and one more with a text of JSON: the curve so far, the key of the
run and its code.  A file of another run, of other code or that cannot be read is none.
"""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bilevel_core.experiments.training import Keep
from bilevel_core.sweep import atomic

TEXT = "json"
PERIOD = 10.0
"""Seconds between two checkpoints: one of a large state takes a tenth of a second."""


def write(path: Path, arrays: dict[str, np.ndarray], progress: dict[str, Any]) -> None:
    """Write a checkpoint, replacing the last one.

    Raises:
        OSError: the file cannot be written.
    """
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, array in {**arrays, TEXT: np.array(json.dumps(progress))}.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_bytes(path, content.getvalue())


def read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """What `write` was given, or None where there is no whole checkpoint."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        return arrays, json.loads(str(arrays.pop(TEXT)))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


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
        found = read(path)
        if found is None or (found[1].get("run"), found[1].get("code")) != (run, code):
            return None
        return found

    def save(arrays: dict[str, np.ndarray], progress: dict[str, Any]) -> None:
        nonlocal written
        if clock() - written >= period:
            write(path, arrays, {**progress, "run": run, "code": code})
            written = clock()

    return Keep(load, save)
