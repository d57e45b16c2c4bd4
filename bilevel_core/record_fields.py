"""What the fields of a stored run may hold, so that nothing that reads one has to ask again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from bilevel_core.errors import InputError
from bilevel_core.oracle import SLOTS
from bilevel_core.stored_values import (
    are_counts,
    are_numbers,
    is_count,
    is_number,
    is_plain,
    is_positive,
    is_settings,
    is_text,
)

CRITERIA = ("average", "first")
STATUSES = frozenset({"ok", "censored", "diverged", "failed", "infeasible"})
_HIT = {"criterion", "eps", "outer", "calls", "samples"}
_POINT = {"eps", "outer", "squared", "average", "calls", "samples"}
LARGEST_SEED = 10**100
SMALLEST_LEVEL, LARGEST_LEVEL = 1e-300, 1e200
"""Of kappa and eps: margins around them, and 1/eps, are still numbers."""
SMALLEST_KAPPA = 1e-3
"""Less than any condition number, which is at least 1."""
LARGEST_PARAMETER = 1e100
"""Products of a count and two parameters are still numbers."""


def check_names(
    what: str, values: Any, allowed: set[str], optional: frozenset[str] = frozenset()
) -> None:
    """Check that a mapping has these names and no others.

    Raises:
        InputError: it has not.
    """
    if not isinstance(values, Mapping):
        raise InputError(f"{what}: expected a mapping, got {values!r}")
    wrong = (values.keys() - allowed) | (allowed - optional - values.keys())
    if wrong:
        raise InputError(f"{what}: missing or unknown: {', '.join(sorted(map(str, wrong)))}")


def check_config(values: Any) -> None:
    """Check the fields of a `RunConfig`, as JSON or as they are given.

    Raises:
        InputError: one is missing, unknown, of another type or out of range.
    """
    check_names("run configuration", values, set(_CONFIG), _OPTIONAL)
    for name, value in values.items():
        if not _CONFIG[name](value):
            raise InputError(f"run configuration: {name} = {value!r} is not allowed")


def check_record(values: Mapping[str, Any], eps: Sequence[float]) -> None:
    """Check the fields of a `RunRecord` but its configuration, whose levels are `eps`.

    Raises:
        InputError: one is of another type or out of range, or does not fit to `eps`.
    """
    for name, holds in _RECORD.items():
        if not holds(values[name]):
            raise InputError(f"run record: {name} = {values[name]!r} is not allowed")
    for name, holds in (("passes", _is_pass), ("hits", _is_hit), ("trajectory", _is_point)):
        found: list[Any] = values[name] if isinstance(values[name], list) else [None]
        for each in found:
            if not holds(each):
                raise InputError(f"run record: {name}: {each!r} is not allowed")
            # Of hits and points each field is a column of the file.
            if name != "passes" and each.keys() != found[0].keys():
                raise InputError(f"run record: {name}: {each!r} has other fields than the first")
    served = [level for each in values["passes"] for level in each["eps"]]
    if served and sorted(served, reverse=True) != list(eps):
        raise InputError(f"run record: passes for eps = {served}, expected {list(eps)}")
    reached = [(each["criterion"], each["eps"]) for each in values["hits"]]
    if len(set(reached)) < len(reached) or not {level for _, level in reached} <= set(eps):
        raise InputError(f"run record: hits of eps = {reached}, expected each once of {list(eps)}")


def _is_status(value: Any) -> bool:
    return isinstance(value, str) and value in STATUSES


def _is_level(value: Any) -> bool:
    """A number as a frame holds it: an integer that no float is has no place on an axis."""
    is_exact = type(value) is float or (type(value) is int and value <= 2**53)
    return is_exact and SMALLEST_LEVEL <= value <= LARGEST_LEVEL


def _are_levels(value: Any) -> bool:
    if not isinstance(value, list | tuple) or not value or not all(map(_is_level, value)):
        return False
    return all(later < earlier for earlier, later in pairwise(value))


def _is_seed(value: Any) -> bool:
    return type(value) is int and 0 <= value <= LARGEST_SEED


def _are_seeds(value: Any) -> bool:
    is_list = isinstance(value, list | tuple)
    return is_list and all(map(_is_seed, value)) and len(set(value)) == len(value)


def _are_params(value: Any) -> bool:
    return are_numbers(value) and all(abs(each) <= LARGEST_PARAMETER for each in value.values())


def _is_spent(value: Any) -> bool:
    return value == {} or are_counts(value, SLOTS)


def _is_search(value: Any) -> bool:
    return is_settings(value) and is_text(value.get("key")) and is_number(value.get("cost"))


def _is_number_or_none(value: Any) -> bool:
    return value is None or is_number(value)


def _is_pass(value: Any) -> bool:
    return (
        is_plain(value)
        and isinstance(value, dict)
        and _are_levels(value.get("eps"))
        and _is_status(value.get("status"))
        and is_text(value.get("reason"))
        and all(_PASS[name](each) for name, each in value.items() if name in _PASS)
    )


def _is_hit(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == _HIT
        and isinstance(value["criterion"], str)
        and value["criterion"] in CRITERIA
        and _is_level(value.get("eps"))
        and is_count(value.get("outer"))
        and are_counts(value.get("calls"), SLOTS)
        and are_counts(value.get("samples"), SLOTS)
    )


def _is_point(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() <= _POINT
        and is_number(value.get("eps"))
        and is_count(value.get("outer"))
        and is_number(value.get("squared"))
        and is_number(value.get("average"))
        and are_counts(value.get("calls"), SLOTS)
        and ("samples" not in value or are_counts(value["samples"], SLOTS))
    )


_CONFIG: dict[str, Callable[[Any], bool]] = {
    "problem": is_text,
    "kappa": lambda value: _is_level(value) and value >= SMALLEST_KAPPA,
    "solver": is_text,
    "eps": _are_levels,
    "options": is_settings,
    "seed": _is_seed,
    "policy": is_text,
    "overrides": _are_params,
    "criterion": lambda value: isinstance(value, str) and value in CRITERIA,
    "engine": is_text,
    "device": is_text,
    "max_outer": is_count,
    "max_seconds": lambda value: value is None or is_positive(value),
    "noise_seeds": _are_seeds,
    "tuning": is_settings,
}
_OPTIONAL = frozenset(_CONFIG) - {"problem", "kappa", "solver", "eps"}
_RECORD: dict[str, Callable[[Any], bool]] = {
    "constants": are_numbers,
    "status": _is_status,
    "reason": is_text,
    "environment": is_settings,
    "seconds": lambda value: is_number(value) and value >= 0,
    "code": is_text,
}
_PASS: dict[str, Callable[[Any], bool]] = {
    "params": _are_params,
    "outer": is_count,
    "spent": _is_spent,
    "spent_samples": _is_spent,
    "outer_bound": are_numbers,
    "predicted_calls": _is_number_or_none,
    "predicted_samples": _is_number_or_none,
    "predicted_outer": _is_number_or_none,
    "tuning": _is_search,
}
"""What a pass may say beside its levels and how it ended."""
