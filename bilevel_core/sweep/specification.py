"""Sweep specifications: a TOML file that says which runs to make.

    name = "smoke"
    description = "a line for people"

    [defaults]                    # optional: any key of a grid, for all grids
    seeds = [0, 1, 2]

    [[grid]]                      # one or more; every combination of the lists is a run
    problem = "hard"              # a registered name, or path/to/file.py:name
    options = { curvature = 3 }   # optional: the family's own options, and noise and sigma
    solvers = ["aid_bio", "ba"]
    kappa = [4, 8, 16]            # finite numbers > 1
    eps = [0.3, 0.1]              # finite numbers > 0; one run measures all of them
    policy = "theory"             # or "sharp", "tuned", or a list of these; default "theory"
    parameters = { D = 5 }        # optional: solver parameters that override the policy's
    criterion = "average"         # default; measures "first" as well, which may be asked for alone
    engine = "compiled"           # optional; device, max_outer and max_seconds likewise
    budget = 1e9                  # optional: most oracle calls that a run is predicted to take
    noise_seeds = [0, 1, 2]       # repetitions of solvers that draw random numbers; default 0 to 4
    tuning = { candidates = 64 }  # optional: settings of the search, read under policy "tuned" only

Every key and value is checked before anything runs. What a budget rules out (see `cost_model`) is
shown as infeasible with its predicted cost; what it allows is one run for each set of parameters.
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

from bilevel_core.errors import InputError, shown
from bilevel_core.reading import DECODER_ERRORS
from bilevel_core.record import RunConfig
from bilevel_core.sweep.complaints import first_complaint, unknown_key
from bilevel_core.sweep.feasibility import Cell
from bilevel_core.sweep.keys import key

T = TypeVar("T")


def _distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    for position, value in enumerate(values):
        if value in values[:position]:
            raise ValueError(f"lists {shown(value)} twice")
    return values


def _number(value: Any) -> Any:
    try:
        finite = not isinstance(value, bool) and math.isfinite(value)
    except (TypeError, OverflowError):  # no number, or an int beyond every float
        finite = False
    if not finite:
        raise ValueError(f"expected a finite number, got {shown(value)}")
    return value


def _scalar(value: Any) -> Any:
    return value if isinstance(value, bool | str) else _number(value)


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Above1 = Annotated[float, Strict(), Field(gt=1, allow_inf_nan=False)]
Positive = Annotated[float, Strict(), Field(gt=0, allow_inf_nan=False)]
Seed = Annotated[int, Strict(), Field(ge=0)]
Policy = Literal["theory", "sharp", "tuned"]


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
    budget: Positive | None = None
    noise_seeds: Annotated[tuple[Seed, ...], Field(min_length=1), AfterValidator(_distinct)] = (
        *range(5),
    )
    tuning: dict[str, Annotated[Any, AfterValidator(_scalar)]] = {}


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
    table = tables_of(path)
    try:
        specification = parse(table)
        check(specification)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return specification


def tables_of(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        InputError: there is no such file, it is not UTF-8 or not TOML.
    """
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        asked = shown(str(path))
        raise InputError(f"no file {asked}; expected a sweep specification (.toml)") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start})") from None
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise InputError(f"{path}: not valid TOML: nested too deeply") from None
    except DECODER_ERRORS as error:
        raise InputError(f"{path}: not valid TOML: {error}") from None


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
        raise InputError(f"defaults: expected a table [defaults], got {shown(defaults)}")
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
            for cell in cells_of(grid):
                validate(cell.configs[0])
        except InputError as error:
            raise InputError(f"grid {number}: {error}") from None


def expand(specification: Specification) -> list[RunConfig]:
    """All runs, each once, in the order of the file; the seed varies fastest, then kappa.

    This is what is asked for; a budget may rule out some of it.
    """
    configs = (config for cell in cells(specification) for config in cell.configs)
    return list({key(config): config for config in configs}.values())


def cells(specification: Specification) -> list[Cell]:
    """The cells of all grids, in the order of the file."""
    return [cell for grid in specification.grid for cell in cells_of(grid)]


def cells_of(grid: Grid) -> list[Cell]:
    """The cells of one grid, each with its instances; kappa varies fastest.

    Raises:
        InputError: a solver or the problem cannot be made.
    """
    return list(_cells(grid))


def _grid(number: int, grid: dict[str, Any], defaults: dict[str, Any]) -> Grid:
    try:
        return Grid.model_validate(defaults | grid)
    except ValidationError as error:
        name, line = first_complaint(error, Grid)
        place = "defaults" if name in defaults and name not in grid else f"grid {number}"
        raise InputError(f"{place}: {line}") from None


def _cells(grid: Grid) -> Iterator[Cell]:
    from bilevel_core.solvers import get

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
    for policy, solver, kappa in itertools.product(grid.policy, grid.solvers, grid.kappa):
        config = dataclasses.replace(
            first,
            policy=policy,
            solver=solver,
            kappa=kappa,
            noise_seeds=grid.noise_seeds if get(solver).is_random else (),
            tuning=grid.tuning if policy == "tuned" else {},
        )
        instances = (dataclasses.replace(config, seed=seed) for seed in grid.seeds)
        yield Cell(tuple(instances), grid.budget)


def default_engine(config: RunConfig) -> str:
    """The engine of a run that names none: the first that can run its problem on its device.

    Raises:
        InputError: the problem cannot be made.
    """
    if config.device != "cpu":
        return "torch"
    from bilevel_core.making import make_problem

    return make_problem(config).engines[0]
