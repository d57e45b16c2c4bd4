"""Errors that are told apart: what bad input raises, and what asks for another way to run."""

from __future__ import annotations

import contextlib
import difflib
import reprlib
from collections.abc import Iterable, Iterator

LONGEST_MESSAGE = 300
"""Characters of an InputError's message: what is longer loses its middle."""


class InputError(ValueError):
    """Bad input: the message names the argument, its value and what is allowed, in one short line."""

    def __init__(self, message: object = "") -> None:
        """Keep the message to one printable line of at most `LONGEST_MESSAGE` characters."""
        super().__init__(one_line(str(message)))


def one_line(text: str, longest: int = LONGEST_MESSAGE) -> str:
    """A text without line breaks and control characters, cut in the middle where it is longer."""
    line = " ".join(text.split())
    line = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)
    if len(line) <= longest:
        return line
    tail = longest // 3
    return f"{line[: longest - tail - 3]}...{line[len(line) - tail :]}"


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
    except (InputError, OSError, KeyboardInterrupt):
        raise
    except BaseException as error:  # SystemExit and GeneratorExit among them
        reason = one_line(plain_reason(error), LONGEST_REASON)
        raise InputError(f"{what} raised {reason}") from error


def plain_reason(error: BaseException) -> str:
    """One line that says what an exception means.

    A compiler's message nests one failure in another; the innermost, just above the first source
    line that it quotes, is the one to read.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    quoted = next((i for i, line in enumerate(lines) if line.startswith('File "')), 0)
    if "nopython" in str(error) and quoted:
        return f"does not compile: {lines[quoted - 1]} ({lines[quoted].rstrip(':')})"
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"
