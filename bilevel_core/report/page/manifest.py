"""`sweep.json` of a store: what the last sweep into it was asked for, as a specification again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bilevel_core.reading import DECODER_ERRORS
from bilevel_core.report.groups import Group
from bilevel_core.sweep.keys import canonical, to_json
from bilevel_core.sweep.run_file import bytes_of

if TYPE_CHECKING:
    from bilevel_core.sweep.specification import Grid, Specification


class Manifest(NamedTuple):
    """specification: validated; toml: the file that `sweep` reads; started, finished: as stored."""

    specification: Specification
    toml: str
    started: str
    finished: str


def read(directory: Path) -> Manifest | None:
    """The manifest of a store; None where there is none, or none that can be believed."""
    from bilevel_core.sweep.specification import Specification

    try:
        content = json.loads(bytes_of(directory / "sweep.json"))
        specification = Specification.model_validate(content["specification"])
        ends = [str(content.get(name) or "") for name in ("started", "finished")]
    except DECODER_ERRORS:
        return None
    return Manifest(specification, toml_of(specification), *ends)


def grids_of(group: Group, specification: Specification) -> list[int]:
    """Numbers, from 1, of the grids that a group's runs come from."""
    return [n for n, grid in enumerate(specification.grid, start=1) if _covers(grid, group)]


def toml_of(specification: Specification) -> str:
    """A specification as TOML, without what is default anyway."""
    given = specification.model_dump(mode="json", exclude_defaults=True, exclude={"grid"})
    lines = [f"{name} = {_value(value)}" for name, value in given.items()]
    for grid in specification.grid:
        lines += ["", "[[grid]]"]
        values = grid.model_dump(mode="json", exclude_defaults=True)
        lines += [f"{name} = {_value(value)}" for name, value in values.items()]
    return "\n".join([*lines, ""])


def _covers(grid: Grid, group: Group) -> bool:
    return (
        grid.problem == group.problem
        and group.policy in grid.policy
        and group.criterion in ("first", grid.criterion)
        and _same(grid.options, group.options)
        and _same(grid.parameters, group.overrides)
    )


def _same(first: object, second: object) -> bool:
    return to_json(canonical(first)) == to_json(canonical(second))


def _value(value: Any) -> str:
    """TOML: lists and tables in one line; a JSON string is a string of TOML but for U+007F."""
    match value:
        case Mapping():
            pairs = (f"{_text(str(name))} = {_value(item)}" for name, item in value.items())
            return f"{{ {', '.join(pairs)} }}"
        case list():
            return f"[{', '.join(map(_value, value))}]"
        case str():
            return _text(value)
        case bool():
            return str(value).lower()
        case _:
            return repr(value)


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
