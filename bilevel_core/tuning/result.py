"""What a search found, what it cost, and why cheaper parameters were turned down."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any

from bilevel_core.errors import InputError
from bilevel_core.record import COLUMNS, LEDGERS
from bilevel_core.stored_values import (
    are_counts,
    are_numbers,
    is_count,
    is_number,
    is_positive,
    is_settings,
    is_text,
)
from bilevel_core.tuning.settings import settings_from


@dataclasses.dataclass(frozen=True)
class Tuning:
    """One search, for one eps; immutable and ready for JSON.

    params: the solver's, complete; None where nothing reached eps, and then `failure` says why.
    origin: "search", or "theorem" where the theorem's parameters had to do, or "".
    costs, held_out_costs: of a run with `params`, one for each of the two sets of seeds.
    rejected: winners that the held-out instances did not confirm, each with its params, costs and
    reason; `tuning_seeds` then begin with the instances that they failed on.
    spent: of the whole search, every run to its end and the held-out ones included: "cost" in the
    terms of the settings, "calls" and "samples" by column, "seconds" and "runs".
    tried: number of different parameters; nominal: the theorem's, around which they lay.
    """

    key: str
    eps: float
    params: Mapping[str, Any] | None
    origin: str
    costs: tuple[float, ...]
    held_out_costs: tuple[float, ...]
    failure: str
    rejected: tuple[Mapping[str, Any], ...]
    tried: int
    spent: Mapping[str, Any]
    nominal: Mapping[str, Any]
    settings: Mapping[str, Any]
    tuning_seeds: tuple[int, ...]
    held_out_seeds: tuple[int, ...]

    @property
    def cost(self) -> float | None:
        """Mean cost of a run over the tuning instances; None where nothing reached eps."""
        return _mean(self.costs)

    @property
    def held_out_cost(self) -> float | None:
        """Mean cost of a run over the held-out instances; None where nothing reached eps."""
        return _mean(self.held_out_costs)

    def summary(self) -> dict[str, Any]:
        """What a run's pass says of the search behind its parameters; "cost" is the search's."""
        return {
            "key": self.key,
            "cost": float(self.spent["cost"]),
            "runs": self.spent["runs"],
            "tried": self.tried,
            "origin": self.origin,
            "rejected": len(self.rejected),
            "on_tuning_instances": self.cost,
            "on_held_out_instances": self.held_out_cost,
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready and complete."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: _plain(value) for name, value in values.items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Tuning:
        """The inverse of `to_dict`.

        Raises:
            InputError: a field is missing, unknown, of another type or out of range.
        """
        expected = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(values, Mapping) or values.keys() != expected:
            raise InputError(f"result of tuning: expected the fields {', '.join(sorted(expected))}")
        for name, holds in _FIELDS.items():
            if not holds(values[name]):
                raise InputError(f"result of tuning: {name} = {values[name]!r} is not allowed")
        settings = settings_from(values["settings"], False)
        params, nominal = values["params"], values["nominal"]
        if params is not None and params.keys() != nominal.keys():
            raise InputError("result of tuning: other parameters than those of the theorem")
        if (params is None) != bool(values["failure"]) or (params is None) == bool(
            values["origin"]
        ):
            raise InputError("result of tuning: expected parameters and their origin, or a failure")
        if set(values["settings"]) != set(settings.to_dict()):
            raise InputError("result of tuning: expected all settings")
        lists = ("costs", "held_out_costs", "rejected", "tuning_seeds", "held_out_seeds")
        return cls(**{**values, **{name: tuple(values[name]) for name in lists}})


KEY = re.compile(r"[0-9a-f]{32}")


def _are_params(value: Any) -> bool:
    return are_numbers(value) and bool(value) and all(v > 0 for v in value.values())


def _are_costs(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(is_number(v) and v >= 0 for v in value)


def _are_seeds(value: Any) -> bool:
    is_list = isinstance(value, list | tuple)
    return is_list and bool(value) and all(map(is_count, value)) and len(set(value)) == len(value)


def _are_rejected(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(
        isinstance(each, dict)
        and each.keys() == {"params", "costs", "reason"}
        and _are_params(each["params"])
        and _are_costs(each["costs"])
        and is_text(each["reason"])
        for each in value
    )


def _is_spent(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {"cost", "calls", "samples", "seconds", "runs"}
        and all(is_number(value[name]) and value[name] >= 0 for name in ("cost", "seconds"))
        and all(are_counts(value[name], COLUMNS.keys()) for name in LEDGERS)
        and is_count(value["runs"])
    )


_FIELDS: dict[str, Callable[[Any], bool]] = {
    "key": lambda value: isinstance(value, str) and KEY.fullmatch(value) is not None,
    "eps": is_positive,
    "params": lambda value: value is None or _are_params(value),
    "origin": lambda value: isinstance(value, str) and value in ("", "search", "theorem"),
    "costs": _are_costs,
    "held_out_costs": _are_costs,
    "failure": is_text,
    "rejected": _are_rejected,
    "tried": is_count,
    "spent": _is_spent,
    "nominal": _are_params,
    "settings": is_settings,
    "tuning_seeds": _are_seeds,
    "held_out_seeds": _are_seeds,
}
"""What each field may hold."""


def _mean(costs: tuple[float, ...]) -> float | None:
    return sum(costs) / len(costs) if costs else None


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
