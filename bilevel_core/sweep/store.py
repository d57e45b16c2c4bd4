"""Run files: one JSON file a run, named by the key of its configuration.

    DIR/runs/ab/abcdef....json    {"format": 1, "checksum": SHA-256 of the record, "record": {...}}

A file is written whole or not at all. Reading trusts nothing: a file that is truncated, edited,
renamed or of another format comes back as `Damaged`, with the reason, and never as a record. Two
stores merge by copying files; no index has to be kept in step with them.
"""

from __future__ import annotations

import json
import os
import re
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from bilevel_core.errors import InputError
from bilevel_core.sweep import atomic
from bilevel_core.sweep.keys import digest, key, to_json
from bilevel_core.sweep.packing import packed, unpacked

if TYPE_CHECKING:
    import pandas as pd

    from bilevel_core.record import RunRecord

FORMAT = 1
SHARD = re.compile(r"[0-9a-f]{2}")
ORDER = ("problem", "options", "solver", "policy", "overrides", "criterion", "kappa", "seed", "eps")
NUMBERS = ("outer", "gc_f", "gc_g", "jv", "hv", "samples_")


class Damaged(NamedTuple):
    """A run file that cannot be believed, and why."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def path_of(directory: Path, run_key: str) -> Path:
    """Where the run with this key lives."""
    return directory / "runs" / run_key[:2] / f"{run_key}.json"


def write(directory: Path, record: RunRecord) -> Path:
    """Store a record under the key of its configuration, replacing what was there; gives the path.

    Raises:
        ValueError: the record holds NaN or an infinity.
        OSError: the file cannot be written.
    """
    text = to_json(packed(record.to_dict()))
    path = path_of(directory, key(record.config))
    path.parent.mkdir(parents=True, exist_ok=True)
    document = f'{{"format":{FORMAT},"checksum":"{digest(text)}","record":{text}}}\n'
    atomic.write_text(path, document)
    return path


def read(path: Path) -> RunRecord | Damaged:
    """The record in a run file, or what is wrong with the file."""
    from bilevel_core.record import RunRecord

    try:
        document = json.loads(path.read_bytes().decode(), parse_constant=_refuse_constant)
    except OSError as error:
        return Damaged(path, f"cannot be read: {error.strerror}")
    except ValueError:
        return Damaged(path, "not complete JSON: truncated or edited")
    match document:
        case {"format": version} if version != FORMAT:
            return Damaged(path, f"format {version!r}: this version reads format {FORMAT}")
        case {"checksum": str(checksum), "record": dict(content), "format": _}:
            pass
        case _:
            return Damaged(path, "not a run file: expected format, checksum and record")
    if digest(to_json(content)) != checksum:
        return Damaged(path, "the content does not match its checksum: edited")
    try:
        record = RunRecord.from_dict(unpacked(content))
        expected = key(record.config)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        return Damaged(path, f"not a record of this version: {error!r}")
    if path.stem != expected or path.parent.name != expected[:2]:
        return Damaged(path, f"wrong name: it holds the run {expected}")
    return record


def paths(directory: Path) -> list[Path]:
    """All run files of a store, sorted; empty when there are none."""
    found: list[Path] = []
    for shard in _shards(directory):
        with os.scandir(shard) as entries:
            found += (Path(entry.path) for entry in entries if _is_run_file(entry.name))
    return sorted(found)


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


def warn(damaged: Damaged) -> None:
    """Say with a Python warning that a damaged run file was left out."""
    warnings.warn(f"left out {damaged}", stacklevel=3)


def records(directory: Path, on_damaged: Callable[[Damaged], None] = warn) -> Iterator[RunRecord]:
    """The intact records of a store, one at a time; each damaged file goes to `on_damaged`.

    Raises:
        InputError: as `require_runs`.
    """
    for path in require_runs(directory):
        record = read(path)
        if isinstance(record, Damaged):
            on_damaged(record)
        else:
            yield record


def frame(directory: Path | str, on_damaged: Callable[[Damaged], None] = warn) -> pd.DataFrame:
    """One row for each (run, eps, criterion) of all intact records, in a fixed order.

    Counts are floats, NaN where eps was not reached.

    Raises:
        InputError: the directory does not exist, or holds no intact run.
    """
    rows = [row for record in records(Path(directory), on_damaged) for row in record.rows()]
    if not rows:
        raise InputError(f"no intact run in {str(directory)!r}; the sweep that made it can resume")
    return to_frame(rows)


def to_frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows of `RunRecord.rows()` as a sorted DataFrame with float counts."""
    import pandas as pd

    table = pd.DataFrame(rows)
    counts = [name for name in table.columns if name.startswith(NUMBERS)]
    table = table.astype(dict.fromkeys(counts, float))
    ascending = [name != "eps" for name in ORDER]
    return table.sort_values(list(ORDER), ascending=ascending, ignore_index=True)


def being_written(directory: Path) -> bool:
    """True while some process writes a run file of this store."""
    return any(True for shard in _shards(directory) for _ in atomic.temporaries(shard))


def remove_leftovers(directory: Path) -> int:
    """Delete the temporary files of processes that are gone; gives their number."""
    now = time.time()
    removed = 0
    for folder in [directory, *_shards(directory)]:
        for temporary in list(atomic.temporaries(folder)):
            if atomic.is_leftover(temporary, now):
                temporary.unlink(missing_ok=True)
                removed += 1
    return removed


def _is_run_file(name: str) -> bool:
    return name.endswith(".json") and not name.startswith(".")


def _shards(directory: Path) -> list[Path]:
    runs = directory / "runs"
    if not runs.is_dir():
        return []
    with os.scandir(runs) as entries:
        return sorted(Path(e.path) for e in entries if SHARD.fullmatch(e.name) and e.is_dir())


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
