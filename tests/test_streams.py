"""Random numbers: who draws what, its law, and the same numbers plain and compiled."""

import collections
import itertools
import math

import numpy as np
import pytest
import torch
from draws import mean_is, rejected
from scipy import stats

import problems
from bilevel_core import streams
from bilevel_core.engines import specialisation
from bilevel_core.oracle import HVP, SLOTS, restrict
from bilevel_core.reference import private_oracle
from bilevel_core.sampled import open_streams
from bilevel_core.streams import Columns, new_shuffled, open_generators


def generator(seed=0):
    return np.random.Generator(np.random.PCG64(seed))


def shares(stream, S, n):
    out = np.full(n, np.nan)
    streams.draw_shares(stream, S, out)
    return out


def counts(stream, S, n, draws):
    """Counts of each sample in `draws` batches of S, (n, draws)."""
    found = S * np.stack([shares(stream, S, n) for _ in range(draws)], axis=-1)
    np.testing.assert_allclose(found, np.rint(found), atol=1e-9, rtol=1e-12)
    return np.rint(found)


def test_generators_differ_by_noise_seed_by_instance_and_by_kind():
    kinds = len(SLOTS) + 1
    first = [g.random() for a in range(5) for b in range(5) for g in open_generators(a, b)]
    assert len(set(first)) == 5 * 5 * kinds
    again = [g.random() for a in range(5) for b in range(5) for g in open_generators(a, b)]
    assert first == again


def test_generators_of_different_kinds_are_uncorrelated():
    drawn = np.array([g.standard_normal(4000) for g in open_generators(0, 1)])
    pairs = itertools.combinations(range(len(drawn)), 2)
    assert rejected({f"{a} {b}": mean_is(drawn[a] * drawn[b], 0.0) for a, b in pairs}) == []


def test_the_numbers_stay_those_of_stored_runs():
    raw = [int(g.bit_generator.random_raw()) for g in open_generators(3, 7)]
    assert raw[0] == 12_584_920_505_081_419_742
    assert raw[-1] == 8_408_396_971_111_252_173


@pytest.mark.parametrize("sampling", ["replacement", "shuffled"])
def test_a_draw_of_one_kind_leaves_the_others_alone(sampling):
    problem = problems.make("hard", kappa=3.0, noise="finite_sum", sampling=sampling)
    one, other = (open_streams(problem.data, open_generators(0, 0)) for _ in range(2))
    for _ in range(5):
        shares(one[HVP], 3, 32)
    for kind in (*range(HVP), *range(HVP + 1, len(SLOTS))):
        np.testing.assert_array_equal(shares(one[kind], 3, 32), shares(other[kind], 3, 32))
    assert one[streams.CHOICES].random() == other[streams.CHOICES].random()
    assert (shares(one[HVP], 3, 32) != shares(other[HVP], 3, 32)).any()


@pytest.mark.parametrize("S", [1, 2, 3, 4, 5])
def test_shares_with_replacement_are_multinomial(S):
    """Every outcome of S draws from 3, fewer than 3 or not, has its probability."""
    n, draws = 3, 6000
    outcomes = [c for c in itertools.product(range(S + 1), repeat=n) if sum(c) == S]
    expected = [stats.multinomial.pmf(c, S, [1 / n] * n) for c in outcomes]
    seen = collections.Counter(map(tuple, counts(generator(S), S, n, draws).T.astype(int)))
    assert set(seen) <= set(outcomes)
    found = stats.chisquare([seen[c] for c in outcomes], draws * np.array(expected))
    assert found.pvalue > 1e-3


BATCHES = (1, 5, 31, 32, 33, 1000, 10**9, 4 * 10**9)


def test_moments_of_shares_with_replacement():
    n, draws, p_values = 32, 1500, {}
    for S in BATCHES:
        c = counts(generator(S), S, n, draws)
        variance = S / n * (1 - 1 / n)
        z = (c - S / n) / math.sqrt(variance)
        p_values[f"mean, S = {S}"] = mean_is(z, 0.0)
        p_values[f"variance, S = {S}"] = mean_is(z * z, 1.0)
        p_values[f"covariance, S = {S}"] = mean_is(z[1:] * z[:-1], -1 / (n - 1))
        assert (c.sum(axis=0) == S).all()
        assert (c >= 0).all()
    assert rejected(p_values) == []


@pytest.mark.parametrize("S", BATCHES)
@pytest.mark.parametrize("n", [1, 2, 32])
def test_shares_sum_to_one(S, n):
    assert shares(generator(), S, n).sum() == pytest.approx(1.0, abs=1e-12)
    assert shares(new_shuffled(generator(), n), S, n).sum() == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("S", [1, 2, 3, 5, 7])
def test_a_shuffled_epoch_holds_every_sample_once(S):
    """n batches of S make S epochs, whatever S; batches of one make an order of the samples."""
    n = 7
    pool = new_shuffled(generator(S), n)
    for _ in range(4):
        np.testing.assert_array_equal(counts(pool, S, n, n).sum(axis=1), S)


def test_epochs_are_shuffled_anew():
    pool = new_shuffled(generator(), 20)
    orders = [tuple(counts(pool, 1, 20, 20).argmax(axis=0)) for _ in range(10)]
    assert all(sorted(order) == list(range(20)) for order in orders)
    assert len(set(orders)) == 10


def test_every_order_of_an_epoch_is_as_likely():
    """From the order that a pool starts with, and from that of the epoch before."""
    n, random = 4, generator(1)
    first, second = collections.Counter(), collections.Counter()
    for _ in range(2400):
        pool = new_shuffled(random, n)
        one, other = (counts(pool, 1, n, n).argmax(axis=0) for _ in range(2))
        first[tuple(one)] += 1
        second[tuple(one.argsort()[other])] += 1
    for seen in (first, second):
        assert len(seen) == math.factorial(n)
        assert stats.chisquare(list(seen.values())).pvalue > 1e-3


@pytest.mark.parametrize("S", [2, 4, 9])
def test_a_shuffled_batch_is_its_samples_one_by_one(S):
    one, other = (new_shuffled(generator(5), 9) for _ in range(2))
    for _ in range(20):
        together = S * shares(one, S, 9) if S < 9 else np.ones(9)
        alone = sum(shares(other, 1, 9) for _ in range(S))
        np.testing.assert_allclose(together, alone, atol=1e-12)


@pytest.mark.parametrize("S", [8, 17, 20, 70, 10**9 + 3])
def test_a_shuffled_batch_larger_than_the_pool_is_whole_passes_and_a_rest(S):
    n = 7
    pool, rest = (new_shuffled(generator(2), n) for _ in range(2))
    for _ in range(10):
        c = S * shares(pool, S, n)
        left = np.zeros(n) if S % n == 0 else (S % n) * shares(rest, S % n, n)
        np.testing.assert_allclose(c, S // n + left, atol=1e-6)


def test_whole_passes_draw_nothing():
    one, other = (new_shuffled(generator(2), 7) for _ in range(2))
    shares(one, 21, 7)
    np.testing.assert_array_equal(shares(one, 3, 7), shares(other, 3, 7))


@pytest.mark.parametrize("n", [1, 2, 5, 64])
def test_below_is_uniform(n):
    random = generator(n)
    drawn = [streams.below(random, n, np.zeros(1)) for _ in range(200 * n)]
    assert set(drawn) == set(map(float, range(n)))
    assert n == 1 or stats.chisquare(list(collections.Counter(drawn).values())).pvalue > 1e-3


def in_three_columns(make):
    """Three streams, the second of which is not active, and the same ones for comparison."""
    active = np.array([True, False, True])
    return Columns(tuple(make(b) for b in range(3)), active), [make(b) for b in range(3)]


DRAWS = {
    "normal": lambda stream, out: streams.normal(stream, out),
    "below": lambda stream, out: streams.below(stream, 9, out),
    "add_normal": lambda stream, out: streams.add_normal(stream, 2.0, out),
    "draw_shares": lambda stream, out: streams.draw_shares(stream, 3, out),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS.keys())
def test_columns_draw_for_active_instances_alone(draw):
    columns, alone = in_three_columns(generator)
    together = torch.zeros((5, 3), dtype=torch.float64)
    returned = draw(columns, together)
    for b, stream in enumerate(alone):
        out = np.zeros(5)
        wanted = draw(stream, out) if columns.active[b] else 0.0
        np.testing.assert_array_equal(together[:, b], out)
        if returned is not None:
            assert float(returned[b]) == wanted
        assert columns.streams[b].bit_generator.state == stream.bit_generator.state


def test_columns_of_pools_draw_for_active_instances_alone():
    columns, alone = in_three_columns(lambda b: new_shuffled(generator(b), 4))
    for _ in range(3):
        together = torch.zeros((4, 3), dtype=torch.float64)
        streams.draw_shares(columns, 3, together)
        for b, stream in enumerate(alone):
            wanted = shares(stream, 3, 4) if columns.active[b] else np.zeros(4)
            np.testing.assert_array_equal(together[:, b], wanted)


def test_every_column_draws_where_none_is_left_out():
    columns = streams.in_columns([open_generators(0, seed) for seed in range(3)])
    assert len(columns) == len(SLOTS) + 1
    like = torch.zeros((2, 3), dtype=torch.float64)
    for kind, column in enumerate(columns):
        wanted = [open_generators(0, seed)[kind].standard_normal() for seed in range(3)]
        np.testing.assert_array_equal(streams.normal(column, like), wanted)


def test_a_restricted_oracle_hands_out_its_active_columns():
    problem = problems.make("hard", kappa=3.0)
    columns = streams.in_columns([open_generators(0, seed) for seed in range(3)])
    oracle = private_oracle(problem)._replace(streams=columns)
    assert streams.stream_of(oracle, HVP).active is None
    serves = restrict(oracle, torch.tensor([True, False, True]))
    np.testing.assert_array_equal(streams.stream_of(serves, HVP).active, [True, False, True])
    assert streams.stream_of(serves, HVP).streams == columns[HVP].streams


def test_a_restricted_oracle_of_one_instance_hands_out_its_stream():
    oracle = private_oracle(problems.make("hard", kappa=3.0))
    oracle = oracle._replace(streams=open_generators(0, 0))
    assert streams.stream_of(restrict(oracle, True), HVP) is oracle.streams[HVP]


def draw_everything(random, pool, S, normals, numbers, replaced, shuffled):
    streams.add_normal(random, 0.5, normals)
    numbers[0] = streams.normal(random, normals)
    numbers[1] = streams.below(random, 11, normals)
    streams.draw_shares(random, S, replaced)
    streams.draw_shares(pool, S, shuffled)


def test_compiled_numbers_are_those_of_numpy():
    fast = specialisation.specialise(draw_everything, [draw_everything])
    n = 32
    plain, other = ((generator(1), new_shuffled(generator(2), n)) for _ in range(2))
    for S in (*BATCHES, 7, 19, 64, 10**6 + 1):
        wanted, found = ([np.zeros(n), np.zeros(2), np.zeros(n), np.zeros(n)] for _ in range(2))
        draw_everything(*plain, S, *wanted)
        fast(*other, S, *found)
        for a, b in zip(wanted, found, strict=True):
            np.testing.assert_array_equal(a, b)
    assert plain[0].bit_generator.state == other[0].bit_generator.state
    np.testing.assert_array_equal(plain[1].order, other[1].order)
