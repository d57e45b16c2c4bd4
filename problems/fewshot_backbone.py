"""The backbone of few-shot learning: blocks of convolution, normalisation, pooling and ReLU.

The usual Conv-4 (Vinyals et al. 2016; Snell et al. 2017) with one width: a 3 x 3 convolution, a
normalisation, 2 x 2 max pooling and ReLU, four times.  The normalisation is over the channels and
places of one image (a layer norm with a gain and an offset a channel), so that images never mix:
with statistics of a batch, what is said of a query would depend on the other queries.  Pooling
comes before ReLU, which is the same function, as both are monotone, and a quarter of the work.

Features are the last block's outputs less their mean, brought to length 4: no longer than that
whatever x is, so that the curvature of a head's loss has a bound that holds while the backbone
learns, and step sizes mean the same for every image size and width.  At length 1 a step that suits
the backbone would hardly move a head, and MAML has one step size for both.  All parameters lie in
one vector x, block after block: kernels, gains, offsets.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from bilevel_core.errors import InputError

KERNEL = 3
LENGTH = 4.0
"""Of an image's features, at most."""
SMALLEST = 1e-6
"""Added to the squared length of the centred outputs, which may all be 0."""


class Shape(NamedTuple):
    """Sizes of the images and of the backbone."""

    channels: int
    height: int
    width: int
    filters: int  # of every block
    blocks: int


def check_shape(shape: Shape) -> None:
    """Check that every block has something to pool.

    Raises:
        InputError: the images are too small for so many blocks.
    """
    smallest = 2**shape.blocks
    if min(shape.height, shape.width) < smallest:
        raise InputError(
            f"blocks: {shape.blocks} halvings need images of at least {smallest} x {smallest}, "
            f"got {shape.height} x {shape.width}"
        )


def features(shape: Shape) -> int:
    """How many numbers the backbone makes of an image."""
    halved = 2**shape.blocks
    return shape.filters * (shape.height // halved) * (shape.width // halved)


def dimension(shape: Shape) -> int:
    """How many parameters the backbone has."""
    return sum(math.prod(kernel) + 2 * shape.filters for kernel in _kernels(shape))


def _kernels(shape: Shape) -> list[tuple[int, int, int, int]]:
    inputs = [shape.channels, *[shape.filters] * (shape.blocks - 1)]
    return [(shape.filters, channels, KERNEL, KERNEL) for channels in inputs]


def start(shape: Shape, random: np.random.Generator) -> np.ndarray:
    """Parameters to start from, (dimension,): He's normal kernels, gains 1 and offsets 0."""
    parts: list[np.ndarray] = []
    for kernel in _kernels(shape):
        scale = math.sqrt(2.0 / math.prod(kernel[1:]))
        parts += [
            scale * random.normal(size=math.prod(kernel)),
            np.ones(shape.filters),
            np.zeros(shape.filters),
        ]
    return np.concatenate(parts)


def embed(shape: Shape, x: Any, images: Any) -> Any:
    """Features (n, features) of images (n, channels, height, width) under parameters x (p,).

    x: its first `dimension` numbers are read.  Torch tensors, differentiable in both.
    """
    from torch.nn import functional

    at = 0
    for kernel in _kernels(shape):
        size = math.prod(kernel)
        weights = x[at : at + size].view(kernel)
        gains, offsets = x[at + size : at + size + 2 * shape.filters].view(2, -1)
        at += size + 2 * shape.filters
        images = functional.conv2d(images, weights, padding=1)
        images = functional.group_norm(images, 1, gains, offsets)
        images = functional.relu(functional.max_pool2d(images, 2))
    last = images.flatten(1)
    last = last - last.mean(1, keepdim=True)
    return LENGTH * last * (last.square().sum(1, keepdim=True) + SMALLEST).rsqrt()
