"""Errors that are told apart: what bad input raises, and what asks for another way to run."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterable, Iterator

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


class OneAtATimeError(Exception):
    """A solver and a family whose instances cannot be run together in compiled code."""


def unknown_name(kind: str, name: object, allowed: Iterable[str]) -> InputError:
    """An InputError for a name that is not in a closed list, with the nearest match."""
    names = sorted(allowed)
    close = difflib.get_close_matches(str(name), names, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ";"
    return InputError(f"no {kind} {name!r}{hint} allowed: {', '.join(names)}")


@contextlib.contextmanager
def blaming(what: str) -> Iterator[None]:
    """Whatever a plug-in raises in the block becomes an InputError that names it.

    Files that cannot be read stay what they are.
    """
    try:
        yield
    except (InputError, OSError):
        raise
    except (Exception, SystemExit) as error:
        raise InputError(f"{what} raised {plain_reason(error)}") from error


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
