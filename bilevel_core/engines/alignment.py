"""Memory that starts where a vector of the processor may start.

NumPy starts arrays at any multiple of 16 bytes; a load that crosses a line of the cache takes twice
as long as one that does not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

LINE = 64
"""Bytes of a line of the cache, and of the longest vectors."""
SMALLEST_MOVED, LARGEST_MOVED = 1 << 13, 1 << 24
"""Bytes of data between which a copy pays: fewer are read faster than copied, more at the memory's
speed."""
SMALLEST_ALIGNED = 64
"""Numbers of a vector for which a start of its own is worth looking for."""


def aligned_empty(shape: tuple[int, ...]) -> np.ndarray:
    """An uninitialised array of float64 that starts at a line of the cache."""
    size = math.prod(shape)
    room = np.empty(size + LINE // 8)
    start = -room.ctypes.data % LINE // 8
    return room[start : start + size].reshape(shape)


def aligned_copy(array: np.ndarray) -> np.ndarray:
    """A copy in C order, read-only if the array is, at a line of the cache unless it is small."""
    small = array.size < SMALLEST_ALIGNED
    made = np.empty(array.shape) if small else aligned_empty(array.shape)
    made[...] = array
    made.flags.writeable = array.flags.writeable
    return made


def aligned_data(data: Any) -> Any:
    """The data moved, or as it is where that does not pay.

    Never in part: what a family remembers in one array may belong to what it does in another.
    """
    size = sum(array.nbytes for array in _numbers(data))
    return moved(data) if SMALLEST_MOVED <= size <= LARGEST_MOVED else data


def _numbers(value: Any) -> Iterator[np.ndarray]:
    if isinstance(value, np.ndarray) and value.dtype == np.float64:
        yield value
    elif hasattr(value, "_fields"):
        for part in value:
            yield from _numbers(part)


def moved(value: Any) -> Any:
    """Data with copies, as of `aligned_copy`, of all arrays of float64, nested tuples' too."""
    if isinstance(value, np.ndarray) and value.dtype == np.float64:
        return aligned_copy(value)
    return type(value)(*map(moved, value)) if hasattr(value, "_fields") else value
