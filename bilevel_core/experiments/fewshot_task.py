"""Few-shot learning: a backbone shared by tasks, one head a task (`problems.fewshot`).

Six methods on one backbone, from the same start and with the same meta-batches.  Before outer step
k the tasks of step k are drawn, from (seed, k) alone; heads start at 0 in each step, as those of
other tasks say nothing of these, and so does v.  Validation and test episodes are of classes that
no training task has, the same for every method and seed.

    AID-BiO-constant    Ji, Yang and Liang (ICML 2021): D inner and N conjugate gradient steps
    AID-BiO-increasing  Ghadimi and Wang (2018): ceil((k + 1)^{1/4} / 2) inner steps at step k
    ITD-BiO             back-propagation through D inner steps
    FO-ITD-BiO          grad_x f at y^D alone
    ANIL, MAML          `anil`, `maml`

Every Jacobian product pays a pass back through the backbone, as its count says; a program that sums
the D cotangents of ITD-BiO or ANIL before its one pass spends fewer seconds on the same counts.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np

from bilevel_core.experiments.fewshot_evaluation import Exam, exam, sit
from bilevel_core.experiments.task import Method, Task
from problems import fewshot
from problems.datasets.images import load
from problems.episodes import Sizes, draw, pick
from problems.fewshot_backbone import Shape

EXAM_SEEDS = {"validation": 7_001, "test": 7_002}
"""Of the episodes that methods are judged by."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """Sizes of the task and of what the methods do in an outer step."""

    dataset: str = "omniglot"
    ways: int = 5
    shots: int = 1
    queries: int = 3  # images a class, in training
    tasks: int = 4  # of a meta-batch
    width: int = 16  # filters of each block
    ridge: float = 0.1
    inner_steps: int = 10  # D of all methods that adapt heads
    linear_steps: int = 5  # N: conjugate gradient steps
    maml_steps: int = 1  # D of MAML; 1 on Omniglot in its paper
    exam_episodes: int = 40  # of validation, and of test
    exam_queries: int = 5
    alphas: tuple[float, ...] = (0.1,)  # 1/L = 0.115
    betas: tuple[float, ...] = (0.1, 0.3, 1.0)
    maml_alphas: tuple[float, ...] = (0.1, 0.4)  # 0.4 on Omniglot in its paper


QUICK = Settings()
FULL = Settings(width=64, queries=5, tasks=16, inner_steps=20, maml_steps=5, exam_episodes=600)


def task(settings: Settings, seed: int) -> Task:
    """The task of one seed, which draws x0 and the tasks of every step.

    Raises:
        InputError: a setting is out of range, or the data is not there.
    """
    sizes = Sizes(settings.tasks, settings.ways, settings.shots, settings.queries)
    base = fewshot.make(
        seed=seed,
        dataset=settings.dataset,
        **sizes._asdict(),
        width=settings.width,
        ridge=settings.ridge,
    )
    judged = sizes._replace(tasks=settings.exam_episodes, queries=settings.exam_queries)
    exams = {
        split: exam(load(settings.dataset, split).images, judged, split_seed)
        for split, split_seed in EXAM_SEEDS.items()
    }
    images = load(settings.dataset, "train").images
    return Task(
        name="fewshot",
        problem=fewshot.with_initial_head(base),
        engine="torch",
        evaluate=functools.partial(evaluated, exams, base.data.shape, settings.ridge),
        objective="validation_loss",
        methods=methods(settings),
        refresh=functools.partial(fresh_tasks, images, sizes, seed),
        provenance={"dataset": settings.dataset, "checksum": base.content},
    )


def evaluated(exams: dict[str, Exam], shape: Shape, ridge: float, state: Any) -> dict[str, float]:
    """Loss and accuracy on the episodes of both splits."""
    metrics = {}
    for split, questions in exams.items():
        result = sit(questions, shape, ridge, state)
        metrics[f"{split}_loss"], metrics[f"{split}_accuracy"] = result
    return metrics


def fresh_tasks(
    images: np.ndarray, sizes: Sizes, seed: int, data: Any, state: Any, k: int
) -> tuple[Any, Any]:
    """The meta-batch of step k, and the state with every head, and v, at 0."""
    support, query = pick(images, draw(seed, k, images.shape[0], images.shape[1], sizes))
    data = fewshot.meta_batch(data, support, query)
    fresh = {name: 0.0 * getattr(state, name) for name in ("y", "v") if name in state._fields}
    return data, state._replace(**fresh)


def methods(settings: Settings) -> tuple[Method, ...]:
    """All six, on one grid, but for MAML's alpha: it is a step of all parameters."""
    grid = {"alpha": settings.alphas, "beta": settings.betas}
    D, N = settings.inner_steps, settings.linear_steps
    home = "bilevel_core.experiments"
    aid = {"D": D, "N": N, "first_D": D, "first_N": N}
    return (
        Method("aid_bio", "AID-BiO-constant", "aid_bio", aid, grid),
        Method("ba", "AID-BiO-increasing", "ba", {"N": N}, grid),
        Method("itd_bio", "ITD-BiO", "itd_bio", {"D": D}, grid),
        Method("fo_itd_bio", "FO-ITD-BiO", "fo_itd_bio", {"D": D}, grid),
        Method("anil", "ANIL", f"{home}.anil:step", {"D": D}, grid),
        Method(
            "maml",
            "MAML",
            f"{home}.maml:step",
            {"D": settings.maml_steps},
            {"alpha": settings.maml_alphas, "beta": settings.betas},
        ),
    )
