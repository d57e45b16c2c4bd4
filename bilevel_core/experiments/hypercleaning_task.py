"""Hyper-cleaning on MNIST: a weight for each training image, some of whose labels are wrong.

Data and oracles in `problems.hypercleaning`; Ji, Yang and Liang (ICML 2021), section 5.  A share of
the training labels is shifted by 1..9 once, from the seed, and stays so; validation is clean.
Reported: test cross entropy and accuracy, and the separation P(lambda of a corrupted sample <
lambda of a clean one), which says whether the outer problem finds the wrong labels.

As an ablation the labels are corrupted once more at every visit, in place, as the public code does:
D more times before each outer step of a method whose D inner steps read all of them.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np

from bilevel_core.experiments.budget import Budget
from bilevel_core.experiments.experiment import Experiment, Metric, Profile, Scenario
from bilevel_core.experiments.methods import Sizes, full_batch, stochastic
from bilevel_core.experiments.task import Method, Task
from problems import hypercleaning, metrics
from problems.datasets.mnist import CLASSES
from problems.replacing import in_place_of, on_host
from problems.softmax_dense_samples import replaced

STEPS = {"alpha": (0.005, 0.05, 1.0, 4.0), "beta": (0.1, 100.0, 3e3, 1e5, 3e6)}
"""The step sizes of y and x that every method is tuned on: batches of 1 need small ones of y, as
||z||^2 is about 100, and 2/L is about 1 for all images; grad Phi is of order 1/n, and what a batch
of 1 says of it of order 1."""
ABLATED = ("aid_fp", "itd_bio")
"""Methods of the ablation."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """Sizes of the task and of what the methods do in an outer step."""

    corrupted: float  # share of training labels that are wrong
    samples: int = 20_000  # for training
    held: int = 5_000  # for validation
    dataset: str = "mnist"
    inner_steps: int = 10  # D of the methods that read all samples
    linear_steps: int = 3  # N, Q or b - 1: Hessian products
    batch_steps: int = 200  # D of stocBiO
    batch: int = 50  # of stocBiO
    tolerance: float = 0.1  # of HOAG at the first outer step, on ||grad_y g||
    most: int = 100  # inner and linear steps of HOAG in an outer step at most
    visits: int = 0  # times that labels are corrupted once more before each outer step


def task(settings: Settings, seed: int) -> Task:
    """The task of one seed, which draws the wrong labels, y0 and the batches.

    Raises:
        InputError: a setting is out of range, or the data is not there.
    """
    dataset, n, m = settings.dataset, settings.samples, settings.held
    base = hypercleaning.make(
        seed=seed, dataset=dataset, samples=n, held=m, corrupted=settings.corrupted
    )
    cleaning = hypercleaning.read(dataset, n, m, settings.corrupted, seed)
    evaluate = functools.partial(
        evaluated,
        hypercleaning.pixels(cleaning.held_images),
        cleaning.held_labels,
        hypercleaning.pixels(cleaning.test_images),
        cleaning.test_labels,
        cleaning.corruption.mask,
    )
    again = functools.partial(corrupted_again, settings.corrupted, settings.visits, seed)
    every = dict.fromkeys(("grad_x_g", "grad_y_g", "jvp", "hvp", "value_g"), n)
    return Task(
        name="hypercleaning",
        problem=dataclasses.replace(base, data=replaced(base.data), noise="finite_sum"),
        engine="compiled",
        evaluate=evaluate,
        objective="validation_loss",
        methods=methods(settings, base.constants.mu),
        refresh=again if settings.visits else None,
        samples_of=every | dict.fromkeys(("grad_x_f", "grad_y_f", "value_f"), m),
        provenance={"dataset": dataset, "checksum": cleaning.checksum},
    )


def evaluated(
    held_X: np.ndarray,
    held_labels: np.ndarray,
    test_X: np.ndarray,
    test_labels: np.ndarray,
    mask: np.ndarray,
    state: Any,
) -> dict[str, float]:
    """Losses, accuracy and separation at a state."""
    held = metrics.scores_by_class(held_X, state.y, CLASSES)
    test = metrics.scores_by_class(test_X, state.y, CLASSES)
    return {
        "validation_loss": metrics.cross_entropy(held, held_labels),
        "test_loss": metrics.cross_entropy(test, test_labels),
        "test_accuracy": metrics.accuracy(test, test_labels),
        "separation": metrics.separation(state.x, mask),
    }


def corrupted_again(
    share: float, visits: int, seed: int, data: Any, state: Any, k: int
) -> tuple[Any, Any]:
    """The labels before outer step k: `visits` times, a share of them is shifted by 1..9."""
    random = np.random.default_rng([seed, k])
    labels = on_host(data.wrapped.labels).ravel()
    for _ in range(visits):
        wrong = random.random(labels.size) < share
        shifts = random.integers(1, CLASSES, labels.size)
        labels = np.where(wrong, (labels + shifts) % CLASSES, labels)
    corrupted = in_place_of(data.wrapped.labels, labels)
    return data._replace(wrapped=data.wrapped._replace(labels=corrupted)), state


def methods(settings: Settings, mu: float) -> tuple[Method, ...]:
    """All seven; under accumulating noise AID-FP and ITD, which read every label at every visit."""
    sizes = Sizes(
        inner_steps=settings.inner_steps,
        linear_steps=settings.linear_steps,
        batch_steps=settings.batch_steps,
        batch=settings.batch,
        tolerance=settings.tolerance,
        most=settings.most,
    )
    deterministic = full_batch(sizes, mu, STEPS)
    if settings.visits:
        return tuple(method for method in deterministic if method.name in ABLATED)
    return (*stochastic(sizes, mu, STEPS), *deterministic)


def scenarios(samples: int, held: int) -> tuple[Scenario, ...]:
    """Both shares of wrong labels, and the ablation beside each."""
    fixed = [Settings(share, samples, held) for share in (0.1, 0.4)]
    names = [f"p{settings.corrupted:g}" for settings in fixed]
    return (
        *(
            Scenario(name, f"{settings.corrupted:.0%} of labels wrong", settings)
            for name, settings in zip(names, fixed, strict=True)
        ),
        *(
            Scenario(
                f"{name}-in-place",
                f"{settings.corrupted:.0%} wrong again at every visit",
                dataclasses.replace(settings, visits=settings.inner_steps),
                tuned_as=name,
                note="noise anew at every visit",
            )
            for name, settings in zip(names, fixed, strict=True)
        ),
    )


EXPERIMENT = Experiment(
    name="hypercleaning",
    title="Hyper-cleaning of MNIST",
    module=__name__,
    task=task,
    profiles={
        "quick": Profile(
            scenarios=scenarios(samples=5_000, held=2_000),
            budget=Budget("samples", 2_000_000, 30_000),
            points=30,
            seeds=(0, 1, 2),
            tuning_share=0.2,
            tuning_points=6,
        ),
        "full": Profile(
            scenarios=scenarios(samples=20_000, held=5_000),
            budget=Budget("samples", 200_000_000, 2_000_000),
            points=40,
            seeds=(0, 1, 2, 3, 4),
            tuning_share=0.2,
            tuning_points=10,
        ),
    },
    metrics=(
        Metric("test_loss", "test cross entropy", rises=False),
        Metric("test_accuracy", "test accuracy", rises=True),
        Metric("separation", "P(λ of a wrong label < λ of a right one)", rises=True),
    ),
)
