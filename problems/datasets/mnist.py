"""MNIST and Fashion-MNIST: grey images of ten classes, from the IDX files that everyone has.

A file of the official size has to be the official file: MD5 of the archive, as torchvision states
it, or of the numbers in it, for archives that were packed anew.  Files of another size are refused
unless a `sizes.json` beside them states it (`sizes`); `Digits.checksum` tells subsets apart.
"""

from __future__ import annotations

import functools
import re
import urllib.request
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bilevel_core.errors import InputError
from problems.checks import choice
from problems.datasets import idx, sizes
from problems.datasets.download import Opener, fetch, md5
from problems.datasets.home import candidates, missing, store

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


class Published(NamedTuple):
    """One file as it was published."""

    name: str
    dimensions: int
    size: int  # bytes, unpacked
    archive: str  # MD5 of the .gz
    numbers: str  # MD5 of what is in it


FILES = {
    "mnist": (
        Published(
            "train-images-idx3-ubyte",
            3,
            47_040_016,
            "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "6bbc9ace898e44ae57da46a324031adb",
        ),
        Published(
            "train-labels-idx1-ubyte",
            1,
            60_008,
            "d53e105ee54ea40749a09fcbcd1e9432",
            "a25bea736e30d166cdddb491f175f624",
        ),
        Published(
            "t10k-images-idx3-ubyte",
            3,
            7_840_016,
            "9fb629c4189551a2d022fa330f9573f3",
            "2646ac647ad5339dbf082846283269ea",
        ),
        Published(
            "t10k-labels-idx1-ubyte",
            1,
            10_008,
            "ec29112dd5afa0611ce80d1b7f02629c",
            "27ae3e4e09519cfbb04c329615203637",
        ),
    ),
    "fashion_mnist": (
        Published(
            "train-images-idx3-ubyte",
            3,
            47_040_016,
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        ),
        Published(
            "train-labels-idx1-ubyte",
            1,
            60_008,
            "25c81989df183df01b3e8a0aad5dffbe",
            "9018921c3c673c538a1fc5bad174d6f9",
        ),
        Published(
            "t10k-images-idx3-ubyte",
            3,
            7_840_016,
            "bef4ecab320f06d8554ea6380940ec79",
            "8181f5470baa50b63fa0f6fddb340f0a",
        ),
        Published(
            "t10k-labels-idx1-ubyte",
            1,
            10_008,
            "bb300cfdad3c16e7a12a480ee83cd310",
            "15d484375f8d13e6eb1aabb0c3f46965",
        ),
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
    paths = _paths(home, name) or _download(home, name, opener)
    # Stamps, so that what changes on disk is read again.
    stamps = tuple((path, path.stat().st_mtime_ns, path.stat().st_size) for path in paths)
    return _read(name, stamps)


def _paths(home: Path | None, name: str) -> list[Path]:
    """The four files in the first folder that has all of them; none where there is no such."""
    for folder in candidates(home):
        for own in FOLDERS[name]:
            for place in (folder / own, folder / own / Path(own).name):
                found = [_path(place, file.name) for file in FILES[name]]
                if all(path is not None for path in found):
                    return [path for path in found if path is not None]
    return []


def _path(folder: Path, name: str) -> Path | None:
    # Some have a dot where the published names have a dash, as in train-images.idx3-ubyte.
    dotted = re.sub(r"-(?=idx\d)", ".", name)
    four = (folder / f"{each}{end}" for each in (name, dotted) for end in ("", ".gz"))
    return next((path for path in four if path.is_file()), None)


def _download(home: Path | None, name: str, opener: Opener) -> list[Path]:
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
                words = "the four IDX files, such as train-images-idx3-ubyte.gz,"
                raise missing(name, words, folder, str(error)) from None
        paths.append(path)
    return paths


@functools.lru_cache(maxsize=2)
def _read(name: str, stamps: tuple[tuple[Path, int, int], ...]) -> Digits:
    paths = [path for path, _, _ in stamps]
    contents = [idx.content(path, file.size) for path, file in zip(paths, FILES[name], strict=True)]
    sums = [md5(content) for content in contents]
    arrays = []
    for file, path, content, found in zip(FILES[name], paths, contents, sums, strict=True):
        arrays.append(idx.parse(path, content, file.dimensions))
        official = found == file.numbers or len(content) != file.size
        if not official and md5(path.read_bytes()) != file.archive:
            raise InputError(
                f"{path}: has the size of the official file and other content: MD5 {found} "
                f"unpacked, expected {file.numbers}"
            )
    train = _set(paths[0], paths[1], arrays[0], arrays[1])
    test = _set(paths[2], paths[3], arrays[2], arrays[3])
    counted = {"train": len(arrays[0]), "test": len(arrays[2])}
    sizes.check(name, paths[0].parent, paths[0].parent, counted)
    return Digits(
        *train,
        *test,
        checksum=md5("".join(sums).encode()),
    )


def _set(
    images_path: Path, labels_path: Path, images: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Images as rows, and their labels."""
    if not images.size or len(images) != len(labels):
        raise InputError(
            f"{labels_path}: {len(labels)} labels for the {len(images)} images of {images_path}"
        )
    if labels.max() >= CLASSES:
        raise InputError(
            f"{labels_path}: expected labels from 0 to {CLASSES - 1}, got {labels.max()}"
        )
    whole = labels.astype(np.int64)
    whole.flags.writeable = False
    return images.reshape(len(images), -1), whole
