"""Registry of solvers: one module an algorithm, read through its `step` function.

A solver's module holds `Params` and `State` (NamedTuples), `init(x0, y0) -> State`, `step(oracle,
params, state) -> State`, `cost_per_step(params, k)`, `theory(constants, eps) -> Params`,
optionally `outer_bound(constants, eps) -> float` and the line `GUARANTEE`, and decorates `step`
with `register_solver(name)`.  A solver that draws random numbers (batches, the length of a series)
also holds `samples_per_step(params, k)`, what a step costs in samples.  `predicted_outer(
constants, eps)` says roughly how many steps to expect, where T/beta does not: a parameter named
`beta` is taken to be the outer step size.  `TUNABLE` names the parameters that policy "tuned" is to
search, where those are not the ones that it would take by itself.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.metadata
import inspect
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any, get_type_hints

from bilevel_core import checking
from bilevel_core.constants import Constants
from bilevel_core.cost import Cost, CostRange
from bilevel_core.dispatch import DispatchTable
from bilevel_core.errors import InputError, blaming, shown, unknown_name
from bilevel_core.plugins import is_path, load_entry_points, load_file

BUILT_IN = (
    "aid_bio", "aid_bio_cold_v", "aid_bio_cold_y", "aid_fp", "ba", "bsa", "fo_itd_bio", "hoag",
    "itd_bio", "stocbio", "stocbio_single_batch", "ttsa",
)  # fmt: skip
_REQUIRED = ("Params", "State", "init", "cost_per_step", "theory")
_steps: DispatchTable[str, Callable[..., Any]] = DispatchTable()


def _is_named_tuple(found: Any) -> bool:
    return isinstance(found, type) and hasattr(found, "_fields")


def _are_names(found: Any) -> bool:
    return isinstance(found, tuple | list) and all(isinstance(name, str) for name in found)


_PARTS: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("Params", _is_named_tuple, "a NamedTuple class"),
    ("State", _is_named_tuple, "a NamedTuple class"),
    ("init", callable, "a function"),
    ("cost_per_step", callable, "a function"),
    ("theory", callable, "a function"),
    ("outer_bound", callable, "a function"),
    ("samples_per_step", callable, "a function"),
    ("predicted_outer", callable, "a function"),
    ("TUNABLE", _are_names, "a tuple of names of parameters"),
    ("GUARANTEE", lambda found: isinstance(found, str), "a line of text"),
)
"""What the parts of a solver's module are; those that are not in `_REQUIRED` may be absent."""


@dataclasses.dataclass(frozen=True)
class Solver:
    """A registered solver, as its module defines it."""

    name: str
    Params: type
    State: type
    init: Callable[..., Any]
    step: Callable[..., Any]
    cost_per_step: Callable[[Any, int], Cost | CostRange]
    theory: Callable[[Constants, float], Any]
    outer_bound: Callable[[Constants, float], float] | None
    samples_per_step: Callable[[Any, int], Cost | CostRange] | None
    predicted_outer: Callable[[Constants, float], float] | None
    tunable: tuple[str, ...] | None
    summary: str
    guarantee: str

    @property
    def is_random(self) -> bool:
        """Whether it draws random numbers, so that a run is repeated over noise seeds."""
        return self.samples_per_step is not None


LARGEST_INTEGER = 10**15
"""The most that a parameter may count: far beyond any run, and an integer everywhere."""


def register_solver(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a solver under `name`; decorates the `step` function of its module.

    Raises:
        InputError: the name is taken by another module or is no name (`checking.registered_name`),
            or what is decorated is no function.  The registry stays as it was.
    """
    name = checking.registered_name("solver", name)

    def decorate(step: Callable[..., Any]) -> Callable[..., Any]:
        if not checking.is_a(step, FunctionType):
            raise InputError(f"solver {name!r}: expected a function `step`, got {shown(step)}")
        if name in BUILT_IN and step.__module__ != f"bilevel_core.solvers.{name}":
            raise InputError(f"solver name {name!r} is taken by a built-in solver")
        known = _steps.get(name)
        if known is not None and inspect.getfile(known) != inspect.getfile(step):
            raise InputError(f"solver name {name!r} is taken by {inspect.getfile(known)}")
        _steps[name] = step
        return step

    return decorate


def names() -> list[str]:
    """Names of all registered solvers, built in and from entry points, whose module is whole."""
    for name in BUILT_IN:
        importlib.import_module(f"bilevel_core.solvers.{name}")
    load_entry_points("bilevel_bench.solvers")
    return sorted(name for name, step in _steps.items() if not _complaint(step))


def get(name: str) -> Solver:
    """The solver of that name, of "path/to/file.py:name", or of "package.module:step".

    The last one is for a method that makes sense on one kind of problem alone: it is in no list.

    Raises:
        InputError: no such solver, or its module lacks a part.
    """
    name = checking.text("solver", name, "a name or path/to/file.py:name")
    if ":" in name and not is_path(name):
        return _read(name, _imported(name))
    if is_path(name):
        module, short = load_file(name)
        step = _steps.get(short)
        if step is None or step.__globals__ is not vars(module):
            raise InputError(f"{shown(name)}: the file registers no solver {short!r}")
    else:
        known = names()
        if name not in _steps:
            raise unknown_name("solver", name, known)
        step, short = _steps[name], name
    return _read(name, step)


def of_step(step: Callable[..., Any]) -> Solver:
    """The solver of a step function, under the name that it is registered by or its own.

    Raises:
        InputError: its module lacks a part.
    """
    named = [name for name, known in _steps.items() if known is step]
    return _read(named[0] if named else step.__name__, step)


def _imported(name: str) -> Callable[..., Any]:
    module, _, function = name.partition(":")
    with blaming(f"no solver {shown(name)}: importing it"):
        step = getattr(importlib.import_module(module), function)
    if not checking.is_a(step, FunctionType):
        raise InputError(f"no solver {shown(name)}: expected a function, got {shown(step)}")
    return step


def _complaint(step: Callable[..., Any]) -> str:
    """What is wrong with the parts of a solver's module, "" where nothing is."""
    scope = step.__globals__
    missing = [part for part in _REQUIRED if part not in scope]
    if missing:
        return f"its module lacks {', '.join(missing)}"
    for part, fits, expected in _PARTS:
        found = scope.get(part)
        if not fits(found) and not (found is None and part not in _REQUIRED):
            return f"{part} is {shown(found)}; expected {expected}"
    return ""


def _read(name: str, step: Callable[..., Any]) -> Solver:
    scope = step.__globals__
    complaint = _complaint(step)
    if complaint:
        raise InputError(f"solver {name!r}: {complaint}")
    document = str(scope.get("__doc__") or step.__doc__ or "").strip() or name
    return Solver(
        name=name,
        **{part: scope[part] for part in _REQUIRED},
        step=step,
        outer_bound=scope.get("outer_bound"),
        samples_per_step=scope.get("samples_per_step"),
        predicted_outer=scope.get("predicted_outer"),
        tunable=scope.get("TUNABLE"),
        summary=document.splitlines()[0],
        guarantee=scope.get("GUARANTEE", "none stated"),
    )


def make_params(solver: Solver, values: Mapping[str, Any]) -> Any:
    """Params from a mapping: integers >= 1 and finite numbers > 0, none missing or unknown.

    Raises:
        InputError: names the parameter, its value and what is allowed.
    """
    if not checking.is_a(solver, Solver):
        raise InputError(f"solver: expected a Solver, as of `get`, got {shown(solver)}")
    values = checking.mapping("values", values)
    with blaming(f"solver {solver.name!r}: reading the types of its Params"):
        kinds = get_type_hints(solver.Params)
    unknown = [key for key in values if key not in kinds]
    if unknown:
        raise unknown_name(f"parameter of {solver.name}", unknown[0], kinds)
    missing = [key for key in kinds if key not in values]
    if missing:
        raise InputError(
            f"parameters of {solver.name}: missing {', '.join(missing)}; "
            f"expected {', '.join(kinds)}"
        )
    return solver.Params(**{key: _number(key, values[key], kinds[key]) for key in kinds})


def _number(key: str, value: Any, kind: type) -> int | float:
    if kind is not int:
        return float(checking.positive(key, value))
    found = checking.number(key, value, "an integer >= 1", lambda v: v == int(v) and v >= 1)
    if found > LARGEST_INTEGER:
        raise InputError(f"{key}: expected at most {LARGEST_INTEGER}, got {shown(value)}")
    return int(found)
