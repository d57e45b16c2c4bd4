"""20 Newsgroups as counts of words, from the cache of scikit-learn.

The posts are those of the "bydate" version, split by date into training and test; counts of a post
are divided by their Euclidean norm.  scikit-learn reads its own files, unpickling them, and
downloads them where they are not there, with its own checksum.  Before that their own checksums are
looked at, and after it whether they hold what the certified constants rest on: rows of norm 1,
numbers that are not negative, all posts, words and groups.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bilevel_core.errors import InputError, plain_reason
from bilevel_core.reading import DECODER_ERRORS
from problems.datasets import sizes
from problems.datasets.home import looked, missing, places, store

FOLDERS = ("scikit_learn_data", "")
"""Of a folder of data; what is downloaded goes into the first."""
POSTS, COUNTS = "20news-bydate_py3.pkz", "20newsgroup_vectorized_py3.pkl"
LARGEST = 2**27
"""Bytes of either, unpacked; the posts have 4 x 10^7."""
CHUNK = 2**20
NORM = 1e-9
"""How far from 1 the norm of a row may be: rounding."""


class Sizes(NamedTuple):
    """Numbers of posts, of words and of groups."""

    train: int
    test: int
    words: int
    classes: int


SIZES = Sizes(train=11_314, test=7_532, words=130_107, classes=20)


class Documents(NamedTuple):
    """Counts of words, a row a post, and labels in 0..classes-1.

    checksum: 32 hex digits that change with any of the numbers.
    """

    train: Any  # SciPy's csr, float64, (11314, 130107)
    train_labels: np.ndarray  # int64, (11314,)
    test: Any  # csr, (7532, 130107)
    test_labels: np.ndarray  # int64, (7532,)
    classes: int
    checksum: str


def load(home: Path | None = None) -> Documents:
    """Read the posts, from where they lie or else by downloading them.

    Raises:
        InputError: scikit-learn is not installed, or its files are nowhere or damaged.
    """
    folder = next((place for place in places(home, FOLDERS) if (place / POSTS).is_file()), None)
    if folder is None:
        folder, seen = store(home) / FOLDERS[0], looked(home, FOLDERS)
        try:
            _fetch(folder, "train", True)
        except OSError as error:
            words = f"scikit-learn's {POSTS} and {COUNTS}"
            raise missing("newsgroups", words, folder, seen, str(error)) from None
    stats = [(folder / name).stat() for name in (POSTS, COUNTS) if (folder / name).is_file()]
    stamps = tuple((one.st_mtime_ns, one.st_size) for one in stats)
    return _read(folder, stamps, sizes.expected("newsgroups", folder, SIZES))


@functools.lru_cache(maxsize=1)
def _read(folder: Path, stamps: tuple[tuple[int, int], ...], wanted: Sizes) -> Documents:
    for name in (POSTS, COUNTS):
        _check_archive(folder / name)
    try:
        parts = [*_fetch(folder, "train", False), *_fetch(folder, "test", False)]
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001  # what a pickle of scikit-learn's raises is not known
        raise InputError(
            f"{folder}: scikit-learn cannot read {POSTS} and {COUNTS}: {plain_reason(error)}"
        ) from None
    train, train_labels, test, test_labels = parts
    for matrix, own in ((train, train_labels), (test, test_labels)):
        _check_kind(folder, matrix, own)
    labels = [np.asarray(own, dtype=np.int64) for own in (train_labels, test_labels)]
    found = Sizes(train.shape[0], test.shape[0], train.shape[1], len(np.unique(labels[0])))
    sizes.check("newsgroups", folder, found, wanted)
    if test.shape[1] != wanted.words:
        raise InputError(f"{folder}: {test.shape[1]} words in test, {wanted.words} in training")
    for matrix, truth in ((train, labels[0]), (test, labels[1])):
        _check_rows(folder, matrix, truth, wanted.classes)
    return Documents(
        train, labels[0], test, labels[1], wanted.classes, _checksum(train, test, *labels)
    )


def _check_archive(path: Path) -> None:
    """Unpack a file without keeping it: a reader that stops early does not see its checksum.

    Raises:
        InputError: it is cut short, damaged or too large.
    """
    try:
        with path.open("rb") as file:
            unpacking, size = zlib.decompressobj(), 0
            while not unpacking.eof:
                packed = unpacking.unconsumed_tail or file.read(CHUNK)
                if not packed:
                    raise EOFError("cut short")
                size += len(unpacking.decompress(packed, CHUNK))
                if size > LARGEST:
                    raise ValueError(f"more than {LARGEST} bytes, unpacked")
    except FileNotFoundError:
        return
    except DECODER_ERRORS as error:
        raise InputError(f"{path}: scikit-learn cannot read it: {plain_reason(error)}") from None


def _check_kind(folder: Path, matrix: Any, labels: Any) -> None:
    if getattr(matrix, "format", None) != "csr" or matrix.dtype != np.float64:
        raise InputError(f"{folder}: {COUNTS}: expected matrices in SciPy's csr format")
    if not isinstance(labels, np.ndarray) or labels.dtype.kind not in "iu" or labels.ndim != 1:
        raise InputError(f"{folder}: {POSTS}: expected labels that are whole numbers")
    if len(labels) != matrix.shape[0]:
        raise InputError(
            f"{folder}: {COUNTS} has counts of {matrix.shape[0]} posts for the "
            f"{len(labels)} labels of {POSTS}"
        )


def _check_rows(folder: Path, matrix: Any, labels: np.ndarray, classes: int) -> None:
    """Hold counts and labels against what the constants of the family rest on."""
    if not 0 <= labels.min() <= labels.max() < classes:
        raise InputError(
            f"{folder}: {POSTS}: labels from {labels.min()} to {labels.max()}, "
            f"expected 0 to {classes - 1}"
        )
    try:
        matrix.check_format(full_check=True)
        merged = matrix.copy()
        merged.sum_duplicates()
    except DECODER_ERRORS as error:
        raise InputError(f"{folder}: {COUNTS}: {plain_reason(error)}") from None
    if merged.nnz != matrix.nnz:
        raise InputError(f"{folder}: {COUNTS}: counts a word of a post twice")
    least = matrix.data.min(initial=0.0)
    if not least >= 0.0:  # not a number, too
        raise InputError(f"{folder}: {COUNTS}: a count of {least}, expected >= 0")
    norms = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).reshape(-1))
    worst = int(np.argmax(np.abs(norms - 1.0)))
    if not abs(norms[worst] - 1.0) <= NORM:
        raise InputError(
            f"{folder}: {COUNTS}: the counts of post {worst} have norm {norms[worst]:.6g}, "
            "expected 1; scikit-learn divides by the norm what is in csr format and not empty"
        )


def _fetch(folder: Path, subset: str, download: bool) -> tuple[Any, np.ndarray]:
    try:
        from sklearn.datasets import fetch_20newsgroups_vectorized
    except ImportError as error:
        raise InputError(
            "the data 'newsgroups' is read by scikit-learn: pip install 'bilevel-bench[data]'"
        ) from error
    # On a damaged file it prints before it raises.
    with contextlib.redirect_stdout(io.StringIO()):
        return fetch_20newsgroups_vectorized(
            subset=subset,
            data_home=folder,
            download_if_missing=download,
            return_X_y=True,
            n_retries=1,
        )


def _checksum(train: Any, test: Any, *labels: np.ndarray) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    counts = (
        part for matrix in (train, test) for part in (matrix.data, matrix.indices, matrix.indptr)
    )
    for array in (*counts, *labels):
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
