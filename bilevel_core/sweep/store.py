"""Run files: one JSON file a run, named by the key of its configuration.

    DIR/runs/ab/abcdef....json    (`run_file`)

A file is written whole or not at all. Reading trusts nothing: a file that is truncated, edited,
renamed or of another format comes back as `Damaged`, with the reason, and never as a record. Two
stores merge by copying files; no index has to be kept in step with them.

Who reads a whole store (resuming, fits, tables) reads every byte of it, since a checksum is of all
of a file, but makes no points out of the trajectories (`summaries`).
"""

from __future__ import annotations

import os
import re
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bilevel_core.errors import InputError
from bilevel_core.reading import DECODER_ERRORS
from bilevel_core.sweep import atomic
from bilevel_core.sweep.frames import of_records, to_frame
from bilevel_core.sweep.keys import key
from bilevel_core.sweep.packing import unpacked, unpacked_summary
from bilevel_core.sweep.run_file import FORMAT, Damaged, bytes_of, content_of, text_of

if TYPE_CHECKING:
    import pandas as pd

    from bilevel_core.record import RunRecord

__all__ = [
    "FORMAT",
    "Damaged",
    "being_written",
    "frame",
    "path_of",
    "paths",
    "read",
    "read_summary",
    "records",
    "refuse_directory",
    "remove_leftovers",
    "require_room",
    "require_runs",
    "summaries",
    "to_frame",
    "warn",
    "write",
]

SHARD = re.compile(r"[0-9a-f]{2}")


def path_of(directory: Path, run_key: str) -> Path:
    """Where the run with this key lives."""
    return directory / "runs" / run_key[:2] / f"{run_key}.json"


def write(directory: Path, record: RunRecord) -> Path:
    """Store a record under the key of its configuration, replacing what was there; gives the path.

    A link or a pipe in the place of the file or of its folder is replaced, too.

    Raises:
        ValueError: the record holds NaN or an infinity.
        OSError: the file cannot be written.
    """
    text = text_of(record)
    path = path_of(directory, key(record.config))
    if path.parent.is_symlink() or (path.parent.exists() and not path.parent.is_dir()):
        path.parent.unlink()
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_text(path, text)
    return path


def read(path: Path) -> RunRecord | Damaged:
    """The record in a run file, or what is wrong with the file."""
    return _read(path, unpacked)


def read_summary(path: Path) -> RunRecord | Damaged:
    """`read` with an empty trajectory."""
    return _read(path, unpacked_summary)


def paths(directory: Path) -> list[Path]:
    """All run files of a store, sorted; empty when there are none.

    What stands in the place of a folder of run files is among them: who reads it finds it damaged.
    """
    found: list[Path] = []
    for shard in _entries(directory):
        if shard.is_symlink() or not shard.is_dir():
            found.append(shard)
            continue
        with os.scandir(shard) as entries:
            names = sorted(entry.name for entry in entries if _is_run_file(entry.name))
        found += map(shard.joinpath, names)
    return found


def require_runs(directory: Path) -> list[Path]:
    """`paths`, for those who need at least one run.

    Raises:
        InputError: the directory does not exist, is not one, or holds no run files.
    """
    if not directory.exists():
        raise InputError(f"no directory {str(directory)!r}")
    if not directory.is_dir():
        raise InputError(f"{str(directory)!r} is not a directory; expected the --out of a sweep")
    found = paths(directory)
    if not found:
        raise InputError(f"no runs in {str(directory)!r}; expected the --out of a sweep")
    return found


def require_room(directory: Path) -> None:
    """Check that files can be written where a store keeps them, before what goes in is computed.

    Anything but a folder in the place of a file, or of a folder of run files, is replaced.

    Raises:
        InputError: no folder stands where all run files or searches are kept.
    """
    for folder in (directory / "runs", directory / "tuning"):
        if os.path.lexists(folder) and not folder.is_dir():
            raise InputError(f"{str(folder)!r} is no directory, where a store keeps its files")


def refuse_directory(path: Path) -> None:
    """The same of one file.

    Raises:
        InputError: a directory stands in its place.
    """
    if path.is_dir() and not path.is_symlink():
        raise InputError(f"{str(path)!r} is a directory in the place of a file; move it away")


def warn(damaged: Damaged) -> None:
    """Say with a Python warning that a damaged run file was left out."""
    warnings.warn(f"left out {damaged}", stacklevel=3)


def records(directory: Path, on_damaged: Callable[[Damaged], None] = warn) -> Iterator[RunRecord]:
    """The intact records of a store, one at a time; each damaged file goes to `on_damaged`.

    Raises:
        InputError: as `require_runs`.
    """
    return _intact(directory, read, on_damaged)


def summaries(directory: Path, on_damaged: Callable[[Damaged], None] = warn) -> Iterator[RunRecord]:
    """The same with empty trajectories.

    Raises:
        InputError: as `require_runs`.
    """
    return _intact(directory, read_summary, on_damaged)


def frame(
    directory: Path | str,
    on_damaged: Callable[[Damaged], None] = warn,
    on_record: Callable[[RunRecord], None] = lambda record: None,
) -> pd.DataFrame:
    """One row for each (run, eps, criterion) of all intact records, in a fixed order.

    Counts are floats, NaN where eps was not reached.  Each record, with an empty trajectory, is
    shown to `on_record` on its way.

    Raises:
        InputError: the directory does not exist, or holds no intact run.
    """

    def shown() -> Iterator[RunRecord]:
        for record in summaries(Path(directory), on_damaged):
            on_record(record)
            yield record

    table = of_records(shown())
    if table is None:
        raise InputError(f"no intact run in {str(directory)!r}; the sweep that made it can resume")
    return table


def being_written(directory: Path) -> bool:
    """True while some process writes a run file or a search of this store."""
    return any(True for folder in _folders(directory) for _ in atomic.temporaries(folder))


def remove_leftovers(directory: Path) -> int:
    """Delete the temporary files of processes that are gone; gives their number."""
    now = time.time()
    removed = 0
    for folder in [directory, *_folders(directory)]:
        for temporary in list(atomic.temporaries(folder)):
            if atomic.is_leftover(temporary, now):
                temporary.unlink(missing_ok=True)
                removed += 1
    return removed


def _read(path: Path, unpack: Callable[[Mapping[str, Any]], dict[str, Any]]) -> RunRecord | Damaged:
    from bilevel_core.record import RunRecord

    try:
        content = content_of(bytes_of(path))
    except OSError as error:
        return Damaged(path, f"cannot be read: {error.strerror}")
    except ValueError as error:
        return Damaged(path, str(error))
    try:
        record = RunRecord.from_dict(unpack(content))
        expected = key(record.config)
    except InputError as error:
        return Damaged(path, f"not a record of this version: {error}")
    except DECODER_ERRORS as error:
        return Damaged(path, f"not a record of this version: {error!r}")
    if path.stem != expected or path.parent.name != expected[:2]:
        return Damaged(path, f"wrong name: it holds the run {expected}")
    return record


def _intact(
    directory: Path,
    read_one: Callable[[Path], RunRecord | Damaged],
    on_damaged: Callable[[Damaged], None],
) -> Iterator[RunRecord]:
    for path in require_runs(directory):
        record = read_one(path)
        if isinstance(record, Damaged):
            on_damaged(record)
        else:
            yield record


def _is_run_file(name: str) -> bool:
    return name.endswith(".json") and not name.startswith(".")


def _folders(directory: Path) -> list[Path]:
    """Where files are written while a sweep runs."""
    searches = directory / "tuning"
    return [*_shards(directory), *([searches] if searches.is_dir() else [])]


def _shards(directory: Path) -> list[Path]:
    return [each for each in _entries(directory) if each.is_dir() and not each.is_symlink()]


def _entries(directory: Path) -> list[Path]:
    """What has the name of a folder of run files."""
    runs = directory / "runs"
    if not runs.is_dir():
        return []
    with os.scandir(runs) as entries:
        return sorted(Path(e.path) for e in entries if SHARD.fullmatch(e.name))
