"""What a search found, what it cost, and why cheaper parameters were turned down."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from bilevel_core.errors import InputError


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
            InputError: fields are missing or unknown.
        """
        lists = ("costs", "held_out_costs", "rejected", "tuning_seeds", "held_out_seeds")
        try:
            return cls(**{**values, **{name: tuple(values[name]) for name in lists}})
        except (TypeError, KeyError) as error:
            raise InputError(f"result of tuning: {error}") from error


def _mean(costs: tuple[float, ...]) -> float | None:
    return sum(costs) / len(costs) if costs else None


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
