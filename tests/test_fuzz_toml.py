"""Whatever a sweep's file holds: a specification, or one short InputError.

Shipped files are changed in their text and in their values.  By hand: `FUZZ_INPUTS=3000`.
"""

import contextlib
import os
import random
from pathlib import Path

import pytest

from bilevel_core import InputError
from bilevel_core.sweep import specification

INPUTS, SEED = int(os.environ.get("FUZZ_INPUTS", "400")), int(os.environ.get("FUZZ_SEED", "0"))
SWEEPS = Path(__file__).parent.parent / "benchmarks" / "sweeps"
SMALL = """
name = "t"
description = "d"
[defaults]
seeds = [0, 1]
[[grid]]
problem = "hard"
options = { curvature = 3, tail = 4.0 }
solvers = ["aid_bio", "ba"]
kappa = [4, 8]
eps = [0.5, 0.1]
policy = "tuned"
parameters = { D = 5 }
criterion = "average"
engine = "torch"
device = "cpu"
max_outer = 7
max_seconds = 1.0
budget = 1e9
noise_seeds = [0, 1]
tuning = { candidates = 64 }
"""
LARGE = "9" * 5000
DEEP = "[" * 3000
VALUES = [
    "nan", "inf", "-inf", "-1", "0", "1", "1e308", "1e-320", "1e400", LARGE, f"[{LARGE}]", '""',
    '"' + "x" * 10**5 + '"', "true", "false", "[]", "{}", "[[]]", "[{}]", "{ a = 1 }", "[nan]",
    "[1, 1]", "[1, 1.0]", "[true]", "['x', 1]", "1979-05-27", "1979-05-27T07:32:00Z", "07:32:00",
    "0x10", "0o7", "0b1", "1_000", "9" * 400, f"[{'9' * 400}]", "'''a\nb'''", '"\\u001b[31m"',
    '"\\u0000"', '"a/b.py:c"', '"../x.py:y"', '"..:x"', '":"', DEEP + "]" * 3000, DEEP,
    "{ a = " * 2000 + "1" + " }" * 2000, '["aid_bio", "aid_bio"]', "['\U0001f600']", "[-0.0]",
    "[" + "1, " * 10**4 + "]", "{ D = nan }", "{ D = 'x' }", "{ noise = 'gaussian', sigma = 0 }",
    "{ x.y = 1 }", "{ '' = 1 }", "{ candidates = 1e9 }", "[1e-310]", "[1.0000001]", "[2e300]",
]  # fmt: skip
LINES = [
    "a.b.c = 1", "grid.x = 1", "[grid]", "[[grid]]", "[[grid.grid]]", "[defaults.x]", "[defaults]",
    "[[defaults]]", "name = 1", "name = 'x'", "[" + "a." * 5000 + "a]", "a." * 5000 + "a = 1",
    "= 1", "'' = 1", '"\\u0000" = 1', "x" * 10**5 + " = 1", "\x00", "\ufeff", "é = 1", "\r",
    "kapa = [4]", "[[", "]]", '"""', "# " + "\u2028",
]  # fmt: skip


def changed(rng, text):
    """A text with one to three lines or characters changed; bytes."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        lines = text.split("\n")
        at = rng.randrange(len(lines))
        match rng.choice(("value", "value", "value", "line", "drop", "twice", "swap", "letter")):
            case "value" if "=" in lines[at]:
                lines[at] = f"{lines[at].partition('=')[0]}= {rng.choice(VALUES)}"
            case "line":
                lines.insert(at, rng.choice(LINES))
            case "drop":
                del lines[at]
            case "twice":
                lines.insert(at, lines[at])
            case "swap":
                other = rng.randrange(len(lines))
                lines[at], lines[other] = lines[other], lines[at]
            case "letter" if lines[at]:
                place = rng.randrange(len(lines[at]))
                letter = chr(rng.choice((rng.randrange(128), 0x2028, 0x1F600, 0xE9)))
                lines[at] = lines[at][:place] + letter + lines[at][place + 1 :]
            case _:
                pass
        text = "\n".join(lines) or "\n"
    content = text.encode()
    if rng.random() < 0.05:
        content = content[: rng.randrange(len(content))] + rng.randbytes(3)
    return content


def test_damaged_specifications_end_in_an_input_error(tmp_path):
    rng, path = random.Random(SEED), tmp_path / "spec.toml"
    texts = [SMALL] * 5 + [(SWEEPS / f"{name}.toml").read_text() for name in ("smoke", "quick")]
    wrong = []
    for _ in range(INPUTS):
        path.write_bytes(changed(rng, rng.choice(texts)))
        try:
            specification.parse(specification.tables_of(path))
        except InputError as error:
            message = str(error)
            if len(message) > 300 or not message.isprintable() or "x" * 101 in message:
                wrong.append(message)
        except BaseException as error:  # noqa: BLE001 - that is what is looked for
            wrong.append(f"{type(error).__name__}: {str(error)[:200]}: {path.read_bytes()[:900]!r}")
    assert not wrong, "\n".join(wrong[:20])


LINES_OF_SMALL = SMALL.replace('"tuned"', '"theory"').split("\n")


@pytest.mark.parametrize("value", VALUES, ids=lambda value: value[:20])
@pytest.mark.parametrize("key", ["kappa", "options", "solvers", "parameters", "tuning", "seeds"])
def test_every_run_of_a_specification_can_be_asked_for(tmp_path, key, value):
    lines = [f"{key} = {value}" if line.startswith(f"{key} =") else line for line in LINES_OF_SMALL]
    path = tmp_path / "spec.toml"
    path.write_text("\n".join(lines))
    with contextlib.suppress(InputError):
        specification.load(path)
