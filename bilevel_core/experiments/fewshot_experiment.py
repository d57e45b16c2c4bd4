"""The few-shot experiment: its scenarios, budgets, and what images its oracle calls read."""

from __future__ import annotations

import dataclasses

from bilevel_core.experiments import fewshot_task
from bilevel_core.experiments.budget import Budget
from bilevel_core.experiments.experiment import Experiment, Metric, Profile, Scenario
from bilevel_core.experiments.fewshot_task import FULL, QUICK, Settings
from bilevel_core.experiments.task import Task


def task(settings: Settings, seed: int) -> Task:
    """The task of one seed; a call costs the support images of a meta-batch, or its query images.

    Raises:
        InputError: a setting is out of range, or the data is not there.
    """
    support = settings.tasks * settings.ways * settings.shots
    query = settings.tasks * settings.ways * settings.queries
    inner = dict.fromkeys(("grad_x_g", "grad_y_g", "jvp", "hvp", "value_g"), support)
    outer = dict.fromkeys(("grad_x_f", "grad_y_f", "value_f"), query)
    return dataclasses.replace(fewshot_task.task(settings, seed), samples_of=inner | outer)


def scenarios(settings: Settings) -> tuple[Scenario, ...]:
    """One shot, and five."""
    return tuple(
        Scenario(
            f"{settings.ways}-way-{shots}-shot",
            f"{settings.ways}-way {shots}-shot",
            dataclasses.replace(settings, shots=shots),
        )
        for shots in (1, 5)
    )


EXPERIMENT = Experiment(
    name="fewshot",
    title="Few-shot learning on Omniglot",
    module=__name__,
    task=task,
    profiles={
        "quick": Profile(
            scenarios=scenarios(QUICK),
            budget=Budget("samples", 100_000, 250),
            points=10,
            seeds=(0, 1, 2),
            tuning_share=0.2,
            tuning_points=4,
        ),
        "full": Profile(
            scenarios=scenarios(FULL),
            budget=Budget("samples", 50_000_000, 20_000),
            points=40,
            seeds=(0, 1, 2, 3, 4),
            tuning_share=0.1,
            tuning_points=10,
        ),
    },
    metrics=(
        Metric("test_loss", "test cross entropy", rises=False),
        Metric("test_accuracy", "test accuracy", rises=True),
    ),
)
