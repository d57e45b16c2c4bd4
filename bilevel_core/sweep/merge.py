"""Joining stores: run files are copied as they are, because their names say what they hold.

Where both stores hold a run, the destination keeps its own if the two agree in everything but
timings and environment. If they do not, a record of today's code replaces one of other code (runs
of plug-ins are not compared with it: what a store names is not loaded); otherwise it is a conflict:
reported, and the destination's kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bilevel_core.errors import InputError
from bilevel_core.sweep import lock, progress, store, tunings
from bilevel_core.sweep.currency import Currency, currency_check

if TYPE_CHECKING:
    from bilevel_core.record import RunRecord

# Keys of a record that tell how a run was made and not what it measured.
CIRCUMSTANCES = frozenset({"environment", "seconds"})


class MergeSummary(NamedTuple):
    """Numbers of run files: copied in, replaced, there already, damaged, and in conflict."""

    copied: int = 0
    replaced: int = 0
    present: int = 0
    damaged: int = 0
    conflicts: int = 0

    def __str__(self) -> str:
        return ", ".join(
            f"{number} {name.replace('present', 'there already')}"
            for name, number in self._asdict().items()
        )


def merge(sources: Sequence[Path], destination: Path) -> MergeSummary:
    """Copy every intact run of `sources` into `destination`, which is made if absent.

    Damaged files and conflicts are named on standard error. Merging twice changes nothing more.

    Raises:
        InputError: a source holds no runs or is the destination; a sweep writes to the destination.
        OSError: a file cannot be written.
    """
    found = [store.require_runs(source) for source in sources]
    for source in sources:
        if source.resolve() == destination.resolve():
            raise InputError(f"merge: {str(source)!r} is both a source and the destination")
    if destination.exists() and not destination.is_dir():
        raise InputError(f"{str(destination)!r} is not a directory")
    destination.mkdir(parents=True, exist_ok=True)
    counts = dict.fromkeys(MergeSummary._fields, 0)
    with lock.exclusive(destination):
        compare = currency_check()
        for path in (path for paths in found for path in paths):
            counts[_merge_one(path, destination, compare)] += 1
        _merge_searches(sources, destination)
    return MergeSummary(**counts)


def _merge_searches(sources: Sequence[Path], destination: Path) -> None:
    """Copy the searches behind tuned runs that the destination does not hold."""
    for path in (path for source in sources for path in tunings.paths(source)):
        found = tunings.read(path)
        if found is not None and tunings.read(tunings.path_of(destination, found.key)) is None:
            tunings.write(destination, found)


def outcome(content: Any) -> Any:
    """A record's JSON content without timings and environment, at any depth."""
    match content:
        case dict():
            kept = content.items()
            return {name: outcome(item) for name, item in kept if name not in CIRCUMSTANCES}
        case list():
            return [outcome(item) for item in content]
        case _:
            return content


def _merge_one(path: Path, destination: Path, compare: Callable[[RunRecord], Currency]) -> str:
    """Merge one file; gives the field of `MergeSummary` to count it in."""
    new = store.read(path)
    if isinstance(new, store.Damaged):
        progress.say(f"left out {new}")
        return "damaged"
    target = store.path_of(destination, path.stem)
    old = store.read(target) if target.exists() else None
    if old is None:
        store.write(destination, new)
        return "copied"
    if isinstance(old, store.Damaged):
        progress.say(f"replaced {old}")
        store.write(destination, new)
        return "replaced"
    if outcome(old.to_dict()) == outcome(new.to_dict()):
        return "present"
    if old.status != new.status and "infeasible" in (old.status, new.status):
        # A run beats the note that it would be too dear.
        if new.status == "infeasible":
            return "present"
        store.write(destination, new)
        return "replaced"
    if old.status == new.status == "infeasible":
        return "present"  # predicted for another budget
    judged = compare(old)
    if judged == compare(new):
        progress.say(f"conflict: {target} and {path} differ in what they measured; kept the first")
        return "conflicts"
    if judged is Currency.CURRENT:
        return "present"
    store.write(destination, new)
    return "replaced"
