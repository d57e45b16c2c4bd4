"""Damaged data files and checkpoints end in one InputError, or in none of the numbers changed.

What is claimed: nothing but InputError escapes a loader; of files that carry a checksum (zips,
gzip, checkpoints) no damage passes as other numbers.  A changed pixel of a plain IDX file, or of a
pickle, cannot be seen by itself: it changes `checksum`, and with it a run's fingerprint.
"""

import contextlib
import os
import random
import shutil

import numpy as np
import pytest
from tiny_data import write_digits, write_sizes
from tiny_images import photographs, write_omniglot, write_pickle

from bilevel_core.errors import InputError
from bilevel_core.experiments import checkpoint
from problems.datasets import images, mnist, omniglot, pickled_images

TIMES = int(os.environ.get("FUZZ_TIMES", "60"))
"""Inputs of each kind."""
SEED = int(os.environ.get("FUZZ_SEED", "0"))


def damaged(content, draw):
    """The bytes with something wrong."""
    kind = draw.randrange(6)
    place, other = (draw.randrange(len(content)) for _ in range(2))
    if kind == 0:
        return content[:place]
    if kind == 1:
        flipped = content[place] ^ (1 << draw.randrange(8))
        return content[:place] + bytes([flipped]) + content[place + 1 :]
    if kind == 2:
        return content[: min(place, other)] + content[max(place, other) :]
    if kind == 3:
        return content[:place] + content[other : other + 40] + content[place:]
    if kind == 4:
        many = bytes(draw.randrange(256) for _ in range(20))
        return content[:place] + many + content[place + 20 :]
    return content[:place] + b"\xff\xff\xff\x7f" + content[place + 4 :]


def fc100(folder):
    data, labels = photographs(3, 2, 32)
    write_pickle(folder / "FC100_test.pickle", {"data": data, "labels": labels.tolist()})
    write_sizes(folder, **{"fc100 test": {"classes": 3, "images": 6}})


def numbers(found):
    return [np.asarray(part).tobytes() if isinstance(part, np.ndarray) else part for part in found]


def read_digits(folder):
    mnist._read.cache_clear()
    return numbers(mnist.load(folder))


def read_drawings(folder):
    omniglot._read.cache_clear()
    return numbers(images.load("omniglot", "train", folder))


def read_pickle(folder):
    pickled_images._read.cache_clear()
    return numbers(images.load("fc100", "test", folder))


@pytest.mark.parametrize(
    ("write", "read", "has_checksum"),
    [
        (lambda f: write_digits(f / "mnist", packed=True), read_digits, True),
        (lambda f: write_digits(f / "mnist", packed=False), read_digits, False),
        (write_omniglot, read_drawings, True),
        (lambda f: write_omniglot(f, packed=False), read_drawings, False),
        (fc100, read_pickle, False),
    ],
    ids=["gzip", "plain", "zips", "drawings", "pickle"],
)
def test_damaged_data_escapes_nowhere(tmp_path, monkeypatch, write, read, has_checksum):
    monkeypatch.setenv("HOME", str(tmp_path / "nowhere"))
    monkeypatch.delenv("BILEVEL_DATA")
    whole = tmp_path / "whole"
    whole.mkdir()
    write(whole)
    right = read(whole)
    files = sorted(path for path in whole.rglob("*") if path.is_file())
    draw, changed = random.Random(SEED), 0
    for _ in range(TIMES):
        path = draw.choice(files)
        kept = path.read_bytes()
        path.write_bytes(damaged(kept, draw))
        with contextlib.suppress(InputError):
            changed += read(whole) != right
        path.write_bytes(kept)
    assert not (has_checksum and changed)
    shutil.rmtree(whole)


def test_damaged_checkpoints_are_none(tmp_path):
    path = tmp_path / "run.npz"
    arrays = {"x": np.arange(6.0), "ledger": np.ones((2, 8), np.int64), "stream": np.zeros(3, "u8")}
    progress = {"curve": [1.0, 0.5], "run": "a" * 32, "code": "b" * 32, "outer": 7}
    checkpoint.write(path, arrays, progress)
    content = path.read_bytes()
    draw = random.Random(SEED)
    for _ in range(10 * TIMES):
        path.write_bytes(damaged(content, draw))
        found = checkpoint.read(path)
        if found is not None:
            assert found[1] == progress
            assert numbers(found[0].values()) == numbers(arrays.values())
    path.write_bytes(content)
    assert checkpoint.read(path)[1] == progress


def test_a_checkpoint_of_unknown_code_is_none(tmp_path):
    for code, wanted in (("b" * 32, True), ("unknown: it reads a file", False)):
        keep = checkpoint.keep_in(tmp_path / "run.npz", "a" * 32, code, period=0.0)
        keep.save({"x": np.zeros(1)}, {"outer": 1})
        assert (keep.load() is not None) == wanted


def test_a_checkpoint_that_unpacks_to_much_is_none(tmp_path):
    np.savez_compressed(tmp_path / "run.npz", x=np.zeros(10**7), json=np.array("{}"))
    assert (tmp_path / "run.npz").stat().st_size < 10**6
    assert checkpoint.read(tmp_path / "run.npz") is None
