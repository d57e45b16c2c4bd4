"""The suites that asv runs on every commit: few, coarse and exact.

`BILEVEL_HISTORY_TREE` names the tree that is measured, this checkout by default; its packages come
before the installed ones.  No suite imports the project before it runs: what an older commit lacks
fails the one benchmark that asks for it.
"""

import os
import sys
from pathlib import Path

TREE = os.environ.get("BILEVEL_HISTORY_TREE") or str(Path(__file__).resolve().parents[2])
sys.path.insert(0, TREE)
