"""Repetitions over noise seeds: their mean as one run, whatever the engine, chunks or company."""

import dataclasses
import json
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from draws import one_thread  # noqa: F401

import bilevel_core as bl
import problems
from bilevel_core.engines import loop
from bilevel_core.engines.chunk import Chunk
from bilevel_core.engines.repeated import RepeatedSession
from bilevel_core.oracle import SLOTS
from bilevel_core.run import NOISE_SEEDS

PARAMS = {
    "ttsa": {"alpha": 0.3, "beta": 0.01, "eta": 1.0, "b": 5},
    "bsa": {"alpha": 1.0, "offset": 6.0, "beta": 0.01, "eta": 1.0, "b": 5},
    "stocbio": {
        "alpha": 1.0, "beta": 0.02, "eta": 1.0, "D": 2, "Q": 4, "S": 5, "B": 3, "D_f": 4,
        "D_g": 4, "first_D": 3, "shrink": 0.66,
    },
}  # fmt: skip
EPS = (0.3, 0.2)
GAUSSIAN = {"noise": "gaussian", "sigma": 0.2}
SHUFFLED = {"noise": "finite_sum", "sigma": 0.2, "sampling": "shuffled"}


def hard(seed=1, **noise):
    return problems.make("hard", kappa=3.0, curvature=2, seed=seed, **(noise or GAUSSIAN))


def run(solver="ttsa", problem=None, engine="torch", eps=EPS, **arguments):
    problem = problem or hard()
    return bl.run(problem, solver, list(eps), PARAMS[solver], engine=engine, **arguments)


def results(record):
    """All that a run measures, without times."""
    return record.status, record.reason, record.passes, record.hits, record.trajectory


def same_but_for_rounding(one, other):
    """Counts and K are equal, averages to 1e-9."""
    assert (one.status, one.passes, one.hits) == (other.status, other.passes, other.hits)
    for a, b in zip(one.trajectory, other.trajectory, strict=True):
        assert a == {**b, "squared": a["squared"], "average": a["average"]}
        assert a["average"] == pytest.approx(b["average"], rel=1e-9)


class Playback:
    """Plays back ||grad Phi||^2 (n, B) and ledgers (n + 1, B); it ends where a column does."""

    def __init__(self, squared, ledgers, moves=True, seconds=1.0):
        self.squared = np.asarray(squared, dtype=float)
        self.ledgers = np.asarray(ledgers)[:, :, None, None] * np.ones((2, len(SLOTS)), np.int64)
        self.batch, self.seconds, self.moves, self.done = self.squared.shape[1], seconds, moves, 0

    def iterate(self):
        return np.arange(2.0 * self.batch).reshape(2, self.batch)

    def advance(self, n, is_late=None):
        rows = slice(self.done, self.done + n)
        squared = self.squared[rows]
        assert len(squared) > 0, "asked to go on beyond its end"
        self.done += len(squared)
        ledgers = self.ledgers[rows.start : self.done + 1]
        return Chunk(squared, ledgers, np.full(self.batch, self.moves))


def playback(columns, price=3, **arguments):
    """A session of the columns; step k of column b costs price + b."""
    squared = np.stack(columns, axis=-1)
    k = np.arange(len(squared) + 1)[:, None]
    return Playback(squared, k * (price + np.arange(squared.shape[1])), **arguments)


def columns(seed, n, count):
    return list(np.random.default_rng(seed).uniform(0.0, 10.0, (count, n)))


def test_each_instance_is_the_mean_of_its_own_repetitions():
    drawn = columns(0, 20, 6)
    session = RepeatedSession([playback(drawn)], 3)
    assert session.batch == 2
    chunk = session.advance(20)
    assert chunk.squared.shape == (20, 2)
    np.testing.assert_allclose(chunk.squared[:, 0], np.mean(drawn[:3], axis=0), rtol=1e-14)
    np.testing.assert_allclose(chunk.squared[:, 1], np.mean(drawn[3:], axis=0), rtol=1e-14)
    # Repetitions of the first instance pay 3, 4, 5 a step, of the second 6, 7, 8.
    np.testing.assert_array_equal(chunk.ledgers[:, 0, 0, 0], 4 * np.arange(21))
    np.testing.assert_array_equal(chunk.ledgers[:, 1, 1, 5], 7 * np.arange(21))
    assert chunk.ledgers.shape == (21, 2, 2, len(SLOTS))


def test_sessions_of_one_column_are_those_of_a_batch():
    drawn = columns(1, 12, 3)
    apart = RepeatedSession([playback([c], price=3 + b) for b, c in enumerate(drawn)], 3)
    together = RepeatedSession([playback(drawn)], 3)
    assert apart.batch == together.batch == 1
    for n in (5, 4, 3):
        for one, other in zip(apart.advance(n), together.advance(n), strict=True):
            np.testing.assert_array_equal(one, other)


def test_what_repetitions_share():
    sessions = [playback(columns(b, 4, 1), seconds=0.5, moves=b == 2) for b in range(3)]
    session = RepeatedSession(sessions, 3)
    assert session.seconds == 1.5
    assert session.iterate().shape == (2, 3)
    assert session.advance(4).moved.tolist() == [True]
    still = [playback(columns(b, 4, 1), moves=False) for b in range(3)]
    assert RepeatedSession(still, 3).advance(4).moved.tolist() == [False]


@pytest.mark.parametrize(
    ("paid", "mean"),
    [
        ([1, 2], 2), ([1, 1], 1), ([0, 0, 1], 0), ([0, 1, 1], 1), ([7, 8, 9, 11], 9),
        ([0, 0, 0, 0, 3], 1), ([2**62] * 5, 2**62), ([2**62, 2**62 + 1], 2**62 + 1),
    ],
)  # fmt: skip
def test_mean_ledgers_are_rounded_half_up_and_never_overflow(paid, mean):
    ledgers = np.array([[0] * len(paid), paid])
    session = RepeatedSession([Playback(np.ones((1, len(paid))), ledgers)], len(paid))
    chunk = session.advance(1)
    assert (chunk.ledgers[1] == mean).all()
    assert chunk.ledgers.dtype == np.int64


@pytest.mark.parametrize("shortest", [1, 7, 500])
def test_hits_are_those_of_the_mean_of_the_repetitions(monkeypatch, shortest):
    drawn = [c / (1 + np.arange(300)) for c in columns(3, 300, 4)]
    monkeypatch.setattr(loop, "SHORTEST", shortest)
    session = RepeatedSession([playback([c]) for c in drawn], 4)
    (track,) = loop.drive(session, (2.0, 0.5), "average", 300, None)
    averages = np.cumsum(np.mean(drawn, axis=0)) / np.arange(1, 301)
    wanted = {eps: int(np.argmax(averages <= eps)) + 1 for eps in (2.0, 0.5)}
    assert {h.eps: h.outer for h in track.hits if h.criterion == "average"} == wanted
    # Not the mean of the repetitions' own K, nor that of the first to arrive.
    own = [int(np.argmax(np.cumsum(c) / np.arange(1, 301) <= 0.5)) + 1 for c in drawn]
    assert min(own) < wanted[0.5] < max(own)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("repetition", [0, 1, 2])
def test_one_repetition_that_diverges_makes_the_run_diverge(bad, repetition):
    drawn = columns(4, 60, 3)
    drawn[repetition][37] = bad
    session = RepeatedSession([playback([c]) for c in drawn], 3)
    (track,) = loop.drive(session, (1e-3,), "average", 60, None)
    assert (track.status, track.outer) == ("diverged", 37)


@pytest.mark.parametrize("last", [5.0, math.inf])
def test_a_repetition_that_stops_early_makes_the_run_diverge(last):
    """Even at a finite gradient: its x has left the finite numbers, and others are ahead of it."""
    drawn = columns(5, 60, 3)
    drawn[1] = np.append(drawn[1][:37], last)
    session = RepeatedSession([playback([c]) for c in drawn], 3)
    (track,) = loop.drive(session, (1e-3,), "average", 60, None)
    assert (track.status, track.outer) == ("diverged", 37)


def test_an_instance_that_diverges_leaves_the_others():
    drawn = columns(6, 60, 6)
    drawn[4][10] = math.nan
    tracks = loop.drive(RepeatedSession([playback(drawn)], 3), (1e-3,), "average", 60, None)
    assert [(track.status, track.outer) for track in tracks] == [("censored", 60), ("diverged", 10)]


@pytest.mark.parametrize("engine", ["compiled", "torch"])
def test_a_real_run_diverges(engine):
    problem = problems.make("hard", kappa=3.0, curvature=2, **GAUSSIAN)
    wild = {**PARAMS["ttsa"], "alpha": 1e3, "beta": 1e3}
    record = bl.run(problem, "ttsa", 1e-9, wild, engine=engine, max_outer=2000)
    assert record.status == "diverged"
    assert record.passes[0]["outer"] < 1000


@pytest.mark.parametrize(
    ("solver", "noise"),
    [("ttsa", GAUSSIAN), ("bsa", GAUSSIAN), ("stocbio", GAUSSIAN), ("stocbio", SHUFFLED)],
    ids=lambda value: value if isinstance(value, str) else value["noise"],
)
def test_engines_count_the_same(solver, noise):
    one, other = (run(solver, hard(**noise), engine) for engine in ("compiled", "torch"))
    assert one.status == "ok"
    assert one.outer(EPS[-1]) > 50
    same_but_for_rounding(one, other)


@pytest.mark.parametrize("engine", ["compiled", "torch"])
def test_counts_do_not_depend_on_the_chunks(monkeypatch, engine):
    wanted = run(engine=engine)
    for shortest, longest in ((1, 1), (7, 11), (5000, 5000)):
        monkeypatch.setattr(loop, "SHORTEST", shortest)
        monkeypatch.setattr(loop, "LONGEST", longest)
        found = run(engine=engine)
        assert found.hits == wanted.hits
        # A longer chunk goes further beyond the last eps.
        common = list(zip(found.trajectory, wanted.trajectory, strict=False))
        assert len(common) >= len(wanted.trajectory) - 1
        assert all(one == other for one, other in common)


def test_counts_do_not_depend_on_what_else_ran():
    before = results(run())
    np.random.seed(5)  # noqa: NPY002
    torch.manual_seed(5)
    state = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    for seed in (2, 3):
        run("stocbio", hard(seed, **SHUFFLED), max_outer=20)
    assert results(run()) == before
    np.testing.assert_array_equal(np.random.get_state()[1], state[0])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), state[1])


def test_counts_are_those_of_another_process():
    here = run(engine="torch")
    script = (
        "import json, sys; from bilevel_core.record import RunConfig; "
        "from bilevel_core.run import execute; "
        "record = execute(RunConfig.from_dict(json.load(sys.stdin))); "
        "print(json.dumps([record.hits, record.passes]))"
    )
    given = json.dumps(here.config.to_dict())
    done = subprocess.run(
        [sys.executable, "-c", script], input=given, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == json.loads(json.dumps([here.hits, here.passes]))


@pytest.mark.parametrize("noise", [GAUSSIAN, SHUFFLED], ids=["gaussian", "shuffled"])
@pytest.mark.parametrize("solver", ["bsa", "stocbio"])
def test_a_batch_of_instances_is_its_instances(solver, noise):
    instances = [hard(seed, **noise) for seed in range(3)]
    together = bl.run_many(instances, solver, list(EPS), PARAMS[solver], engine="torch")
    for problem, record in zip(instances, together, strict=True):
        same_but_for_rounding(record, run(solver, problem))
    assert len({record.outer(EPS[-1]) for record in together}) > 1


@pytest.mark.parametrize("engine", ["compiled", "torch"])
def test_counts_are_the_mean_over_single_runs_of_as_many_steps(engine):
    """The length of a random product differs between repetitions, and so do its calls."""
    steps = 101
    together = run(engine=engine, eps=(1e-9,), max_outer=steps)
    alone = [run(engine=engine, eps=(1e-9,), max_outer=steps, noise_seeds=[s]) for s in NOISE_SEEDS]
    assert together.config.noise_seeds == NOISE_SEEDS
    spent = [record.passes[0]["spent"] for record in alone]
    assert len({calls["hvp"] for calls in spent}) > 1
    for slot in SLOTS:
        mean = sum(calls[slot] for calls in spent) / len(spent)
        assert together.passes[0]["spent"][slot] == math.floor(mean + 0.5)
    for i, point in enumerate(together.trajectory):
        squared = [record.trajectory[i]["squared"] for record in alone]
        assert point["squared"] == pytest.approx(np.mean(squared), rel=1e-7)
        hvp = [record.trajectory[i]["calls"]["hvp"] for record in alone]
        assert point["calls"]["hvp"] == math.floor(np.mean(hvp) + 0.5)


def test_noise_seeds_and_instances_draw_different_numbers():
    def path(noise_seed, seed):
        # The nominal start and scales for every seed: only the noise can differ.
        problem = dataclasses.replace(hard(0), seed=seed)
        record = run(problem=problem, eps=(1e-9,), max_outer=30, noise_seeds=[noise_seed])
        return record.trajectory[-1]["squared"]

    drawn = [path(noise_seed, seed) for noise_seed in range(3) for seed in range(3)]
    assert len(set(drawn)) == 9
    assert path(2, 1) == drawn[7]
