"""The instance that a configuration names, made once where it is asked for several times."""

from __future__ import annotations

import contextlib
import contextvars
import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

import problems
from bilevel_core.problem import Problem

if TYPE_CHECKING:
    from bilevel_core.record import RunConfig

LARGEST_KEPT = 2**28
"""Bytes of instances that are kept; the latest is kept, whatever its size."""

_kept: contextvars.ContextVar[dict[str, Problem | str] | None] = contextvars.ContextVar(
    "instances", default=None
)


@contextlib.contextmanager
def instances_kept() -> Iterator[None]:
    """Inside the block `make_problem` makes each instance once; at its end they are forgotten.

    A block inside another shares its instances.
    """
    if _kept.get() is not None:
        yield
        return
    token = _kept.set({})
    try:
        yield
    finally:
        _kept.reset(token)


def make_problem(config: RunConfig) -> Problem:
    """The instance that a configuration names.

    Raises:
        InputError: no such family or option, or a value that the family does not allow.
    """
    return instance(config.problem, config.options, config.kappa, config.seed)


def instance(family: str, options: Mapping[str, Any], kappa: float | None, seed: int) -> Problem:
    """`make_problem`; kappa: None for a family with a regularisation of its own."""
    problems.check_options(family, options, kappa, seed)
    kept = _kept.get()
    if kept is None:
        return problems.make(family, kappa=kappa, seed=seed, **options)
    name = _name(family, kappa, seed, options)
    found = kept.get(name)
    if not isinstance(found, Problem):
        found = kept[name] = problems.make(family, kappa=kappa, seed=seed, **options)
        while sum(map(_size, kept.values())) > LARGEST_KEPT and next(iter(kept)) != name:
            del kept[next(iter(kept))]
    return found


def once(what: str, problem: Problem, make: Callable[[], str]) -> str:
    """What `make` says of a family with its options, asked once inside `instances_kept`."""
    kept = _kept.get()
    if kept is None:
        return make()
    name = _name(what, problem.name, problem.options)
    if name not in kept:
        kept[name] = make()
    return str(kept[name])


def _name(*parts: Any) -> str:
    return json.dumps(parts, sort_keys=True, default=_plain)


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else repr(value)


def _size(value: Any) -> int:
    if isinstance(value, Problem):
        return _size((value.data, value.x0, value.y0))
    if isinstance(value, tuple):
        return sum(map(_size, value))
    return value.nbytes if isinstance(value, np.ndarray) else 0
