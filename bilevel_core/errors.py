"""Errors that are told apart: what bad input raises, and what asks for another way to run."""

from __future__ import annotations

import contextlib
import difflib
import re
import reprlib
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path

from bilevel_core.ownership import PROJECT, is_library_file

LONGEST_MESSAGE = 300
"""Characters of an InputError's message: what is longer loses its middle."""


class InputError(ValueError):
    """Bad input: the message names the argument, its value and what is allowed, in one line."""

    def __init__(self, message: object = "") -> None:
        """Keep the message to one printable line of at most `LONGEST_MESSAGE` characters."""
        super().__init__(one_line(str(message)))


def one_line(text: str, longest: int = LONGEST_MESSAGE) -> str:
    """A text without line breaks and control characters, cut in the middle where it is longer."""
    line = printable(" ".join(text.split()))
    if len(line) <= longest:
        return line
    tail = longest // 3
    return f"{line[: longest - tail - 3]}...{line[len(line) - tail :]}"


def printable(text: str) -> str:
    """Lines of text whose control, format and bidirectional characters do nothing to a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


LONGEST_SHOWN = 80
"""Characters of a value in a message."""

LONGEST_REASON = 150
"""Characters of what a user's function raised."""

FOREIGN_ERRORS = (Exception, SystemExit, GeneratorExit)
"""What the methods of an object that is not ours may raise."""


def shown(value: object, longest: int = LONGEST_SHOWN) -> str:
    """A value as a message shows it: its repr on one short line, whatever the value is.

    Never fails, and looks at no more of a container than it shows; what cannot be shown is named by
    its type.
    """
    brief = reprlib.Repr()
    brief.maxlevel = 3
    brief.maxdict = 6
    brief.maxstring = brief.maxlong = brief.maxother = longest
    kind = type(value)
    try:
        size = getattr(value, "size", 0) if hasattr(kind, "__array__") else 0
        if isinstance(size, int) and size > brief.maxlist:
            shape = tuple(getattr(value, "shape", ()))
            return one_line(f"{kind.__name__} of shape {shape}", longest)
        return one_line(brief.repr(value), longest)
    except FOREIGN_ERRORS:
        return one_line(f"<{type.__getattribute__(kind, '__name__')}>", longest)


class OneAtATimeError(Exception):
    """A solver and a family whose instances cannot be run together in compiled code."""


def unknown_name(kind: str, name: object, allowed: Iterable[str]) -> InputError:
    """An InputError for a name that is not in a closed list, with the nearest match."""
    names = sorted(allowed)
    given = str.__str__(name)[:LONGEST_SHOWN] if issubclass(type(name), str) else ""
    close = difflib.get_close_matches(given, names, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ";"
    return InputError(f"no {kind} {shown(name)}{hint} allowed: {', '.join(names)}")


@contextlib.contextmanager
def blaming(what: str) -> Iterator[None]:
    """Whatever a plug-in raises in the block becomes an InputError that names it.

    Files that cannot be read stay what they are.
    """
    try:
        yield
    except (InputError, OSError):
        raise
    except FOREIGN_ERRORS as error:
        reason = one_line(plain_reason(error), LONGEST_REASON)
        raise InputError(f"{what} raised {reason}") from error


def plain_reason(error: BaseException) -> str:
    """One line that says what an exception means, and where in a user's file it was raised."""
    if "Failed in nopython mode" in str(error):
        return one_line(_of_the_compiler(str(error)))
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), "no message")
    line = f"{type(error).__name__}: {text}"
    frames = reversed(traceback.extract_tb(error.__traceback__))
    places = (f"{Path(f.filename).name}, line {f.lineno}" for f in frames if _is_own(f.filename))
    return one_line(f"{line} ({place})" if (place := next(places, "")) else line)


def _of_the_compiler(message: str) -> str:
    """The innermost of the failures that a message of Numba's nests, and the user's line behind it.

    Each begins below a line "Failed in nopython mode"; what it quotes from a file comes after.
    """
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    start = max(i for i, line in enumerate(lines) if "Failed in nopython mode" in line) + 1
    what, *others = lines[start:] or ["no message"]
    calls = (line.removeprefix(">>> ") for line in others if line.startswith(">>> "))
    if what.endswith("found for signature:"):
        what = f"no implementation of {next(calls, 'a function')}"
    if not what.startswith("NameError"):
        what = f"does not compile: {what}"
    quoted = (re.fullmatch(r'File "(.+)", line (\d+):', line) for line in others)
    own = (f"{Path(q[1]).name}, line {q[2]}" for q in quoted if q and _is_own(q[1]))
    return f"{what} ({place})" if (place := next(own, "")) else what


def _is_own(file: str) -> bool:
    """Whether a file is the user's: neither of this package nor of an installed library."""
    root = Path(__file__).parent.parent
    path = Path(file).resolve()
    is_ours = any(path.is_relative_to(root / name) for name in PROJECT)
    return path.is_file() and not is_ours and not is_library_file(str(path))
