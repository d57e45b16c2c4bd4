"""Whatever words a command gets: exit code 0, 1 or 2, and of bad input one line on standard error.

By hand: `FUZZ_INPUTS=3000`.
"""

import os
import random

import pytest

INPUTS, SEED = int(os.environ.get("FUZZ_INPUTS", "200")), int(os.environ.get("FUZZ_SEED", "0"))
RUN = ["run", "--problem", "hard", "--solver", "aid_bio", "--kappa", "4", "--eps", "1,0.5",
       "--engine", "torch", "--device", "cpu", "--params", "theory", "--criterion", "average",
       "--seed", "1", "--set", "D=2", "--option", "curvature=3", "--max-outer", "2",
       "--max-seconds", "5"]  # fmt: skip
NOISY = ["run", "--problem", "hard", "--solver", "bsa", "--kappa", "4", "--eps", "1", "--engine",
         "torch", "--noise-seeds", "0,1", "--option", "noise=gaussian", "--option", "sigma=0.1",
         "--max-outer", "2", "--json"]  # fmt: skip
COMMANDS = [
    RUN, RUN, RUN, NOISY,
    ["fit", "store", "--quantity", "hv", "--model", "auto", "--json"],
    ["table", "store", "--format", "md", "--output", "out.md"],
    ["sweep", "spec.toml", "--out", "out", "--dry-run"],
    ["merge", "store", "other", "--out", "out"],
    ["check", "absent.py:x"], ["list"], ["report", "store"], ["plot", "store"],
]  # fmt: skip
WORDS = [
    "", " ", "-", "--", "---", "-1", "0", "1", "1.5", "nan", "inf", "-inf", "1e308", "1e400",
    "1e-320", "9" * 400, "9" * 5000, "x" * 10**5, "\x1b[31mred", "a\nb", "a\r\tb", "\u2028",
    "\udcff", "é", "\U0001f600", "true", "D=", "=1", "D=2=3", "D=nan", "D=1e400", "D=" + "9" * 5000,
    "x" * 10**5 + "=1", "curvature=x", "tail=-1", "L=1e200", "rho=1e-300", "seed=1", "1,,2", ",",
    "1," * 5000 + "1", "a/b", "../..", "/", "/dev/null", "/" + "x/" * 3000, "nowhere.py:x", ".py:",
    "x.py", "x" * 300 + ".py:y", "..:x", ":", "os:system", "json:dumps", "hrad", "aid_boi", "tsta",
    "cuda", "cuda:99", "cpu:x", "meta", "tuned", "custom", "sharp", "first", "compiled!", "--help",
    "--kapa", "--set", "--seed", "--out", "store", "spec.toml", ".", "%s%n", "{}", "'",
    "0x10", "1_0", "١", "--kappa=", "--eps=nan", "-h", "@x", "$HOME", "~", "*", "'; rm -rf x",
]  # fmt: skip


def changed(rng):
    """The words of a command with one to three changed."""
    words = list(rng.choice(COMMANDS))
    for _ in range(rng.choice((1, 1, 2, 3))):
        at, word = rng.randrange(len(words)), rng.choice(WORDS)
        match rng.choice(("replace", "replace", "replace", "insert", "drop", "twice")):
            case "replace":
                words[at] = word
            case "insert":
                words.insert(at, word)
            case "drop" if len(words) > 1:
                del words[at]
            case _:
                words.insert(at, words[at])
    return words


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with an empty store and a specification."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "store").mkdir()
    (tmp_path / "spec.toml").write_text("name = 't'")
    return tmp_path


def test_any_words_end_in_an_exit_code_and_at_most_one_line(folder, invoke):
    rng, wrong = random.Random(SEED), []
    for _ in range(INPUTS):
        words = changed(rng)
        code, _, err = invoke(*words)
        lines = err.count("\n")
        if code not in (0, 1, 2) or "internal error" in err or "Traceback" in err:
            wrong.append(f"{code}: {err[:300]!r}: {[word[:40] for word in words]}")
        elif code == 2 and (lines != 1 or len(err) > 400 or not err[:-1].isprintable()):
            wrong.append(
                f"{lines} lines, {len(err)} long: {err[:300]!r}: {[w[:40] for w in words]}"
            )
    assert not wrong, "\n".join(wrong[:20])
