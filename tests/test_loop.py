"""The loop around a session, on made-up sequences: hits, ledgers, and every way to stop."""

import math

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from bilevel_core.engines import loop
from bilevel_core.engines.chunk import Chunk
from bilevel_core.oracle import SLOTS

SETTINGS = hypothesis.settings(max_examples=60, deadline=None, derandomize=True)
EPS = (3.0, 1.0, 0.3, 0.1)


class FakeSession:
    """Plays back ||grad Phi||^2, (n, B); step k costs k + 1 + b calls, and twice that in samples.

    Behind its end the last row repeats.  `moves[k]` says whether step k moves x.
    """

    seconds = 0.0

    def __init__(self, squared, moves=None):
        squared = np.asarray(squared, dtype=float)
        self.squared = squared[:, None] if squared.ndim == 1 else squared
        self.batch = self.squared.shape[1]
        self.moves = moves
        self.done = 0
        self.lengths = []

    def ledger(self, k, b):
        """The ledger (2, slots) after k steps of instance b."""
        out = np.zeros((2, len(SLOTS)), np.int64)
        out[0] = k * (k + 1) // 2 + k * b
        out[1] = 2 * out[0]
        return out

    def iterate(self):
        return np.zeros((1, self.batch))

    def advance(self, n, is_late=None):
        self.lengths.append(n)
        ks = np.arange(self.done, self.done + n)
        squared = self.squared[np.minimum(ks, len(self.squared) - 1)]
        bad = ~np.isfinite(squared).any(axis=1)  # every instance has left the finite numbers
        if bad.any():
            squared = squared[: int(np.argmax(bad)) + 1]
        n = len(squared)
        ledgers = np.array(
            [[self.ledger(k, b) for b in range(self.batch)] for k in range(ks[0], ks[0] + n + 1)]
        )
        moved = True if self.moves is None else any(self.moves(k) for k in ks)
        self.done += n
        return Chunk(squared, ledgers, np.full(self.batch, moved))


class FakeClock:
    """Seconds that pass by `step` at each look."""

    def __init__(self, step):
        self.now, self.step = 0.0, step

    def __call__(self):
        self.now += self.step
        return self.now


def drive(squared, eps=EPS, criterion="average", max_outer=1000, max_seconds=None, **kwargs):
    session = FakeSession(squared, kwargs.pop("moves", None))
    tracks = loop.drive(session, eps, criterion, max_outer, max_seconds, **kwargs)
    return session, tracks


def brute_force(squared, eps, criterion):
    """{eps: outer} by the definitions, one prefix at a time."""
    found = {}
    for target in eps:
        for k in range(len(squared)):
            value = squared[k] if criterion == "first" else sum(squared[: k + 1]) / (k + 1)
            if not math.isfinite(squared[k]):
                break
            if value <= target:
                found[target] = k if criterion == "first" else k + 1
                break
    return found


def hits(track, criterion):
    return {hit.eps: hit.outer for hit in track.hits if hit.criterion == criterion}


sequences = st.lists(st.floats(0.0, 10.0), min_size=1, max_size=120)


@SETTINGS
@hypothesis.given(
    squared=sequences,
    shortest=st.integers(1, 40),
    longest=st.integers(1, 200),
    criterion=st.sampled_from(loop.CRITERIA),
)
def test_hits_are_those_of_the_definitions(squared, shortest, longest, criterion):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "SHORTEST", shortest)
        patch.setattr(loop, "LONGEST", longest)
        session, (track,) = drive(squared, criterion=criterion, max_outer=len(squared))
    for name in loop.CRITERIA:
        wanted, got = brute_force(squared, EPS, name), hits(track, name)
        if name == criterion:
            assert got == wanted
        else:  # what was met on the way: up to where the deciding criterion stopped the run
            assert got == {e: k for e, k in wanted.items() if k < track.outer or e in got}
    reached_all = len(brute_force(squared, EPS, criterion)) == len(EPS)
    assert track.status == ("ok" if reached_all else "censored")
    for hit in track.hits:
        np.testing.assert_array_equal(hit.ledger, session.ledger(hit.outer, 0))
    np.testing.assert_array_equal(track.spent, session.ledger(track.outer, 0))


@SETTINGS
@hypothesis.given(
    squared=st.integers(1, 60).flatmap(
        lambda n: st.lists(
            st.lists(st.floats(0.0, 10.0), min_size=3, max_size=3), min_size=n, max_size=n
        )
    )
)
def test_a_batch_is_its_instances(squared):
    table = np.array(squared)
    session, tracks = drive(table, max_outer=len(table))
    for b, track in enumerate(tracks):
        _, (alone,) = drive(table[:, b], max_outer=len(table))
        assert hits(track, "average") == hits(alone, "average")
        assert hits(track, "first") == hits(alone, "first")
        assert (track.status, track.reason, track.outer) == (
            alone.status,
            alone.reason,
            alone.outer,
        )
        for hit in track.hits:
            np.testing.assert_array_equal(hit.ledger, session.ledger(hit.outer, b))


def test_known_hits():
    _, (track,) = drive([4.0, 2.0, 0.0, 0.0], eps=(3.0, 2.0, 1.5), max_outer=4)
    assert hits(track, "average") == {3.0: 2, 2.0: 3, 1.5: 4}
    assert hits(track, "first") == {3.0: 1, 2.0: 1, 1.5: 2}
    assert track.status == "ok"


def test_an_eps_met_at_the_start_costs_nothing_first_and_one_step_average():
    session, (track,) = drive([0.05], max_outer=50)
    assert hits(track, "first") == dict.fromkeys(EPS, 0)
    assert hits(track, "average") == dict.fromkeys(EPS, 1)
    first = next(hit for hit in track.hits if hit.criterion == "first")
    assert not first.ledger.any()
    assert session.done == loop.SHORTEST


def test_an_eps_equal_to_the_value_is_met():
    _, (track,) = drive([1.0], eps=(1.0,), max_outer=3)
    assert hits(track, "average") == {1.0: 1}


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("position", [0, 1, 15, 16, 17, 40])
def test_leaving_the_finite_numbers_is_divergence(bad, position):
    squared = np.full(60, 5.0)
    squared[:2] = 0.0, 6.0  # meets every eps at once, where anything is met at all
    squared[position] = bad
    eps = (*EPS, 1e-9)
    session, (track,) = drive(squared, eps=(*eps[:-1], -1.0), max_outer=60)
    assert track.status == "diverged"
    assert track.outer == position
    assert f"after {position} outer steps" in track.reason
    wanted = {} if position == 0 else dict.fromkeys(EPS, 0)
    assert hits(track, "first") == wanted
    assert hits(track, "average") == dict.fromkeys(wanted, 1)
    assert all(k < position for k, *_ in track.trajectory)
    assert all(math.isfinite(s) and math.isfinite(a) for _, s, a, _ in track.trajectory)
    np.testing.assert_array_equal(track.spent, session.ledger(position, 0))


def test_nothing_after_a_divergence_counts():
    squared = [5.0, math.nan, 0.0, 0.0, *[0.0] * 30]
    _, (track,) = drive(squared, criterion="first", max_outer=30)
    assert track.status == "diverged"
    assert track.hits == []


def test_one_diverged_instance_does_not_stop_the_others():
    table = np.full((100, 2), 5.0)
    table[3:, 0] = math.nan
    table[50:, 1] = 0.0
    _, (lost, fine) = drive(table, eps=(4.0,), max_outer=100)
    assert (lost.status, lost.outer) == ("diverged", 3)
    assert fine.status == "ok"
    assert hits(fine, "average") == {4.0: 63}  # 250/K <= 4


def test_a_run_that_does_not_move_is_given_up():
    session, (track,) = drive([5.0], moves=lambda k: k < 100, max_outer=10**6)
    assert track.status == "censored"
    assert "x has not moved for" in track.reason
    assert "5" in track.reason
    assert loop.STALLED_AFTER <= track.still < 2 * loop.STALLED_AFTER
    assert session.done < 3000


def test_a_single_move_is_enough_to_go_on():
    session, (track,) = drive([5.0], moves=lambda k: k % 900 == 0, max_outer=5000)
    assert session.done == 5000
    assert track.reason == "max_outer = 5000 reached"


def test_a_run_that_rests_below_the_smallest_eps_waits_for_its_average():
    squared = np.concatenate([np.full(10, 1000.0), [0.02]])
    _, (track,) = drive(squared, moves=lambda k: k < 10, eps=(0.1,), max_outer=10**6)
    assert track.status == "ok"
    # From its definition: 10000 of sum before the rest, and 0.02 for each step of it.
    assert hits(track, "average") == {0.1: math.ceil((10_000 - 0.2) / 0.08)}


def test_resting_between_two_eps_is_given_up():
    _, (track,) = drive([0.5], moves=lambda k: False, max_outer=10**6)
    assert track.status == "censored"
    assert hits(track, "average") == {3.0: 1, 1.0: 1}


@pytest.mark.parametrize("most", [1, 15, 16, 17, 999])
def test_max_outer_is_kept_exactly(most):
    session, (track,) = drive([5.0], max_outer=most)
    assert (track.status, track.reason) == ("censored", f"max_outer = {most} reached")
    assert session.done == track.outer == most


def test_the_last_allowed_step_may_reach_eps():
    squared = [5.0] * 9 + [0.0]
    assert drive(squared, eps=(4.5,), max_outer=10)[1][0].status == "ok"
    assert drive(squared, eps=(4.5,), max_outer=9)[1][0].status == "censored"


def test_max_seconds_is_read_off_the_clock_between_chunks():
    session, (track,) = drive([5.0], max_outer=10**6, max_seconds=4.5, clock=FakeClock(1.0))
    # Looks at 1 (start), then 2, 3, 4, 5: the fifth is 5 s after the start and ends the run.
    assert (track.status, track.reason) == ("censored", "max_seconds = 4.5 reached")
    assert len(session.lengths) == 4


def test_without_max_seconds_the_clock_does_not_matter():
    _, (track,) = drive([5.0], max_outer=200, clock=FakeClock(1e9))
    assert track.reason == "max_outer = 200 reached"


def test_an_eps_reached_in_the_last_second_is_kept():
    _, (track,) = drive([0.0], max_outer=100, max_seconds=1.5, clock=FakeClock(1.0))
    assert track.status == "ok"


def test_chunks_stay_an_eighth_of_the_run_within_limits():
    session, _ = drive([5.0], max_outer=100_000)
    before = np.concatenate([[0], np.cumsum(session.lengths)[:-1]])
    wanted = [min(100_000 - k, max(16, min(4096, k // 8))) for k in before]
    assert session.lengths == wanted
    assert session.lengths[0] == loop.SHORTEST
    assert max(session.lengths) == loop.LONGEST


def test_progress_is_told_the_steps_done():
    told = []
    session, _ = drive([5.0], max_outer=100, progress=told.append)
    assert told == np.cumsum(session.lengths).tolist()


@pytest.mark.parametrize("shortest", [1, 16, 700])
def test_trajectory_has_ten_points_a_decade_of_the_sequence(monkeypatch, shortest):
    monkeypatch.setattr(loop, "SHORTEST", shortest)
    squared = 1.0 + 9.0 / np.sqrt(1.0 + np.arange(20_000))
    session, (track,) = drive(squared, max_outer=20_000)
    ks = [k for k, *_ in track.trajectory]
    assert ks[:4] == [0, 1, 2, 3]
    assert ks == sorted(set(ks))
    for low in (10, 100, 1000):
        assert sum(low <= k < 10 * low for k in ks) == 10
    averages = np.cumsum(squared) / np.arange(1, 20_001)
    for k, value, average, ledger in track.trajectory:
        assert value == squared[k]
        assert average == pytest.approx(averages[k], rel=1e-12)
        np.testing.assert_array_equal(ledger, session.ledger(k, 0))
    assert ks[-1] >= 0.79 * 20_000


def test_trajectory_does_not_depend_on_the_chunks(monkeypatch):
    squared = 1.0 + np.abs(np.sin(np.arange(3000)))
    monkeypatch.setattr(loop, "SHORTEST", 1)
    one = drive(squared, max_outer=3000)[1][0].trajectory
    monkeypatch.setattr(loop, "SHORTEST", 4000)
    other = drive(squared, max_outer=3000)[1][0].trajectory
    assert [point[:3] for point in one] == [point[:3] for point in other]
