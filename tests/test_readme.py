"""What the README shows works as it is written there."""

import re
from pathlib import Path

import bilevel_core as bl
import problems
from bilevel_core.check import check

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_the_python_example_runs():
    scope = {}
    exec(BLOCKS[0], scope)
    assert scope["r"].status == "ok"
    assert scope["r"].outer(1e-2) > 0
    assert scope["f"].verdict(3.5) == "matches bound"


def test_the_stochastic_and_tuned_example_runs():
    scope = {"bl": bl, "problems": problems}
    exec(BLOCKS[1], scope)
    r, t = scope["r"], scope["t"]
    assert r.status == t.status == "ok"
    assert r.counts(1e-2, ledger="samples")["hv"] > r.counts(1e-2)["hv"]
    assert t.passes[0]["tuning"]["cost"] > sum(t.counts(0.1).values())


def test_the_solver_example_conforms_and_runs(tmp_path):
    path = tmp_path / "single_loop.py"
    path.write_text(BLOCKS[2])
    name = f"{path}:single_loop"
    findings = check(name)
    assert all(finding.passed for finding in findings), findings
    problem = problems.make("hard", kappa=4.0)
    assert bl.run(problem, name, 0.1, "sharp").status == "ok"


def test_the_quick_start_comes_first():
    quick_start = re.findall(r"```\n(.*?)```", README, flags=re.DOTALL)[0].splitlines()
    assert quick_start[0].split("#")[0].strip() == "make bench"
    assert quick_start[1].split("#")[0].strip() == "make test"
