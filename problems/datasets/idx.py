"""The IDX format of MNIST: big-endian sizes, then bytes; plain or in gzip.

Two zero bytes, the type (8: unsigned bytes), the number of dimensions, each dimension as four
bytes, then the numbers by rows.  LeCun, Cortes and Burges, yann.lecun.com/exdb/mnist.
"""

from __future__ import annotations

import gzip
import io
import math
import struct
from pathlib import Path

import numpy as np

from bilevel_core.errors import InputError
from bilevel_core.reading import DECODER_ERRORS

UNSIGNED_BYTES = 8
GZIP = b"\x1f\x8b"


def content(path: Path, most: int) -> bytes:
    """The bytes of an IDX file, unpacked where they are in gzip, whatever the file's name.

    most: bytes that it may have.

    Raises:
        InputError: the file cannot be read, is larger, or its archive is cut short or damaged.
    """
    try:
        with path.open("rb") as file:
            stored = file.read(most + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if stored.startswith(GZIP):
        try:
            stored = gzip.GzipFile(fileobj=io.BytesIO(stored)).read(most + 1)
        except DECODER_ERRORS as error:
            raise InputError(f"{path}: damaged gzip archive: {error}") from None
    if len(stored) > most:
        raise InputError(f"{path}: holds more than the {most} bytes of the whole set")
    return stored


def parse(path: Path, numbers: bytes, dimensions: int) -> np.ndarray:
    """The array, uint8 and read-only, that the bytes of `path` hold.

    Raises:
        InputError: they are no IDX of unsigned bytes with so many dimensions, or too few or many.
    """
    start = 4 + 4 * dimensions
    if len(numbers) < start:
        raise InputError(f"{path}: no IDX file: {len(numbers)} bytes, expected {start} at least")
    zeros, kind, found = struct.unpack(">HBB", numbers[:4])
    if zeros or kind != UNSIGNED_BYTES or found != dimensions:
        raise InputError(
            f"{path}: no IDX file of unsigned bytes in {dimensions} dimensions: it begins with "
            f"{numbers[:4].hex()}, expected 000008{dimensions:02x}"
        )
    shape = struct.unpack(f">{dimensions}I", numbers[4:start])
    size = math.prod(shape)
    if len(numbers) - start != size:
        sizes = " x ".join(map(str, shape))
        raise InputError(
            f"{path}: {len(numbers) - start} bytes of data, expected {size} for {sizes}"
        )
    return np.frombuffer(numbers, np.uint8, offset=start).reshape(shape)
