"""Damaged data: each format, what reading it gives, and random changes of its bytes."""

import json
import pickle
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
from tiny_data import write_digits, write_newsgroups, write_sizes
from tiny_images import ALPHABETS, entries, photographs, write_alphabets, write_zip

from bilevel_core.errors import InputError
from bilevel_core.experiments import checkpoint
from problems.datasets import images, mnist, newsgroups, omniglot, pickled_images

IMAGES = "train-images-idx3-ubyte"


class Format(NamedTuple):
    """A file that was written, and what reads it: () -> its value as text, or an InputError."""

    path: Any
    read: Any
    is_checked: bool  # the file carries a checksum: no changed value is read from it


def digits_in(folder, packed):
    write_digits(folder / "mnist", packed)
    name = f"{IMAGES}.gz" if packed else IMAGES

    def read():
        mnist._read.cache_clear()
        return mnist.load(folder).checksum

    return Format(folder / "mnist" / name, read, packed)


def drawings_in(folder, packed):
    folder.mkdir()
    few = {"A": 2}
    for part in ALPHABETS:
        write_alphabets(folder, part, few, drawings=2)
        write_zip(folder / f"{part}.zip", part, entries(few, 2))
    path = folder / f"{next(iter(ALPHABETS))}.zip"
    if not packed:
        path.unlink()
        for name, content in entries(few, 2).items():
            path = folder / next(iter(ALPHABETS)) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def read():
        omniglot._read.cache_clear()
        return images.load("omniglot", "train", folder).checksum

    return Format(path, read, True)


def pickled_in(folder, name, protocol):
    folder.mkdir()
    side = pickled_images.SIDES[name]
    data, labels = photographs(2, 1, side)
    data = data * 0 + np.arange(2, dtype=np.uint8)[:, None, None, None]
    places = {f"n{c}": np.flatnonzero(labels == c).tolist() for c in range(2)}
    by_name = {"image_data": data, "class_dict": places}
    content = by_name if name == "miniimagenet" else {"data": data, "labels": labels.tolist()}
    path = folder / pickled_images.FILES[name, "train"][0]
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    write_sizes(folder, f"{name}.train", classes=2, images=2)

    def read():
        pickled_images._read.cache_clear()
        return images.load(name, "train", folder).checksum

    return Format(path, read, False)


def posts_in(folder, name):
    write_newsgroups(folder)

    def read():
        newsgroups._read.cache_clear()
        return newsgroups.load(folder).checksum

    return Format(folder / name, read, True)


def sizes_in(folder):
    write_digits(folder / "mnist")

    def read():
        mnist._read.cache_clear()
        return mnist.load(folder).checksum

    return Format(folder / "mnist" / "mnist.sizes.json", read, True)


def checkpoint_in(folder):
    folder.mkdir()
    stream = np.random.default_rng(0).bit_generator.state
    arrays = {"state.x": np.linspace(0.0, 1.0, 5), "ledger": np.arange(12).reshape(2, 6)}
    arrays |= {"outer": np.array(7), "streams.0": np.array(json.dumps(stream))}
    checkpoint.write(folder / "run.npz", arrays, {"run": "a", "code": "b", "curve": [{"outer": 0}]})

    def read():
        found = checkpoint.keep_in(folder / "run.npz", "a", "b").load()
        if found is None:
            raise InputError("none")
        return repr((sorted((k, v.dtype, v.tolist()) for k, v in found[0].items()), found[1]))

    return Format(folder / "run.npz", read, True)


FORMATS = {
    "IDX": lambda folder: digits_in(folder, False),
    "IDX in gzip": lambda folder: digits_in(folder, True),
    "zip": lambda folder: drawings_in(folder, True),
    "PNG": lambda folder: drawings_in(folder, False),
    "pickle by label": lambda folder: pickled_in(folder, "fc100", 2),
    "pickle by name": lambda folder: pickled_in(folder, "miniimagenet", 4),
    "posts": lambda folder: posts_in(folder, newsgroups.POSTS),
    "counts": lambda folder: posts_in(folder, newsgroups.COUNTS),
    "sizes": sizes_in,
    "checkpoint": checkpoint_in,
}


def mutated(random, content):
    """The bytes with one or a few changes, near the ends as often as between them."""
    changed = bytearray(content)
    for _ in range(random.integers(1, 4)):
        size = len(changed)
        near = random.integers(3)
        at = random.integers(size) if near == 0 else random.integers(min(size, 200))
        at = int(size - 1 - at if near == 2 else at)
        match random.integers(7):
            case 0:
                changed[at] ^= 1 << random.integers(8)
            case 1:
                changed[at] = random.integers(256)
            case 2:
                del changed[at : at + int(random.integers(1, 20))]
            case 3:
                changed[at:at] = random.bytes(int(random.integers(1, 20)))
            case 4:
                changed = changed[: at + 1]
            case 5:
                changed[at : at + 4] = random.choice([b"\xff\xff\xff\x7f", b"\xff" * 4, bytes(4)])
            case 6:
                start = int(random.integers(size))
                changed[at : at + 8] = changed[start : start + 8]
        if not changed:
            break
    return bytes(changed)


def outcomes(form, inputs, seed):
    """How many damaged files are refused, read as before, or read with another value."""
    random = np.random.default_rng(seed)
    content, whole = form.path.read_bytes(), form.read()
    counts = Counter()
    for _ in range(inputs):
        form.path.write_bytes(mutated(random, content))
        try:
            counts["as before" if form.read() == whole else "changed"] += 1
        except InputError:
            counts["refused"] += 1
    form.path.write_bytes(content)
    assert form.read() == whole
    return counts
