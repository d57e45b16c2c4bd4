"""20 Newsgroups: a regularisation weight for each word of softmax regression.

Data and oracles in `problems.newsgroups`; Ji, Yang and Liang (ICML 2021), section 5.  Two
stratified halves of the training posts train and validate; the official test posts are only
evaluated on.  The seed draws the halves, y0 and the batches.

Every inner step touches the whole regulariser, 2.6 million weights, whatever its batch: a method of
batches of 1 does as many outer steps as `max_outer` allows, and no more.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np

from bilevel_core.experiments.budget import Budget
from bilevel_core.experiments.experiment import Experiment, Metric, Profile, Scenario
from bilevel_core.experiments.methods import Sizes, full_batch, stochastic
from bilevel_core.experiments.task import Task
from problems import metrics, newsgroups
from problems.softmax_sparse_samples import SoftmaxSparseReplacedData

STEPS = {"alpha": (1.0, 10.0, 100.0, 300.0), "beta": (100.0, 1e4)}
"""The step sizes of y and x that every method is tuned on: 2/L is about 100 for all posts, 4 for
one, which is what batches of 1 need."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the methods do in an outer step; the task itself has no sizes to choose."""

    inner_steps: int = 10  # D of the methods that read all samples
    linear_steps: int = 10  # N, Q or b - 1: Hessian products
    batch_steps: int = 10  # D of stocBiO
    batch: int = 1_000  # of stocBiO
    tolerance: float = 1e-3  # of HOAG at the first outer step, on ||grad_y g||
    most: int = 100  # inner and linear steps of HOAG in an outer step at most


def task(settings: Settings, seed: int) -> Task:
    """The task of one seed, which draws the halves, y0 and the batches.

    Raises:
        InputError: a setting is out of range, or the data is not there.
    """
    base = newsgroups.make(seed=seed)
    posts = newsgroups.read(seed=seed)
    classes = base.data.classes
    evaluate = functools.partial(
        evaluated, posts.held, posts.held_labels, posts.test, posts.test_labels, classes
    )
    n, m = len(posts.train_labels), len(posts.held_labels)
    sizes = Sizes(**dataclasses.asdict(settings))
    mu = base.constants.mu
    data = SoftmaxSparseReplacedData(base.data)
    return Task(
        name="newsgroups",
        problem=dataclasses.replace(base, data=data, noise="finite_sum"),
        engine="compiled",
        evaluate=evaluate,
        objective="validation_loss",
        methods=(*stochastic(sizes, mu, STEPS), *full_batch(sizes, mu, STEPS)),
        samples_of=dict.fromkeys(("grad_x_g", "grad_y_g", "jvp", "hvp", "value_g"), n)
        | dict.fromkeys(("grad_x_f", "grad_y_f", "value_f"), m),
        provenance={"dataset": "20newsgroups_vectorized", "checksum": posts.checksum},
    )


def evaluated(
    held: Any,
    held_labels: np.ndarray,
    test: Any,
    test_labels: np.ndarray,
    classes: int,
    state: Any,
) -> dict[str, float]:
    """Losses and accuracy at a state."""
    held_scores = metrics.scores_by_feature(held, state.y, classes)
    test_scores = metrics.scores_by_feature(test, state.y, classes)
    return {
        "validation_loss": metrics.cross_entropy(held_scores, held_labels),
        "test_loss": metrics.cross_entropy(test_scores, test_labels),
        "test_accuracy": metrics.accuracy(test_scores, test_labels),
    }


EXPERIMENT = Experiment(
    name="newsgroups",
    title="20 Newsgroups",
    module=__name__,
    task=task,
    profiles={
        "quick": Profile(
            # HOAG takes fewer inner steps: 100 would cost more than the budget in one outer step.
            scenarios=(Scenario("all", "20 Newsgroups", Settings(most=30)),),
            budget=Budget("samples", 1_000_000, 100),
            points=15,
            seeds=(0, 1, 2),
            tuning_share=0.4,
            tuning_points=5,
        ),
        "full": Profile(
            scenarios=(Scenario("all", "20 Newsgroups", Settings()),),
            budget=Budget("samples", 50_000_000, 3_000),
            points=40,
            seeds=(0, 1, 2, 3, 4),
            tuning_share=0.2,
            tuning_points=10,
        ),
    },
    metrics=(
        Metric("test_loss", "test cross entropy", rises=False),
        Metric("test_accuracy", "test accuracy", rises=True),
    ),
)
