"""A checkpoint that is not what was written is none, and the run starts again."""

import io
import json
import os
import zipfile

import numpy as np
import pytest

from bilevel_core.engines.snapshots import fits
from bilevel_core.experiments import checkpoint

ARRAYS = {
    "outer": np.array(3),
    "ledger": np.arange(12).reshape(2, 6),
    "state.x": np.asfortranarray(np.linspace(0.0, 1.0, 6).reshape(2, 3)),
    "streams.0": np.array('{"state": 1}'),
    "state.empty": np.zeros((0, 3)),
}
PROGRESS = {"run": "a", "code": "b", "curve": [{"outer": 0}]}


@pytest.fixture
def path(tmp_path):
    checkpoint.write(tmp_path / "run.npz", ARRAYS, PROGRESS)
    return tmp_path / "run.npz"


def load(path):
    return checkpoint.keep_in(path, "a", "b").load()


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewrite(path, content, packing=zipfile.ZIP_STORED):
    """An archive that is whole, with other members."""
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, text in content.items():
            archive.writestr(name, text)


def npy(array, **options):
    content = io.BytesIO()
    np.save(content, array, **options)
    return content.getvalue()


def test_what_was_written_is_read(path):
    arrays, progress = load(path)
    assert progress == PROGRESS
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)
        arrays[name][...] = arrays[name]  # may be written to
    rewrite(path, members(path))
    assert load(path) is not None


CHANGES = {
    "another number": lambda m: {"state.x.npy": npy(2.0 * ARRAYS["state.x"])},
    "another type": lambda m: {"outer.npy": npy(np.array(3.0))},
    "another shape": lambda m: {"ledger.npy": npy(np.arange(12))},
    "another curve": lambda m: {"json.npy": npy(np.array(json.dumps({**PROGRESS, "curve": []})))},
    "one more": lambda m: {"data.held.npy": npy(np.zeros(2))},
    "an object": lambda m: {"outer.npy": npy(np.array([{}]), allow_pickle=True)},
    "no checksum": lambda m: {"checksum.npy": None},
    "no array": lambda m: {"ledger.npy": None},
    "no text": lambda m: {"json.npy": None},
    "another checksum": lambda m: {"checksum.npy": npy(np.array("0" * 64))},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_what_was_changed_by_hand_is_none(path, change):
    before = members(path)
    after = before | change(before)
    assert after != before
    rewrite(path, {name: text for name, text in after.items() if text is not None})
    assert load(path) is None


@pytest.mark.parametrize(
    "progress",
    [{**PROGRESS, "curve": 3}, {**PROGRESS, "run": "other"}, {**PROGRESS, "code": "other"}, [], {}],
)
def test_progress_of_another_run_or_form_is_none(path, progress):
    checkpoint.write(path, ARRAYS, progress)
    assert load(path) is None


def test_packed_members_are_none(path):
    rewrite(path, members(path), zipfile.ZIP_DEFLATED)
    assert load(path) is None


def test_only_regular_files_are_read(path):
    link, pipe, folder = (path.with_name(name) for name in ("link", "pipe", "folder"))
    link.symlink_to(path)
    os.mkfifo(pipe)
    folder.mkdir()
    assert [load(other) for other in (link, pipe, folder, path.with_name("absent"))] == [None] * 4


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"data.held": np.zeros(3)}, True),
        ({"streams.0": np.array('{"state": 1234567}')}, True),
        ({"other": np.zeros(3)}, False),
        ({"ledger": None}, False),
        ({"ledger": np.zeros((2, 5), int)}, False),
        ({"ledger": np.zeros((2, 6))}, False),
        ({"state.x": np.array("x")}, False),
    ],
)
def test_arrays_have_to_be_those_of_the_run(changes, expected):
    stored = {name: array for name, array in (ARRAYS | changes).items() if array is not None}
    assert fits(stored, ARRAYS) is expected


def test_a_checkpoint_of_unknown_code_is_none(tmp_path):
    for code, wanted in (("b" * 32, True), ("unknown: it reads a file", False)):
        keep = checkpoint.keep_in(tmp_path / "run.npz", "a" * 32, code, period=0.0)
        keep.save({"x": np.zeros(1)}, {"outer": 1, "curve": []})
        assert (keep.load() is not None) == wanted
