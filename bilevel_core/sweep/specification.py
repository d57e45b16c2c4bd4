"""Sweep specifications: a TOML file that says which runs to make.

    name = "smoke"
    description = "a line for people"

    [defaults]                    # optional: any key of a grid, for all grids
    seeds = [0, 1, 2]

    [[grid]]                      # one or more; every combination of the lists is a run
    problem = "hard"              # a registered name, or path/to/file.py:name
    options = { curvature = 3 }   # optional: the family's own options
    solvers = ["aid_bio", "ba"]
    kappa = [4, 8, 16]            # finite numbers > 1
    eps = [0.3, 0.1]              # finite numbers > 0; one run measures all of them
    policy = "theory"             # or "sharp", or a list of both; default "theory"
    parameters = { D = 5 }        # optional: solver parameters that override the policy's
    criterion = "average"         # default; measures "first" as well, which may be asked for alone
    engine = "compiled"           # optional; device, max_outer and max_seconds likewise

Every key and value is checked before anything runs.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    StrictStr,
    ValidationError,
)

from bilevel_core.errors import InputError
from bilevel_core.record import RunConfig
from bilevel_core.sweep.complaints import first_complaint, unknown_key
from bilevel_core.sweep.keys import key

T = TypeVar("T")


def _distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    for position, value in enumerate(values):
        if value in values[:position]:
            raise ValueError(f"lists {value!r} twice")
    return values


def _number(value: Any) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value):
        raise ValueError(f"expected a finite number, got {value!r}")
    return value


def _scalar(value: Any) -> Any:
    return value if isinstance(value, bool | str) else _number(value)


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Above1 = Annotated[float, Strict(), Field(gt=1, allow_inf_nan=False)]
Positive = Annotated[float, Strict(), Field(gt=0, allow_inf_nan=False)]
Seed = Annotated[int, Strict(), Field(ge=0)]
Policy = Literal["theory", "sharp"]


class Grid(BaseModel):
    """All combinations of solvers, policies, kappa and seeds on one problem family."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    problem: StrictStr
    options: dict[str, Annotated[Any, AfterValidator(_scalar)]] = {}
    solvers: Annotated[tuple[StrictStr, ...], Field(min_length=1), AfterValidator(_distinct)]
    kappa: Annotated[tuple[Above1, ...], Field(min_length=1), AfterValidator(_distinct)]
    eps: Annotated[tuple[Positive, ...], Field(min_length=1), AfterValidator(_distinct)]
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1), AfterValidator(_distinct)]
    policy: Annotated[
        tuple[Policy, ...],
        Field(min_length=1),
        AfterValidator(_distinct),
        BeforeValidator(_listed),
    ] = ("theory",)
    parameters: dict[str, Annotated[Any, AfterValidator(_number)]] = {}
    criterion: Literal["average", "first"] = "average"
    engine: Literal["compiled", "torch"] | None = None
    device: StrictStr = "cpu"
    max_outer: Annotated[int, Strict(), Field(ge=1)] = 1_000_000
    max_seconds: Positive | None = None


class Specification(BaseModel):
    """A validated sweep: its name, a line about it, and its grids with the defaults filled in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[StrictStr, Field(min_length=1)]
    description: StrictStr = ""
    grid: Annotated[tuple[Grid, ...], Field(min_length=1)]


def load(path: Path) -> Specification:
    """Read and validate a specification.

    Raises:
        InputError: there is no such file, it is not UTF-8 or not TOML, or what it says is wrong;
            the line names the file, the grid, the key and what is allowed.
    """
    try:
        table = tomllib.loads(path.read_bytes().decode())
    except FileNotFoundError:
        raise InputError(f"no file {str(path)!r}; expected a sweep specification (.toml)") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start})") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not valid TOML: {error}") from None
    try:
        specification = parse(table)
        check(specification)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return specification


def parse(table: Mapping[str, Any]) -> Specification:
    """A specification from the tables of its TOML file; checks shapes and ranges only.

    Raises:
        InputError: a key is unknown, missing, of a wrong type or out of range.
    """
    top = {name: value for name, value in table.items() if name != "defaults"}
    unknown = sorted(top.keys() - Specification.model_fields.keys())
    if unknown:
        raise InputError(unknown_key(unknown[0], ["name", "description", "defaults", "grid"]))
    defaults = table.get("defaults", {})
    if not isinstance(defaults, dict):
        raise InputError(f"defaults: expected a table [defaults], got {defaults!r}")
    grids = top.get("grid", [])
    if not isinstance(grids, list) or not all(isinstance(grid, dict) for grid in grids):
        raise InputError("grid: expected tables headed [[grid]]")
    top["grid"] = [_grid(number, grid, defaults) for number, grid in enumerate(grids, start=1)]
    try:
        return Specification.model_validate(top)
    except ValidationError as error:
        raise InputError(first_complaint(error, Specification)[1]) from None


def check(specification: Specification) -> None:
    """Check that every run can be made: names are registered, kappa suits the family, and so on.

    Raises:
        InputError: the line names the grid, the key and what is allowed.
    """
    from bilevel_core.run import validate

    for number, grid in enumerate(specification.grid, start=1):
        try:
            for config in _configs(grid, grid.seeds[:1]):
                validate(config)
        except InputError as error:
            raise InputError(f"grid {number}: {error}") from None


def expand(specification: Specification) -> list[RunConfig]:
    """All runs, each once, in the order of the file; the seed varies fastest, then kappa."""
    configs = (config for grid in specification.grid for config in _configs(grid, grid.seeds))
    return list({key(config): config for config in configs}.values())


def _grid(number: int, grid: dict[str, Any], defaults: dict[str, Any]) -> Grid:
    try:
        return Grid.model_validate(defaults | grid)
    except ValidationError as error:
        name, line = first_complaint(error, Grid)
        place = "defaults" if name in defaults and name not in grid else f"grid {number}"
        raise InputError(f"{place}: {line}") from None


def _configs(grid: Grid, seeds: tuple[int, ...]) -> Iterator[RunConfig]:
    first = RunConfig(
        problem=grid.problem,
        options=grid.options,
        kappa=grid.kappa[0],
        solver="",
        overrides=grid.parameters,
        criterion=grid.criterion,
        eps=tuple(sorted(grid.eps, reverse=True)),
        device=grid.device,
        max_outer=grid.max_outer,
        max_seconds=grid.max_seconds,
    )
    first = dataclasses.replace(first, engine=grid.engine or default_engine(first))
    for policy, solver, kappa, seed in itertools.product(
        grid.policy, grid.solvers, grid.kappa, seeds
    ):
        yield dataclasses.replace(first, policy=policy, solver=solver, kappa=kappa, seed=seed)


def default_engine(config: RunConfig) -> str:
    """The engine of a run that names none: the first that can run its problem on its device.

    Raises:
        InputError: the problem cannot be made.
    """
    if config.device != "cpu":
        return "torch"
    from bilevel_core.run import make_problem

    return make_problem(config).engines[0]
