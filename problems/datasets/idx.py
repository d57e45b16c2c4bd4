"""The IDX format of MNIST: big-endian sizes, then bytes; plain or in gzip.

Two zero bytes, the type (8: unsigned bytes), the number of dimensions, each dimension as four
bytes, then the numbers by rows.  LeCun, Cortes and Burges, yann.lecun.com/exdb/mnist.
"""

from __future__ import annotations

import gzip
import math
import struct
from pathlib import Path

import numpy as np

from bilevel_core.errors import InputError, plain_reason
from bilevel_core.reading import DECODER_ERRORS

UNSIGNED_BYTES = 8
GZIP = b"\x1f\x8b"
ROOM = 4096
"""Bytes of a gzip archive's head."""


def read(path: Path, shape: tuple[int, ...], what: str) -> tuple[np.ndarray, bytes]:
    """(the array of a file, uint8 and read-only; all bytes of the file, unpacked).

    shape: what it has to be.  what: the set, in words.  No more is unpacked than that shape takes.

    Raises:
        InputError: the file cannot be read, or is damaged, or holds something else.
    """
    start, size = 4 + 4 * len(shape), math.prod(shape)
    numbers = _content(path, start + size)
    if len(numbers) < start:
        raise InputError(f"{path}: no IDX file: {len(numbers)} bytes, expected {start} at least")
    zeros, kind, dimensions = struct.unpack(">HBB", numbers[:4])
    if zeros or kind != UNSIGNED_BYTES or dimensions != len(shape):
        raise InputError(
            f"{path}: no IDX file of unsigned bytes in {len(shape)} dimensions: it begins with "
            f"{numbers[:4].hex()}, expected 000008{len(shape):02x}"
        )
    found = struct.unpack(f">{dimensions}I", numbers[4:start])
    if found != shape:
        raise InputError(
            f"{what}: looked in {path}, found {_by(found)} numbers, expected {_by(shape)}"
        )
    if len(numbers) - start != size:
        held = f"{len(numbers) - start}" if len(numbers) - start < size else f"more than {size}"
        raise InputError(f"{path}: {held} bytes of data, expected {size} for {_by(shape)}")
    return np.frombuffer(numbers, np.uint8, offset=start).reshape(shape), numbers


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _content(path: Path, size: int) -> bytes:
    """The bytes of a file, unpacked where they are in gzip, whatever its name; one too many."""
    complaint = "cannot be read"
    try:
        with path.open("rb") as file:
            if file.read(2) != GZIP:
                file.seek(0)
                return file.read(size + 1)
            complaint, packed = "damaged gzip archive", path.stat().st_size
            if packed > size + size // 100 + ROOM:
                raise ValueError(f"{packed} bytes for {size} numbers")
            file.seek(0)
            with gzip.GzipFile(fileobj=file) as archive:
                return archive.read(size + 1)
    except DECODER_ERRORS as error:
        raise InputError(f"{path}: {complaint}: {plain_reason(error)}") from None
