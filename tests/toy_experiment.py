"""A small experiment for tests: a registered problem, and metrics that are easy to check."""

from __future__ import annotations

import dataclasses

import numpy as np

import problems
from bilevel_core.experiments.budget import Budget
from bilevel_core.experiments.experiment import Experiment, Metric, Profile, Scenario
from bilevel_core.experiments.task import Method, Task

GRID = {"beta": (1e-4, 0.2, 1e3)}


@dataclasses.dataclass(frozen=True)
class Settings:
    kappa: float = 3.0


def task(settings, seed):
    problem = problems.make("quadratic", kappa=settings.kappa, seed=seed, noise="gaussian")

    def evaluate(state):
        return {"loss": float(problem.phi(state.x)), "size": float(np.abs(state.y).max())}

    return Task(
        name="toy",
        problem=problem,
        engine="torch",
        evaluate=evaluate,
        objective="loss",
        methods=(
            Method("itd_bio", "ITD", "itd_bio", {"alpha": 0.5, "D": 2}, GRID),
            Method(
                "ttsa", "TTSA", "ttsa", {"alpha": 0.5, "b": 2}, GRID, lambda known: {"eta": 0.5}
            ),
        ),
        samples_of={"grad_y_g": 10, "jvp": 10, "hvp": 10, "grad_x_f": 5, "grad_y_f": 5},
        provenance={"checksum": "toy"},
    )


EXPERIMENT = Experiment(
    name="toy",
    title="Toy",
    module=__name__,
    task=task,
    profiles={
        "quick": Profile(
            scenarios=(
                Scenario("three", "κ = 3", Settings()),
                Scenario("again", "κ = 4, tuned at 3", Settings(4.0), "three", "κ = 4"),
            ),
            budget=Budget("samples", 2000, 40),
            points=4,
            seeds=(0, 1),
            tuning_share=0.5,
            tuning_points=4,
        )
    },
    metrics=(Metric("loss", "loss", rises=False), Metric("size", "size", rises=True)),
)
