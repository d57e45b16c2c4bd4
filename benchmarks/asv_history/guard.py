"""Exact counts of two commits set side by side; times and memory are never judged."""

from __future__ import annotations

from benchmarks.asv_history.files import Key, Measured, label

EXACT = "counts."
"""The suite whose numbers are counts of a deterministic run."""


def changes(old: Measured, new: Measured) -> list[str]:
    """One line for each count that differs, with both numbers and commits.

    A benchmark or solver that one of the two lacks altogether is not judged, nor a benchmark whose
    own text has changed; one that had a number and fails now is a change.
    """
    return [
        f"{label(key)}: {_text(old.values[key])} at {old.commit[:8]}, "
        f"{_text(value)} at {new.commit[:8]}"
        for key, value in new.values.items()
        if _is_judged(key, old, new) and not _same(old.values[key], value)
    ]


def judged(old: Measured, new: Measured) -> int:
    """How many counts are compared."""
    return sum(_is_judged(key, old, new) for key in new.values)


def rewritten(old: Measured, new: Measured) -> list[str]:
    """The exact benchmarks whose own text has changed in between, so that numbers may."""
    return [
        name
        for name, version in new.versions.items()
        if name.startswith(EXACT) and old.versions.get(name, version) != version
    ]


def _is_judged(key: Key, old: Measured, new: Measured) -> bool:
    name, _ = key
    return (
        name.startswith(EXACT)
        and old.values.get(key) is not None
        and old.versions[name] == new.versions[name]
    )


def _same(old: float | None, new: float | None) -> bool:
    both_none_reached = old != old and new != new  # NaN: eps was not reached
    return old == new or both_none_reached


def _text(value: float | None) -> str:
    if value is None:
        return "failed"
    return "not reached" if value != value else f"{value:.17g}"
