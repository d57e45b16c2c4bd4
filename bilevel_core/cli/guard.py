"""From exceptions to exit codes: every way a command can end, in one place."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import typer

from bilevel_core import interrupts
from bilevel_core.errors import InputError, one_line

LONGEST_LINE = 1000
"""Characters of the line on standard error that ends a command."""

DONE, FAILED, BAD_INPUT, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Errors of a disk that takes no more: what is stored by then is whole."""

# The base of all usage errors; its home is a private module.
UsageError: Any = typer.BadParameter.__bases__[0]


class CommandError(Exception):
    """The command could not do what it was asked, through no fault of the input."""


def guarded(command: Callable[[Sequence[str]], object], arguments: Sequence[str]) -> int:
    """Run `command(arguments)`; whatever happens becomes an exit code and at most one line."""
    with interrupts.ended_by_the_last():
        try:
            with interrupts.raised():
                code = command(arguments)
                sys.stdout.flush()
        except (KeyboardInterrupt, typer.Abort) as error:
            if isinstance(error, interrupts.Terminated):
                return _ended(TERMINATED, "terminated")
            return _ended(INTERRUPTED, "interrupted")
        except BaseException as error:  # noqa: BLE001 - the last place that can explain it
            if "--debug" in arguments:
                traceback.print_exc()
            return _explained(error, arguments)
    return code if isinstance(code, int) else DONE


def aside() -> contextlib.AbstractContextManager[object]:
    """What plug-ins print in the block goes to standard error: standard output is for data."""
    return contextlib.redirect_stdout(sys.stderr)


def _explained(error: BaseException, arguments: Sequence[str]) -> int:
    match error:
        case BrokenPipeError():
            return _silenced()
        case UsageError():
            return _ended(BAD_INPUT, f"error: {_usage(error)}")
        case InputError():
            return _ended(BAD_INPUT, f"error: {error}")
        case CommandError():
            return _ended(FAILED, f"error: {error}")
        case OSError(errno=number, filename=None) if number in FULL:
            return _ended(_silenced(), f"error: standard output: {error.strerror}")
        case OSError(errno=number) if number in FULL:
            return _ended(FAILED, f"error: {_file(error)}; the same command resumes")
        case PermissionError() | FileNotFoundError() | FileExistsError():
            return _ended(BAD_INPUT, f"error: {_file(error)}")
        case NotADirectoryError() | IsADirectoryError():
            return _ended(BAD_INPUT, f"error: {_file(error)}")
        case OSError(filename=str()):
            return _ended(FAILED, f"error: {_file(error)}")
        case _:
            again = " ".join(["bilevel-bench --debug", *arguments])
            what = f"internal error: {type(error).__name__}: {error}"
            return _ended(FAILED, f"{what} (for the traceback: {again})")


def _ended(code: int, line: str) -> int:
    typer.echo(one_line(line, LONGEST_LINE), err=True)
    return code


def _file(error: OSError) -> str:
    return one_line(f"{error.filename}: {error.strerror}")


def _silenced() -> int:
    # Python flushes standard output once more as it exits; that has to go nowhere.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return FAILED


def _usage(error: Any) -> str:
    line = one_line(error.format_message()).rstrip(".")
    line = re.sub(r" \(Possible options: (.*)\)$", r"; did you mean \1?", line)
    command = error.ctx.command_path if error.ctx else "bilevel-bench"
    return f"{line[:1].lower()}{line[1:]} (see {command} --help)"
