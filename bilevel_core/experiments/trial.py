"""One training run of an experiment as a value: everything that decides it, and its record."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from bilevel_core.experiments.budget import Budget
from bilevel_core.experiments.training import Training
from bilevel_core.sweep.keys import KEY_LENGTH, canonical, digest, to_json


@dataclasses.dataclass(frozen=True)
class Trial:
    """A method with its parameters on one seed of one scenario; hashed into the name of its file.

    settings: of the scenario, JSON-ready; they and the seed make the task.
    """

    experiment: str
    scenario: str
    settings: Mapping[str, Any]
    method: str
    solver: str
    params: Mapping[str, int | float]
    seed: int
    budget: Budget
    points: int
    engine: str
    device: str = "cpu"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {
            **fields,
            "settings": dict(self.settings),
            "params": dict(self.params),
            "budget": self.budget._asdict(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Trial:
        """The inverse of `to_dict`."""
        return cls(**{**values, "budget": Budget(**values["budget"])})

    @property
    def key(self) -> str:
        """32 hex digits: the stem of its file name."""
        return digest(to_json(canonical(self.to_dict())))[:KEY_LENGTH]


@dataclasses.dataclass(frozen=True)
class TrialRecord:
    """How a trial went.

    total and curve: as in `training.Training`; empty where the status is "failed".  provenance:
    what identifies the data; code: a fingerprint of the source that computed it.
    """

    trial: Trial
    status: str  # "ok", "censored", "diverged" or "failed"
    reason: str
    total: Mapping[str, Any]
    curve: list[dict[str, Any]]
    provenance: Mapping[str, str]
    environment: Mapping[str, str]
    code: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready and complete."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return fields | {"trial": self.trial.to_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrialRecord:
        """The inverse of `to_dict`."""
        return cls(**{**values, "trial": Trial.from_dict(values["trial"])})

    @property
    def spent(self) -> dict[str, float]:
        """Calls, per-sample calls and seconds in all; zeros where nothing was computed."""
        total = self.total
        return {
            "calls": sum(total["calls"].values()) if total else 0,
            "samples": total["spent"] if total else 0,
            "seconds": total["seconds"] if total else 0.0,
        }

    def final(self, metric: str) -> float | None:
        """A metric at the last evaluation; None where the run has no such value.

        A run that diverged or failed has none.
        """
        return self._mean(metric, self.curve[-1:])

    def late(self, metric: str) -> float | None:
        """The mean of a metric over the evaluations in the second half of what the run has spent.

        None as in `final`.
        """
        half = self.spent["samples"] / 2
        return self._mean(metric, [point for point in self.curve if point["spent"] >= half])

    def _mean(self, metric: str, points: list[dict[str, Any]]) -> float | None:
        if self.status not in ("ok", "censored") or not points:
            return None
        values = [point["metrics"].get(metric) for point in points]
        known = [value for value in values if value is not None]
        return sum(known) / len(known) if len(known) == len(values) else None


def record_of(
    trial: Trial,
    training: Training,
    provenance: Mapping[str, str],
    environment: Mapping[str, str],
    code: str,
) -> TrialRecord:
    """The record of a run that was computed."""
    return TrialRecord(
        trial, training.status, training.reason, training.total, training.curve, provenance,
        environment, code,
    )  # fmt: skip
