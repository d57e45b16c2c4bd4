"""What a run leaves behind: its configuration, every hit with its counts, and how it ended."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

from bilevel_core import checking, record_fields
from bilevel_core.constants import lower_level
from bilevel_core.errors import InputError, shown
from bilevel_core.oracle import SLOTS

COLUMNS = {
    "gc_f": ("grad_x_f", "grad_y_f"),
    "gc_g": ("grad_x_g", "grad_y_g"),
    "jv": ("jvp",),
    "hv": ("hvp",),
}
"""The paper's columns, and the slots of the ledger that each sums."""

LEDGERS = ("calls", "samples")


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Everything that decides a run; hashed into the name of its file.

    noise_seeds: one repetition of a run with random oracles for each, which `seed`, the instance,
    leaves alone; the run's counts are those of the mean over them.  tuning: settings of the search
    under policy "tuned".  Both are left out of the file where they are empty.  Values become
    Python's own; names and ranges that depend on the problem are checked by `run.validate`.

    Raises:
        InputError: a value is of a wrong type, or a number out of range.
    """

    problem: str
    kappa: float
    solver: str
    eps: tuple[float, ...]
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    seed: int = 0
    policy: str = "theory"
    overrides: Mapping[str, int | float] = dataclasses.field(default_factory=dict)
    criterion: str = "average"
    engine: str = "compiled"
    device: str = "cpu"
    max_outer: int = 1_000_000
    max_seconds: float | None = None
    noise_seeds: tuple[int, ...] = ()
    tuning: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        seconds = self.max_seconds
        checked: dict[str, Any] = {
            name: checking.text(name, getattr(self, name))
            for name in ("problem", "solver", "policy", "criterion", "engine", "device")
        }
        options = checking.mapping("options", self.options)
        checked["options"] = {name: checking.plain(value) for name, value in options.items()}
        checked["overrides"] = checking.scalars("overrides", self.overrides)
        checked["tuning"] = checking.scalars("tuning", self.tuning)
        checked["kappa"] = checking.positive("kappa", self.kappa)
        checked["eps"] = tuple(
            checking.number("eps", value, "finite numbers > 0", lambda found: found > 0)
            for value in checking.items("eps", self.eps, "a sequence of finite numbers > 0")
        )
        checked["seed"] = checking.seed(self.seed)
        checked["max_outer"] = _max_outer(self.max_outer)
        if seconds is not None:
            checked["max_seconds"] = checking.positive("max_seconds", seconds)
        checked["noise_seeds"] = tuple(checking.different_seeds("noise_seeds", self.noise_seeds))
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        values = vars(self) | {
            "options": dict(self.options),
            "overrides": dict(self.overrides),
            "eps": list(self.eps),
            "noise_seeds": list(self.noise_seeds),
            "tuning": dict(self.tuning),
        }
        return {k: v for k, v in values.items() if v or k not in ("noise_seeds", "tuning")}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RunConfig:
        """The inverse of `to_dict`.

        Raises:
            InputError: a field is missing, unknown, of another type or out of range.
        """
        record_fields.check_config(values)
        seeds = tuple(values.get("noise_seeds", ()))
        return cls(**{**values, "eps": tuple(values["eps"]), "noise_seeds": seeds})


def _max_outer(value: Any) -> int:
    found = checking.integer("max_outer", value, 1)
    if found > checking.LARGEST_COUNT:
        raise InputError(f"max_outer: expected at most 2**63 - 1, got {shown(found)}")
    return found


@dataclasses.dataclass(frozen=True)
class RunRecord:
    """One run.

    passes: one for each set of parameters, with the eps it serves, its status and reason, the
    outer iterations and calls it spent; "predicted_calls" where it was too dear to start (status
    "infeasible"), "tuning" with the search's cost under policy "tuned".
    hits: one for each (criterion, eps) reached, with `outer` and both ledgers by slot.
    trajectory: ||grad Phi(x_k)||^2, the running average and the calls, at about ten k per decade.
    seconds: in outer steps only, without evaluation and compilation.
    """

    config: RunConfig
    constants: Mapping[str, float]
    status: str
    reason: str
    passes: list[dict[str, Any]]
    hits: list[dict[str, Any]]
    trajectory: list[dict[str, Any]]
    environment: Mapping[str, Any]
    seconds: float
    code: str

    @property
    def lower_level(self) -> str:
        """Whether it is "quadratic" or "general" by its constants; "general" holds for both."""
        return lower_level(self.constants.get("rho", math.nan), self.constants.get("tau", math.nan))

    def _level(self, eps: float) -> float:
        levels = ", ".join(map(repr, self.config.eps))
        return checking.number("eps", eps, f"one of {levels}", lambda v: v in self.config.eps)

    def _hit(self, eps: float, criterion: str | None = None) -> dict[str, Any] | None:
        wanted = criterion or self.config.criterion
        for hit in self.hits:
            if hit["eps"] == eps and hit["criterion"] == wanted:
                return hit
        return None

    def counts(self, eps: float, ledger: str = "calls") -> dict[str, int] | None:
        """Counts gc_f, gc_g, jv, hv when eps was reached; None if it was not.

        Raises:
            InputError: eps was not asked for, or no such ledger.
        """
        ledger = checking.choice("ledger", ledger, LEDGERS)
        hit = self._hit(self._level(eps))
        return None if hit is None else column_counts(hit[ledger])

    def outer(self, eps: float) -> int | None:
        """Outer iterations K when eps was reached; None if it was not.

        Raises:
            InputError: eps was not asked for.
        """
        hit = self._hit(self._level(eps))
        return None if hit is None else int(hit["outer"])

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready and complete."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return fields | {
            "config": self.config.to_dict(),
            "constants": dict(self.constants),
            "environment": dict(self.environment),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RunRecord:
        """The inverse of `to_dict`.

        Raises:
            InputError: a field is missing, unknown, of another type or out of range, or does not
                fit the others.
        """
        record_fields.check_names("run record", values, {f.name for f in dataclasses.fields(cls)})
        record = cls(**{**values, "config": RunConfig.from_dict(values["config"])})
        record_fields.check_record(values, record.config.eps)
        return record

    def rows(self) -> list[dict[str, Any]]:
        """One row per (criterion, eps), reached or not, for fits, tables and figures.

        The average is at most eps only after some iterate was, so a run that stops on "average" has
        the rows of "first", too.
        """
        config = self.config
        criteria = ("average", "first") if config.criterion == "average" else ("first",)
        common = {
            "problem": config.problem,
            "options": canonical(config.options),
            "solver": config.solver,
            "policy": config.policy,
            "overrides": canonical(config.overrides),
            "kappa": config.kappa,
            "seed": config.seed,
            "instance": str(config.seed),
            "lower_level": self.lower_level,
            "engine": config.engine,
            "seconds": self.seconds,
        }
        return [common | self._row(criterion, eps) for criterion in criteria for eps in config.eps]

    def _row(self, criterion: str, eps: float) -> dict[str, Any]:
        served = next(p for p in self.passes if eps in p["eps"]) if self.passes else {}
        hit = self._hit(eps, criterion)
        row: dict[str, Any] = {
            "criterion": criterion,
            "eps": eps,
            "status": "ok" if hit else served.get("status", self.status),
            "reason": "" if hit else served.get("reason", self.reason),
            "outer": hit["outer"] if hit else None,
            "outer_bound": _comparable(served.get("outer_bound", {}).get(repr(eps))),
            "predicted_calls": served.get("predicted_calls"),
            "tuning_cost": served.get("tuning", {}).get("cost"),
            "batches_hv": _batches(hit, served),
        }
        for ledger, prefix in (("calls", ""), ("samples", "samples_")):
            counts = column_counts(hit[ledger]) if hit else dict.fromkeys(COLUMNS)
            row |= {prefix + name: counts[name] for name in COLUMNS}
        return row


def _comparable(bound: float | None) -> float | None:
    """A bound on K that K can be divided by; None for what only overflow or a forger makes."""
    return bound if bound is not None and 1e-100 < bound < 1e200 else None


def _batches(hit: Mapping[str, Any] | None, served: Mapping[str, Any]) -> int | None:
    """K B Q, the count of Hessian products that the table's entry of stocBiO is about."""
    params = served.get("params") or {}
    if not hit or not {"B", "Q"} <= set(params):
        return None
    return int(hit["outer"] * params["B"] * params["Q"])


def column_counts(slots: Mapping[str, int]) -> dict[str, int]:
    """The paper's columns from the ledger's slots."""
    return {name: sum(int(slots[slot]) for slot in parts) for name, parts in COLUMNS.items()}


def slot_counts(row: Any) -> dict[str, int]:
    """One row of a ledger, by the names of its slots."""
    return dict(zip(SLOTS, (int(value) for value in row), strict=True))


def canonical(value: Mapping[str, Any]) -> str:
    """JSON with sorted keys, one text for one mapping.

    Raises:
        InputError: a value is none that JSON knows.
    """
    try:
        return json.dumps(dict(value), sort_keys=True, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise InputError(f"expected texts and finite numbers, got {shown(value)}") from None
