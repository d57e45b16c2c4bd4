"""What public functions ask of their arguments: values of plain types out, or one InputError.

Numbers and sequences are taken as scientists hold them (NumPy scalars, arrays, tuples) and become
Python's own, so that nothing later meets another type.  Types are read with `type`, and nothing of
a value is called before its type is known: the code of a foreign object may do anything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from bilevel_core.errors import FOREIGN_ERRORS, InputError, one_line, shown, unknown_name

LARGEST_SEED = 2**128 - 1
"""What a seed of NumPy holds; JSON writes it."""

LARGEST_COUNT = 2**63 - 1
"""What a counter in compiled code holds."""

LONGEST_NAME = 80
NAME_CHARACTERS = "letters, digits, '_', '-', '.' and '+'"


def is_a(value: Any, *kinds: type) -> bool:
    """Whether a value is of one of these types; what it says of itself is not asked."""
    return issubclass(type(value), kinds)


def plain(value: Any) -> Any:
    """Python's own int, float, bool or str for NumPy's scalars and subclasses; all else as is."""
    if is_a(value, np.ndarray) and value.ndim == 0:
        return plain(value.tolist())
    if is_a(value, bool, np.bool_):
        return bool(value)
    for kind, numpy_kind in ((int, np.integer), (float, np.floating), (str, np.str_)):
        if type(value) is kind:
            return value
        if is_a(value, numpy_kind) and not is_a(value, kind):
            return kind(value)
        if is_a(value, kind):
            return _own(kind, value)
    return value


def _own(kind: type, value: Any) -> Any:
    """The value by the type's own conversion, whatever a subclass has put in its place."""
    return {int: int.__int__, float: float.__float__, str: str.__str__}[kind](value)


def number(name: str, value: Any, allowed: str, accepted: Callable[[float], bool]) -> int | float:
    """A finite number that is accepted; allowed: what the error says is.

    Raises:
        InputError: it is not.
    """
    found = plain(value)
    if is_a(found, int, float) and not is_a(found, bool):
        try:
            if math.isfinite(found) and accepted(found):
                return found
        except OverflowError:  # an int beyond every float
            pass
    raise InputError(f"{name}: expected {allowed}, got {shown(value)}")


def truth(name: str, value: Any) -> bool:
    """True or False.

    Raises:
        InputError: it is not.
    """
    found = plain(value)
    if type(found) is not bool:
        raise InputError(f"{name}: expected True or False, got {shown(value)}")
    return found


def positive(name: str, value: Any) -> int | float:
    """A finite number > 0.

    Raises:
        InputError: it is not.
    """
    return number(name, value, "a finite number > 0", lambda v: v > 0)


def integer(name: str, value: Any, least: int, most: int | None = None) -> int:
    """An integer of at least `least`, and at most `most` where that is given.

    Raises:
        InputError: it is not.
    """
    found = plain(value)
    if type(found) is not int or found < least or (most is not None and found > most):
        allowed = f">= {least}" if most is None else f"from {least} to {most}"
        raise InputError(f"{name}: expected an integer {allowed}, got {shown(value)}")
    return found


def text(name: str, value: Any, expected: str = "a text") -> str:
    """A str.

    Raises:
        InputError: it is not.
    """
    found = plain(value)
    if not is_a(found, str):
        raise InputError(f"{name}: expected {expected}, got {shown(value)}")
    return str(found)


def choice(name: str, value: Any, allowed: Iterable[str]) -> str:
    """One of a closed list of words.

    Raises:
        InputError: it is not.
    """
    found = plain(value)
    names = tuple(allowed)
    if not is_a(found, str) or found not in names:
        raise unknown_name(name, found, names)
    return str(found)


def items(name: str, value: Any, expected: str) -> list[Any]:
    """The elements of a list, tuple, range or other sequence, of a one-dimensional array or Series.

    Raises:
        InputError: it is none of them; a text is not.
    """
    try:
        if hasattr(type(value), "__array__") and hasattr(type(value), "tolist"):
            value = value.tolist()
        if is_a(value, Sequence) and not is_a(value, str, bytes, bytearray):
            return list(value)
    except FOREIGN_ERRORS as error:
        raise InputError(f"{name}: expected {expected}, got {shown(value)}") from error
    raise InputError(f"{name}: expected {expected}, got {shown(value)}")


def different_seeds(name: str, value: Any) -> list[int]:
    """Different integers >= 0, perhaps none.

    Raises:
        InputError: they are not.
    """
    expected = "different integers >= 0"
    found = [plain(seed) for seed in items(name, value, expected)]
    valid = all(type(seed) is int and 0 <= seed <= LARGEST_SEED for seed in found)
    if not valid or len(set(found)) < len(found):
        raise InputError(f"{name}: expected {expected}, got {shown(found)}")
    return found


def real_array(name: str, value: Any) -> np.ndarray:
    """An array of float64, numbers that are not finite among them.

    Raises:
        InputError: it holds something else than real numbers, or masks some.
    """
    try:
        if is_a(value, np.ma.MaskedArray) and np.ma.is_masked(value):
            raise TypeError("masked numbers")
        given = np.asarray(value)
        if given.dtype.kind == "O":
            given = np.array([_real(each) for each in given.flat]).reshape(given.shape)
        if given.dtype.kind not in "iuf":
            raise TypeError(f"{given.dtype}")
        return np.asarray(given, dtype=float)
    except FOREIGN_ERRORS as error:
        raise InputError(f"{name}: expected real numbers, got {shown(value)}") from error


def _real(value: Any) -> float:
    if is_a(value, str, bytes, bool):
        raise TypeError("no number")
    return float(value)


def scalars(name: str, value: Any) -> dict[str, Any]:
    """A dict of texts to texts, numbers, True, False and None.

    Raises:
        InputError: it is not.
    """
    found = {key: plain(each) for key, each in mapping(name, value).items()}
    for key, each in found.items():
        if each is not None and type(each) not in (bool, int, float, str):
            raise InputError(f"{one_line(key, LONGEST_NAME)}: expected a number, got {shown(each)}")
    return found


def mapping(name: str, value: Any) -> dict[str, Any]:
    """A dict whose keys are texts.

    Raises:
        InputError: it is not.
    """
    try:
        found = dict(value) if is_a(value, Mapping) else None
    except FOREIGN_ERRORS as error:
        raise InputError(f"{name}: expected a dict, got {shown(value)}") from error
    if found is None:
        raise InputError(f"{name}: expected a dict, got {shown(value)}")
    return {text(f"key of {name}", key): each for key, each in found.items()}


def function(name: str, value: Any) -> Any:
    """Something that can be called.

    Raises:
        InputError: it is not.
    """
    if not callable(value):
        raise InputError(f"{name}: expected a function, got {shown(value)}")
    return value


def label(name: str, value: Any) -> str:
    """A text that can be printed, on one line.

    Raises:
        InputError: it is not.
    """
    found = text(name, value)
    if not found.strip() or not found.isprintable() or len(found) > LONGEST_NAME:
        allowed = f"1 to {LONGEST_NAME} printable characters"
        raise InputError(f"{name}: expected {allowed}, got {shown(found)}")
    return found


def seed(value: Any) -> int:
    """A seed: an integer >= 0 that NumPy holds.

    Raises:
        InputError: it is not.
    """
    found = integer("seed", value, 0)
    if found > LARGEST_SEED:
        raise InputError(f"seed: expected an integer below 2**128, got {shown(found)}")
    return found


def registered_name(kind: str, value: Any) -> str:
    """A name that a registry takes: one that no path, shell or terminal reads as something else.

    Raises:
        InputError: it is none.
    """
    found = text(f"{kind} name", value)
    stem = found.translate(dict.fromkeys(map(ord, "_-.+"), "0"))
    begins = stem.isalnum() and (found[0].isalnum() or found[0] == "_")
    if not begins or found.endswith(".py") or len(found) > LONGEST_NAME:
        raise InputError(
            f"{kind} name: expected {NAME_CHARACTERS}, at most {LONGEST_NAME} of them, first a "
            f"letter, a digit or '_', not ending in .py, got {shown(found)}"
        )
    return found
