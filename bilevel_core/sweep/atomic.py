"""Files that are whole or absent: written beside their place, then renamed into it.

A process killed while it writes leaves a temporary file whose name says who wrote it
(`.NAME.HOST.PID.tmp`), so that the next sweep can tell a leftover from a write in progress.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path

HOST = re.sub(r"[^A-Za-z0-9]", "-", platform.node()) or "host"
TEMPORARY = re.compile(r"\..+\.(?P<host>[A-Za-z0-9-]+)\.(?P<pid>\d+)\.tmp")
# A write takes milliseconds; a temporary file this old (seconds) has no writer, here or elsewhere.
ABANDONED_AFTER = 3600.0


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text to `path` so that a reader sees the old file or the new one, never a part.

    Whatever stands there, a link or a pipe, is replaced, and nothing goes through it.

    Raises:
        OSError: the folder does not exist, cannot be written to, `path` is a directory, or the
            disk is full.
    """
    write_bytes(path, text.encode())


def write_output(path: Path, text: str) -> None:
    """`write_text` where the user named the file: through links, and into pipes and devices.

    Raises:
        OSError: as `write_text`.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        # A pipe or a device has no place to be renamed into.
        path.write_text(text, encoding="utf-8")
        return
    write_text(path, text)


def write_bytes(path: Path, content: bytes) -> None:
    """`write_text` for bytes.

    Raises:
        OSError: as `write_text`.
    """
    temporary = path.with_name(f".{path.name}.{HOST}.{os.getpid()}.tmp")
    try:
        temporary.unlink(missing_ok=True)
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            # A write that fails, as on a full disk, names no file by itself.
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def is_leftover(temporary: Path, now: float) -> bool:
    """True when the writer of `temporary` is gone, or has had an hour (`now`: seconds, epoch)."""
    match = TEMPORARY.fullmatch(temporary.name)
    if match is None:
        return False
    if match["host"] == HOST and os.name == "posix" and not _is_alive(int(match["pid"])):
        return True
    return now - _modified(temporary, now) > ABANDONED_AFTER


def temporaries(folder: Path) -> Iterator[Path]:
    """The temporary files in `folder`, whoever writes them."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if TEMPORARY.fullmatch(entry.name) and not entry.is_dir(follow_symlinks=False):
                yield Path(entry.path)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _modified(path: Path, default: float) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return default
