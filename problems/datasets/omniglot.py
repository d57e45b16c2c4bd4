"""Omniglot (Lake, Salakhutdinov and Tenenbaum 2015): characters drawn by 20 people each.

The archives of brendenlake/omniglot, as zips or unpacked: ALPHABET/CHARACTER/DRAWING.png, black
ink on white, 105 x 105.  Here a drawing has 28 x 28 pixels, by averaging areas, and ink is 255.

    omniglot       images_background_small1 and images_background_small2; two of their alphabets
                   are in both, so that 242 of 292 characters are different ones
    omniglot_full  images_background and images_evaluation, 1,623 characters

A part has to hold all that was published (`PARTS`), whether it is a zip or a folder; one that does
not is passed over for a whole one beside it.

A character is known by its alphabet and number.  Of five consecutive characters of an alphabet
three are for training, one for validation, one for test: no seed decides it.
"""

from __future__ import annotations

import functools
import io
import struct
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bilevel_core.errors import InputError, plain_reason
from bilevel_core.reading import DECODER_ERRORS
from problems.datasets import drawings, sizes
from problems.datasets.home import candidates, places_in
from problems.datasets.images import ImageClasses, absent, image_classes, stacked

FOLDERS = ("omniglot", "omniglot-py", "omniglot/python", "omniglot-master/python", "")


class Sizes(NamedTuple):
    """What a part holds."""

    alphabets: int
    characters: int
    drawings: int


PARTS = {
    "images_background_small1": Sizes(5, 136, 2_720),
    "images_background_small2": Sizes(5, 156, 3_120),
    "images_background": Sizes(30, 964, 19_280),
    "images_evaluation": Sizes(20, 659, 13_180),
}
SETS = {
    "omniglot": ("images_background_small1", "images_background_small2"),
    "omniglot_full": ("images_background", "images_evaluation"),
}
DRAWN, SIDE = 105, 28
_SPLIT_OF = ("train", "train", "train", "validation", "test")
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEAD = _SIGNATURE + b"\0\0\0\rIHDR"


class _Part(NamedTuple):
    """A part as it lies on disk, and a stamp that says when any of it was changed."""

    path: Path
    stamp: tuple[int, ...]


def load(name: str, split: str, home: Path | None) -> ImageClasses:
    """One split: uint8 (characters, 20, 28, 28, 1), names "Alphabet/character01".

    Raises:
        InputError: a part is missing, or is not what it should be.
    """
    everything = _read(tuple(_find(part, name, home) for part in SETS[name]))
    seen: dict[str, int] = {}
    chosen = []
    for index, character in enumerate(everything.names):
        alphabet = character.split("/")[0]
        place = seen[alphabet] = seen.get(alphabet, -1) + 1
        if _SPLIT_OF[place % len(_SPLIT_OF)] == split:
            chosen.append(index)
    return image_classes(everything.images[chosen], [everything.names[index] for index in chosen])


def _find(part: str, name: str, home: Path | None) -> _Part:
    """The part, whole, from the first folder of data that has any of it.

    Raises:
        InputError: it is nowhere, or not whole where it was found first.
    """
    for candidate in candidates(home):
        complaints = []
        for place in places_in(candidate, FOLDERS):
            for path in (place / part, place / f"{part}.zip"):
                if not (path.is_dir() or path.is_file()):
                    continue
                try:
                    return _whole(path, sizes.expected(part, place, PARTS[part]))
                except InputError as error:
                    complaints.append(error)
        if complaints:
            raise complaints[0]
    both = " and ".join(f"{each}.zip" for each in SETS[name])
    raise absent(name, f"{both} (github.com/brendenlake/omniglot)", home, FOLDERS)


def _whole(path: Path, wanted: Sizes) -> _Part:
    drawn = drawings.where(path)
    found = Sizes(len({key[0] for key in drawn}), len({key[:2] for key in drawn}), len(drawn))
    sizes.check("Omniglot", path, found, wanted)
    if path.is_dir():
        stats = [file.stat() for file in drawn.values()]
        stamp = max(one.st_mtime_ns for one in stats), sum(one.st_size for one in stats)
        return _Part(path, stamp)
    return _Part(path, (path.stat().st_mtime_ns, path.stat().st_size))


@functools.lru_cache(maxsize=2)
def _read(parts: tuple[_Part, ...]) -> ImageClasses:
    """All characters of some archives, sorted."""
    found: dict[drawings.Key, np.ndarray] = {}
    for part in parts:
        for key, text in drawings.texts(part.path).items():
            if key not in found:
                found[key] = _small(text, part.path, "/".join(key))
    by_character: dict[str, list[np.ndarray]] = {}
    for alphabet, character, drawing in sorted(found):
        image = found[alphabet, character, drawing]
        by_character.setdefault(f"{alphabet}/{character}", []).append(image)
    return stacked(" and ".join(str(part.path) for part in parts), by_character)


def _small(text: bytes, part: Path, name: str) -> np.ndarray:
    """A drawing as uint8 (28, 28, 1), ink 255."""
    image_module = _pillow()
    if not text.startswith(_HEAD) or len(text) < len(_HEAD) + 8:
        raise InputError(f"{part}: {name} is not a PNG")
    width, height = struct.unpack_from(">2I", text, len(_HEAD))
    if (width, height) != (DRAWN, DRAWN):
        raise InputError(
            f"{part}: {name} has {width} x {height} pixels; expected {DRAWN} x {DRAWN}"
        )
    try:
        _check_chunks(text)
        with image_module.open(io.BytesIO(text), formats=["PNG"]) as image:
            grey = image.convert("L")
            small = grey.resize((SIDE, SIDE), image_module.Resampling.BOX)
    except (*DECODER_ERRORS, SyntaxError, image_module.DecompressionBombError) as error:
        raise InputError(f"{part}: {name} is not a PNG: {plain_reason(error)}") from error
    return 255 - np.asarray(small, np.uint8)[..., None]


def _check_chunks(text: bytes) -> None:
    """Hold the chunks of a PNG against their checksums, as Pillow does not do for its pixels."""
    kinds, start = [], len(_SIGNATURE)
    while start < len(text):
        (length,) = struct.unpack_from(">I", text, start)
        kinds.append(text[start + 4 : start + 8])
        (stated,) = struct.unpack_from(">I", text, start + 8 + length)
        if zlib.crc32(text[start + 4 : start + 8 + length]) != stated:
            raise ValueError("a checksum is not that of its content")
        start += 12 + length
    if kinds.count(b"IHDR") != 1 or kinds[-1] != b"IEND":
        raise ValueError("cut short, or with two heads")


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise InputError(
            "dataset: Omniglot needs Pillow to read its drawings: pip install 'bilevel-bench[data]'"
        ) from error
    return Image
