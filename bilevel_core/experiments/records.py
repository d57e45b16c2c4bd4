"""Records of trials on disk: one JSON file each, named by its key, whole or absent.

    DIR/runs/KEY.json    {"format": 1, "checksum": SHA-256 of the record, "record": {...}}

A file that is truncated, edited, renamed or of another format is no record.
"""

from __future__ import annotations

import time
from pathlib import Path

from bilevel_core.experiments.trial import Trial, TrialRecord
from bilevel_core.fingerprint import is_known
from bilevel_core.reading import DECODER_ERRORS
from bilevel_core.sweep import atomic
from bilevel_core.sweep.run_file import bytes_of, content_of, enveloped


def path_of(directory: Path, trial: Trial) -> Path:
    """Where the record of a trial lives."""
    return directory / "runs" / f"{trial.key}.json"


def write(directory: Path, record: TrialRecord) -> Path:
    """Store a record, replacing what was there; gives its path.

    Raises:
        ValueError: the record holds NaN or an infinity.
        OSError: the file cannot be written.
    """
    path = path_of(directory, record.trial)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_text(path, enveloped(record.to_dict()))
    return path


def read(directory: Path, trial: Trial) -> TrialRecord | None:
    """The record of a trial, None where there is no intact one."""
    try:
        record = TrialRecord.from_dict(content_of(bytes_of(path_of(directory, trial))))
    except DECODER_ERRORS:
        return None
    return record if record.trial.key == trial.key else None


def current(directory: Path, trial: Trial, code: str) -> TrialRecord | None:
    """The record of a trial that need not be run again: intact, of this code, and not failed."""
    record = read(directory, trial)
    if record is None or not is_known(code) or record.code != code or record.status == "failed":
        return None
    return record


def remove_leftovers(directory: Path) -> None:
    """Delete the temporary files of processes that are gone."""
    now = time.time()
    for folder in (directory, *(directory / name for name in ("runs", "checkpoints"))):
        if folder.is_dir():
            for temporary in list(atomic.temporaries(folder)):
                if atomic.is_leftover(temporary, now):
                    temporary.unlink(missing_ok=True)
