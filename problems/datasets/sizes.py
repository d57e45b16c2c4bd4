"""How much a data set holds: as it was published, or as a file beside a set of one's own says.

A part is never taken for the whole: what is found has to be what is expected.  A set of one's own,
such as a subset, says its sizes itself, in NAME.sizes.json beside its files: {"train": 600, ...}.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple, TypeVar

from bilevel_core.errors import InputError, plain_reason
from bilevel_core.reading import DECODER_ERRORS

SIZES = TypeVar("SIZES", bound=NamedTuple)
LARGEST = 4096
"""Bytes of a file of sizes that are read."""


def expected(name: str, folder: Path, published: SIZES) -> SIZES:
    """The sizes of a set whose files lie in `folder`.

    Raises:
        InputError: there is a file of sizes that is not one.
    """
    path = folder / f"{name}.sizes.json"
    if not path.is_file():
        return published
    try:
        with path.open("rb") as file:
            stated = json.loads(file.read(LARGEST))
    except DECODER_ERRORS as error:
        raise InputError(f"{path}: cannot be read: {plain_reason(error)}") from None
    fields = published._fields
    if (
        not isinstance(stated, dict)
        or set(stated) != set(fields)
        or not all(type(size) is int and 0 < size < 2**31 for size in stated.values())
    ):
        raise InputError(f"{path}: expected whole numbers > 0 for {', '.join(fields)}")
    return published._replace(**stated)


def check(what: str, place: Path, found: SIZES, wanted: SIZES) -> None:
    """Hold what was found against what is expected.

    Raises:
        InputError: a size differs.
    """
    if found != wanted:
        raise InputError(
            f"{what}: looked in {place}, found {_words(found, wanted)}, "
            f"expected {_words(wanted, found)}"
        )


def _words(sizes: NamedTuple, other: NamedTuple) -> str:
    """The sizes that differ from the others, with their names."""
    pairs = zip(sizes._fields, sizes, other, strict=True)
    return ", ".join(f"{size:,} {field}" for field, size, not_this in pairs if size != not_this)
