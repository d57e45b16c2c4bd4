"""20 Newsgroups as counts of words, from the cache of scikit-learn.

The posts are those of the "bydate" version, split by date into training and test; counts of a post
are divided by their Euclidean norm.  scikit-learn reads its own files, unpickling them, and
downloads them where they are not there, with its own checksum.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bilevel_core.errors import InputError
from problems.datasets import sizes
from problems.datasets.home import candidates, missing, store

FOLDERS = ("scikit_learn_data", ".")
"""Of a folder of data; what is downloaded goes into the first."""
ROUNDING = 1e-9
"""Of the norm of a post's counts, which certified constants take for 1."""
POSTS, COUNTS = "20news-bydate_py3.pkz", "20newsgroup_vectorized_py3.pkl"


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
    folder = next(
        (folder / own for folder in candidates(home) for own in FOLDERS if _is_here(folder / own)),
        None,
    )
    if folder is None:
        folder = store(home) / FOLDERS[0]
        try:
            _fetch(folder, "train", True)
        except OSError as error:
            words = f"scikit-learn's {POSTS} and {COUNTS}"
            raise missing("newsgroups", words, folder, str(error)) from None
    stats = [(folder / name).stat() for name in (POSTS, COUNTS) if (folder / name).is_file()]
    return _read(folder, tuple((one.st_mtime_ns, one.st_size) for one in stats))


def _is_here(folder: Path) -> bool:
    return (folder / POSTS).is_file()


@functools.lru_cache(maxsize=1)
def _read(folder: Path, stamps: tuple[tuple[int, int], ...]) -> Documents:
    try:
        parts = [*_fetch(folder, "train", False), *_fetch(folder, "test", False)]
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001  # what a damaged pickle raises is not known
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{folder}: scikit-learn cannot read {POSTS} and {COUNTS}: {reason}"
        ) from None
    train, train_labels, test, test_labels = parts
    labels = [np.asarray(each, dtype=np.int64) for each in (train_labels, test_labels)]
    for matrix, own in zip((train, test), labels, strict=True):
        if matrix.shape != (len(own), train.shape[1]):
            raise InputError(
                f"{folder}: {COUNTS} has counts of {matrix.shape[0]} posts and "
                f"{matrix.shape[1]} words for the {len(own)} labels of {POSTS}"
            )
    counted = {
        "train": len(labels[0]),
        "test": len(labels[1]),
        "classes": len(np.unique(labels[0])),
    }
    sizes.check("newsgroups", folder, folder, counted)
    for matrix in (train, test):
        norms = np.sqrt(np.asarray(matrix.multiply(matrix).sum(1)).ravel())
        if not (abs(norms - 1.0) <= ROUNDING).all():
            furthest = norms[np.argmax(np.nan_to_num(abs(norms - 1.0), nan=np.inf))]
            raise InputError(
                f"{folder}: {COUNTS} has a post whose counts have norm {furthest:g}; expected 1"
            )
    if labels[0].min() < 0 or not 0 <= labels[1].min() <= labels[1].max() <= labels[0].max():
        raise InputError(f"{folder}: {POSTS} has groups that are not among those of training")
    return Documents(
        train,
        labels[0],
        test,
        labels[1],
        int(labels[0].max()) + 1,
        _checksum(train, test, *labels),
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
