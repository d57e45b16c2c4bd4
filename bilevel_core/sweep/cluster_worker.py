"""What a worker of a Dask cluster does: it makes the run that an order asks for, and answers.

Orders and answers are JSON text (`cluster` writes the ones and stores the others).
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import bilevel_core
from bilevel_core.errors import InputError
from bilevel_core.record import RunConfig
from bilevel_core.sweep import tunings
from bilevel_core.sweep.executors import pin_torch
from bilevel_core.sweep.keys import to_json

if TYPE_CHECKING:
    from bilevel_core.tuning import Tuning


class _NobodyWaitsError(BaseException):
    """Ends a run whose sweep is gone; no Exception, which would be the run's own failure."""


def terms_of(code: str, threads: int) -> dict[str, Any]:
    """What a worker has to have in common with this process, to measure what it would."""
    return {"version": bilevel_core.__version__, "code": code, "threads": threads}


def shipped_compute() -> Callable[[str], str]:
    """`compute`, as a function that travels by its code and not by its name.

    A worker that cannot import a name falls silent; this one's answer is the ImportError.
    """

    def shipped(order: str) -> str:
        import importlib

        return importlib.import_module("bilevel_core.sweep.cluster_worker").compute(order)

    return shipped


def compute(order: str) -> str:
    """Make the run that an order asks for, on one thread; called by Dask on a worker.

    A run that cannot be made, or whose record is no JSON, is answered with its "failure".
    """
    from distributed import Reschedule, get_worker
    from threadpoolctl import threadpool_limits

    from bilevel_core.run import code_fingerprint, execute
    from bilevel_core.tuning import Tuning

    asked = json.loads(order)
    worker = get_worker()
    terms = terms_of("", worker.state.nthreads)
    answer = {"worker": worker.address, "terms": terms}
    if terms != asked["terms"] | {"code": ""}:
        return to_json(answer)
    config = RunConfig.from_dict(asked["config"])
    given = {search.key: search for search in map(Tuning.from_dict, asked["searches"])}
    made: list[Tuning] = []
    look = _while_wanted(worker)
    pin_torch(config.engine)
    try:
        terms["code"] = code_fingerprint(config)
        if terms != asked["terms"]:
            return to_json(answer)
        # A worker's standard output may be that of the command that started it.
        with threadpool_limits(1), contextlib.redirect_stdout(sys.stderr):
            record = execute(config, look, tunings.looked_up(given.get, made.append, look))
    except InputError as error:
        return to_json(answer | {"failure": str(error)})
    except _NobodyWaitsError:
        # Of a run that is waited for after all, as when its worker closes, Dask makes another.
        raise Reschedule from None
    searches = [search.to_dict() for search in made]
    try:
        return to_json(answer | {"record": record.to_dict(), "searches": searches})
    except ValueError as error:
        return to_json(answer | {"failure": f"the record cannot be stored: {error}"})


def _while_wanted(worker: Any) -> Callable[[int], None]:
    """A function that ends a run whose sweep was interrupted or killed, to free the worker."""
    name = worker.get_current_task()

    def look(_: int) -> None:
        task = worker.state.tasks.get(name)
        closing = worker.status.name in ("closing", "closed")
        if closing or task is None or task.state == "cancelled":
            raise _NobodyWaitsError

    return look
