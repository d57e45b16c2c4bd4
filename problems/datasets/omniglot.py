"""Omniglot (Lake, Salakhutdinov and Tenenbaum 2015): characters drawn by 20 people each.

The archives of brendenlake/omniglot, as zips or unpacked: ALPHABET/CHARACTER/DRAWING.png, black
ink on white, 105 x 105.  Here a drawing has 28 x 28 pixels, by averaging areas, and ink is 255.

    omniglot       images_background_small1 and images_background_small2; two of their alphabets
                   are in both, so that 242 of 292 characters are different ones
    omniglot_full  images_background and images_evaluation, 1,623 characters

A character is known by its alphabet and number.  Of five consecutive characters of an alphabet
three are for training, one for validation, one for test: no seed decides it.
"""

from __future__ import annotations

import functools
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bilevel_core.errors import InputError
from bilevel_core.reading import DECODER_ERRORS
from problems.datasets import sizes
from problems.datasets.home import candidates
from problems.datasets.images import ImageClasses, absent, stacked

SETS = {
    "omniglot": ("images_background_small1", "images_background_small2"),
    "omniglot_full": ("images_background", "images_evaluation"),
}
FOLDERS = ("omniglot", "omniglot/omniglot", "omniglot-py", "")
DRAWN, SIDE = 105, 28
LARGEST = 2**20
"""Bytes of a drawing's file; a usual one has 300."""
_SPLIT_OF = ("train", "train", "train", "validation", "test")


def load(name: str, split: str, home: Path | None) -> ImageClasses:
    """One split: uint8 (characters, 20, 28, 28, 1), names "Alphabet/character01".

    Raises:
        InputError: a part is missing, or is not what it should be.
    """
    parts = tuple(_find(part, name, home) for part in SETS[name])
    everything = _read(tuple((part, part.stat().st_mtime_ns) for part in parts))
    places: dict[str, int] = {}
    chosen = []
    for index, character in enumerate(everything.names):
        alphabet = character.split("/")[0]
        place = places[alphabet] = places.get(alphabet, -1) + 1
        if _SPLIT_OF[place % len(_SPLIT_OF)] == split:
            chosen.append(index)
    images = everything.images[chosen]
    images.flags.writeable = False
    return ImageClasses(images, tuple(everything.names[index] for index in chosen))


def _find(part: str, name: str, home: Path | None) -> Path:
    """The whole of an archive, unpacked or as a zip, in the first folder of data that has any."""
    for candidate in candidates(home):
        complaints = []
        for own in (candidate / folder for folder in FOLDERS):
            for path in (own / part, own / f"{part}.zip"):
                if not (path.is_dir() or path.is_file()):
                    continue
                complaint = sizes.wrong(part, own, _counted(path))
                if not complaint:
                    return path
                complaints.append(f"{path}: {complaint}")
        if complaints:
            raise InputError(
                f"{complaints[0]}; a subset of your own states its own in {sizes.FILE}"
            )
    both = " and ".join(f"{each}.zip" for each in SETS[name])
    raise absent(name, f"{both} (github.com/brendenlake/omniglot)", "omniglot")


def _counted(part: Path) -> dict[str, int]:
    keys = [key for key, _ in _listed(part)]
    alphabets = {alphabet for alphabet, _, _ in keys}
    characters = {(alphabet, character) for alphabet, character, _ in keys}
    drawings = len(set(keys))
    return {"alphabets": len(alphabets), "characters": len(characters), "drawings": drawings}


@functools.lru_cache(maxsize=2)
def _read(parts: tuple[tuple[Path, int], ...]) -> ImageClasses:
    """All characters of some archives, sorted; the second of a pair says when it was changed."""
    found: dict[tuple[str, str, str], np.ndarray] = {}
    for part, _ in parts:
        for key, text in _drawings(part):
            if key not in found:
                found[key] = _small(text, part, "/".join(key))
    by_character: dict[str, list[np.ndarray]] = {}
    for alphabet, character, drawing in sorted(found):
        image = found[alphabet, character, drawing]
        by_character.setdefault(f"{alphabet}/{character}", []).append(image)
    return stacked(" and ".join(str(part) for part, _ in parts), by_character)


Key = tuple[str, str, str]
"""Alphabet, character and file of a drawing."""


def _drawings(part: Path) -> Iterator[tuple[Key, bytes]]:
    """Every drawing with its bytes."""
    if part.is_dir():
        for key, path in _listed(part):
            with open(path, "rb") as file:
                yield key, file.read(LARGEST)
        return
    try:
        with zipfile.ZipFile(part) as archive:
            for key, entry in _listed(part):
                yield key, archive.read(entry)
    except DECODER_ERRORS as error:
        raise InputError(f"{part}: not a readable zip: {error}") from error


def _listed(part: Path) -> list[tuple[Key, str]]:
    """Every drawing with its path or its name in the archive; what others left is passed over."""
    try:
        if part.is_dir():
            files = [path for path in part.rglob("*.png") if path.is_file()]
            named = [(path.as_posix(), path.stat().st_size) for path in files]
        else:
            with zipfile.ZipFile(part) as archive:
                named = [(entry.filename, entry.file_size) for entry in archive.infolist()]
    except DECODER_ERRORS as error:
        raise InputError(f"{part}: not a readable zip: {error}") from error
    found = []
    for name, size in named:
        parts = name.split("/")
        # macOS puts a "._drawing.png" beside each drawing, and __MACOSX into archives.
        is_drawing = len(parts) >= 3 and parts[-1].endswith(".png") and size <= LARGEST
        if is_drawing and "__MACOSX" not in parts and not parts[-1].startswith("."):
            found.append(((parts[-3], parts[-2], parts[-1]), name))
    return found


def _small(text: bytes, part: Path, name: str) -> np.ndarray:
    """A drawing as uint8 (28, 28, 1), ink 255."""
    image_module = _pillow()
    try:
        with image_module.open(io.BytesIO(text), formats=["PNG"]) as image:
            if image.size != (DRAWN, DRAWN):
                raise InputError(
                    f"{part}: {name} has {image.size[0]} x {image.size[1]} pixels; expected "
                    f"{DRAWN} x {DRAWN}"
                )
            grey = image.convert("L")
            small = grey.resize((SIDE, SIDE), image_module.Resampling.BOX)
    except InputError:
        raise
    except (*DECODER_ERRORS, SyntaxError, image_module.DecompressionBombError) as error:
        raise InputError(f"{part}: {name} is not a PNG: {error}") from error
    return 255 - np.asarray(small, np.uint8)[..., None]


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise InputError(
            "dataset: Omniglot needs Pillow to read its drawings: pip install 'bilevel-bench[data]'"
        ) from error
    return Image
