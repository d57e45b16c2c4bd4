"""The text of a run file, and what can be believed of it.

    {"format": 1, "checksum": SHA-256 of the record, "record": {...}}

The record's JSON has sorted names, no spaces, and its points as columns (`packing`).
"""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from bilevel_core.errors import one_line
from bilevel_core.reading import DECODER_ERRORS
from bilevel_core.sweep.keys import digest, to_json
from bilevel_core.sweep.packing import packed

if TYPE_CHECKING:
    from bilevel_core.record import RunRecord

FORMAT = 1
HEAD = re.compile(rb'\{"format":%d,"checksum":"([0-9a-f]{64})","record":' % FORMAT)
TAIL = b"}\n"
"""What `text_of` writes around a record."""
LARGEST = 2**24
"""Bytes of a file that are read; a run file has some ten thousand."""
_FLAGS = os.O_RDONLY | sum(
    getattr(os, name, 0) for name in ("O_BINARY", "O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK")
)


class Damaged(NamedTuple):
    """A file of a store that cannot be believed, and why."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return one_line(f"{self.path}: {self.reason}")


def bytes_of(path: Path) -> bytes:
    """The bytes of a regular file; what is none is neither followed nor waited for.

    Raises:
        FileNotFoundError: there is nothing.
        ValueError: it cannot be read, is no regular file, or is larger than `LARGEST`; the message
            says which.
    """
    try:
        descriptor = os.open(path, _FLAGS)
    except FileNotFoundError:
        raise
    except OSError as error:
        reason = "a link" if path.is_symlink() else f"cannot be read: {error.strerror}"
        raise ValueError(reason) from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("no regular file")
        if found.st_size > LARGEST:
            raise ValueError(f"{found.st_size} bytes: expected at most {LARGEST}")
        with open(descriptor, "rb", buffering=0, closefd=False) as file:
            return file.read(LARGEST)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    finally:
        os.close(descriptor)


def text_of(record: RunRecord) -> str:
    """The content of a record's run file.

    Raises:
        ValueError: the record holds NaN or an infinity.
    """
    return enveloped(packed(record.to_dict()))


def enveloped(content: Any) -> str:
    """A record's content with its format and checksum around it.

    Raises:
        ValueError: it holds NaN or an infinity.
    """
    text = to_json(content)
    return f'{{"format":{FORMAT},"checksum":"{digest(text)}","record":{text}}}\n'


def content_of(raw: bytes) -> dict[str, Any]:
    """The record's JSON, still packed, from a run file that is what its checksum says.

    A file as `text_of` writes it is hashed as it stands, which takes no time beside reading it.  A
    file that was formatted anew is intact, too, if its values are: it is hashed as they would be
    written.

    Raises:
        ValueError: the file is truncated, edited, of another format, or no run file at all; the
            message says which.
    """
    head = HEAD.match(raw)
    if head and raw.endswith(TAIL):
        text = raw[head.end() : -len(TAIL)]
        if digest(text) == head[1].decode():
            match _parsed(text):
                case dict(content):
                    return content
    match _parsed(raw):
        case {"format": version} if version != FORMAT:
            raise ValueError(f"format {version!r}: this version reads format {FORMAT}")
        case {"checksum": str(checksum), "record": dict(content), "format": _}:
            if digest(_written(content)) != checksum:
                raise ValueError("the content does not match its checksum: edited")
            return content
        case _:
            raise ValueError("not a run file: expected format, checksum and record")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def _parsed(raw: bytes) -> Any:
    try:
        return _DECODER.decode(raw.decode())
    except DECODER_ERRORS:
        raise ValueError("not complete JSON: truncated or edited") from None


def _written(content: Any) -> str:
    try:
        return to_json(content)
    except DECODER_ERRORS:
        raise ValueError("holds what no run file does: edited") from None
