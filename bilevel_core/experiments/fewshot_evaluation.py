"""What is reported of few-shot learning: episodes from classes that were not trained on.

Each method adapts to an episode's support images as it is defined:

    implicit and iterative differentiation   y*(x), the inner problem's own solution: Phi then is
                                             what the outer problem minimises
    ANIL                                     D steps of the head, from the learned one
    MAML                                     D steps of all parameters, from x

ANIL and MAML get their step size with their first step; before that their start is shown as the
others' is.  Episodes depend on a fixed seed alone.  Computed in single precision: this is neither
counted nor timed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch

from bilevel_core.experiments import anil, maml
from problems import fewshot, fewshot_backbone, fewshot_head
from problems.episodes import Sizes, draw
from problems.fewshot_adapted import scores
from problems.fewshot_backbone import Shape

AT_ONCE = 128
"""Images that the backbone is given at once."""
SOLVED = 3e-5
"""||grad_y g|| of a head that counts as solved, and the most steps for it."""
MOST_STEPS = 1000


class Exam(NamedTuple):
    """Episodes of one split: the images that they use, each once, and which those are."""

    images: torch.Tensor  # float32, (used, channels, height, width)
    support: torch.Tensor  # (episodes, ways shots), into images
    query: torch.Tensor  # (episodes, ways queries)
    ways: int


class Result(NamedTuple):
    """Over all query images of an exam."""

    loss: float  # mean cross entropy
    accuracy: float  # share of the right answers, in [0, 1]


def exam(images: np.ndarray, sizes: Sizes, seed: int) -> Exam:
    """Episodes from uint8 images (classes, drawings, height, width, channels).

    Raises:
        InputError: there are too few classes or drawings.
    """
    classes, drawings = images.shape[:2]
    episode = draw(seed, 0, classes, drawings, sizes)
    rows = episode.classes[..., None] * drawings
    support, query = (rows + part for part in (episode.support, episode.query))
    used, places = np.unique(np.concatenate((support, query), axis=2), return_inverse=True)
    places = places.reshape(sizes.tasks, sizes.ways, -1)
    flat = images.reshape(-1, *images.shape[2:])[used]
    return Exam(
        torch.as_tensor(np.moveaxis(flat, -1, 1).astype(np.float32) / 255.0),
        torch.as_tensor(places[..., : sizes.shots].reshape(sizes.tasks, -1)),
        torch.as_tensor(places[..., sizes.shots :].reshape(sizes.tasks, -1)),
        sizes.ways,
    )


def sit(exam: Exam, shape: Shape, ridge: float, state: Any) -> Result:
    """What a solver's state achieves; ridge: of the inner problem whose solution heads are."""
    x = torch.as_tensor(np.asarray(state.x).reshape(-1), dtype=torch.float32)
    if isinstance(state, maml.State) and state.D:
        return _graded(_all_adapted(exam, shape, x, state.alpha, state.D))
    with torch.no_grad():
        features = torch.cat(
            [fewshot_backbone.embed(shape, x, part) for part in exam.images.split(AT_ONCE)]
        )
        Z, W = (
            fewshot_head.with_constant(features[places.flatten()], len(places))
            for places in (exam.support, exam.query)
        )
        if isinstance(state, anil.State) and state.D:
            learned = x[fewshot_backbone.dimension(shape) :].view(exam.ways, -1)
            heads = _stepped(Z, learned.repeat(len(Z), 1, 1), state.alpha, state.D)
        else:
            heads = solved_heads(Z, exam.ways, ridge)
        return _graded(fewshot_head.logits(W, heads))


def solved_heads(Z: torch.Tensor, ways: int, ridge: float) -> torch.Tensor:
    """argmin over heads (T, C, F) of mean cross entropy + ridge ||.||^2, features Z (T, n, F).

    Nesterov's method for strongly convex functions, from 0.
    """
    mu = 2.0 * ridge
    L = 0.5 * fewshot.SQUARED_REACH + mu
    root = (L / mu) ** 0.5
    momentum = (root - 1.0) / (root + 1.0)
    y = ahead = Z.new_zeros((len(Z), ways, Z.shape[2]))
    for _ in range(MOST_STEPS):
        gradient = fewshot_head.gradient(Z, ahead, 1.0 / Z.shape[1], ridge)
        if not gradient.norm(dim=(1, 2)).amax() > SOLVED:
            break
        previous, y = y, ahead - gradient / L
        ahead = y + momentum * (y - previous)
    return ahead


def _stepped(Z: torch.Tensor, heads: torch.Tensor, alpha: float, D: int) -> torch.Tensor:
    for _ in range(D):
        heads = heads - alpha * fewshot_head.gradient(Z, heads, 1.0 / Z.shape[1], 0.0)
    return heads


def _all_adapted(exam: Exam, shape: Shape, x: torch.Tensor, alpha: float, D: int) -> torch.Tensor:
    """Query logits, an episode at a time: each has a backbone of its own."""
    graded = []
    for support, query in zip(exam.support, exam.query, strict=True):
        y = x[None]
        for _ in range(D):
            leaf = y.detach().requires_grad_()
            logits = scores(shape, exam.ways, leaf, exam.images[support][None])
            loss = fewshot_head.cross_entropies(logits).mean()
            y = leaf - alpha * torch.autograd.grad(loss, leaf)[0]
        with torch.no_grad():
            graded.append(scores(shape, exam.ways, y, exam.images[query][None]))
    return torch.cat(graded)


def _graded(logits: torch.Tensor) -> Result:
    return Result(
        float(fewshot_head.cross_entropies(logits).double().mean()),
        float(fewshot_head.correct(logits).double().mean()),
    )
