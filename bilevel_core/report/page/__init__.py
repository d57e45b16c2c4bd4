"""A store of runs as one self-contained HTML page.

    inventory -> sections (tables, fits, pictures, comparisons, trajectories) -> render -> file

Everything is inside the file: style, script, pictures as SVG, data as JSON.  Its own policy forbids
it to ask for anything else.  The same store gives the same bytes under the same versions.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bilevel_core.report.page.inventory import Inventory


def write(
    directory: Path, output: Path, on_read: Callable[[Inventory], None], load_plugins: bool
) -> Path:
    """Make the page of a store and write it, whole or not at all; gives `output`.

    on_read: is shown what the store holds before the long part, the fits, begins.
    load_plugins: import what the runs name, to compare them with today's code.

    Raises:
        InputError: the directory does not exist, is not one, or holds no intact run.
        OSError: the file cannot be written.
    """
    from bilevel_core.report.page import inventory
    from bilevel_core.report.page.render import render
    from bilevel_core.sweep import atomic

    found = inventory.read(directory, load_plugins)
    on_read(found)
    # What lies in a store, a link too, is whoever's made the store; the rest the user has named.
    is_inside = output.absolute().is_relative_to(directory.absolute())
    (atomic.write_text if is_inside else atomic.write_output)(output, render(directory, found))
    return output
