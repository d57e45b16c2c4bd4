"""Images by class, for few-shot learning: Omniglot, miniImageNet and FC100.

Each has three splits of disjoint classes: "train", "validation" and "test".
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bilevel_core.errors import InputError, unknown_name
from problems.datasets.home import VARIABLE, looked

NAMES = ("omniglot", "omniglot_full", "miniimagenet", "fc100")
SPLITS = ("train", "validation", "test")


class ImageClasses(NamedTuple):
    """Images of one split; every class has the same number."""

    images: np.ndarray  # uint8, (classes, drawings, height, width, channels), read-only
    names: tuple[str, ...]
    checksum: str  # 32 hex digits that change with any of the numbers and names


def load(name: str, split: str, home: Path | None = None) -> ImageClasses:
    """One split of a data set, from the folders that `home.candidates` lists.

    Raises:
        InputError: no such data set or split; the data is missing, or not in a form that is known.
    """
    from problems.datasets import omniglot, pickled_images

    if name not in NAMES:
        raise unknown_name("dataset", name, NAMES)
    if split not in SPLITS:
        raise unknown_name("split", split, SPLITS)
    if name in omniglot.SETS:
        return omniglot.load(name, split, home)
    return pickled_images.load(name, split, home)


def absent(what: str, files: str, home: Path | None, folders: Sequence[str]) -> InputError:
    """The one line on images that are nowhere: where they were looked for, what to put where."""
    return InputError(
        f"no data {what!r}: put {files} into a folder {folders[0]!r} of the folder "
        f"${VARIABLE}; {looked(home, folders)}"
    )


def image_classes(images: np.ndarray, names: Sequence[str]) -> ImageClasses:
    """Images (classes, ...) of a new array, from now on read-only, with their checksum."""
    images.flags.writeable = False
    digest = hashlib.md5("/".join(names).encode(), usedforsecurity=False)
    digest.update(f"{images.shape}".encode())
    digest.update(np.ascontiguousarray(images).data)
    return ImageClasses(images, tuple(names), digest.hexdigest())


def stacked(what: str, by_class: dict[str, list[np.ndarray]]) -> ImageClasses:
    """Classes in the order of the dictionary.

    Raises:
        InputError: there are none, or one has more or fewer images than the others.
    """
    counts = {name: len(images) for name, images in by_class.items()}
    if not any(counts.values()):
        raise InputError(f"{what}: holds no images")
    usual = next(iter(counts.values()))
    for name, count in counts.items():
        if count != usual:
            raise InputError(f"{what}: class {name!r} has {count} images, the first has {usual}")
    return image_classes(
        np.stack([np.stack(images) for images in by_class.values()]), list(by_class)
    )
