"""A figure as PDF, PNG and CSV, each written whole or not at all."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from bilevel_core.report.spreadsheet import inert_frame
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
    contents = {
        "pdf": vector(figure),
        "png": raster(figure),
        "csv": inert_frame(data).to_csv(index=False, lineterminator="\n").encode(),
    }
    paths = [stem.with_name(f"{stem.name}.{suffix}") for suffix in contents]
    for path, content in zip(paths, contents.values(), strict=True):
        atomic.write_bytes(path, content)
    return paths


def vector(figure: Figure) -> bytes:
    """The figure as PDF, without the date."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="pdf", metadata={"CreationDate": None})
    return drawn.getvalue()


def raster(figure: Figure) -> bytes:
    """The figure as PNG with a palette of 256 colours: a third of the bytes, which git keeps."""
    from PIL import Image

    drawn, packed = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png")
    with Image.open(drawn) as full:
        dots = full.info["dpi"]
        colours = full.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    colours.save(packed, format="png", optimize=True, dpi=dots)
    return packed.getvalue()
