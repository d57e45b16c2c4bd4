"""Where real data may lie."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "BILEVEL_DATA"
USUAL = ("scikit_learn_data", "data", ".keras/datasets", ".cache/bilevel-bench")
"""Folders in the user's home; the last one is ours."""


def candidates(home: Path | None = None) -> list[Path]:
    """The folders that are searched, in order, whether they exist or not, each once."""
    given = [home] if home is not None else []
    own = os.environ.get(VARIABLE)
    listed = [*given, *([Path(own)] if own else []), *(Path.home() / name for name in USUAL)]
    return list(dict.fromkeys(listed))
