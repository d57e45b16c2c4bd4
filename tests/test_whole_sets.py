"""A part of a data set is never taken for the whole, and data is found as people have it."""

import shutil

import numpy as np
import pytest
from tiny_data import (
    CLASSES,
    DIGITS,
    POSTS,
    SIDE,
    WORDS,
    digits,
    idx,
    write_digits,
    write_newsgroups,
    write_sizes,
)
from tiny_images import (
    ALPHABETS,
    CHARACTERS,
    entries,
    photographs,
    write_alphabets,
    write_omniglot,
    write_pickle,
    write_zip,
)

import problems
from bilevel_core.errors import InputError
from problems.datasets import drawings, images, mnist, newsgroups, omniglot, pickled_images
from problems.datasets.images import SPLITS

PART = "images_background_small1"
FOREIGN = (".DS_Store", "._.DS_Store", "Thumbs.db", "desktop.ini", "README.md", "LICENSE")


@pytest.fixture(autouse=True)
def nowhere_else(monkeypatch, tmp_path_factory):
    """No other folder of data than the one that a test names."""
    monkeypatch.delenv("BILEVEL_DATA")
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))


def characters(home):
    return sum(len(images.load("omniglot", split, home).names) for split in SPLITS)


def refusal(load, *arguments):
    with pytest.raises(InputError) as failure:
        load(*arguments)
    line = str(failure.value)
    assert "\n" not in line
    return line


def unpack(folder, part, alphabets):
    for name, content in entries(alphabets).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def litter(folder):
    """Files that systems leave beside data, in every folder."""
    for place in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        for path in [path for path in place.iterdir() if path.is_file()]:
            (place / f"._{path.name}").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X")
        for name in FOREIGN:
            (place / name).write_bytes(b"nothing that is data")


@pytest.mark.parametrize("half", [{}, {"Alpha": 3}, {"Alpha": 5, "Beta": 6}])
def test_a_half_unpacked_folder_beside_whole_zips_is_passed_over(tmp_path, half):
    write_omniglot(tmp_path / "omniglot")
    (tmp_path / "omniglot" / PART).mkdir()
    unpack(tmp_path / "omniglot" / PART, PART, half)
    assert characters(tmp_path) == CHARACTERS


@pytest.mark.parametrize("packed", [True, False])
def test_half_of_omniglot_is_refused(tmp_path, packed):
    folder = tmp_path / "omniglot"
    write_omniglot(folder, packed)
    if packed:
        write_zip(folder / f"{PART}.zip", PART, entries({"Alpha": 5}))
    else:
        shutil.rmtree(folder / PART / "Beta")
    line = refusal(images.load, "omniglot", "train", tmp_path)
    assert f"looked in {folder / PART}" in line
    assert "found 1 alphabets, 5 characters, 20 drawings" in line
    assert "expected 2 alphabets, 12 characters, 48 drawings" in line


def test_a_part_in_the_folder_asked_for_is_not_replaced_by_another(
    tmp_path, tiny_data, monkeypatch
):
    monkeypatch.setenv("BILEVEL_DATA", str(tiny_data))
    (tmp_path / "omniglot" / PART).mkdir(parents=True)
    assert "found 0 alphabets" in refusal(images.load, "omniglot", "train", tmp_path)


def test_what_has_no_sizes_of_its_own_has_those_that_were_published(tmp_path):
    write_omniglot(tmp_path / "omniglot")
    for path in (tmp_path / "omniglot").glob("*.sizes.json"):
        path.unlink()
    line = refusal(images.load, "omniglot", "train", tmp_path)
    assert "expected 5 alphabets, 136 characters, 2,720 drawings" in line
    write_digits(tmp_path / "mnist")
    (tmp_path / "mnist" / "mnist.sizes.json").unlink()
    line = refusal(mnist.load, tmp_path)
    assert "found 60 x 3 x 3 numbers, expected 60000 x 28 x 28" in line
    write_newsgroups(tmp_path)
    (tmp_path / "newsgroups.sizes.json").unlink()
    line = refusal(newsgroups.load, tmp_path)
    assert "found 26 train, 9 test, 11 words, 3 classes" in line
    assert "expected 11,314 train, 7,532 test, 130,107 words, 20 classes" in line


def test_published_sizes_add_up():
    """1,623 characters of Omniglot; 100 classes of miniImageNet and of FC100, 600 images each."""
    full = [omniglot.PARTS[part] for part in omniglot.SETS["omniglot_full"]]
    assert sum(part.characters for part in full) == 1_623
    assert sum(part.alphabets for part in full) == 50
    assert all(part.drawings == 20 * part.characters for part in omniglot.PARTS.values())
    assert all(split.images == 600 * split.classes for split in pickled_images.SIZES.values())
    for name in ("miniimagenet", "fc100"):
        assert sum(pickled_images.SIZES[name, split].classes for split in SPLITS) == 100
    assert mnist.SIZES == (60_000, 10_000, 28, 28)


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        (b"{", "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
        (b"[1]", "expected whole numbers > 0 for train, test, height, width"),
        (b'{"train": 60}', "expected whole numbers > 0 for train, test, height, width"),
        (b'{"train": 0, "test": 20, "height": 3, "width": 3}', "expected whole numbers > 0"),
        (b'{"train": 60.0, "test": 20, "height": 3, "width": 3}', "expected whole numbers > 0"),
        (b'{"train": 61, "test": 20, "height": 3, "width": 3}', "expected 61 x 3 x 3"),
    ],
)
def test_sizes_of_a_set_of_ones_own_are_checked(tmp_path, stated, message):
    write_digits(tmp_path / "mnist")
    (tmp_path / "mnist" / "mnist.sizes.json").write_bytes(stated)
    assert message in refusal(mnist.load, tmp_path)


@pytest.mark.parametrize("content", ["few classes", "few images"])
def test_half_of_a_pickle_is_refused(tmp_path, content):
    data, labels = photographs(3, 4, 32)
    kept = labels < 2 if content == "few classes" else np.arange(12) < 11
    write_sizes(tmp_path, "fc100.train", classes=3, images=12)
    write_pickle(
        tmp_path / "FC100_train.pickle", {"data": data[kept], "labels": labels[kept].tolist()}
    )
    line = refusal(images.load, "fc100", "train", tmp_path)
    assert f"looked in {tmp_path / 'FC100_train.pickle'}, found" in line
    assert line.endswith("12 images")


def packed_counts(folder, train, test):
    import joblib

    words = np.array(WORDS, dtype=object)
    joblib.dump((train, test, words), folder / newsgroups.COUNTS, compress=9)


def spoilt(matrix, row, values):
    """The matrix with other counts in a row."""
    from scipy.sparse import csr_matrix

    counts = matrix.toarray().astype(float)
    counts[row] = values
    return csr_matrix(counts)


def repeated(matrix):
    """Each count as two halves."""
    from scipy.sparse import csr_matrix

    halves = (np.repeat(matrix.data / 2.0, 2), np.repeat(matrix.indices, 2), 2 * matrix.indptr)
    return csr_matrix(halves, shape=matrix.shape)


BAD_COUNTS = {
    "not csr, which scikit-learn leaves as it is": (lambda m: m.tocsc(), "csr format"),
    "counted twice": (repeated, "counts a word of a post twice"),
    "negative": (lambda m: spoilt(m, 3, -1.0), "a count of -0.30"),
    "not a number": (lambda m: spoilt(m, 3, np.nan), "NaN"),
    "infinite": (lambda m: spoilt(m, 3, np.inf), "infinity"),
    "empty": (lambda m: spoilt(m, 3, 0.0), "the counts of post 3 have norm 0, expected 1"),
    "few words": (lambda m: m[:, :5], "found 5 words, expected 11 words"),
}


@pytest.mark.parametrize(("spoil", "message"), BAD_COUNTS.values(), ids=BAD_COUNTS.keys())
def test_counts_that_the_constants_do_not_bound_are_refused(tmp_path, spoil, message):
    import joblib

    write_newsgroups(tmp_path)
    train, test, _ = joblib.load(tmp_path / newsgroups.COUNTS)
    packed_counts(tmp_path, spoil(train), spoil(test))
    assert message in refusal(newsgroups.load, tmp_path)


def test_rows_that_are_not_of_norm_1_are_refused(tmp_path, monkeypatch):
    write_newsgroups(tmp_path)
    fetched = newsgroups._fetch

    def longer(*arguments):
        matrix, labels = fetched(*arguments)
        return 3.0 * matrix, labels

    monkeypatch.setattr(newsgroups, "_fetch", longer)
    assert "have norm 3, expected 1" in refusal(newsgroups.load, tmp_path)


def test_counts_with_a_changed_bit_are_refused(tmp_path):
    """scikit-learn stops reading before the checksum of its file."""
    write_newsgroups(tmp_path)
    path = tmp_path / newsgroups.COUNTS
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert "scikit-learn cannot read it" in refusal(newsgroups.load, tmp_path)


def test_labels_of_all_groups_are_expected(tmp_path):
    write_newsgroups(tmp_path)
    write_sizes(tmp_path, "newsgroups", **POSTS, words=len(WORDS), classes=CLASSES + 1)
    assert "found 3 classes, expected 4 classes" in refusal(newsgroups.load, tmp_path)
    write_sizes(tmp_path, "newsgroups", **POSTS, words=len(WORDS), classes=CLASSES - 1)
    assert "found 3 classes, expected 2 classes" in refusal(newsgroups.load, tmp_path)


@pytest.mark.parametrize("packed", [True, False])
def test_foreign_files_are_passed_over(tmp_path, packed):
    write_omniglot(tmp_path / "omniglot", packed)
    write_digits(tmp_path / "mnist", packed)
    write_newsgroups(tmp_path / "scikit_learn_data")
    litter(tmp_path)
    if packed:
        content = entries(ALPHABETS[PART])
        mac = {f"__MACOSX/{name}": b"\0\5\x16\7" for name in content}
        beside = {f"Alpha/character01/._{name.split('/')[-1]}": b"\0\5" for name in content}
        beside |= {f"Alpha/{name}": b"" for name in FOREIGN}
        write_zip(tmp_path / "omniglot" / f"{PART}.zip", PART, {**content, **mac, **beside})
    assert characters(tmp_path) == CHARACTERS
    np.testing.assert_array_equal(
        mnist.load(tmp_path).test_labels, digits()["t10k-labels-idx1-ubyte"]
    )
    assert newsgroups.load(tmp_path).classes == CLASSES


@pytest.mark.parametrize("outer", ["omniglot", "omniglot/omniglot", "omniglot-master/python", ""])
@pytest.mark.parametrize("inner", ["", PART])
def test_folders_that_unpacking_made_are_found(tmp_path, outer, inner):
    folder = tmp_path / outer
    for part, alphabets in ALPHABETS.items():
        unpack(folder / part / (part if inner else ""), part, alphabets)
        write_alphabets(folder, part, alphabets)
    assert characters(tmp_path) == CHARACTERS


@pytest.mark.parametrize("folder", ["mnist/mnist", "MNIST/MNIST/raw"])
def test_digits_and_posts_are_found_in_a_folder_within_their_own(tmp_path, folder):
    write_digits(tmp_path / folder)
    write_newsgroups(tmp_path / "scikit_learn_data" / "scikit_learn_data")
    assert len(mnist.load(tmp_path).train_images) == DIGITS["train"]
    assert newsgroups.load(tmp_path).classes == CLASSES


@pytest.mark.parametrize("packed", [True, False])
def test_names_with_a_dot_are_read(tmp_path, packed):
    folder = tmp_path / "mnist"
    write_digits(folder, packed)
    for path in [path for path in folder.iterdir() if "-idx" in path.name]:
        path.rename(folder / path.name.replace("-idx", ".idx"))
    assert len(mnist.load(tmp_path).train_images) == DIGITS["train"]


@pytest.mark.parametrize("dot", ["-", "."])
def test_files_in_folders_of_their_names_are_read(tmp_path, dot):
    write_sizes(make(tmp_path / "mnist"), "mnist", train=60, test=20, height=SIDE, width=SIDE)
    for name, array in digits().items():
        folder = make(tmp_path / "mnist" / name)
        (folder / name.replace("-idx", f"{dot}idx")).write_bytes(idx(array))
    assert len(mnist.load(tmp_path).train_images) == DIGITS["train"]


def make(folder):
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize(
    ("load", "folder"),
    [
        (lambda: images.load("fc100", "train"), "fc100"),
        (lambda: images.load("omniglot_full", "train"), "omniglot"),
    ],
)
def test_what_is_there_instead_is_said(tmp_path, monkeypatch, load, folder):
    monkeypatch.setenv("BILEVEL_DATA", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert f"looked in {tmp_path} and 4 other folders, found no '{folder}'" in refusal(load)
    make(tmp_path / folder)
    assert f"looked in {tmp_path / folder}, found nothing" in refusal(load)
    for name in ("b.txt", ".DS_Store", "c", "d", "a.pkl"):
        (tmp_path / folder / name).touch()
    assert "found a.pkl, b.txt, c and 1 more" in refusal(load)


def test_pipes_are_not_read(tmp_path):
    import os

    write_omniglot(tmp_path / "omniglot", packed=False)
    os.mkfifo(tmp_path / "omniglot" / PART / "Alpha" / "character01" / "pipe.png")
    assert characters(tmp_path) == CHARACTERS


def test_the_images_are_part_of_what_a_run_depends_on(tmp_path, tiny_data, monkeypatch):
    monkeypatch.setenv("BILEVEL_DATA", str(tiny_data))
    options = {"width": 3, "tasks": 2, "ways": 2, "queries": 1}
    before = problems.make("fewshot", **options).content
    monkeypatch.setenv("BILEVEL_DATA", str(tmp_path))
    write_omniglot(tmp_path / "omniglot")
    assert problems.make("fewshot", **options).content == before
    part = drawings.texts(tmp_path / "omniglot" / f"{PART}.zip")
    content = {"/".join(key): text for key, text in part.items()}
    names = sorted(content)
    content[names[0]], content[names[1]] = content[names[1]], content[names[0]]
    write_zip(tmp_path / "omniglot" / f"{PART}.zip", PART, content)
    assert problems.make("fewshot", **options).content not in ("", before)
