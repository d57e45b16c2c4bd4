"""Memory that starts where a vector of the processor may start.

NumPy starts arrays at any multiple of 16 bytes; a load that crosses a line of the cache takes twice
as long as one that does not.
"""

from __future__ import annotations

import numpy as np

LINE = 64
"""Bytes of a line of the cache, and of the longest vectors."""
LARGEST_MOVED = 1 << 24
"""Bytes of an array up to which it is worth a copy: larger ones are read at the memory's speed."""


def aligned_empty(shape: tuple[int, ...]) -> np.ndarray:
    """An uninitialised array of float64 that starts at a line of the cache."""
    size = 8 * int(np.prod(shape))
    room = np.empty(size + LINE, np.uint8)
    start = -room.ctypes.data % LINE
    return room[start : start + size].view(np.float64).reshape(shape)


def aligned(array: np.ndarray) -> np.ndarray:
    """The array in C order at a line of the cache: a copy unless it is there, or is large."""
    array = np.ascontiguousarray(array)
    if array.dtype != np.float64 or array.nbytes > LARGEST_MOVED or not array.ctypes.data % LINE:
        return array
    moved = aligned_empty(array.shape)
    moved[...] = array
    moved.flags.writeable = array.flags.writeable
    return moved
