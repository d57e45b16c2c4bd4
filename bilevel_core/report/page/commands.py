"""The commands that make a store, a page, or one of its runs again."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from bilevel_core.report.page.manifest import Manifest

if TYPE_CHECKING:
    from bilevel_core.record import RunConfig

DIRECTORY = "DIR"
"""Stands for the store where nothing names it."""

ASKED_ALONE = ("theory", "sharp", "custom")
"""Policies that `run` takes: a search needs the settings of its sweep."""


def file_of(manifest: Manifest) -> str:
    """A name for the specification's file, of letters, digits, dots and dashes."""
    return f"{_stem(manifest.specification.name)}.toml"


def whole(manifest: Manifest | None) -> str:
    """One line that measures all of it again and makes the page; the page alone without a sweep."""
    if manifest is None:
        return f"bilevel-bench report {DIRECTORY}"
    name = _stem(manifest.specification.name)
    return f"bilevel-bench sweep {name}.toml --out {name} && bilevel-bench report {name}"


def one(config: RunConfig) -> str | None:
    """The command that makes one run again; None where no command does (policy "tuned")."""
    if config.policy not in ASKED_ALONE:
        return None
    words = [
        *("bilevel-bench", "run", "--problem", config.problem, "--solver", config.solver),
        *("--kappa", repr(config.kappa), "--eps", ",".join(map(repr, config.eps))),
        *("--params", config.policy, "--criterion", config.criterion, "--seed", str(config.seed)),
        *("--engine", config.engine, "--max-outer", str(config.max_outer)),
    ]
    words += [] if config.device == "cpu" else ["--device", config.device]
    words += [] if config.max_seconds is None else ["--max-seconds", repr(config.max_seconds)]
    if config.noise_seeds:
        words += ["--noise-seeds", ",".join(map(str, config.noise_seeds))]
    for option, values in (("--option", config.options), ("--set", config.overrides)):
        for name, value in values.items():
            words += [option, f"{name}={_plain(value)}"]
    return shlex.join(words)


def _stem(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.]+", "-", name).strip("-.")[:60] or "sweep"


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
