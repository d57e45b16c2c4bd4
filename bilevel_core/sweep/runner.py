"""A sweep, from its specification to a directory of run files; resumable at any moment."""

from __future__ import annotations

import datetime
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bilevel_core import interrupts
from bilevel_core.errors import InputError
from bilevel_core.sweep import atomic, lock, plan, progress, store
from bilevel_core.sweep.executors import Outcome, choose
from bilevel_core.sweep.keys import key, to_json
from bilevel_core.sweep.specification import expand

if TYPE_CHECKING:
    from bilevel_core.sweep.specification import Specification


class SweepSummary(NamedTuple):
    """What a sweep did: numbers of runs, by status over computed and skipped ones alike."""

    computed: int
    skipped: int
    statuses: dict[str, int]
    failures: list[Outcome]

    def __str__(self) -> str:
        words = ("ok", "censored", "diverged", "failed")
        counts = ", ".join(f"{self.statuses.get(word, 0)} {word}" for word in words)
        return f"{self.computed} computed, {self.skipped} skipped: {counts}"


def sweep(specification: Specification, out: Path, jobs: int = 1) -> SweepSummary:
    """Compute every run of the specification that `out` does not hold intact and current.

    A stored run is computed again, and named, when its file is damaged, when the code of its solver
    or family has changed since, or when it failed. Progress goes to standard error.

    Raises:
        InputError: jobs < 1; `out` is not a directory, or another sweep is writing to it.
        WorkerDiedError: worker processes died repeatedly; what is stored is kept.
        KeyboardInterrupt: after the current writes; what is stored is kept.
        OSError: a file cannot be written.
    """
    if jobs < 1:
        raise InputError(f"jobs: expected a whole number >= 1, got {jobs}")
    if out.exists() and not out.is_dir():
        raise InputError(f"{str(out)!r} is not a directory")
    out.mkdir(parents=True, exist_ok=True)
    started = _now()
    with lock.exclusive(out):
        store.remove_leftovers(out)
        todo = plan.make(out, expand(specification))
        for note in todo.notes:
            progress.say(note)
        _write_manifest(out, specification, started, None)
        outcomes = _compute(out, todo, jobs)
        summary = _summary(outcomes, todo)
        _write_manifest(out, specification, started, summary)
    return summary


def _compute(out: Path, todo: plan.Plan, jobs: int) -> list[Outcome]:
    outcomes: list[Outcome] = []
    execute = choose(max(1, min(jobs, len(todo.pending))))
    try:
        with (
            progress.shown(len(todo.pending), sum(todo.work.values())) as advance,
            interrupts.after_writes(lambda: store.being_written(out)),
        ):
            for outcome in execute(out, todo.pending):
                outcomes.append(outcome)
                advance(todo.work[key(outcome.config)])
    except KeyboardInterrupt:
        store.remove_leftovers(out)
        kept = todo.kept.total()
        stored, total = kept + len(outcomes), kept + len(todo.pending)
        progress.say(f"{stored} of {total} runs are stored in {out}; the same command resumes")
        raise
    return outcomes


def _summary(computed: list[Outcome], todo: plan.Plan) -> SweepSummary:
    statuses = todo.kept + Counter(outcome.status for outcome in computed)
    failures = [outcome for outcome in computed if outcome.status == "failed"]
    return SweepSummary(len(computed), todo.kept.total(), dict(statuses), failures)


def _write_manifest(
    out: Path, specification: Specification, started: str, summary: SweepSummary | None
) -> None:
    """Write `sweep.json`, what was asked for and when: for people, never read to resume."""
    content = {
        "format": store.FORMAT,
        "specification": specification.model_dump(mode="json"),
        "started": started,
        "finished": None if summary is None else _now(),
        "statuses": None if summary is None else summary.statuses,
    }
    atomic.write_text(out / "sweep.json", to_json(content) + "\n")


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
