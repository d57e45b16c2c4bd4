"""Reading of real formats: what is right is read, what is not is named in one line."""

import gzip
import http.client
import io
import sys
import tempfile
import urllib.error
from pathlib import Path

import numpy as np
import pytest
from tiny_data import (
    CLASSES,
    POSTS,
    SIDE,
    digits,
    idx,
    posts,
    write_digits,
    write_newsgroups,
    write_sizes,
)

from bilevel_core.errors import InputError
from problems.datasets import download, home, mnist, newsgroups

NAME = "train-images-idx3-ubyte"
LABELS = "train-labels-idx1-ubyte"


@pytest.fixture
def nowhere(monkeypatch):
    """An empty home of a usual length, and no folder of data."""
    monkeypatch.delenv("BILEVEL_DATA")
    with tempfile.TemporaryDirectory(dir="/tmp") as home:
        monkeypatch.setenv("HOME", home)
        yield Path(home)


def offline(url, timeout):
    raise urllib.error.URLError("no route")


def one_line(failure):
    assert "\n" not in str(failure.value)
    return str(failure.value)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("folder", ["mnist", "MNIST/raw"])
def test_digits_are_read(tmp_path, folder, packed):
    files = write_digits(tmp_path / folder, packed)
    found = mnist.load(tmp_path)
    for array, name in zip(found, files, strict=False):
        np.testing.assert_array_equal(array, files[name].reshape(array.shape))
    assert found.train_images.dtype == np.uint8
    assert found.train_labels.dtype == np.int64
    for array in found[:4]:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_the_checksum_is_that_of_the_numbers(tmp_path):
    for packed in (True, False):
        write_digits(tmp_path / str(packed) / "mnist", packed)
    write_digits(tmp_path / "other" / "mnist", seed=1)
    one, same, other = (mnist.load(tmp_path / n).checksum for n in ("True", "False", "other"))
    assert one == same
    assert one != other


def test_what_changes_on_disk_is_read_again(tmp_path):
    write_digits(tmp_path / "mnist")
    before = mnist.load(tmp_path)
    assert mnist.load(tmp_path) is before
    write_digits(tmp_path / "mnist", seed=1)
    assert mnist.load(tmp_path).checksum != before.checksum


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (NAME, b"", "no IDX file: 0 bytes, expected 16 at least"),
        (NAME, b"<!DOCTYPE html><html>", "it begins with 3c21444f, expected 00000803"),
        (NAME, idx(np.zeros(60)) + bytes(9), "it begins with 00000801, expected 00000803"),
        (NAME, idx(digits()[NAME])[:-1], "539 bytes of data, expected 540 for 60 x 3 x 3"),
        (NAME, idx(digits()[NAME]) + b"0", "more than 540 bytes of data, expected 540"),
        (NAME, gzip.compress(idx(digits()[NAME]))[:-30], "damaged gzip archive"),
        (NAME, b"\x1f\x8b and then nothing that is an archive", "damaged gzip archive"),
        (LABELS, idx(np.full(60, 10)), "expected labels from 0 to 9, got 10"),
        (LABELS, idx(np.zeros(59)), "found 59 numbers, expected 60"),
        (NAME, idx(np.zeros((0, 3, 3))), "found 0 x 3 x 3 numbers, expected 60 x 3 x 3"),
    ],
)
def test_damaged_files_are_named(tmp_path, name, content, message):
    write_digits(tmp_path / "mnist", packed=False)
    (tmp_path / "mnist" / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as failure:
        mnist.load(tmp_path)
    assert str(tmp_path / "mnist" / name) in one_line(failure)


def test_a_file_of_the_official_size_has_to_be_the_official_one(tmp_path, monkeypatch):
    files = write_digits(tmp_path / "mnist", packed=False)
    (tmp_path / "mnist" / "mnist.sizes.json").unlink()
    sums = {name: download.md5(idx(array)) for name, array in files.items()}
    monkeypatch.setattr(mnist, "SIZES", mnist.Sizes(60, 20, SIDE, SIDE))

    def publish(sums):
        published = tuple(mnist.Published(name, "", sums[name]) for name in mnist.NAMES)
        monkeypatch.setattr(mnist, "FILES", {"mnist": published})
        mnist._read.cache_clear()

    publish(sums)
    mnist.load(tmp_path)
    publish({**sums, LABELS: "0" * 32})
    with pytest.raises(InputError, match="size of the official file and other content") as failure:
        mnist.load(tmp_path)
    assert sums[LABELS] in one_line(failure)


def test_folders_are_searched_in_order(nowhere, monkeypatch):
    places = {name: nowhere / name for name in ("asked", "variable", "data")}
    for seed, (name, place) in enumerate(places.items()):
        write_digits(place / "mnist", seed=seed)
        assert name
    monkeypatch.setenv("BILEVEL_DATA", str(places["variable"]))
    expected = [digits(seed)[NAME].reshape(60, -1) for seed in range(3)]
    np.testing.assert_array_equal(mnist.load(places["asked"]).train_images, expected[0])
    np.testing.assert_array_equal(mnist.load().train_images, expected[1])
    monkeypatch.delenv("BILEVEL_DATA")
    np.testing.assert_array_equal(mnist.load().train_images, expected[2])
    assert home.store() == nowhere / ".cache/bilevel-bench"
    with pytest.raises(InputError, match="data_home: no folder"):
        mnist.load(nowhere / "absent")


def test_what_is_missing_is_said_with_its_place(nowhere):
    with pytest.raises(InputError) as failure:
        mnist.load(name="fashion_mnist", opener=offline)
    line = one_line(failure)
    for part in (
        "'fashion_mnist'",
        "train-images-idx3-ubyte.gz",
        "BILEVEL_DATA",
        "not downloaded: http",
    ):
        assert part in line
    assert str(nowhere / ".cache/bilevel-bench/fashion-mnist") in line
    assert not (nowhere / ".cache").exists()
    with pytest.raises(InputError, match="no dataset 'mnits'; did you mean 'mnist'"):
        mnist.load(name="mnits")


def test_what_is_missing_is_downloaded_once(nowhere, monkeypatch):
    archives = {f"{name}.gz": gzip.compress(idx(array)) for name, array in digits().items()}
    published = tuple(
        file._replace(archive=download.md5(archives[f"{file.name}.gz"]))
        for file in mnist.FILES["mnist"]
    )
    monkeypatch.setattr(mnist, "FILES", {"mnist": published})
    asked = []

    def opener(url, timeout):
        asked.append(url)
        return io.BytesIO(archives[url.rsplit("/", 1)[1]])

    folder = nowhere / ".cache/bilevel-bench/mnist"
    folder.mkdir(parents=True)
    write_sizes(folder, "mnist", train=60, test=20, height=SIDE, width=SIDE)
    found = mnist.load(opener=opener)
    np.testing.assert_array_equal(found.train_images, digits()[NAME].reshape(60, -1))
    assert len(asked) == 4
    (folder / f"{LABELS}.gz").unlink()
    mnist.load(opener=opener)
    assert len(asked) == 5
    mnist.load(opener=offline)


def answers(*contents):
    """An opener that gives these, one after the other; an exception is raised."""
    left = list(contents)

    def opener(url, timeout):
        content = left.pop(0)
        if isinstance(content, Exception):
            raise content
        return io.BytesIO(content)

    return opener


GOOD = b"all that was published"
ADDRESSES = ["http://one/file", "http://two/file"]


@pytest.mark.parametrize(
    "first",
    [
        b"half of what was",
        TimeoutError("timed out"),
        http.client.IncompleteRead(b"half", 3),
        urllib.error.HTTPError("http://one/file", 404, "Not Found", None, None),
    ],
)
def test_the_next_address_is_tried(tmp_path, first):
    path = tmp_path / "new" / "file"
    download.fetch(ADDRESSES, path, download.md5(GOOD), answers(first, GOOD))
    assert path.read_bytes() == GOOD
    assert [each.name for each in path.parent.iterdir()] == ["file"]


def test_a_bad_checksum_leaves_nothing(tmp_path):
    with pytest.raises(InputError, match=r"MD5 .*, expected") as failure:
        download.fetch(ADDRESSES, tmp_path / "file", download.md5(GOOD), answers(b"", b"<html>"))
    assert all(url in one_line(failure) for url in ADDRESSES)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(InputError, match="taken/file: cannot be written"):
        download.fetch(ADDRESSES, tmp_path / "taken/file", download.md5(GOOD), answers(GOOD))


@pytest.mark.parametrize("folder", [".", "scikit_learn_data"])
def test_posts_are_read(tmp_path, folder):
    sets = write_newsgroups(tmp_path / folder)
    found = newsgroups.load(tmp_path)
    assert found.classes == CLASSES
    for part, matrix, labels in (
        ("train", found.train, found.train_labels),
        ("test", found.test, found.test_labels),
    ):
        counts, truth = sets[part]
        order = np.arange(len(truth))
        np.random.RandomState(12).shuffle(order)
        np.testing.assert_array_equal(labels, truth[order])
        lengths = np.linalg.norm(counts[order], axis=1, keepdims=True)
        np.testing.assert_allclose(matrix.toarray(), counts[order] / lengths, rtol=1e-14)
    write_newsgroups(tmp_path / folder, seed=1)
    assert newsgroups.load(tmp_path).checksum != found.checksum


def test_words_are_counted_where_only_posts_are_there(tmp_path):
    write_newsgroups(tmp_path)
    expected = newsgroups.load(tmp_path).train.toarray()
    (tmp_path / newsgroups.COUNTS).unlink()
    found = newsgroups.load(tmp_path).train.toarray()
    # The vectoriser has the words in alphabetical order.
    from tiny_data import WORDS

    np.testing.assert_allclose(found, expected[:, np.argsort(WORDS)], rtol=1e-14)


@pytest.mark.parametrize("name", [newsgroups.POSTS, newsgroups.COUNTS])
@pytest.mark.parametrize("content", [b"", b"no pickle at all", None])
def test_damaged_posts_are_named(tmp_path, name, content, capsys):
    write_newsgroups(tmp_path)
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:-40] if content is None else content)
    with pytest.raises(InputError, match="scikit-learn cannot read") as failure:
        newsgroups.load(tmp_path)
    assert str(tmp_path) in one_line(failure)
    assert capsys.readouterr().out == ""


def test_counts_of_other_posts_are_refused(tmp_path):
    import joblib

    write_newsgroups(tmp_path)
    train, test, words = joblib.load(tmp_path / newsgroups.COUNTS)
    joblib.dump((train[1:], test, words), tmp_path / newsgroups.COUNTS, compress=9)
    with pytest.raises(InputError, match=r"counts of 25 posts for the 26 labels"):
        newsgroups.load(tmp_path)


def test_missing_posts_are_said_with_their_place(nowhere, monkeypatch):
    import sklearn.datasets._twenty_newsgroups as fetching

    def no_network(*arguments, **options):
        raise urllib.error.URLError("no route")

    monkeypatch.setattr(fetching, "_fetch_remote", no_network)
    with pytest.raises(InputError, match="no data 'newsgroups': put scikit-learn's") as failure:
        newsgroups.load()
    assert "no route" in one_line(failure)


def test_without_scikit_learn_one_line_says_so(tmp_path, monkeypatch):
    write_newsgroups(tmp_path)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(InputError, match="pip install 'bilevel-bench\\[data\\]'"):
        newsgroups.load(tmp_path)


def test_tiny_posts_have_all_classes():
    assert {len(labels) for _, labels in posts().values()} == set(POSTS.values())


@pytest.mark.slow
def test_the_real_digits(real_data):
    found = mnist.load()
    assert found.train_images.shape == (60_000, 784)
    assert found.test_images.shape == (10_000, 784)
    assert found.train_images.mean() / 255 == pytest.approx(0.13066, abs=5e-6)
    assert np.bincount(found.train_labels).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]  # fmt: skip


@pytest.mark.slow
def test_the_real_posts(real_data):
    found = newsgroups.load()
    assert found.train.shape == (11_314, 130_107)
    assert found.test.shape == (7_532, 130_107)
    assert found.classes == 20
    assert (found.train.nnz, found.test.nnz) == (1_787_565, 1_107_956)
    lengths = np.sqrt(np.asarray(found.train.multiply(found.train).sum(axis=1)))
    np.testing.assert_allclose(lengths, 1.0, rtol=1e-12)
