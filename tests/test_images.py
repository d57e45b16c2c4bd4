"""Images by class: Omniglot, miniImageNet and FC100, in the formats that users have."""

import numpy as np
import pytest
from tiny_data import write_sizes
from tiny_images import (
    ALPHABETS,
    CHARACTERS,
    DRAWINGS,
    drawing,
    entries,
    photographs,
    png,
    write_alphabets,
    write_omniglot,
    write_pickle,
    write_zip,
)

from bilevel_core.errors import InputError
from problems.datasets.images import SPLITS, load

PART = "images_background_small1"


def every_split(name, home=None):
    return {split: load(name, split, home) for split in SPLITS}


@pytest.mark.parametrize("packed", [True, False], ids=["zips", "folders"])
def test_omniglot_is_read(tmp_path, packed):
    write_omniglot(tmp_path / "omniglot", packed)
    splits = every_split("omniglot", tmp_path)
    names = [name for part in splits.values() for name in part.names]
    assert len(names) == len(set(names)) == CHARACTERS
    for part in splits.values():
        assert part.images.shape == (len(part.names), DRAWINGS, 28, 28, 1)
        assert part.images.dtype == np.uint8


def test_drawings_are_averaged_and_ink_is_bright():
    part = load("omniglot", "train")
    name = "Beta/character02"
    drawn = 1.0 - np.asarray(drawing("Beta1", 2), float)
    # 105 = 28 x 3.75: each of the small pixels is a mean over parts of 5 x 5 large ones.
    weights = np.zeros((28, 105))
    for i in range(28):
        for j in range(105):
            weights[i, j] = max(0.0, min(3.75 * (i + 1), j + 1) - max(3.75 * i, j)) / 3.75
    wanted = 255.0 * weights @ drawn @ weights.T
    got = part.images[part.names.index(name), 2, ..., 0]
    assert np.abs(got - wanted).max() <= 32.0  # Pillow takes whole pixels at the edges
    assert np.abs(got - wanted).mean() <= 6.0


def test_splits_follow_places_within_an_alphabet():
    names = {split: part.names for split, part in every_split("omniglot").items()}
    beta = {split: [int(n[-2:]) for n in own if "Beta" in n] for split, own in names.items()}
    assert beta == {"train": [1, 2, 3, 6, 7], "validation": [4], "test": [5]}


def test_the_first_home_counts(tmp_path, monkeypatch):
    for part in ALPHABETS:
        write_zip(tmp_path / f"{part}.zip", part, entries({"Other": 5}))
        write_alphabets(tmp_path, part, {"Other": 5})
    assert load("omniglot", "test", tmp_path).names == ("Other/character05",)
    monkeypatch.setenv("BILEVEL_DATA", str(tmp_path))
    assert load("omniglot", "test").names == ("Other/character05",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"A/c/1.png": b"GIF89a"}, "A/c/1.png is not a PNG"),
        ({"A/c/1.png": png(drawing("a", 1).resize((28, 28)))}, "has 28 x 28 pixels; expected 105"),
        ({"A/c/1.png": png(drawing("a", 1))[:-60]}, "is not a PNG"),
        ({"A/c/1.png": png(drawing("a", 1))[:20]}, "is not a PNG"),
        (
            {f"A/c{i}/{j}.png": png(drawing("a", j)) for i in (1, 2) for j in range(i)},
            "class 'A/c2' has 2 images, the first has 1",
        ),
    ],
)
def test_archives_that_are_not_omniglot_are_refused(tmp_path, content, message):
    for part in ALPHABETS:
        write_zip(tmp_path / f"{part}.zip", part, content)
        characters = len({name.split("/")[1] for name in content})
        write_sizes(tmp_path, part, alphabets=1, characters=characters, drawings=len(content))
    with pytest.raises(InputError, match=message) as error:
        load("omniglot", "train", tmp_path)
    assert "\n" not in str(error.value)


def test_a_file_that_is_no_zip_is_refused(tmp_path):
    (tmp_path / f"{PART}.zip").write_bytes(b"<html>404</html>")
    write_zip(tmp_path / "images_background_small2.zip", PART, entries({"Other": 5}))
    with pytest.raises(InputError, match="not a readable zip"):
        load("omniglot", "train", tmp_path)


def by_label(file, key):
    """Pickle with data and labels, and what it should become."""
    data, labels = photographs(3, 4, 84 if key == "miniimagenet" else 32)
    return file, {"data": data, "labels": labels.tolist()}, data, labels


def by_name(file):
    data, labels = photographs(3, 4, 84)
    places = {f"n{c}": np.flatnonzero(labels == c).tolist() for c in range(3)}
    return file, {"image_data": data, "class_dict": places}, data, labels


PICKLES = [
    ("miniimagenet", "train", by_name("mini-imagenet/mini-imagenet-cache-train.pkl")),
    ("miniimagenet", "validation", by_name("mini-imagenet-cache-val.pkl")),
    ("miniimagenet", "test", by_name("miniImageNet/mini-imagenet-cache-test.pkl")),
    (
        "miniimagenet",
        "train",
        by_label("miniImageNet_category_split_train_phase_train.pickle", "miniimagenet"),
    ),
    ("miniimagenet", "test", by_label("miniImageNet_category_split_test.pickle", "miniimagenet")),
    ("fc100", "train", by_label("FC100/FC100_train.pickle", "fc100")),
    ("fc100", "validation", by_label("fc100/FC100_val.pickle", "fc100")),
    ("fc100", "test", by_label("FC100_test.pickle", "fc100")),
]


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize(("name", "split", "made"), PICKLES)
def test_pickles_are_read(tmp_path, name, split, made, protocol):
    file, content, data, labels = made
    write_pickle(tmp_path / file, content, protocol)
    write_sizes((tmp_path / file).parent, f"{name}.{split}", classes=3, images=12)
    got = load(name, split, tmp_path)
    assert len(got.names) == 3
    for c in range(3):
        np.testing.assert_array_equal(got.images[c], data[labels == c])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"labels": [0] * 11}, "11 labels for 12 images"),
        ({"labels": [0.5] * 12}, "labels: expected integers"),
        ({"labels": [0, *[1] * 11]}, "class '00001' has 11 images, the first has 1"),
        ({"data": np.zeros((12, 32, 32, 1), np.uint8)}, "images of 32 x 32 x 1; expected 32 x 32"),
        ({"data": np.zeros((12, 32, 32, 3))}, "expected a uint8 array"),
        ({"data": [1, 2]}, "expected a uint8 array"),
    ],
)
def test_pickles_of_something_else_are_refused(tmp_path, changed, message):
    _, content, _, _ = by_label("", "fc100")
    write_sizes(tmp_path, "fc100.train", classes=len(set(changed.get("labels", "abc"))), images=12)
    write_pickle(tmp_path / "FC100_train.pickle", {**content, **changed})
    with pytest.raises(InputError, match=message):
        load("fc100", "train", tmp_path)


def test_pickles_with_other_keys_are_refused(tmp_path):
    write_pickle(tmp_path / "FC100_train.pickle", {"images": 1, "targets": 2})
    with pytest.raises(InputError, match="has keys images, targets; expected image_data and"):
        load("fc100", "train", tmp_path)
    write_pickle(tmp_path / "FC100_test.pickle", [1])
    with pytest.raises(InputError, match="holds a list; expected a dictionary"):
        load("fc100", "test", tmp_path)


@pytest.mark.parametrize("wrong", [12, -1, 0])
def test_places_that_are_no_images_are_refused(tmp_path, wrong):
    file, content, _, _ = by_name("mini-imagenet-cache-train.pkl")
    places = [*range(11), wrong]
    write_pickle(tmp_path / file, {**content, "class_dict": {"a": places[:6], "b": places[6:]}})
    write_sizes(tmp_path, "miniimagenet.train", classes=2, images=12)
    with pytest.raises(InputError, match="does not name each of the 12 images once"):
        load("miniimagenet", "train", tmp_path)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("omniglot", "images_background_small1.zip and images_background_small2.zip"),
        ("omniglot_full", "images_background.zip and images_evaluation.zip"),
        ("miniimagenet", "mini-imagenet-cache-train.pkl or miniImageNet_category_split_tr"),
        ("fc100", "put FC100_train.pickle into a folder 'fc100'"),
    ],
)
def test_what_is_missing_is_said_in_one_line(tmp_path, monkeypatch, name, wanted):
    monkeypatch.setenv("BILEVEL_DATA", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(InputError, match=wanted) as error:
        load(name, "train")
    assert "\n" not in str(error.value)
    assert "BILEVEL_DATA" in str(error.value)


def test_names_are_checked():
    with pytest.raises(InputError, match="did you mean 'omniglot'"):
        load("omniglott", "train")
    with pytest.raises(InputError, match="did you mean 'validation'"):
        load("omniglot", "validations")


def test_images_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        load("omniglot", "train").images[:] = 0


def test_real_omniglot(real_data):
    """242 characters: two of the eight alphabets are in both archives."""
    if not (real_data / "omniglot" / f"{PART}.zip").is_file():
        pytest.skip("no Omniglot among the real data")
    splits = every_split("omniglot")
    assert [len(splits[split].names) for split in SPLITS] == [150, 47, 45]
    for part in splits.values():
        assert part.images.shape[1:] == (20, 28, 28, 1)
        assert 0.05 < part.images.mean() / 255.0 < 0.12  # ink is bright, and there is little of it
