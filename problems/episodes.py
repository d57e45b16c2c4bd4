"""Episodes: which classes and drawings make the tasks of a meta-batch.

Those of step k depend on (seed, k) alone, whatever was drawn before: a resumed run sees the same.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bilevel_core.errors import InputError


class Sizes(NamedTuple):
    """Sizes of a meta-batch."""

    tasks: int
    ways: int  # classes a task
    shots: int  # support images a class
    queries: int  # query images a class


class Episode(NamedTuple):
    """A meta-batch as indices."""

    classes: np.ndarray  # (tasks, ways), no class twice in a task
    support: np.ndarray  # (tasks, ways, shots): drawings of those classes
    query: np.ndarray  # (tasks, ways, queries): others


def draw(seed: int, k: int, classes: int, drawings: int, sizes: Sizes) -> Episode:
    """The meta-batch of step k from so many classes with so many drawings each.

    Raises:
        InputError: there are fewer classes than ways, or fewer drawings than shots and queries.
    """
    if sizes.ways > classes:
        raise InputError(
            f"ways: expected at most {classes}, the classes there are, got {sizes.ways}"
        )
    used = sizes.shots + sizes.queries
    if used > drawings:
        raise InputError(
            f"shots + queries: expected at most {drawings}, the images of a class, got {used}"
        )
    random = np.random.default_rng((seed, k))
    picked = np.stack([random.permutation(classes)[: sizes.ways] for _ in range(sizes.tasks)])
    order = random.permuted(np.broadcast_to(np.arange(drawings), (*picked.shape, drawings)), axis=2)
    return Episode(picked, order[..., : sizes.shots], order[..., sizes.shots : used])


def pick(images: np.ndarray, episode: Episode) -> tuple[np.ndarray, np.ndarray]:
    """Support and query images (tasks, ways, n, ...) from images (classes, drawings, ...)."""
    rows = episode.classes[..., None]
    return images[rows, episode.support], images[rows, episode.query]
