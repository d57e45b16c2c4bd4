"""A run in progress as named arrays, and back: what a checkpoint holds.

Values are trees of tuples whose leaves are NumPy arrays and numbers; a leaf is named by where it
lies, "state.y".  Streams of random numbers (`bilevel_core.streams`) are written as the state of
their generators, which is JSON, and put back in place: whoever holds a stream goes on with it.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Mapping
from typing import Any

import numpy as np

from bilevel_core.streams import Columns, Shuffled


def leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Each leaf of a tree with its name, in order."""
    if isinstance(value, tuple):
        for key, part in parts_of(value):
            yield from leaves(part, f"{name}.{key}")
    else:
        yield name, value


def parts_of(value: tuple[Any, ...]) -> list[tuple[str, Any]]:
    """The parts of a tuple with their names, or their positions where they have none."""
    fields = getattr(value, "_fields", None) or tuple(map(str, range(len(value))))
    return list(zip(fields, value, strict=True))


def with_leaves(value: Any, name: str, given: Mapping[str, Any]) -> Any:
    """The tree with those leaves that are given by name, the others as they are."""
    if not isinstance(value, tuple):
        return given.get(name, value)
    parts = [with_leaves(part, f"{name}.{key}", given) for key, part in parts_of(value)]
    return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)


def as_arrays(value: Any, name: str, only: Container[str] | None = None) -> dict[str, np.ndarray]:
    """The leaves of a tree that are arrays or numbers, as arrays of their own.

    only: names of those that are wanted; None for all.
    """
    return {
        key: np.array(leaf)
        for key, leaf in leaves(value, name)
        if isinstance(leaf, np.ndarray | int | float) and (only is None or key in only)
    }


def from_arrays(value: Any, name: str, stored: Mapping[str, np.ndarray]) -> Any:
    """The tree with its stored leaves; numbers come back as the kind of number they were."""
    found = {}
    for key, leaf in leaves(value, name):
        if key in stored:
            held = stored[key]
            found[key] = held.copy() if isinstance(leaf, np.ndarray) else type(leaf)(held.item())
    return with_leaves(value, name, found)


def fits(arrays: Mapping[str, np.ndarray], fresh: Mapping[str, np.ndarray]) -> bool:
    """Whether stored arrays have the names, types and shapes of a run's own at its start.

    Data that the run changes on its way, "data....", may be there beside them.
    """
    others = arrays.keys() - fresh.keys()
    return all(name.startswith("data.") for name in others) and all(
        name in arrays
        and arrays[name].dtype.kind == own.dtype.kind
        and arrays[name].shape == own.shape
        for name, own in fresh.items()
    )


def changed(before: Any, after: Any, name: str) -> set[str]:
    """Names of the leaves of two trees of one shape that are not the same object or number."""
    pairs = zip(leaves(before, name), leaves(after, name), strict=True)
    return {key for (key, old), (_, new) in pairs if old is not new}


def stream_arrays(stream: Any, name: str) -> dict[str, np.ndarray]:
    """The state of a stream, or of a tuple of them, as arrays; none where nothing is random."""
    if stream is None:
        return {}
    if isinstance(stream, np.random.Generator):
        return {name: np.array(json.dumps(stream.bit_generator.state))}
    if isinstance(stream, Shuffled):
        own = {f"{name}.order": stream.order.copy(), f"{name}.position": stream.position.copy()}
        return own | stream_arrays(stream.generator, f"{name}.generator")
    found: dict[str, np.ndarray] = {}
    for i, one in enumerate(stream.streams if isinstance(stream, Columns) else stream):
        found |= stream_arrays(one, f"{name}.{i}")
    return found


def restore_stream(stream: Any, name: str, stored: Mapping[str, np.ndarray]) -> None:
    """Put a stream, or a tuple of them, back into the state that was stored; in place."""
    if stream is None:
        return
    if isinstance(stream, np.random.Generator):
        stream.bit_generator.state = json.loads(str(stored[name]))
    elif isinstance(stream, Shuffled):
        stream.order[:] = stored[f"{name}.order"]
        stream.position[:] = stored[f"{name}.position"]
        restore_stream(stream.generator, f"{name}.generator", stored)
    else:
        for i, one in enumerate(stream.streams if isinstance(stream, Columns) else stream):
            restore_stream(one, f"{name}.{i}", stored)
