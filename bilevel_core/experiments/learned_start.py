"""What MAML and ANIL share: an inner loop that starts from x, and the data that they adapt to.

Both are methods of few-shot learning alone.  x ends in an initial head
(`problems.fewshot.with_initial_head`), and each reads the counted oracle of the same meta-batch,
with what it adapts in the place of the ridge-regularised heads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from bilevel_core.arrays import Array, vector_like
from bilevel_core.errors import InputError
from bilevel_core.oracle import Oracle


class Start(NamedTuple):
    """The iterate, and how the latest step adapted: evaluation adapts alike.

    alpha and D are 0 before the first step.
    """

    x: Array
    alpha: float
    D: int


def reading(oracle: Oracle, change: Callable[[Any], Any]) -> Oracle:
    """The oracle of changed data, with the same ledger."""
    return oracle._replace(data=_changed(oracle.data, change))


def _changed(data: Any, change: Callable[[Any], Any]) -> Any:
    # What wraps a problem, a spy on its calls, goes on seeing the calls.
    if "wrapped" in data._fields:
        return data._replace(wrapped=_changed(data.wrapped, change))
    return change(data)


def tasks_of(data: Any) -> int:
    """How many tasks the meta-batch has."""
    return tasks_of(data.wrapped) if "wrapped" in data._fields else data.support.shape[0]


def repeated(start: Array, tasks: int) -> Array:
    """One copy of a vector (n,) or (n, 1) a task: (tasks n,) or (tasks n, 1)."""
    y = vector_like(start, tasks * start.shape[0])
    y.reshape(tasks, *start.shape)[:] = start
    return y


def summed(adjoint: Array, tasks: int) -> Array:
    """The transpose of `repeated`: the sum of the tasks' parts."""
    return adjoint.reshape(tasks, -1, *adjoint.shape[1:]).sum(0)


def no_theory(name: str) -> InputError:
    """What is said where a theorem's parameters are asked for."""
    return InputError(
        f"params: no theorem gives those of {name}, whose inner problem is not strongly convex; "
        "expected a dict of alpha, beta and D"
    )
