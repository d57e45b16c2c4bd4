"""Small files that ask for years or for all memory end in one line, in one process, soon."""

import json
import subprocess
import sys

import bombs
import pytest

CHILD = """
import json, resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30, 4 * 2**30))
import PIL.Image, PIL.PngImagePlugin, numpy
from bilevel_core.errors import InputError
from bilevel_core.experiments import checkpoint
from problems.datasets import images, mnist, newsgroups, unpickle

def checked(path):
    if checkpoint.read(path) is None:
        raise InputError("none")

LOADERS = {
    "pickles": unpickle.load,
    "labels": lambda home: images.load("fc100", "train", home.parent),
    "gzip": mnist.load,
    "drawings": lambda home: images.load("omniglot", "train", home),
    "posts": lambda home: newsgroups.load(home.parent),
    "checkpoints": checked,
}
folder = Path(sys.argv[1])
for path in sorted(folder.iterdir()):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        LOADERS[folder.name](path)
        line = ""
    except InputError as error:
        line = str(error)
    more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(json.dumps([path.name, line, more // 1024]), flush=True)
"""


@pytest.mark.parametrize(
    ("kind", "write", "megabytes"),
    [
        ("pickles", bombs.write_pickles, 150),
        ("labels", bombs.write_labels, 50),
        ("gzip", bombs.write_gzip, 50),
        ("drawings", bombs.write_drawings, 50),
        ("posts", bombs.write_posts, 50),
        ("checkpoints", bombs.write_checkpoints, 50),
    ],
)
def test_bombs_end_in_one_line(tmp_path, kind, write, megabytes):
    folder = tmp_path / kind
    write(folder)
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    told = [json.loads(line) for line in child.stdout.splitlines()]
    assert len(told) == len(list(folder.iterdir())), child.stderr
    for name, line, more in told:
        assert line, name
        assert "\n" not in line
        assert more <= megabytes, (name, more)
