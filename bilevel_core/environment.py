"""What a run was computed with: versions and machine, stored beside its counts."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform


@functools.cache
def environment() -> dict[str, str]:
    """Versions of Python and of the libraries that compute, and the machine's processor."""
    versions = {}
    for name in ("bilevel-bench", "numpy", "scipy", "numba", "torch"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions | {
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "cores": str(os.cpu_count()),
    }
