"""From what a store holds to the text of the page, by the templates beside this file."""

from __future__ import annotations

import base64
import hashlib
from itertools import groupby
from math import isinf
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bilevel_core import __version__
from bilevel_core.errors import printable
from bilevel_core.report.counts import ABOVE
from bilevel_core.report.groups import HEADS, label, split
from bilevel_core.report.page import commands, manifest, misses, provenance, summary
from bilevel_core.report.page.explorer import embedded
from bilevel_core.report.page.inventory import Inventory
from bilevel_core.report.page.sections import section
from bilevel_core.report.style import short
from bilevel_core.sweep.progress import compact

PACKAGE = "bilevel_core.report.page"


def render(directory: Path, inventory: Inventory) -> str:
    """The page of a store that was read from `directory`; trajectories are read from there, too."""
    groups = split(inventory.frame)
    sections = [
        section(f"group-{number}", group, inventory.runs, directory)
        for number, group in enumerate(groups, start=1)
    ]
    asked = manifest.read(directory)
    environment = _environment()
    script = _source(environment, "explorer.js")
    return environment.get_template("page.html").render(
        version=__version__,
        manifest=asked,
        grids={s.name: manifest.grids_of(s.group, asked.specification) for s in sections}
        if asked
        else {},
        file=commands.file_of(asked) if asked else "",
        download=f"data:application/toml;charset=utf-8,{quote(asked.toml)}" if asked else "",
        command=commands.whole(asked),
        summary=summary.summary(inventory, sections),
        words=summary.WORDS,
        sections=sections,
        topics=[(name, list(own)) for name, own in groupby(sections, lambda s: s.group.regime)],
        endings=misses.endings(inventory.runs),
        damaged=[(_inside(d.path, directory), d.reason) for d in inventory.damaged],
        machines=provenance.machines(inventory),
        configurations=provenance.configurations(inventory.runs),
        style=_source(environment, "page.css"),
        script=script,
        policy=_policy(script),
        data=Markup(embedded([s.data for s in sections])),
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(PACKAGE),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_seen,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"heads": HEADS, "above": ABOVE, "zipped": zip}
    environment.filters |= {
        "short": short, "compact": compact, "label": label, "spans": provenance.spans,
        "count": _count, "percent": _percent, "median": _median, "hours": _hours,
    }  # fmt: skip
    return environment


def _seen(value: Any) -> Any:
    """What the page prints: in texts of a store no character that is not seen."""
    return printable(value) if type(value) is str else value


def _source(environment: Environment, name: str) -> Markup:
    """A file of the templates as it stands: style and script are none."""
    assert environment.loader is not None
    return Markup(environment.loader.get_source(environment, name)[0])


def _policy(script: str) -> str:
    """What the page may do: run this one script, and load nothing."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _inside(path: Path, directory: Path) -> str:
    return path.relative_to(directory).as_posix()


def _count(value: float) -> str:
    """A mean count: whole below a million, else in few characters; "–" for none."""
    if value != value:
        return "–"
    return f"{value:,.0f}" if value < 1e6 else short(value)


def _percent(value: Any) -> str:
    return "–" if value is None else f"{value:.0%}"


def _median(value: Any) -> str:
    return "–" if value is None or isinf(value) else short(value)


def _hours(value: float) -> str:
    return f"{value:.1f} hours" if value >= 1 else f"{60 * value:.1f} minutes"
