"""The pages: asv's data with a viewer that loads nothing from elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

NARROW, WIDER = "size:64,values", "size:104,values"
"""The width of a graph's axis in asv-tachyon's script: "5948 calls" is wider than it provides."""


def publish(root: Path) -> Path:
    """Write the pages of all kept results anew; their folder.

    asv's own page loads its scripts from the network, asv-tachyon's brings them along.

    Raises:
        RuntimeError: asv or asv-tachyon failed; what they said is in the message.
    """
    config = root / "asv.conf.json"
    html = root / json.loads(config.read_text(encoding="utf-8"))["html_dir"]
    _run("-m", "asv", "publish", "--no-pull", "--config", str(config))
    _run("-m", "asv_tachyon", "install", "--no-backup", str(html))
    for script in (html / "assets").glob("index-*.js"):
        text = script.read_text(encoding="utf-8")
        script.write_text(text.replace(NARROW, WIDER), encoding="utf-8")
    return html


def _run(*arguments: str) -> None:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
    if done.returncode:
        said = (done.stdout + done.stderr).strip()
        raise RuntimeError(f"{' '.join(arguments[1:3])} failed:\n{said}")
