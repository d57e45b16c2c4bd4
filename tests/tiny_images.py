"""Real formats with tiny contents: Omniglot's archives, miniImageNet's and FC100's pickles."""

import io
import pickle
import zipfile

import numpy as np
from PIL import Image, ImageDraw
from tiny_data import write_sizes

DRAWINGS = 4
ALPHABETS = {
    "images_background_small1": {"Alpha": 5, "Beta": 7},
    "images_background_small2": {"Beta": 7, "Gamma": 5},
}
CHARACTERS = 17
"""Different ones: Beta is in both archives."""
TINY = {"width": 3, "tasks": 2, "ways": 2, "queries": 1}
"""Options of the family for such data."""


def png(image):
    """The bytes of a PNG."""
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def drawing(name, number):
    """Black strokes on white, those of the name, and a little moved by the number."""
    image = Image.new("1", (105, 105), 1)
    random, hand = np.random.default_rng([*name.encode()]), np.random.default_rng(number)
    points = random.integers(10, 95, (4, 2)) + hand.integers(-4, 5, (4, 2))
    ImageDraw.Draw(image).line([tuple(point) for point in points.tolist()], fill=0, width=3)
    return image


def entries(alphabets, drawings=DRAWINGS):
    """Path within an archive -> bytes."""
    return {
        f"{alphabet}/character{c + 1:02d}/{c:04d}_{number + 1:02d}.png": png(
            drawing(f"{alphabet}{c}", number)
        )
        for alphabet, count in alphabets.items()
        for c in range(count)
        for number in range(drawings)
    }


def write_omniglot(folder, packed=True):
    """Both small archives, as zips or unpacked."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, alphabets in ALPHABETS.items():
        write_alphabets(folder, part, alphabets)
        if packed:
            write_zip(folder / f"{part}.zip", part, entries(alphabets))
            continue
        for name, content in entries(alphabets).items():
            path = folder / part / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def write_alphabets(folder, part, alphabets, drawings=DRAWINGS):
    """Say that a part has these characters by alphabet, and so many drawings of each."""
    characters = sum(alphabets.values())
    counts = {"characters": characters, "drawings": drawings * characters}
    write_sizes(folder, part, alphabets=len(alphabets), **counts)


def write_zip(path, part, content, packing=zipfile.ZIP_STORED):
    """An archive whose entries lie in a folder of its name."""
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, text in content.items():
            archive.writestr(f"{part}/{name}", text)


def photographs(classes, each, side, seed=0):
    """uint8 (classes each, side, side, 3), shuffled, and the class of each."""
    random = np.random.default_rng(seed)
    labels = random.permutation(np.repeat(np.arange(classes), each))
    images = random.integers(0, 256, (classes * each, side, side, 3)).astype(np.uint8)
    return images, labels


def write_pickle(path, content, protocol=2):
    """A pickle file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol=protocol))
