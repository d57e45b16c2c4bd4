"""Compiled forms of the calls that dispatch on a class, and of the counters.

Importing this module teaches Numba the array operations (`array_kernels`), the counters, and how to
find a family's functions from the class of its data and a solver's step from the class of its
parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import types
from numba.core.errors import TypingError

from bilevel_core import jacobian_sums, oracle
from bilevel_core.dispatch import DispatchTable
from bilevel_core.engines.array_kernels import OVERLOADED, implement

__all__ = ["OVERLOADED", "STEPS", "implement", "solver_step"]

LARGEST_INLINED = 400
"""Bytes of bytecode up to which a function is inlined."""

STEPS: DispatchTable[type, Callable[..., Any]] = DispatchTable()
"""Solver steps by the class of their parameters."""


def is_small(function: Callable[..., Any]) -> bool:
    """Whether a function is worth inlining: a call costs more than a small family."""
    return len(function.__code__.co_code) <= LARGEST_INLINED


def solver_step(oracle: Any, params: Any, state: Any) -> Any:
    """The step of the solver whose parameters these are."""
    return STEPS[type(params)](oracle, params, state)


@implement(oracle.count)
def _count(oracle, slot, samples):
    def count(oracle, slot, samples):
        oracle.ledger[0, slot] += 1
        oracle.ledger[1, slot] += samples

    return count


@implement(oracle.restrict)
def _restrict(oracle, condition):
    if isinstance(condition, types.Array):
        raise TypingError("a loop that depends on the data runs one instance at a time")
    # One instance: its loops stop when the condition fails, so whatever still runs is charged.
    return lambda oracle, condition: oracle


def _by_family(call: Callable[..., Any], part: str, find: Callable[[type], Any]) -> None:
    @implement(call, strict=False)
    def _find(data, *arguments):
        family = find(getattr(data, "instance_class", type(None)))
        return None if family is None else _called(getattr(family, part))


def _sums(data: type) -> jacobian_sums.Sums | None:
    return jacobian_sums.sums_of(data) if data in oracle.FAMILIES else None


def _called(target: Callable[..., Any]) -> Callable[..., Any]:
    """The target itself, which is then inlined, or a call to one that is too large for that."""
    if is_small(target):
        return target
    return lambda first, *others: target(first, *others)


for _part, _call in oracle.FAMILY_CALLS.items():
    _by_family(_call, _part, oracle.FAMILIES.get)
_by_family(jacobian_sums.family_add_jvp, "add", _sums)
_by_family(jacobian_sums.family_settle_jvps, "settle", _sums)


@implement(solver_step, strict=False)
def _solver_step(oracle, params, state):
    step = STEPS.get(getattr(params, "instance_class", type(None)))
    return None if step is None else _called(step)
