"""How much of a data set has to be there, so that a part is never taken for the whole.

The published sizes, or those that a file `sizes.json` beside the data states, for a subset of one's
own: {"mnist": {"train": 500, "test": 100}}, names as below.  Counted on the published files of
MNIST, 20 Newsgroups and the two small Omniglot archives; the others are from memory, of the papers
and of torchvision's pages.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from bilevel_core.errors import InputError
from bilevel_core.reading import DECODER_ERRORS

PUBLISHED: Mapping[str, Mapping[str, int]] = {
    "mnist": {"train": 60_000, "test": 10_000},
    "fashion_mnist": {"train": 60_000, "test": 10_000},
    "newsgroups": {"train": 11_314, "test": 7_532, "classes": 20},
    "images_background_small1": {"alphabets": 5, "characters": 136, "drawings": 2_720},
    "images_background_small2": {"alphabets": 5, "characters": 156, "drawings": 3_120},
    "images_background": {"alphabets": 30, "characters": 964, "drawings": 19_280},
    "images_evaluation": {"alphabets": 20, "characters": 659, "drawings": 13_180},
    "miniimagenet train": {"classes": 64, "images": 38_400},
    "miniimagenet validation": {"classes": 16, "images": 9_600},
    "miniimagenet test": {"classes": 20, "images": 12_000},
    "fc100 train": {"classes": 60, "images": 36_000},
    "fc100 validation": {"classes": 20, "images": 12_000},
    "fc100 test": {"classes": 20, "images": 12_000},
}
FILE = "sizes.json"
SUBSET = f"a subset of your own states its own in {FILE}"
LARGEST = 2**16
"""Bytes of that file."""


def expected(name: str, folder: Path) -> Mapping[str, int]:
    """The sizes that a data set, or a part of one, has to have in this folder.

    Raises:
        InputError: the folder's `sizes.json` is not what it should be.
    """
    path = folder / FILE
    if not path.is_file():
        return PUBLISHED[name]
    try:
        with path.open("rb") as file:
            stated = json.loads(file.read(LARGEST))
        own = {**stated}.get(name, PUBLISHED[name])
        sizes = {key: own[key] for key in PUBLISHED[name]}
    except DECODER_ERRORS as error:
        keys = ", ".join(PUBLISHED[name])
        raise InputError(f"{path}: expected {{{name!r}: numbers of {keys}}}, got none") from error
    for key, value in sizes.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InputError(f"{path}: {name}: {key}: expected an integer >= 1")
    return sizes


def wrong(name: str, folder: Path, found: Mapping[str, int]) -> str:
    """What is missing or too many, in words; "" where the sizes are those expected.

    Raises:
        InputError: as `expected`.
    """
    wanted = expected(name, folder)
    for key, value in wanted.items():
        if found[key] != value:
            return f"found {found[key]} {key}, expected {value} of {name}"
    return ""


def check(name: str, folder: Path, place: Path, found: Mapping[str, int]) -> None:
    """Refuse what is not whole.

    place: what was read; folder: where its `sizes.json` would be.

    Raises:
        InputError: a size is another one.
    """
    complaint = wrong(name, folder, found)
    if complaint:
        raise InputError(f"{place}: {complaint}; {SUBSET}")
