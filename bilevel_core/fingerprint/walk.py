"""What a computation rests on, followed from its roots through every way to hold a value.

The result is a text that names no module of ours, so that a pure move changes nothing.  A function,
class or module is written once, at its first mention, and stands as a number elsewhere: two graphs
have one text only if they are alike.  Classes and modules count with those of their parts that some
function mentions by name.  What cannot be followed is told in `unknown`, never passed over.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Container, Iterable, Iterator
from types import CellType, FunctionType, ModuleType
from typing import Any

from bilevel_core.fingerprint.sources import names_in, source_of
from bilevel_core.fingerprint.values import Described, describe, digest
from bilevel_core.ownership import file_of, is_own, is_users, module_name

_PLACES = frozenset(
    {
        *("__annotations__", "__builtins__", "__cached__", "__dict__", "__doc__", "__file__"),
        *("__loader__", "__module__", "__name__", "__package__", "__path__", "__qualname__"),
        *("__spec__", "__weakref__"),
    }
)
"""Names in classes and modules that say where these are, not what they do."""
_TOLD = ("__dataclass_fields__", "__slots__")
"""Parts with names like methods' that decide what a class does."""


class Walk:
    """A walk in progress; `text`, `users` and `unknown` are what it has found."""

    def __init__(self, packages: Container[str]) -> None:
        """packages: whose code is followed, beside users' own files."""
        self.text: list[str] = []
        self.users: dict[str, None] = {}  # names of modules of the user's own
        self.unknown: dict[str, None] = {}
        self.functions: list[FunctionType] = []
        self._packages = packages
        self._numbers: dict[int, int] = {}
        self._kept: list[Any] = []  # what has a number stays alive, or another could have its id
        self._known: dict[int, str] = {}
        self._own: dict[int, bool] = {}
        self._under_way: set[int] = set()
        self._names: set[str] = set()
        self._queue: deque[FunctionType] = deque()
        self._open: list[tuple[Any, set[str]]] = []  # classes and modules, and parts written
        self._where = ""

    def follow(self, roots: Iterable[Any]) -> None:
        """Write the roots, and all that they rest on."""
        for root in roots:
            self._where = "roots"
            self._write("root", root)
        while self._queue or self._write_parts():
            while self._queue:
                self._write_function(self._queue.popleft())

    def _write(self, label: str, value: Any) -> None:
        self.text.append(f"{label}={self.token(value)}")

    def _write_parts(self) -> bool:
        """Write what is mentioned by now of classes and modules; whether there was any."""
        found = False
        for owner, written in list(self._open):
            parts = vars(owner)
            for name in sorted(set(parts) - written - _PLACES):
                if name in self._names or _acts_unnamed(owner, name, parts[name]):
                    found = True
                    written.add(name)
                    self._where = f"{owner.__name__}.{name}"
                    self._write(f"{self._number(owner)}.{name}", parts[name])
        return found

    def _write_function(self, function: FunctionType) -> None:
        self.functions.append(function)
        self._where = function.__qualname__
        self.text.append(f"{self._number(function)} {function.__qualname__}")
        if self._is_own(function):
            self.text.append(source_of(function))
            self._names |= names_in(function.__code__)
        for name, value in used(function):
            self._write(name, value)
        for i, value in enumerate(function.__defaults__ or ()):
            self._write(f"default {i}", value)
        for table in (function.__kwdefaults__ or {}, vars(function)):
            for name, value in sorted(table.items()):
                self._write(name, value)

    def _is_own(self, value: Any) -> bool:
        if id(value) not in self._own:
            self._own[id(value)] = is_own(value, self._packages)
            self._kept.append(value)
        return self._own[id(value)]

    def _number(self, value: Any) -> str:
        if id(value) not in self._numbers:
            self._numbers[id(value)] = len(self._numbers)
            self._kept.append(value)
        return f"#{self._numbers[id(value)]}"

    def token(self, value: Any) -> str:
        """The text that stands for a value; what it rests on is written sooner or later."""
        if id(value) in self._known:
            return self._known[id(value)]
        if isinstance(value, FunctionType | type | ModuleType):
            return self._definition(value)
        if id(value) in self._under_way:
            return f"cycle to a {type(value).__qualname__}"
        self._under_way.add(id(value))
        try:
            described = describe(value, self._is_own)
        except Exception as error:  # noqa: BLE001  # a user's object may raise anything
            described = Described(unknown=type(error).__name__)
        try:
            found = self._composed(value, described)
        except RecursionError:
            found = self._lost(value)
        self._under_way.discard(id(value))
        self._known[id(value)] = found
        self._kept.append(value)
        return found

    def _composed(self, value: Any, described: Described) -> str:
        if described.unknown:
            return self._lost(value)
        tokens = [self.token(part) for part in described.parts]
        if not tokens:
            return described.text
        return digest("\n".join([described.text, *tokens]))

    def _lost(self, value: Any) -> str:
        kind = type(value)
        self.unknown[f"{self._where} holds a {kind.__module__}.{kind.__qualname__}"] = None
        return f"unknown {kind.__qualname__}"

    def _definition(self, value: Any) -> str:
        """A function, class or module: by name if it is a library's, else by its number."""
        if not (self._is_own(value) or _wraps_own(value, self._packages)):
            self._kept.append(value)
            self._known[id(value)] = f"{module_name(value)}.{getattr(value, '__qualname__', '')}"
            return self._known[id(value)]
        number = self._known[id(value)] = self._number(value)
        if module_name(value) in sys.modules and is_users(value, self._packages):
            self.users[module_name(value)] = None
        if isinstance(value, FunctionType):
            self._queue.append(value)
            return number
        self._open.append((value, set()))
        if isinstance(value, ModuleType):
            return number
        bases = [self.token(base) for base in (*value.__bases__, type(value))]
        fields = getattr(value, "_fields", ()), getattr(value, "_field_defaults", ())
        return f"{number} {value.__qualname__}{bases}{self.token(fields)}"


def _acts_unnamed(owner: Any, name: str, part: Any) -> bool:
    """Whether a part of a class or module acts without being mentioned, as `__add__` does."""
    if not (name.startswith("__") and name.endswith("__")):
        return False
    return name in _TOLD or isinstance(part, FunctionType | staticmethod | classmethod | property)


def _wraps_own(value: Any, packages: Container[str]) -> bool:
    """Whether a library's function stands around one of ours, as decorators make them."""
    if not isinstance(value, FunctionType) or not value.__closure__:
        return False
    inner = getattr(value, "__wrapped__", None)
    home = sys.modules.get(module_name(value))
    is_ours = home is not None and is_own(home, packages) and file_of(value) != file_of(home)
    return is_ours or (isinstance(inner, FunctionType) and is_own(inner, packages))


def used(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """Globals and enclosed values that a function mentions, by name."""
    names = names_in(function.__code__)
    for name in sorted((names & function.__globals__.keys()) - _PLACES):
        yield name, function.__globals__[name]
    if function.__closure__:
        cells = map(_content, function.__closure__)
        yield from zip(function.__code__.co_freevars, cells, strict=True)


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # nothing in it yet
        return None
