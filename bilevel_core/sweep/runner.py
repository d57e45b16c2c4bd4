"""A sweep, from its specification to a directory of run files; resumable at any moment."""

from __future__ import annotations

import contextlib
import datetime
import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bilevel_core import interrupts
from bilevel_core.errors import InputError
from bilevel_core.making import instances_kept
from bilevel_core.record import RunRecord
from bilevel_core.sweep import atomic, feasibility, lock, plan, progress, store, tunings
from bilevel_core.sweep.executors import Executor, Outcome, choose
from bilevel_core.sweep.forecast import Forecaster, forecaster
from bilevel_core.sweep.keys import key, to_json
from bilevel_core.sweep.specification import cells
from bilevel_core.sweep.stock import INFEASIBLE, fingerprints

if TYPE_CHECKING:
    from bilevel_core.sweep.specification import Specification


class SweepSummary(NamedTuple):
    """What a sweep did: numbers of runs, by status over computed and skipped ones alike.

    What is infeasible is neither; its status counts one for each instance and eps.
    """

    computed: int
    skipped: int
    statuses: dict[str, int]
    failures: list[Outcome]

    def __str__(self) -> str:
        words = ["ok", "censored", "diverged", "failed"]
        words += [INFEASIBLE] if self.statuses.get(INFEASIBLE) else []
        counts = ", ".join(f"{self.statuses.get(word, 0)} {word}" for word in words)
        return f"{self.computed} computed, {self.skipped} skipped: {counts}"


def sweep(
    specification: Specification,
    out: Path,
    jobs: int = 1,
    dask: str | None = None,
    run_timeout: float | None = None,
) -> SweepSummary:
    """Compute every feasible run of the specification that `out` does not hold intact and current.

    A stored run is computed again, and named, when its file is damaged, when the code of its solver
    or family has changed since, or when it failed. What a budget rules out is stored as infeasible.
    The predicted time and then the progress go to standard error.

    dask: where the runs are made instead of in `jobs` processes: the address of a Dask scheduler,
    the path of its scheduler file, or "local" for `jobs` workers on this machine.
    run_timeout: seconds after which a run without an answer is ended, and has failed.

    Raises:
        InputError: jobs < 1; `out` is not a directory, or another sweep is writing to it; `dask` is
            none of these, or no scheduler answers there; run_timeout is not > 0, or beside `dask`.
        ExecutorError: workers died repeatedly or have other code; what is stored is kept.
        KeyboardInterrupt: after the current writes; what is stored is kept.
        OSError: a file cannot be written.
    """
    _check(out, jobs)
    if run_timeout is not None and not 0 < run_timeout < math.inf:
        raise InputError(f"run_timeout: expected a finite number > 0, got {run_timeout!r}")
    if dask is not None:
        if run_timeout is not None:
            raise InputError("run_timeout: expected none beside dask, whose workers are not ended")
        from bilevel_core.sweep import cluster

        cluster.check(dask)
    out.mkdir(parents=True, exist_ok=True)
    started = _now()
    with lock.exclusive(out), instances_kept():
        store.remove_leftovers(out)
        todo = plan.make(out, cells(specification), forecaster())
        with choose(jobs, len(todo.pending), dask, run_timeout) as executor:
            announcement = plan.announcement(todo, executor.processes)
            for line in [*todo.notes, *([announcement] if announcement else [])]:
                progress.say(line)
            _write_manifest(out, specification, started, None)
            _mark_infeasible(out, todo)
            outcomes = _compute(out, todo, executor)
        summary = _summary(outcomes, todo)
        _write_manifest(out, specification, started, summary)
    return summary


def preview(specification: Specification, out: Path, jobs: int, forecast: Forecaster) -> plan.Plan:
    """What `sweep` would do now; writes nothing.

    Raises:
        InputError: jobs < 1, or `out` is not a directory.
    """
    _check(out, jobs)
    return plan.make(out, cells(specification), forecast)


def _check(out: Path, jobs: int) -> None:
    if jobs < 1:
        raise InputError(f"jobs: expected a whole number >= 1, got {jobs}")
    if out.exists() and not out.is_dir():
        raise InputError(f"{str(out)!r} is not a directory")


def _mark_infeasible(out: Path, todo: plan.Plan) -> None:
    """Store what is infeasible, and remove what says so of runs that no longer are."""
    for path in todo.stale:
        path.unlink(missing_ok=True)
    code = fingerprints()
    for each in todo.infeasible:
        record = feasibility.record(each, code(each.config))
        path = store.path_of(out, key(each.config))
        found = store.read(path) if path.exists() else None
        if not isinstance(found, RunRecord) or not _agree(found, record):
            store.write(out, record)


def _agree(one: RunRecord, other: RunRecord) -> bool:
    return one.passes == other.passes and one.code == other.code


def _compute(out: Path, todo: plan.Plan, executor: Executor) -> list[Outcome]:
    outcomes: list[Outcome] = []
    try:
        with (
            progress.shown(len(todo.pending), sum(map(todo.work, todo.pending))) as advance,
            progress.stalls_told(executor.running),
            interrupts.after_writes(lambda: store.being_written(out)),
        ):
            for batch in tunings.first_of_each(todo.pending):
                if not batch:
                    continue
                # Its workers end with it, before what they leave is looked for.
                with contextlib.closing(executor.execute(out, batch)) as ended:
                    for outcome in ended:
                        outcomes.append(outcome)
                        advance(todo.work(outcome.config))
    except BaseException as error:
        # Whatever it is, as a full disk: the workers have ended, some in the middle of a write.
        store.remove_leftovers(out)
        if isinstance(error, KeyboardInterrupt):
            if names := str(executor.running):
                progress.say(f"not finished: {names}")
            kept = todo.kept.total()
            stored, total = kept + len(outcomes), kept + len(todo.pending)
            progress.say(f"{stored} of {total} runs are stored in {out}; the same command resumes")
        raise
    return outcomes


def _summary(computed: list[Outcome], todo: plan.Plan) -> SweepSummary:
    statuses = todo.kept + Counter(outcome.status for outcome in computed)
    statuses += Counter({INFEASIBLE: len(todo.infeasible)})
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
