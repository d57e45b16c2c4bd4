"""What is no solution of the inner problem gives no number, on both engines and in batches."""

import dataclasses
import time
from typing import NamedTuple

import numpy as np
import pytest

import bilevel_core as bl
from bilevel_core import reference
from bilevel_core.arrays import sin
from bilevel_core.engines.chunk import Chunk, in_time
from bilevel_core.engines.loop import drive
from bilevel_core.engines.repeated import RepeatedSession
from bilevel_core.errors import InputError
from bilevel_core.oracle import FAMILIES, SLOTS, Family
from bilevel_core.problem import ClosedForms, Problem
from bilevel_core.solvers import get, make_params
from bilevel_core.sweep.gradient_flow import times

PARAMS = {"alpha": 0.1, "beta": 0.05, "D": 2, "N": 1, "first_D": 2, "first_N": 1}
QUARTER = 0.5 * np.pi
NOT_CONVEX = "not found to 1e-08 in 60 Newton steps: negative curvature: g is not convex there"
VALLEY, SLOPE, TOP = 1.0, 0.3, 0.0
"""Starts from which Newton's method finds a minimum of g(0, .), nothing, and a maximum."""


class WavyData(NamedTuple):
    """g = sum(cos 3y + y^2/20 - x y): several minima, with hills between them."""

    force: float  # f = sum(force y + x^2/2)


def grad_x_f(data, x, y, out):
    out[:] = x


def grad_y_f(data, x, y, out):
    out[:] = data.force + 0.0 * y


def grad_x_g(data, x, y, out):
    out[:] = -y


def grad_y_g(data, x, y, out):
    out[:] = 0.1 * y - 3.0 * sin(3.0 * y) - x


def jvp(data, x, y, v, out):
    out[:] = -v


def hvp(data, x, y, v, out):
    out[:] = (0.1 - 9.0 * sin(3.0 * y + QUARTER)) * v


def f(data, x, y):
    return (data.force * y + 0.5 * x * x).sum(0)


def g(data, x, y):
    return (sin(3.0 * y + QUARTER) + 0.05 * y * y - x * y).sum(0)


FAMILIES[WavyData] = Family(grad_x_f, grad_y_f, grad_x_g, grad_y_g, jvp, hvp, f, g)


def wavy(y0, **changes):
    problem = Problem(
        name="wavy",
        data=WavyData(1.0),
        constants=bl.Constants(L=10.0, mu=1.0, M=1.0),
        x0=np.zeros(1),
        y0=np.array([y0]),
        kappa=10.0,
    )
    return dataclasses.replace(problem, **changes)


def run(problem, engine, **options):
    return bl.run(problem, "aid_bio", 1e-3, PARAMS, engine=engine, max_outer=400, **options)


def session(problem, engine):
    from bilevel_core.engines.compiled import CompiledSession
    from bilevel_core.engines.torch import TorchSession

    solver = get("aid_bio")
    params = make_params(solver, PARAMS)
    if engine == "compiled":
        return CompiledSession(problem, solver, params)
    return TorchSession([problem], solver, params)


engines = pytest.mark.parametrize("engine", ["torch", "compiled"])


@engines
@pytest.mark.parametrize(
    ("start", "reason"),
    [
        (SLOPE, f"y*(x) {NOT_CONVEX}"),
        (TOP, f"v*(x) {NOT_CONVEX.replace('60 Newton', '110 conjugate gradient')}"),
    ],
)
def test_a_run_without_a_solution_fails_and_says_why(engine, start, reason):
    record = run(wavy(start), engine)
    assert (record.status, record.reason, record.hits) == ("failed", reason, [])
    assert record.passes[0]["outer"] == 0


@engines
def test_beside_a_solution_nothing_is_wrong(engine):
    record = run(wavy(VALLEY), engine)
    assert (record.status, record.reason) == ("ok", "every eps reached")


def test_only_its_column_of_a_batch_ends():
    alone = run(wavy(VALLEY), "torch")
    starts = (SLOPE, VALLEY, TOP)
    records = bl.run_many(
        [wavy(y0) for y0 in starts], "aid_bio", 1e-3, PARAMS, engine="torch", max_outer=400
    )
    assert [record.status for record in records] == ["failed", "ok", "failed"]
    assert records[1].hits == alone.hits


@pytest.mark.parametrize("method", ["y_star", "phi", "grad_phi"])
@pytest.mark.parametrize("columns", [False, True])
def test_what_is_asked_for_without_a_run_is_refused(method, columns):
    x = np.zeros((1, 2) if columns else 1)
    with pytest.raises(InputError, match=r"^y\*\(x\) not found to 1e-10 in 60 Newton steps: neg"):
        getattr(wavy(SLOPE), method)(x)
    assert np.isfinite(getattr(wavy(VALLEY), method)(x)).all()


def test_a_maximum_of_g_has_no_gradient():
    with pytest.raises(InputError, match=r"^v\*\(x\) not found to 1e-10 in 110 conjugate"):
        wavy(TOP).grad_phi(np.zeros(1))


def test_a_flow_without_a_solution_is_not_followed():
    assert times(wavy(SLOPE), [0.5], "average") == {0.5: 2.0}


def test_an_x_that_has_run_away_is_a_divergence():
    far = np.array([1e12])
    assert reference.why_unknown_along_a_run(wavy(SLOPE), np.zeros(1), np.array([SLOPE]))
    assert reference.why_unknown_along_a_run(wavy(SLOPE), far, np.array([SLOPE])) == ""


@pytest.mark.parametrize("kappa", [1e2, 1e6, 1e10])
def test_rounding_is_not_taken_for_a_missing_solution(kappa):
    from problems import make

    closed = make("quadratic", kappa=kappa, dim=8)
    x = 30.0 * np.random.default_rng(0).normal(size=8)
    found = dataclasses.replace(closed, closed_forms=None).y_star(x)
    np.testing.assert_allclose(found, closed.y_star(x), rtol=1e-14 * kappa + 1e-9)


@engines
def test_evaluation_looks_at_the_clock(engine, monkeypatch):
    unhurried = session(wavy(VALLEY), engine).advance(16)
    hurried = session(wavy(VALLEY), engine)
    monkeypatch.setattr("bilevel_core.engines.compiled.in_time", two)
    monkeypatch.setattr("bilevel_core.engines.torch.in_time", two)
    chunk = hurried.advance(16)
    np.testing.assert_array_equal(chunk.squared, unhurried.squared[:2])
    np.testing.assert_array_equal(chunk.ledgers, unhurried.ledgers[:3])


def two(n, is_late, spent):
    return range(min(n, 2))


def test_a_slow_evaluation_does_not_outlast_max_seconds(monkeypatch):
    calls, plain = [], reference.squared_norm

    def slow(*arguments):
        calls.append(time.sleep(0.2))
        return plain(*arguments)

    monkeypatch.setattr(reference, "squared_norm", slow)
    record = run(wavy(VALLEY), "torch", max_seconds=0.1)
    assert (record.status, record.reason) == ("censored", "max_seconds = 0.1 reached")
    assert record.passes[0]["outer"] == len(calls) < 16


@pytest.mark.parametrize(("late", "spent", "done"), [(99, 0, 9), (3, 0, 3), (3, 4.5, 7), (0, 0, 1)])
def test_what_is_evaluated_in_time(late, spent, done):
    seconds = iter(range(99))
    evaluated = []
    for i in in_time(9, lambda: len(evaluated) >= late, spent, lambda: next(seconds)):
        evaluated.append(i)
    assert evaluated == list(range(done))


def test_steps_on_torch_look_at_the_clock():
    looks = iter([False, False, True])
    assert len(session(wavy(VALLEY), "torch").walk(16, lambda: next(looks)).positions) == 3


@engines
def test_a_closed_form_cannot_hide_that_x_is_no_number(engine):
    def nothing(data, x, out):
        out[:] = 1.0

    forms = ClosedForms(nothing, lambda data, x: 0.0, nothing)
    lost = wavy(VALLEY, closed_forms=forms, x0=np.array([np.inf]))
    assert run(lost, engine).status == "diverged"


class Told:
    """A session that makes one chunk of given columns (n, B), with reasons for their NaNs."""

    seconds = 0.0

    def __init__(self, columns, unknown):
        self.squared, self.unknown = np.array(columns, dtype=float).T, unknown
        self.batch = self.squared.shape[1]

    def advance(self, n, is_late=None):
        ledgers = np.zeros((len(self.squared) + 1, self.batch, 2, len(SLOTS)), np.int64)
        return Chunk(self.squared, ledgers, np.ones(self.batch, bool), self.unknown)


NAN = np.nan


def test_ends_of_a_loop():
    columns = [[5.0, NAN, NAN], [5.0, NAN, NAN], [0.0, NAN, NAN]]
    tracks = drive(Told(columns, {0: "why", 2: "why"}), (1.0,), "average", 99, None)
    assert [track.status for track in tracks] == ["failed", "diverged", "ok"]
    assert [track.outer for track in tracks] == [1, 1, 1]
    assert tracks[0].reason == "why"


def test_a_mean_tells_the_reason_of_its_first_nan():
    cases = [
        ([[5.0, NAN], [5.0, 5.0]], {0: "a"}, {0: "a"}),
        ([[5.0, NAN], [NAN, NAN]], {0: "a"}, {}),  # the other one diverged first
        ([[5.0, NAN], [NAN, NAN]], {1: "b"}, {0: "b"}),
        ([[5.0, NAN], [5.0, NAN]], {1: "b"}, {}),
    ]
    for columns, unknown, expected in cases:
        together = RepeatedSession([Told(columns, unknown)], 2)
        own = [{0: unknown[b]} if b in unknown else {} for b in (0, 1)]
        apart = RepeatedSession([Told([c], u) for c, u in zip(columns, own, strict=True)], 2)
        assert together.advance(2).unknown == apart.advance(2).unknown == expected
