"""Images by class, for few-shot learning: Omniglot, miniImageNet and FC100.

Each has three splits of disjoint classes: "train", "validation" and "test".
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from bilevel_core.errors import InputError, unknown_name
from problems.datasets.home import VARIABLE, looked_in

NAMES = ("omniglot", "omniglot_full", "miniimagenet", "fc100")
SPLITS = ("train", "validation", "test")


class ImageClasses(NamedTuple):
    """Images of one split; every class has the same number."""

    images: np.ndarray  # uint8, (classes, drawings, height, width, channels), read-only
    names: tuple[str, ...]


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


def absent(what: str, files: str, folder: str) -> InputError:
    """The one line on images that are nowhere: what they are, and where to put them."""
    return InputError(
        f"no data {what!r}: put {files} into a folder {folder!r} of ${VARIABLE}; {looked_in()}; "
        "nothing stands in for it"
    )


def stacked(what: str, by_class: dict[str, list[np.ndarray]]) -> ImageClasses:
    """Classes in the order of the dictionary.

    Raises:
        InputError: there are none, or one has more or fewer images than the others.
    """
    counts = {name: len(images) for name, images in by_class.items()}
    if not counts:
        raise InputError(f"{what}: holds no images")
    usual = next(iter(counts.values()))
    for name, count in counts.items():
        if count != usual:
            raise InputError(f"{what}: class {name!r} has {count} images, the first has {usual}")
    images = np.stack([np.stack(images) for images in by_class.values()])
    images.flags.writeable = False
    return ImageClasses(images, tuple(by_class))
