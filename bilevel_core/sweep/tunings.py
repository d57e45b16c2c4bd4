"""Searches for parameters, kept beside the runs: one file a search, DIR/tuning/KEY.json.

The file is that of a run (`run_file`) with the search in place of the record.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from bilevel_core.passes import TUNED
from bilevel_core.sweep import atomic, progress, store
from bilevel_core.sweep.run_file import Damaged, bytes_of, content_of, enveloped

if TYPE_CHECKING:
    from bilevel_core.record import RunConfig, RunRecord
    from bilevel_core.tuning import Tuning


def path_of(directory: Path, key: str) -> Path:
    """Where the search with this key is kept."""
    return directory / "tuning" / f"{key}.json"


def paths(directory: Path) -> list[Path]:
    """All kept searches, sorted."""
    return sorted(
        path for path in (directory / "tuning").glob("*.json") if not path.name.startswith(".")
    )


def read(path: Path) -> Tuning | None:
    """A kept search; None where there is none, or one that cannot be believed, which is named."""
    found = load(path)
    if isinstance(found, Damaged):
        progress.say(f"left out {found}")
        return None
    return found


def load(path: Path) -> Tuning | Damaged | None:
    """A kept search, or what is wrong with its file; None where there is none."""
    from bilevel_core.tuning import Tuning

    try:
        found = Tuning.from_dict(content_of(bytes_of(path)))
    except FileNotFoundError:
        return None
    except ValueError as error:
        return Damaged(path, str(error))
    return found if found.key == path.stem else Damaged(path, f"wrong name: it holds {found.key}")


def write(directory: Path, tuning: Tuning) -> None:
    """Keep a search, whatever stands in its place.

    Raises:
        OSError: the file cannot be written.
    """
    path = path_of(directory, tuning.key)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_text(path, enveloped(tuning.to_dict()))


def kept(directory: Path, look: Callable[[int], None]) -> Callable[[RunConfig, float], Tuning]:
    """A function that looks a search up in a directory, and makes and keeps it where it is not."""

    def find(key: str) -> Tuning | None:
        store.refuse_directory(path_of(directory, key))
        return read(path_of(directory, key))

    return looked_up(find, lambda tuning: write(directory, tuning), look)


def looked_up(
    find: Callable[[str], Tuning | None],
    keep: Callable[[Tuning], None],
    look: Callable[[int], None],
) -> Callable[[RunConfig, float], Tuning]:
    """A function that finds a search by its key, and makes and keeps it where there is none."""
    from bilevel_core.run import execute
    from bilevel_core.tuning import tune, tuning_key

    def look_up(config: RunConfig, eps: float) -> Tuning:
        found = find(tuning_key(config, eps))
        if found is None:
            found = tune(config, eps, lambda trial: execute(trial, look))
            keep(found)
        return found

    return look_up


def keys(config: RunConfig) -> tuple[str, ...]:
    """The keys of the searches behind a run; none under other policies than "tuned"."""
    if config.policy != TUNED:
        return ()
    from bilevel_core.tuning import tuning_key

    return tuple(tuning_key(config, eps) for eps in config.eps)


def is_current(record: RunRecord) -> bool:
    """Whether today's search would give a tuned run its parameters; true of other runs."""
    stored = tuple(each.get("tuning", {}).get("key") for each in record.passes)
    return record.config.policy != TUNED or stored == keys(record.config)


def first_of_each(configs: list[RunConfig]) -> tuple[list[RunConfig], list[RunConfig]]:
    """Runs that make a search that no run before them makes, and the others.

    The first ones go first, or several workers would make one search at a time each.
    """
    seen: set[str] = set()
    first: list[RunConfig] = []
    others: list[RunConfig] = []
    for config in configs:
        own = set(keys(config))
        (first if own - seen else others).append(config)
        seen |= own
    return first, others
