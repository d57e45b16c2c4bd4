"""Small files that ask for years or for all memory, in each format that data is read from."""

import gzip
import io
import pickle
import struct
import zipfile
import zlib

import numpy as np
from tiny_data import digits, idx, write_digits, write_newsgroups, write_sizes
from tiny_images import ALPHABETS, drawing, png, write_zip

DOUBLED = b")" + b"2\x86" * 60
"""A tuple of 2^60 parts, in 121 bytes."""
LARGE = 2**30


def called(module, name, arguments):
    return b"\x80\x02c" + f"{module}\n{name}\n".encode() + arguments + b"R."


def text(content):
    return b"X" + struct.pack("<I", len(content)) + content


def array(shape=b"K\x01\x85", order=b"X\x01\0\0\0|", raw=b"a"):
    """A pickled array of these parts."""
    kind = text(b"u1") + b"\x85"
    return (
        b"\x80\x03cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
        b"(K\x01" + shape + b"cnumpy\ndtype\n" + kind + b"R(K\x03" + order + b"NNNK\x00K\x00K\x00tb"
        b"\x89C" + bytes([len(raw)]) + raw + b"tb."
    )


def nested(width, depth):
    """Lists in lists, each of them the same one several times."""
    inner = b"]q\x00"
    for level in range(depth):
        inner += b"0]q" + bytes([level + 1]) + b"(" + (b"h" + bytes([level])) * width + b"e"
    return inner


PICKLES = {
    "doubled tuple as a key": b"\x80\x02}" + DOUBLED + b"Ns.",
    "doubled tuple as a type": called("numpy", "dtype", DOUBLED + b"\x85"),
    "doubled tuple as a shape": array(shape=DOUBLED),
    "doubled tuple as lengths": array(shape=DOUBLED + b"\x85"),
    "doubled tuple as a byte order": array(order=DOUBLED),
    "doubled tuple as a codec": called("_codecs", "encode", text(b"a") + DOUBLED + b"\x86"),
    "doubled tuple as text": called("_codecs", "encode", DOUBLED + b"\x85"),
    "doubled tuple as a class": called("numpy.core.multiarray", "_reconstruct", DOUBLED + b"\x85"),
    "doubled tuple as an order": called(
        "numpy.core.numeric", "_frombuffer", b"(C\x01a" + b"N" + b")" + DOUBLED + b"t"
    ),
    "doubled tuple as arguments": called("builtins", "bytes", DOUBLED),
    "doubled tuple as a function": b"\x80\x02" + DOUBLED + b")R.",
    "doubled tuple as a name": b"\x80\x04" + DOUBLED + b"2\x93.",
    "doubled tuple in a set": b"\x80\x04\x8f(" + DOUBLED + b"\x90.",
    "doubled tuple in a frozen set": b"\x80\x04(" + DOUBLED + b"\x91.",
    "doubled tuple in OrderedDict": called(
        "collections", "OrderedDict", b"](" + DOUBLED + b"N\x86e\x85"
    ),
    "doubled tuple as state": b"\x80\x02]" + DOUBLED + b"b.",
    "doubled tuple in DICT": b"\x80\x02(" + DOUBLED + b"Nd.",
    "doubled tuple": b"\x80\x02" + DOUBLED + b".",
    "doubled tuple as a number": called(
        "numpy.core.multiarray", "scalar", DOUBLED + DOUBLED + b"\x86"
    ),
    "lists of the same list": b"\x80\x02" + nested(100, 7) + b".",
    "a million marks": b"\x80\x02" + b"(" * 1_000_000 + b".",
    "a million dictionaries": b"\x80\x02" + b"}" * 1_000_000 + b".",
    "tuples in tuples": b"\x80\x02)" + b"\x85" * 500_000 + b".",
    "lists in lists": b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b".",
    "text encoded again and again": b"\x80\x02c_codecs\nencode\nq\x000"
    + text(b"a" * 100_000)
    + b"q\x010]("
    + b"h\x00h\x01\x85R" * 20_000
    + b"e.",
    "text that is longer than the file": b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"a.",
    "bytes that are longer than the file": b"\x80\x04\x8e" + struct.pack("<Q", 2**63 - 1) + b"a.",
    "bytes longer than any": b"\x80\x05\x96" + struct.pack("<Q", 2**64 - 1) + b"a.",
    "a number with a million digits": b"I" + b"9" * 1_000_000 + b"\n.",
    "a number with a million bytes": b"\x80\x02\x8b"
    + struct.pack("<i", 10**6)
    + b"\x7f" * 10**6
    + b".",
    "a memo far away": b"\x80\x02Nr\xff\xff\xff\x7f.",
    "a shape beyond all memory": array(
        b"K\x00" + b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f" * 2 + b"\x87", raw=b""
    ),
    "a type of a million letters": called("numpy", "dtype", text(b"u" * 10**6) + b"\x85"),
    "a name of a million letters": b"\x80\x02c" + b"a" * 10**6 + b"\nb\n.",
    "an extension": b"\x80\x02\x84\xff\xff\xff\x7f.",
    "a persistent id": b"\x80\x02" + DOUBLED + b"Q.",
    "a buffer": b"\x80\x05\x97\x98.",
}


def write_pickles(folder):
    """Each in a file of its own."""
    folder.mkdir()
    for name, content in PICKLES.items():
        (folder / name).write_bytes(content)


def write_labels(folder):
    """FC100 with 10^5 labels, each of them all images."""
    folder.mkdir()
    images = np.zeros((1200, 32, 32, 3), np.uint8)
    content = pickle.dumps({"data": images, "labels": [images] * 100_000}, protocol=2)
    (folder / "FC100_train.pickle").write_bytes(content)
    write_sizes(folder, "fc100.train", classes=3, images=1200)


def write_gzip(folder):
    """Digits whose images go on for a gigabyte, and others of 2^96 by their head."""
    for name in ("zeros", "head", "empty"):
        write_digits(folder / name / "mnist")
    path = "mnist/train-images-idx3-ubyte.gz"
    zeros, nothing = gzip.compress(bytes(2**24), 9), gzip.compress(b"")
    start = gzip.compress(idx(digits()["train-images-idx3-ubyte"]))
    (folder / "zeros" / path).write_bytes(start + zeros * (LARGE // 2**24))
    (folder / "empty" / path).write_bytes(start + nothing * 500_000)
    (folder / "head" / path).write_bytes(struct.pack(">HBB3I", 0, 8, 3, *[2**32 - 1] * 3))


def chunk(kind, content):
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def head(side):
    return chunk(b"IHDR", struct.pack(">2I5B", side, side, 8, 0, 0, 0, 0))


def write_drawings(folder):
    """Omniglot whose drawings are too large, say so or not."""
    usual = png(drawing("a", 1))
    pixels = chunk(b"IDAT", zlib.compress(bytes(2**24), 9)) + chunk(b"IEND", b"")
    comment = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**25), 9))
    signature = usual[:8]
    contents = {
        "large": signature + head(30_000) + pixels,
        "second head": signature + head(105) + head(30_000) + pixels,
        "comment": signature + head(105) + comment * 2 + pixels,
        "unpacked": bytes(2**26),
        "unpacked in secret": bytes(2**25),
        "lzma": bytes(2**26),
    }
    for name, content in contents.items():
        place = folder / name
        place.mkdir(parents=True)
        for part in ALPHABETS:
            method = zipfile.ZIP_LZMA if name == "lzma" else zipfile.ZIP_DEFLATED
            write_zip(place / f"{part}.zip", part, {"A/c/1.png": content}, method)
            write_sizes(place, part, alphabets=1, characters=1, drawings=1)
            if name == "unpacked in secret":
                path = place / f"{part}.zip"
                size = struct.pack("<I", len(content))
                path.write_bytes(path.read_bytes().replace(size, struct.pack("<I", 300)))


def write_posts(folder):
    """A quarter of a gigabyte of nothing in the place of posts."""
    write_newsgroups(folder)
    packing = zlib.compressobj(1)
    zeros = [packing.compress(bytes(2**24)) for _ in range(16)]
    (folder / "20news-bydate_py3.pkz").write_bytes(b"".join([*zeros, packing.flush()]))


def write_checkpoints(folder):
    """One that is packed, and one whose head is of 10^12 numbers."""
    folder.mkdir()
    np.savez_compressed(folder / "packed.npz", x=np.zeros(2**24), json=np.array("{}"))
    content = io.BytesIO()
    np.save(content, np.zeros(1))
    large = content.getvalue().replace(b"(1,), }            ", b"(1000000000000,), }")
    assert large != content.getvalue()
    with zipfile.ZipFile(folder / "head.npz", "w") as archive:
        archive.writestr("x.npy", large)
