"""Real formats with tiny contents: IDX files, and scikit-learn's cache of 20 Newsgroups."""

import codecs
import gzip
import json
import pickle
import struct

import numpy as np

SIDE = 3
DIGITS = {"train": 60, "t10k": 20}
WORDS = ("the", "of", "gun", "car", "cell", "orbit", "window", "puck", "priest", "chip", "key")
POSTS = {"train": 26, "test": 9}
CLASSES = 3
OPTIONS = {"hypercleaning": {"samples": 30, "held": 20}, "newsgroups": {}}
"""Options of the families on real data, small enough for these contents."""


def write_sizes(folder, name, **sizes):
    """The file by which a set of one's own says how much it holds."""
    (folder / f"{name}.sizes.json").write_text(json.dumps(sizes))


def idx(array):
    """The bytes of an IDX file of unsigned bytes."""
    head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return head + array.astype(np.uint8).tobytes()


def digits(seed=0):
    """Images and labels by name of file; images of a class are bright at a place of its own."""
    random = np.random.default_rng(seed)
    files = {}
    for part, n in DIGITS.items():
        labels = random.permutation(n) % 10
        images = random.integers(0, 120, (n, SIDE, SIDE))
        images.reshape(n, -1)[np.arange(n), labels % SIDE**2] += 100
        files[f"{part}-images-idx3-ubyte"] = images
        files[f"{part}-labels-idx1-ubyte"] = labels
    return files


def write_digits(folder, packed=True, seed=0):
    """The four files, in gzip or plain; their arrays by name."""
    folder.mkdir(parents=True, exist_ok=True)
    files = digits(seed)
    write_sizes(
        folder, "mnist", train=DIGITS["train"], test=DIGITS["t10k"], height=SIDE, width=SIDE
    )
    for name, array in files.items():
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(idx(array), mtime=0))
        else:
            (folder / name).write_bytes(idx(array))
    return files


def posts(seed=0):
    """Counts of words (n, words) and labels of both sets; a class prefers words of its own."""
    random = np.random.default_rng(seed)
    sets = {}
    for part, n in POSTS.items():
        labels = random.permutation(n) % CLASSES
        rates = 0.4 + 2.0 * (np.arange(len(WORDS)) % CLASSES == labels[:, None])
        rates[:, 0] = 3.0
        sets[part] = random.poisson(rates), labels
    return sets


def write_newsgroups(folder, seed=0):
    """Both files of the cache, as fetch_20newsgroups_vectorized writes them; what `posts` gives."""
    import joblib
    from scipy.sparse import csr_matrix
    from sklearn.utils import Bunch

    folder.mkdir(parents=True, exist_ok=True)
    write_sizes(folder, "newsgroups", **POSTS, words=len(WORDS), classes=CLASSES)
    sets, cache, matrices = posts(seed), {}, []
    for part, (counts, labels) in sets.items():
        cache[part] = Bunch(
            data=[" ".join(np.repeat(WORDS, row)) for row in counts],
            target=labels,
            target_names=[f"group {c}" for c in range(CLASSES)],
            filenames=np.array([f"{part}{i}" for i in range(len(labels))]),
        )
        # The posts are shuffled when they are read, and the counts lie in that order.
        order = np.arange(len(labels))
        np.random.RandomState(12).shuffle(order)
        matrices.append(csr_matrix(counts[order].astype(np.int16)))
    packed = codecs.encode(pickle.dumps(cache), "zlib_codec")
    (folder / "20news-bydate_py3.pkz").write_bytes(packed)
    words = np.array(WORDS, dtype=object)
    joblib.dump((*matrices, words), folder / "20newsgroup_vectorized_py3.pkl", compress=9)
    return sets
