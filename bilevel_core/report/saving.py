"""A figure as PDF, PNG and CSV, each written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from bilevel_core.sweep import atomic

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def save(figure: Figure, data: pd.DataFrame, stem: Path) -> list[Path]:
    """Write `stem`.pdf, .png and .csv (the plotted data); gives the three paths.

    The same figure gives the same bytes: no date is stored.

    Raises:
        OSError: the folder cannot be written to.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # laid out once, for both files
    table = stem.with_name(stem.name + ".csv")
    atomic.write_text(table, data.to_csv(index=False, lineterminator="\n"))
    return [_draw(figure, stem, "pdf"), _draw(figure, stem, "png"), table]


def _draw(figure: Figure, stem: Path, suffix: str) -> Path:
    path = stem.with_name(f"{stem.name}.{suffix}")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    dates = {"CreationDate": None} if suffix == "pdf" else {}
    try:
        figure.savefig(temporary, format=suffix, metadata=dates)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
