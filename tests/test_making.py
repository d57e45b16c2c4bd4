"""An instance is made once a run, and once a cell in a sweep."""

from collections import Counter

import pytest
from commands import SPECIFICATION

import problems
from bilevel_core.making import instances_kept, make_problem
from bilevel_core.record import RunConfig

CONFIG = RunConfig("hard", 3.0, "aid_bio", (0.5,), max_outer=2, engine="torch")


@pytest.fixture
def made(monkeypatch):
    """How often each instance was made, by name, kappa and seed."""
    counted = Counter()
    make = problems.make

    def counting(name, kappa=None, seed=0, **options):
        counted[name, kappa, seed, str(options)] += 1
        return make(name, kappa=kappa, seed=seed, **options)

    monkeypatch.setattr(problems, "make", counting)
    return counted


def test_instances_are_kept_inside_the_block_alone(made):
    first = make_problem(CONFIG)
    with instances_kept():
        inside = make_problem(CONFIG)
        with instances_kept():
            assert make_problem(CONFIG) is inside
        assert make_problem(CONFIG) is inside
    assert inside is not first
    assert make_problem(CONFIG) is not inside
    assert made.total() == 3


def test_a_run_makes_its_instance_once(made, invoke):
    words = "run --problem hard --solver aid_bio --kappa 3 --eps 0.5 --engine torch --max-outer 3"
    code, out, _ = invoke(*words.split())
    assert code == 0, out
    assert list(made.values()) == [1]


def test_a_sweep_makes_each_instance_once(made, invoke, tmp_path):
    path = tmp_path / "spec.toml"
    path.write_text(SPECIFICATION)
    for _ in range(2):
        made.clear()
        code, _, err = invoke("sweep", path, "--out", tmp_path / "out", "--jobs", "1")
        assert code == 0, err
        assert set(made.values()) == {1}, made
