"""Pickles of arrays and plain containers, read without running anything that they name.

A pickle is a program for a machine with a stack: it may call whatever it names.  Here Python's
machine is not used at all, but the small one below.  It has no operation that makes an object of a
class, and names stand for what `pickled_values` lists.  Keys of dictionaries are text or whole
numbers, so that nothing which a pickle builds is ever hashed.  The number of operations, the bytes
made of others, the depth and the size of the result are bounded, so that a small file ends soon.

Files of Python 2 are read, too: what is text there is bytes here, and as a key it is text again.
"""

from __future__ import annotations

import itertools
import mmap
import pickletools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bilevel_core.errors import InputError, one_line
from bilevel_core.reading import DECODER_ERRORS
from problems.datasets.pickled_values import (
    ORDERED,
    Name,
    PickledArray,
    PickledType,
    RefusedError,
    as_text,
    named,
)

LARGEST = 2**32
"""Bytes of a file; the largest that is usual, miniImageNet's training images, has 0.8 of 10^9."""
OPERATIONS = 600_000
"""Of a program, and values in its result; 38,400 labels, each one NumPy's own, take 540,000."""
DEPTH = 8
"""Containers within containers."""


def load(path: Path) -> Any:
    """What a pickle file holds: containers, numbers, text, bytes and arrays (read-only).

    Bytes keys of dictionaries are given as text; values that are shared are given several times.

    Raises:
        InputError: the file cannot be read, is too large, or holds or asks for anything else.
    """
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise RefusedError("no regular file")
        if not 0 < size <= LARGEST:
            raise RefusedError(f"it has {size} bytes; expected 1 to {LARGEST}")
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
            return _plain(_Machine(size).run(view), itertools.count(), DEPTH)
    except RefusedError as error:
        raise InputError(f"{path}: not read: {error}") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except DECODER_ERRORS as error:
        reason = one_line(f"{type(error).__name__}: {error}", 150)
        raise InputError(f"{path}: not a pickle of arrays: {reason}") from error


_MARK = object()
_NUMBERS = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4")
_TEXTS = ("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8")
_BYTES = ("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8")


class _Machine:
    """The stack and the memo of a program, and what its operations do."""

    def __init__(self, room: int) -> None:
        """room: bytes that may be made out of text."""
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._room = room

    def run(self, program: Any) -> Any:
        """The value that a program, a file open for reading, ends with."""
        for count, (operation, argument, _) in enumerate(pickletools.genops(program)):
            if count >= OPERATIONS:
                raise RefusedError(f"it has more than {OPERATIONS} operations")
            do = _DOING.get(operation.name)
            if do is None:
                raise RefusedError(f"it asks for {operation.name}, which no array needs")
            do(self, argument)
        return self._pop()

    def nothing(self, _: Any) -> None:
        pass

    def push(self, value: Any) -> None:
        self._stack.append(value)

    def number(self, value: Any) -> None:
        if not -(2**63) <= value < 2**64:
            raise RefusedError("a whole number of more than 64 bits")
        self.push(value)

    def old_text(self, value: str) -> None:
        self.push(value.encode("latin1"))

    def pop(self, _: Any) -> None:
        if not self._stack:
            raise RefusedError("it takes a value that is not there")
        self._stack.pop()

    def pop_mark(self, _: Any) -> None:
        self._items()

    def duplicate(self, _: Any) -> None:
        self.push(self._top(object))

    def list_of_items(self, _: Any) -> None:
        self.push(self._items())

    def append(self, _: Any) -> None:
        value = self._pop()
        self._top(list).append(value)

    def extend(self, _: Any) -> None:
        values = self._items()
        self._top(list).extend(values)

    def tuple_of_items(self, _: Any) -> None:
        self.push(tuple(self._items()))

    def tuple_of_last(self, count: int) -> None:
        values = [self._pop() for _ in range(count)]
        self.push(tuple(reversed(values)))

    def dictionary(self, _: Any) -> None:
        items = self._items()
        self.push(_with_items({}, items))

    def set_item(self, _: Any) -> None:
        value, key = self._pop(), self._pop()
        _with_items(self._top(dict), [key, value])

    def set_items(self, _: Any) -> None:
        items = self._items()
        _with_items(self._top(dict), items)

    def recall(self, place: Any) -> None:
        if place not in self._memo:
            raise RefusedError(f"memo {place} is empty")
        self.push(self._memo[place])

    def memorise(self, place: Any) -> None:
        place = len(self._memo) if place is None else place
        if not 0 <= place <= OPERATIONS:
            raise RefusedError(f"memo {place}")
        self._memo[place] = self._top(object)

    def name(self, both: str) -> None:
        module, _, name = both.partition(" ")
        self.push(named(module, name))

    def name_of_last(self, _: Any) -> None:
        name, module = self._pop(), self._pop()
        self.push(named(module, name))

    def reduce(self, _: Any) -> None:
        arguments, function = self._pop(), self._pop()
        if not isinstance(function, Name) or not isinstance(arguments, tuple):
            raise RefusedError("it calls something that is no function")
        made = function.call(*arguments)
        if function is ORDERED:
            made = _with_items({}, list(itertools.chain.from_iterable(made)))
        self._room -= len(made) if isinstance(made, bytes) else 0
        if self._room < 0:
            raise RefusedError("it makes more bytes than it has")
        self.push(made)

    def build(self, _: Any) -> None:
        state, made = self._pop(), self._top(object)
        if not isinstance(made, PickledArray | PickledType):
            raise RefusedError(f"it changes a {type(made).__name__}")
        made.build(state)

    def _top(self, kind: type) -> Any:
        """The last value, which stays where it is."""
        if not self._stack or self._stack[-1] is _MARK or not isinstance(self._stack[-1], kind):
            raise RefusedError(f"no {kind.__name__} where one is needed")
        return self._stack[-1]

    def _pop(self) -> Any:
        value = self._top(object)
        self._stack.pop()
        return value

    def _items(self) -> list[Any]:
        """The values after the last mark, which go with it."""
        values = []
        while self._stack and self._stack[-1] is not _MARK:
            values.append(self._stack.pop())
        self.pop(None)
        return values[::-1]


_DOING: dict[str, Callable[[_Machine, Any], None]] = {
    **dict.fromkeys(("PROTO", "FRAME", "STOP"), _Machine.nothing),
    **dict.fromkeys(_NUMBERS, _Machine.number),
    **dict.fromkeys((*_TEXTS, *_BYTES, "FLOAT", "BINFLOAT"), _Machine.push),
    **dict.fromkeys(("STRING", "BINSTRING", "SHORT_BINSTRING"), _Machine.old_text),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine.recall),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), _Machine.memorise),
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "MARK": lambda machine, _: machine.push(_MARK),
    "POP": _Machine.pop,
    "POP_MARK": _Machine.pop_mark,
    "DUP": _Machine.duplicate,
    "LIST": _Machine.list_of_items,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.extend,
    "TUPLE": _Machine.tuple_of_items,
    "TUPLE1": lambda machine, _: machine.tuple_of_last(1),
    "TUPLE2": lambda machine, _: machine.tuple_of_last(2),
    "TUPLE3": lambda machine, _: machine.tuple_of_last(3),
    "DICT": _Machine.dictionary,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "GLOBAL": _Machine.name,
    "STACK_GLOBAL": _Machine.name_of_last,
    "REDUCE": _Machine.reduce,
    "BUILD": _Machine.build,
}
"""By the names of `pickletools`; what is not here is refused."""


def _with_items(content: dict[Any, Any], items: list[Any]) -> dict[Any, Any]:
    """The dictionary with keys and values that follow each other."""
    if len(items) % 2:
        raise RefusedError("a key without a value")
    for key, value in zip(items[::2], items[1::2], strict=True):
        if type(key) not in (str, bytes, int):
            raise RefusedError(f"a {type(key).__name__} as a key; expected text or a whole number")
        content[as_text(key)] = value
    return content


def _plain(value: Any, count: Iterator[int], depth: int) -> Any:
    """The value with arrays in the place of what was said of them, as a tree of its own."""
    if next(count) >= OPERATIONS:
        raise RefusedError(f"it holds more than {OPERATIONS} values")
    if isinstance(value, PickledArray):
        return value.value
    if isinstance(value, dict | list | tuple):
        if not depth:
            raise RefusedError(f"containers more than {DEPTH} deep, or within themselves")
        if isinstance(value, dict):
            return {key: _plain(item, count, depth - 1) for key, item in value.items()}
        return type(value)(_plain(item, count, depth - 1) for item in value)
    if value is None or isinstance(value, bool | int | float | str | bytes | bytearray):
        return value
    raise RefusedError("something that is not an array, a number, text or a container")
