"""From words on the command line to values; what cannot be read is an InputError that names it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import typer

from bilevel_core.errors import LONGEST_SHOWN, InputError, one_line, shown


def number(text: str) -> float:
    """A float, for an option of the command line."""
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"expected a number, got {shown(text)}") from None


def integer(text: str) -> int:
    """An int, for an option of the command line."""
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"expected an integer, got {shown(text)}") from None


def levels(text: str) -> tuple[float, ...]:
    """Distinct numbers, largest first, from "E,E,..."."""
    try:
        found = {float(piece) for piece in text.split(",")}
    except ValueError:
        raise InputError(
            f"--eps: expected numbers separated by commas, got {shown(text)}"
        ) from None
    return tuple(sorted(found, reverse=True))


def whole_numbers(option: str, text: str | None) -> tuple[int, ...] | None:
    """Integers from "S,S,...", None where nothing was given; option: named in errors."""
    if text is None:
        return None
    try:
        return tuple(int(piece) for piece in text.split(","))
    except ValueError:
        message = f"{option}: expected integers separated by commas, got {shown(text)}"
        raise InputError(message) from None


def family_options(texts: Sequence[str] | None) -> dict[str, bool | int | float | str]:
    """Options of a problem family from "key=value" words."""
    return {name: _scalar(text) for name, text in _pairs("--option", texts).items()}


def solver_parameters(texts: Sequence[str] | None) -> dict[str, int | float]:
    """Parameters of a solver, finite numbers, from "key=value" words."""
    return {name: _finite(name, text) for name, text in _pairs("--set", texts).items()}


def _pairs(option: str, texts: Sequence[str] | None) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise InputError(f"{option}: expected key=value, got {shown(text)}")
        if name in pairs:
            raise InputError(f"{option}: {one_line(name, LONGEST_SHOWN)} is given twice")
        pairs[name] = value
    return pairs


def _finite(name: str, text: str) -> int | float:
    value = _scalar(text)
    if isinstance(value, bool | str) or not _is_finite(value):
        raise InputError(
            f"--set {one_line(name, LONGEST_SHOWN)}: expected a finite number, got {shown(text)}"
        )
    return value


def _is_finite(value: int | float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an int beyond every float
        return False


def _scalar(text: str) -> bool | int | float | str:
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
