"""What a decoder may raise when a file is not what it should be: one list for all readers."""

from __future__ import annotations

import lzma
import struct
import tarfile
import zipfile
import zlib

DECODER_ERRORS: tuple[type[Exception], ...] = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,  # RecursionError and NotImplementedError among them
    TypeError,
    ValueError,  # UnicodeError, JSONDecodeError and InputError among them
    lzma.LZMAError,
    struct.error,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)
"""Everything that damaged or hostile content was seen to raise in a decoder of the standard
library, of NumPy, of Pillow or of our own.  Wrap the decoding alone, nothing that computes."""
