"""Speeds are read back from runs that took what known speeds say."""

import itertools
import math

import pytest

from benchmarks import calibrate
from benchmarks.instrument import timing
from bilevel_core.sweep import speed_model
from bilevel_core.sweep.speed_model import Size, Speed

PLANTED = {
    "call": 5e-9,
    "step": 3e-7,
    "multiplication": 5e-11,
    "row": 2e-9,
    "loss": 1e-8,
    "noise_call": 2e-8,
    "noise_number": 1e-8,
    "noise_step": 4e-6,
}
SIZES = [Size(5, 0, 0), Size(80, 8, 0), Size(440, 20, 0), Size(10_200, 100, 0), Size(5000, 90, 90)]


def run(solver, size, numbers, calls):
    made = timing.Timed(f"{solver}", solver, "compiled", 1.0, 1e5, 1e5 * calls, size, numbers)
    return made._replace(seconds=timing.said(made, PLANTED))


EXACT = [
    run(solver, size, 0, calls)
    for solver, size, calls in itertools.product(("a", "b"), SIZES, (3, 40))
]
NOISY = [
    run("c", size, numbers, calls)
    for size, numbers, calls in itertools.product(SIZES, (4, 40), (3, 40))
]


def test_planted_speeds_are_found():
    speeds, factors = timing.explained(EXACT, {})
    for name in ("call", "step", "multiplication", "row", "loss"):
        assert speeds[name] == pytest.approx(PLANTED[name], rel=1e-2)
    assert factors == {"a": pytest.approx(1.0, abs=1e-2), "b": pytest.approx(1.0, abs=1e-2)}
    assert speeds["noise_call"] == speeds["noise_step"] == 0.0


def test_speeds_of_noise_are_found_beside_those_that_are_known():
    known = {name: value for name, value in PLANTED.items() if not name.startswith("noise")}
    speeds, factors = timing.explained(NOISY, known)
    assert speeds == {name: pytest.approx(value, rel=1e-2) for name, value in PLANTED.items()}
    assert factors == {"c": pytest.approx(1.0, abs=1e-2)}


def test_a_solver_that_takes_longer_has_a_factor():
    slower = [each._replace(seconds=4.0 * each.seconds) for each in EXACT if each.solver == "b"]
    _, factors = timing.explained([e for e in EXACT if e.solver == "a"] * 2 + slower, {})
    assert factors["b"] / factors["a"] == pytest.approx(4.0, rel=0.1)


def test_what_is_written_is_read(tmp_path):
    speeds = speed_model.read()._replace(
        row=1.23456e-9, engines={"compiled": Speed(1e-8, 2e-7), "torch": Speed(1e-5, 0.0)}
    )
    path = tmp_path / "speeds.json"
    path.write_text(calibrate.to_json(speeds))
    assert speed_model.read(path) == speeds._replace(row=1.23e-9)


def test_every_part_of_a_call_is_measured_on_something():
    made = list(timing.cases())
    assert {case.engine for case in made} == {"compiled", "torch"}
    sizes = [speed_model.size_of(case.problem) for case in made if case.engine == "compiled"]
    assert len({size.products for size in sizes}) >= 5
    assert any(size.scores for size in sizes)
    assert {case.solver for case in made} >= {*timing.DETERMINISTIC, *timing.RANDOM}


def test_a_run_is_timed_by_what_it_did():
    case = next(case for case in timing.cases() if case.solver == "aid_bio")
    found = timing.timed(case)
    assert found.calls / found.steps == pytest.approx(18, abs=10)
    assert math.isfinite(found.seconds)
