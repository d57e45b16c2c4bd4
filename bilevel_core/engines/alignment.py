"""Memory that starts where a vector of the processor may start.

NumPy starts arrays at any multiple of 16 bytes; a load that crosses a line of the cache takes twice
as long as one that does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

LINE = 64
"""Bytes of a line of the cache, and of the longest vectors."""
LARGEST_MOVED = 1 << 24
"""Bytes of data that are worth a copy: more are read at the memory's speed."""


def aligned_empty(shape: tuple[int, ...]) -> np.ndarray:
    """An uninitialised array of float64 that starts at a line of the cache."""
    size = 8 * int(np.prod(shape))
    room = np.empty(size + LINE, np.uint8)
    start = -room.ctypes.data % LINE
    return room[start : start + size].view(np.float64).reshape(shape)


def aligned_copy(array: np.ndarray) -> np.ndarray:
    """A copy in C order that starts at a line of the cache; read-only if the array is."""
    made = aligned_empty(array.shape)
    made[...] = array
    made.flags.writeable = array.flags.writeable
    return made


def aligned_data(data: Any) -> Any:
    """Data whose arrays of float64 start at lines of the cache, those of nested tuples too.

    Either all of them are copies or none is, where all are aligned already or they are large: what
    a family remembers in one array may belong to what it remembers in another.
    """
    arrays = list(_numbers(data))
    if sum(array.nbytes for array in arrays) > LARGEST_MOVED:
        return data
    return data if all(map(_is_aligned, arrays)) else _copied(data)


def _is_aligned(array: np.ndarray) -> bool:
    return array.ctypes.data % LINE == 0 or array.size == 0


def _numbers(value: Any) -> Iterator[np.ndarray]:
    if isinstance(value, np.ndarray) and value.dtype == np.float64:
        yield value
    elif hasattr(value, "_fields"):
        for part in value:
            yield from _numbers(part)


def _copied(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype == np.float64:
        return aligned_copy(value)
    return type(value)(*map(_copied, value)) if hasattr(value, "_fields") else value
