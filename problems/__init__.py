"""Registry of bilevel problem families: `make` an instance with a given condition number.

A family is a function `make(kappa, seed=0, **options) -> Problem` decorated with `register(name)`;
one module a family.  One whose kappa is None by default has a regularisation of its own.  `seed`
draws the start and a jitter of the scales, the same for every kappa, which leaves constants exact
and exponents unchanged; seed 0 is nominal.  Every family has stochastic forms: `noise="gaussian"`
or `noise="finite_sum"`, on real samples the latter alone; see `problems.noise`.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from bilevel_core import checking
from bilevel_core.dispatch import DispatchTable
from bilevel_core.errors import InputError, blaming, shown, unknown_name
from bilevel_core.plugins import is_path, load_entry_points, load_file

if TYPE_CHECKING:
    from bilevel_core.problem import Problem

BUILT_IN = (
    "chain", "fewshot", "hard", "hypercleaning", "logistic", "newsgroups", "quadratic", "ramp",
)  # fmt: skip
_factories: DispatchTable[str, Callable[..., Problem]] = DispatchTable()

__all__ = [
    "check_options",
    "factories",
    "has_own_regularisation",
    "make",
    "names",
    "parameters",
    "register",
    "summary",
]


def register(name: str) -> Callable[[Callable[..., Problem]], Callable[..., Problem]]:
    """Register a family under `name`; decorates its function (kappa, seed=0, **options) -> Problem.

    Raises:
        InputError: the name is taken by another module or is no name (`checking.registered_name`),
            or what is decorated is no function.  The registry stays as it was.
    """
    name = checking.registered_name("problem", name)

    def decorate(factory: Callable[..., Problem]) -> Callable[..., Problem]:
        checking.function(f"problem {name!r}", factory)
        with blaming(f"problem {name!r}: its function, asked for (kappa, seed=0, **options),"):
            inspect.signature(factory).bind_partial(kappa=2.0, seed=0)
        if name in BUILT_IN and factory.__module__ != f"problems.{name}":
            raise InputError(f"problem name {name!r} is taken by a built-in family")
        known = _factories.get(name)
        if known is not None and _home(known) != _home(factory):
            raise InputError(f"problem name {name!r} is taken by {_home(known)}")
        _factories[name] = factory
        return factory

    return decorate


def _home(factory: Callable[..., Problem]) -> str:
    """The file of a function, or the module of what has none."""
    try:
        return inspect.getfile(factory)
    except TypeError:
        return type(factory).__module__


def names() -> list[str]:
    """Names of all registered families, built in and from entry points."""
    for name in BUILT_IN:
        importlib.import_module(f"problems.{name}")
    load_entry_points("bilevel_bench.problems")
    return sorted(_factories)


def make(name: str, kappa: float | None = None, seed: int = 0, **options: Any) -> Problem:
    """An instance of a family, by name or "path/to/file.py:name".

    kappa: finite, > 1; None where a family has a regularisation of its own.  seed: an integer >= 0.
    options: the family's own, see `parameters`.

    Raises:
        InputError: no such family or option, or a value that the family does not allow.
    """
    from bilevel_core.oracle import FAMILIES
    from bilevel_core.problem import Problem
    from problems import noise

    name, kappa, seed = checking.plain(name), checking.plain(kappa), checking.plain(seed)
    options = {key: checking.plain(value) for key, value in options.items()}
    check_options(name, options, kappa, seed)
    factory = _factory(name)
    own = {key: value for key, value in options.items() if key not in noise.OPTIONS}

    def make_base(kappa: float | None) -> Problem:
        return factory(kappa=None if kappa is None else float(kappa), seed=int(seed), **own)

    noisy = options.get("noise") is not None
    every = {"kappa": kappa, "seed": seed} | options
    given = ", ".join(f"{key}={shown(value)}" for key, value in every.items())
    with blaming(f"problem {name!r}: its function, given {given},"):
        problem = noise.make_noisy(make_base, kappa, seed, options) if noisy else make_base(kappa)
    if not isinstance(problem, Problem):
        raise InputError(
            f"problem {name!r}: expected a Problem of its function, got {shown(problem)}"
        )
    if type(problem.data) not in FAMILIES:
        kind = type(problem.data).__name__
        raise InputError(f"problem {name!r}: no functions in FAMILIES for its data, a {kind}")
    return problem if problem.name == name else _renamed(problem, name)


def parameters(name: str) -> dict[str, inspect.Parameter]:
    """The options of a family, with their defaults; those of noise come last."""
    from problems import noise

    found = inspect.signature(_factory(name)).parameters
    own = {key: value for key, value in found.items() if key not in ("kappa", "seed")}
    return own | dict(noise.OPTIONS)


def summary(name: str) -> str:
    """One line on a family."""
    return (inspect.getdoc(_factory(name)) or name).splitlines()[0]


def factories(name: str) -> list[Callable[..., Problem]]:
    """The function that makes instances of a family; empty for a problem made by hand."""
    name = checking.text("problem", name)
    return [_factory(name)] if name in _factories or is_path(name) else []


def check_options(
    name: str, options: Mapping[str, Any], kappa: float | None, seed: int = 0
) -> None:
    """Check what any family asks of its arguments.

    Raises:
        InputError: names the argument, its value, and what is allowed.
    """
    allowed = parameters(name)
    options = checking.mapping("options", options)
    for key in options:
        if key not in allowed:
            raise unknown_name(f"option of problem {shown(name)}", key, allowed)
    if options.get("noise") is None:
        for key in ("sigma", "sampling", "pool"):
            if key in options:
                raise InputError(f"{key}: needs noise='gaussian' or noise='finite_sum'")
    if kappa is not None or not has_own_regularisation(name):
        checking.number("kappa", kappa, "a finite number > 1", lambda found: found > 1)
    checking.seed(seed)


def has_own_regularisation(name: str) -> bool:
    """Whether a family can be made without a kappa, that is, whether its default is None."""
    parameter = inspect.signature(_factory(name)).parameters.get("kappa")
    return parameter is not None and parameter.default is None


def _factory(name: str) -> Callable[..., Problem]:
    name = checking.text("problem", name, "a name or path/to/file.py:name")
    if is_path(name):
        module, short = load_file(name)
        factory = _factories.get(short)
        if factory is None or factory.__globals__ is not vars(module):
            raise InputError(f"{shown(name)}: the file registers no problem {short!r}")
        return factory
    known = names()
    if name not in known:
        raise unknown_name("problem", name, known)
    return _factories[name]


def _renamed(problem: Problem, name: str) -> Problem:
    import dataclasses

    return dataclasses.replace(problem, name=name)
