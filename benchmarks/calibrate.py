"""Measure the speeds that predicted times rest on: python benchmarks/calibrate.py [FILE.json].

Writes bilevel_core/sweep/speeds.json, or FILE.json, and prints predicted over measured seconds of
each run that they were measured on. CPU seconds on one thread; takes some minutes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.instrument import timing
from bilevel_core.sweep.atomic import write_text
from bilevel_core.sweep.speed_model import PATH, Speeds


def to_json(speeds: Speeds) -> str:
    """As `speed_model.read` reads it, to three digits."""
    content = speeds._asdict()
    engines = {name: speed._asdict() for name, speed in content.pop("engines").items()}
    return json.dumps(_rounded(content | engines), indent=2) + "\n"


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _rounded(part) for name, part in value.items()}
    return float(f"{value:.3g}")


def main(path: Path) -> None:
    """Measure and write."""
    speeds = timing.measure(lambda line: print(line, flush=True))  # noqa: T201
    write_text(path, to_json(speeds))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PATH)
