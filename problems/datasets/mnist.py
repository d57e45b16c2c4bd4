"""MNIST and Fashion-MNIST: grey images of ten classes, from the IDX files that everyone has.

A file has to be the official file, by the MD5 of the numbers in it, however they are packed; but
for a set of one's own that says its sizes (`sizes`): `Digits.checksum` tells them apart.
"""

from __future__ import annotations

import functools
import urllib.request
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bilevel_core.errors import InputError
from problems.checks import choice
from problems.datasets import idx
from problems.datasets.download import Opener, fetch, md5
from problems.datasets.home import looked, missing, places, store
from problems.datasets.sizes import expected

CLASSES = 10
DATASETS = ("mnist", "fashion_mnist")
FOLDERS = {
    "mnist": ("mnist", "MNIST/raw"),
    "fashion_mnist": ("fashion-mnist", "FashionMNIST/raw"),
}
"""Of a folder of data; what is downloaded goes into the first."""
ADDRESSES = {
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    "fashion_mnist": (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
}


class Sizes(NamedTuple):
    """Numbers of images, and of their pixels."""

    train: int
    test: int
    height: int
    width: int


SIZES = Sizes(train=60_000, test=10_000, height=28, width=28)


class Published(NamedTuple):
    """One file as it was published."""

    name: str
    archive: str  # MD5 of the .gz
    numbers: str  # MD5 of what is in it


NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
FILES = {
    "mnist": (
        Published(NAMES[0], "f68b3c2dcbeaaa9fbdd348bbdeb94873", "6bbc9ace898e44ae57da46a324031adb"),
        Published(NAMES[1], "d53e105ee54ea40749a09fcbcd1e9432", "a25bea736e30d166cdddb491f175f624"),
        Published(NAMES[2], "9fb629c4189551a2d022fa330f9573f3", "2646ac647ad5339dbf082846283269ea"),
        Published(NAMES[3], "ec29112dd5afa0611ce80d1b7f02629c", "27ae3e4e09519cfbb04c329615203637"),
    ),
    "fashion_mnist": (
        Published(NAMES[0], "8d4fb7e6c68d591d4c3dfef9ec88bf0d", "f4a8712d7a061bf5bd6d2ca38dc4d50a"),
        Published(NAMES[1], "25c81989df183df01b3e8a0aad5dffbe", "9018921c3c673c538a1fc5bad174d6f9"),
        Published(NAMES[2], "bef4ecab320f06d8554ea6380940ec79", "8181f5470baa50b63fa0f6fddb340f0a"),
        Published(NAMES[3], "bb300cfdad3c16e7a12a480ee83cd310", "15d484375f8d13e6eb1aabb0c3f46965"),
    ),
}


class Digits(NamedTuple):
    """Images, a row each, and labels in 0..9; all arrays are read-only.

    checksum: 32 hex digits that change with any of the numbers.
    """

    train_images: np.ndarray  # uint8, (60000, 784)
    train_labels: np.ndarray  # int64, (60000,)
    test_images: np.ndarray  # uint8, (10000, 784)
    test_labels: np.ndarray  # int64, (10000,)
    checksum: str


def load(
    home: Path | None = None, name: str = "mnist", opener: Opener = urllib.request.urlopen
) -> Digits:
    """Read one of `DATASETS`, from where it lies or else by downloading it.

    Raises:
        InputError: it is nowhere and cannot be downloaded, or a file is damaged or another one.
    """
    choice("dataset", name, DATASETS)
    place, paths = _found(home, name) or _downloaded(home, name, opener)
    wanted = expected(name, place, SIZES)
    # Stamps, so that what changes on disk is read again.
    stamps = tuple((path, path.stat().st_mtime_ns, path.stat().st_size) for path in paths)
    return _read(name, stamps, wanted)


def _found(home: Path | None, name: str) -> tuple[Path, list[Path]] | None:
    """The first folder that has all four files, and those; None where there is no such."""
    for place in places(home, FOLDERS[name]):
        found = [_path(place, file.name) for file in FILES[name]]
        if all(path is not None for path in found):
            return place, [path for path in found if path is not None]
    return None


def _path(folder: Path, name: str) -> Path | None:
    """A file under one of its names: with a dot, in gzip, in a folder that unpacking it made."""
    names = (name, name.replace("-idx", ".idx"))
    either = [folder / own for one in names for own in (one, f"{one}.gz")]
    within = [folder / outer / inner for outer in names for inner in names]
    return next((path for path in (*either, *within) if path.is_file()), None)


def _downloaded(home: Path | None, name: str, opener: Opener) -> tuple[Path, list[Path]]:
    folder = store(home) / FOLDERS[name][0]
    paths = []
    for file in FILES[name]:
        path = _path(folder, file.name)
        if path is None:
            path = folder / f"{file.name}.gz"
            urls = [f"{address}{path.name}" for address in ADDRESSES[name]]
            try:
                fetch(urls, path, file.archive, opener)
            except InputError as error:
                seen = looked(home, FOLDERS[name])
                words = f"{NAMES[0]}.gz and the other three"
                raise missing(name, words, folder, seen, str(error)) from None
        paths.append(path)
    return folder, paths


@functools.lru_cache(maxsize=2)
def _read(name: str, stamps: tuple[tuple[Path, int, int], ...], wanted: Sizes) -> Digits:
    shapes = [
        shape
        for count in (wanted.train, wanted.test)
        for shape in ((count, wanted.height, wanted.width), (count,))
    ]
    arrays, sums = [], []
    for file, (path, _, _), shape in zip(FILES[name], stamps, shapes, strict=True):
        array, content = idx.read(path, shape, name)
        found = md5(content)
        if wanted == SIZES and found != file.numbers:
            raise InputError(
                f"{path}: has the size of the official file and other content: MD5 {found} "
                f"unpacked, expected {file.numbers}"
            )
        arrays.append(array)
        sums.append(found)
    return Digits(
        arrays[0].reshape(wanted.train, -1),
        _labels(stamps[1][0], arrays[1]),
        arrays[2].reshape(wanted.test, -1),
        _labels(stamps[3][0], arrays[3]),
        checksum=md5("".join(sums).encode()),
    )


def _labels(path: Path, labels: np.ndarray) -> np.ndarray:
    if labels.max() >= CLASSES:
        raise InputError(f"{path}: expected labels from 0 to {CLASSES - 1}, got {labels.max()}")
    whole = labels.astype(np.int64)
    whole.flags.writeable = False
    return whole
