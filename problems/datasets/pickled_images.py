"""miniImageNet and FC100, as the pickles that are passed around.

miniImageNet (Vinyals et al. 2016; splits of Ravi and Larochelle), 84 x 84 x 3, 600 images a class:

    mini-imagenet-cache-{train,val,test}.pkl     "image_data", and "class_dict" of name -> places
    miniImageNet_category_split_{train_phase_train,val,test}.pickle      "data" and "labels"

FC100 (Oreshkin et al. 2018), 32 x 32 x 3, 600 images a class: FC100_{train,val,test}.pickle with
"data" and "labels".  They are read by `unpickle`, which runs nothing.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bilevel_core.errors import InputError
from problems.datasets import sizes, unpickle
from problems.datasets.home import places
from problems.datasets.images import ImageClasses, absent, stacked

FOLDERS = {
    "miniimagenet": ("miniimagenet", "mini-imagenet", "miniImageNet", ""),
    "fc100": ("fc100", "FC100", ""),
}
FILES = {
    ("miniimagenet", "train"): (
        "mini-imagenet-cache-train.pkl",
        "miniImageNet_category_split_train_phase_train.pickle",
    ),
    ("miniimagenet", "validation"): (
        "mini-imagenet-cache-val.pkl",
        "miniImageNet_category_split_val.pickle",
    ),
    ("miniimagenet", "test"): (
        "mini-imagenet-cache-test.pkl",
        "miniImageNet_category_split_test.pickle",
    ),
    ("fc100", "train"): ("FC100_train.pickle",),
    ("fc100", "validation"): ("FC100_val.pickle",),
    ("fc100", "test"): ("FC100_test.pickle",),
}
SIDES = {"miniimagenet": 84, "fc100": 32}


class Sizes(NamedTuple):
    """Classes of a split, and images in all."""

    classes: int
    images: int


SIZES = {
    ("miniimagenet", "train"): Sizes(64, 38_400),
    ("miniimagenet", "validation"): Sizes(16, 9_600),
    ("miniimagenet", "test"): Sizes(20, 12_000),
    ("fc100", "train"): Sizes(60, 36_000),
    ("fc100", "validation"): Sizes(20, 12_000),
    ("fc100", "test"): Sizes(20, 12_000),
}


def load(name: str, split: str, home: Path | None) -> ImageClasses:
    """One split: uint8 (classes, images a class, side, side, 3), classes in order of their names.

    Raises:
        InputError: no such file, or it holds something else.
    """
    files = FILES[name, split]
    for place in places(home, FOLDERS[name]):
        for file in files:
            path = place / file
            if path.is_file():
                wanted = sizes.expected(f"{name}.{split}", place, SIZES[name, split])
                return _read(path, path.stat().st_mtime_ns, SIDES[name], wanted)
    raise absent(f"{name}, {split} split", " or ".join(files), home, FOLDERS[name])


@functools.lru_cache(maxsize=3)
def _read(path: Path, changed: int, side: int, wanted: Sizes) -> ImageClasses:
    content = unpickle.load(path)
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds a {type(content).__name__}; expected a dictionary")
    if "image_data" in content and "class_dict" in content:
        images = _images(path, content["image_data"], side)
        where = _places(path, content["class_dict"])
    elif "data" in content and "labels" in content:
        images = _images(path, content["data"], side)
        where = _grouped(path, content["labels"], len(images))
    else:
        raise InputError(
            f"{path}: has keys {', '.join(sorted(map(str, content)))[:100]}; expected image_data "
            "and class_dict, or data and labels"
        )
    sizes.check("images", path, Sizes(len(where), len(images)), wanted)
    named = np.sort(np.concatenate(list(where.values())))
    if not np.array_equal(named, np.arange(len(images))):
        raise InputError(f"{path}: class_dict does not name each of the {len(images)} images once")
    return stacked(str(path), {name: list(images[where[name]]) for name in sorted(where)})


def _images(path: Path, images: Any, side: int) -> np.ndarray:
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.ndim != 4:
        raise InputError(f"{path}: images: expected a uint8 array of 4 axes")
    if images.shape[1:] != (side, side, 3):
        raise InputError(
            f"{path}: images of {' x '.join(map(str, images.shape[1:]))}; "
            f"expected {side} x {side} x 3"
        )
    return images


def _places(path: Path, classes: Any) -> dict[str, np.ndarray]:
    """Which images each class has, from name -> indices."""
    if not isinstance(classes, dict):
        raise InputError(f"{path}: class_dict: expected a dictionary")
    return {str(name): _integers(path, "class_dict", places) for name, places in classes.items()}


def _grouped(path: Path, labels: Any, count: int) -> dict[str, np.ndarray]:
    """Which images each class has, from a label an image."""
    numbers = _integers(path, "labels", labels)
    if len(numbers) != count:
        raise InputError(f"{path}: {len(numbers)} labels for {count} images")
    return {f"{label:05d}": np.flatnonzero(numbers == label) for label in np.unique(numbers)}


def _integers(path: Path, key: str, values: Any) -> np.ndarray:
    """The numbers of an array or list; nothing that nests is made an array of."""
    if isinstance(values, list | tuple) and all(
        type(value) is int and abs(value) < 2**63 for value in values
    ):
        return np.array(values, dtype=np.int64)
    if not isinstance(values, np.ndarray) or values.ndim != 1 or values.dtype.kind not in "iu":
        raise InputError(f"{path}: {key}: expected integers")
    return values.astype(np.int64)
