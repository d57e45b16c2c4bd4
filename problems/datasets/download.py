"""Downloads that are whole and checked, or absent."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bilevel_core.errors import InputError, plain_reason

CHUNK = 1 << 20
PATIENCE = 20.0
"""Seconds to wait for a server's answer."""

Opener = Callable[..., Any]
"""(url, timeout=seconds) -> a file to read from, usable in a `with`."""


def md5(content: bytes) -> str:
    """The MD5 of some bytes, as publishers of data sets state it: 32 hex digits."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def fetch(
    urls: Sequence[str], path: Path, checksum: str, opener: Opener = urllib.request.urlopen
) -> None:
    """Write what the first of the addresses that answers rightly sends to `path`, in one go.

    checksum: its MD5.  The folder of `path` is made where it does not exist.

    Raises:
        InputError: no address answers, what comes has another checksum, or it cannot be written.
    """
    complaints = []
    for url in urls:
        try:
            content = _read(url, opener)
        except (OSError, http.client.HTTPException) as error:
            complaints.append(f"{url}: {plain_reason(error)}")
            continue
        found = md5(content)
        if found == checksum:
            _write(path, content)
            return
        complaints.append(f"{url}: MD5 {found}, expected {checksum}")
    raise InputError("; ".join(complaints).replace("\n", " "))


def _read(url: str, opener: Opener) -> bytes:
    with opener(url, timeout=PATIENCE) as answer:
        return b"".join(iter(lambda: answer.read(CHUNK), b""))


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(content)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None
