"""A task of an experiment: a problem, the methods that are compared on it, and its metrics."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from bilevel_core.problem import Problem


class Method(NamedTuple):
    """One algorithm of an experiment."""

    name: str  # its name in results
    label: str  # its name in figures
    solver: str  # a registered solver
    params: Mapping[str, int | float]  # what is the same at every point of the grid
    grid: Mapping[str, tuple[float, ...]]  # the parameters that are tuned, and their values
    derived: Callable[[Mapping[str, int | float]], Mapping[str, int | float]] | None = None
    # parameters that follow from all others, such as 1 - eta mu

    def at(self, point: Mapping[str, float]) -> dict[str, int | float]:
        """All parameters at a point of the grid."""
        known = {**self.params, **point}
        return known if self.derived is None else {**known, **self.derived(known)}


@dataclasses.dataclass(frozen=True)
class Task:
    """A problem to train on; everything that an algorithm may not see is in `evaluate`.

    objective: the metric that tuning minimises, from validation data.
    refresh: (data, state, k) -> (data, state) before outer step k, in the engine's own arrays; a
    function of its arguments alone, so that a resumed run sees the same.  It is neither counted nor
    timed.
    samples_of: what one full call of an exact oracle costs in samples, by slot (`oracle.SLOTS`);
    1 where it is not named.  provenance: what identifies the data, such as checksums.
    """

    name: str
    problem: Problem
    engine: str  # "compiled" or "torch"
    evaluate: Callable[[Any], dict[str, float]]  # of the state, its vectors as NumPy
    objective: str
    methods: tuple[Method, ...]
    refresh: Callable[[Any, Any, int], tuple[Any, Any]] | None = None
    samples_of: Mapping[str, int] = dataclasses.field(default_factory=dict)
    provenance: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def method(self, name: str) -> Method:
        """The method of that name, one of `methods`."""
        return next(method for method in self.methods if method.name == name)

    def on(self, engine: str) -> Task:
        """The same task on another engine."""
        return dataclasses.replace(self, engine=engine)
