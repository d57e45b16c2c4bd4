"""Draws of a whole batch at once: their laws, their seeds, and no copy from the host."""

import collections
import itertools
import math

import numpy as np
import pytest
import torch
from devices import CPU, NOISY, SMALL, agree_in_law, no_copies, session
from draws import mean_is, one_thread, rejected  # noqa: F401
from noisy import CALLS, FAMILIES, NOISES, Draws, exact, make, point
from scipy import stats
from test_noise import variance_of_batch

import problems
from bilevel_core import solvers, streams
from bilevel_core.engines.device_streams import open_on_device
from bilevel_core.engines.torch import TorchSession


def draws_of(key, N, seed):
    """Like `noisy.Draws`, with the streams of a device."""
    drawn = Draws(key, 1, seed)
    problem = make(*key)
    drawn.columns = open_on_device([problem] * N, [seed] * N, CPU)[0]
    drawn.point = [torch.as_tensor(a)[:, None].repeat(1, N) for a in point(key)]
    return drawn


def replaced(seed=0):
    problem = make("ramp", "replacement")
    return open_on_device([problem], [seed], CPU)[0]


def pools(n, batch, seed=0):
    opened = open_on_device([make("ramp", "shuffled")], [seed], CPU)[0]
    return opened._replace(
        order=torch.arange(n)[:, None].repeat(1, batch), position=torch.full((batch,), n)
    )


def counted(stream, S, n, batch):
    found = (S * stream.shares(S, torch.empty(n, batch, dtype=torch.float64))).numpy()
    np.testing.assert_allclose(found, np.rint(found), atol=1e-6, rtol=1e-9)
    return np.rint(found)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("family", FAMILIES)
def test_batches_drawn_at_once_are_unbiased_with_the_stated_variance(family, noise):
    key, p_values = (family, noise), {}
    problem, (x, y, v) = make(*key), point((family, noise))
    for name, S in itertools.product(CALLS, (1, 4, 50)):
        off = draws_of(key, 800, S).batch(name, S) - exact(name, problem.data, x, y, v)[:, None]
        p_values[f"{name}, mean of {S}"] = mean_is(off, 0.0)
        squares = (off**2).sum(axis=0)
        p_values[f"{name}, variance of {S}"] = mean_is(squares, variance_of_batch(key, name, S))
    assert rejected(p_values) == []


def test_batches_drawn_at_once_have_the_law_of_numpys():
    """Kolmogorov and Smirnov's test, of the first batch and of a later one of the same stream."""
    p_values, N = {}, 400
    for family, noise, S in itertools.product(("ramp", "logistic"), NOISES, (2, 5, 64)):
        key = (family, noise)
        host, device = Draws(key, N, seed=S), draws_of(key, N, S)
        for name in CALLS:
            center = exact(name, make(*key).data, *point(key))[:, None]
            host.batch(name, S), device.batch(name, S)
            direction = np.cos(1.0 + np.arange(len(center)))
            one, other = (direction @ (drawn.batch(name, S) - center) for drawn in (host, device))
            found = stats.ks_2samp(np.round(one, 9), np.round(other, 9), method="asymp")
            p_values[f"{family}, {noise}, {name}, {S}"] = found.pvalue
    assert len(p_values) == 2 * 3 * 3 * 6
    assert rejected(p_values) == []


@pytest.mark.parametrize("S", [1, 2, 3, 4, 5])
def test_shares_drawn_at_once_are_multinomial(S):
    n, draws = 3, 6000
    outcomes = [c for c in itertools.product(range(S + 1), repeat=n) if sum(c) == S]
    expected = [stats.multinomial.pmf(c, S, [1 / n] * n) for c in outcomes]
    seen = collections.Counter(map(tuple, counted(replaced(S), S, n, draws).T.astype(int)))
    assert set(seen) <= set(outcomes)
    found = stats.chisquare([seen[c] for c in outcomes], draws * np.array(expected))
    assert found.pvalue > 1e-3


def test_moments_of_shares_drawn_at_once():
    n, draws, p_values = 32, 3000, {}
    for S in (1, 31, 32, 1000, 10**9, 4 * 10**9):
        c = counted(replaced(S), S, n, draws)
        z = (c - S / n) / math.sqrt(S / n * (1 - 1 / n))
        p_values[f"mean, S = {S}"] = mean_is(z, 0.0)
        p_values[f"variance, S = {S}"] = mean_is(z * z, 1.0)
        p_values[f"covariance, S = {S}"] = mean_is(z[1:] * z[:-1], -1 / (n - 1))
        assert (c.sum(axis=0) == S).all()
        assert (c >= 0).all()
    assert rejected(p_values) == []


@pytest.mark.parametrize("n", [1, 2, 5, 64])
def test_whole_numbers_drawn_at_once_are_uniform(n):
    like = torch.empty(2, 200 * n, dtype=torch.float64)
    drawn = streams.below(replaced(n), n, like).tolist()
    assert set(drawn) == set(map(float, range(n)))
    assert n == 1 or stats.chisquare(list(collections.Counter(drawn).values())).pvalue > 1e-3


@pytest.mark.parametrize("S", [1, 2, 3, 5, 7, 9, 20])
def test_an_epoch_of_each_instance_holds_every_sample_once(S):
    """n batches of S make S epochs; the order of one is as likely as another."""
    n, drawn = 7, pools(7, 50)
    for _ in range(4):
        total = sum(counted(drawn, S, n, 50) for _ in range(n))
        np.testing.assert_array_equal(total, S)


def test_every_order_of_an_epoch_is_as_likely_and_epochs_are_independent():
    n, batch = 4, 4800
    drawn = pools(n, batch, seed=3)
    orders = [
        np.stack([counted(drawn, 1, n, batch).argmax(axis=0) for _ in range(n)]) for _ in range(2)
    ]
    after = np.take_along_axis(np.argsort(orders[0], axis=0), orders[1], axis=0)
    for order in (*orders, after):
        seen = collections.Counter(map(tuple, order.T.tolist()))
        assert len(seen) == math.factorial(n)
        assert stats.chisquare(list(seen.values())).pvalue > 1e-3


def test_pools_of_other_instances_stay_as_they_are():
    """A batch that starts a new epoch for those it serves leaves the others in the midst of one."""
    n, batch = 5, 40
    drawn = pools(n, batch, seed=1)
    first = counted(drawn, 3, n, batch)
    active = torch.arange(batch) % 2 == 0
    counted(drawn.serving(active), 4, n, batch)
    second = counted(drawn, 2, n, batch)
    idle = ~active.numpy()
    np.testing.assert_array_equal((first + second)[:, idle], 1)
    assert ((first + second)[:, ~idle] != 1).any()


@pytest.mark.parametrize("S", [1, 3, 31, 32, 50, 64])
@pytest.mark.parametrize("noise", ["replacement", "shuffled"])
def test_shares_are_drawn_without_a_copy_from_the_host(noise, S):
    opened = open_on_device([make("ramp", noise)] * 6, [0] * 6, CPU)
    like = torch.zeros(32, 6, dtype=torch.float64)
    with no_copies():
        found = opened[0].shares(S, like)
        opened[0].serving(like[0] > 1.0).shares(S, like)
    np.testing.assert_allclose(found.sum(0), 1.0, rtol=1e-12)


def test_numbers_are_drawn_without_a_copy_from_the_host():
    opened, out = replaced(), torch.zeros(3, 4, dtype=torch.float64)
    with no_copies():
        streams.add_normal(opened, 2.0, out)
        out += streams.normal(opened, out) + streams.below(opened, 9, out)
    assert len(set(out.flatten().tolist())) == 12


def first_normals(instances, noise_seeds):
    like = torch.zeros(2, len(instances), dtype=torch.float64)
    return [
        tuple(streams.normal(one, like).tolist())
        for one in open_on_device(instances, noise_seeds, CPU)
    ]


def test_seeds_of_a_batch_decide_its_draws():
    one, other = make("ramp", "gaussian", seed=1), make("ramp", "gaussian", seed=2)
    drawn = first_normals([one, one], [0, 1])
    assert drawn == first_normals([one, one], [0, 1])
    assert len(set(drawn)) == streams.CHOICES + 1
    for batch in ([one, one], [1, 0]), ([one, other], [0, 1]), ([other, one], [0, 1]):
        assert not set(first_normals(*batch)) & set(drawn)
    assert all(len(set(kind)) == 2 for kind in drawn)


@pytest.mark.parametrize(("name", "noise"), NOISY)
def test_draws_do_not_depend_on_the_chunks(name, noise):
    one, other = session(name, noise), session(name, noise)
    whole = one.advance(9)
    parts = [other.advance(n) for n in (4, 5)]
    np.testing.assert_array_equal(np.concatenate([p.squared for p in parts]), whole.squared)
    np.testing.assert_array_equal(parts[-1].ledgers[-1], whole.ledgers[-1])


@pytest.mark.parametrize(("name", "noise"), NOISY)
def test_a_device_agrees_with_numpys_numbers_in_law(name, noise):
    """Squared gradients after ten steps, over independent repetitions of one instance."""
    solver, N = solvers.get(name), 300
    problem = problems.make("hard", kappa=4.0, **NOISES[noise])
    params = solver.Params(**SMALL[name])
    agree_in_law(
        TorchSession([problem] * N, solver, params, "cpu", range(N), streams=opened)
        for opened in (None, open_on_device)
    )
