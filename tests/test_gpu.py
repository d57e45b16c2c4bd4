"""The torch engine on a CUDA device: the CPU's counts and iterates, replayed steps, no waiting."""

import dataclasses

import numpy as np
import pytest
import torch
from devices import EVERY, EXACT, LOOKS_OR_COUNTS_STEPS, NOISY, SMALL, agree_in_law
from noisy import NOISES
from tiny_data import OPTIONS

import bilevel_core as bl
import problems
from bilevel_core import solvers
from bilevel_core.engines.captured import record_graph
from bilevel_core.engines.chunk import LARGEST
from bilevel_core.engines.torch import TorchSession
from bilevel_core.policies import params_for

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device"),
]

STEPS = 40


def eager(work, rehearse, generators, device):
    """A recorder that records nothing: work is done each time."""
    return work


def session(name, family, noise=None, batch=4, device="cuda", record=None):
    solver = solvers.get(name)
    options = OPTIONS.get(family, {}) | (NOISES[noise] if noise else {})
    instances = [problems.make(family, kappa=4.0, seed=b, **options) for b in range(batch)]
    if name in SMALL:
        params = solver.Params(**SMALL[name])
    else:
        params = params_for(solver, instances[0], "theory", {}, 1e-2)
    seeds = range(batch) if name in SMALL else None
    return TorchSession(instances, solver, params, device, seeds, record=record)


def test_a_device_adds_like_the_host():
    """Otherwise no other test of this file says anything."""
    total = torch.arange(10, dtype=torch.float64, device="cuda").sum().item()
    assert total == 45.0


@pytest.mark.parametrize("family", ["quadratic", "hard", "ramp", "hypercleaning"])
@pytest.mark.parametrize("name", EXACT)
def test_counts_and_iterates_are_those_of_the_cpu(name, family):
    on_cpu, on_gpu = (session(name, family, device=device) for device in ("cpu", "cuda"))
    wanted, found = on_cpu.advance(STEPS), on_gpu.advance(STEPS)
    np.testing.assert_array_equal(found.ledgers, wanted.ledgers)
    np.testing.assert_array_equal(found.moved, wanted.moved)
    np.testing.assert_allclose(found.squared, wanted.squared, rtol=1e-8, atol=1e-14)
    np.testing.assert_allclose(on_gpu.iterate(), on_cpu.iterate(), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("name", EXACT)
def test_a_run_is_that_of_the_cpu(name):
    problem = problems.make("quadratic", kappa=3.0, dim=3, seed=1)
    one, other = (
        bl.run(problem, name, [0.5, 0.2], engine="torch", device=device, max_outer=2000)
        for device in ("cpu", "cuda")
    )
    assert (one.status, one.hits) == (other.status, other.hits)


@pytest.mark.parametrize(
    ("name", "noise"),
    EVERY,
)
def test_a_captured_step_is_the_step(name, noise):
    captured = session(name, "hard", noise)
    same = session(name, "hard", noise, record=eager)
    for n in (1, 7, STEPS):
        one, other = captured.advance(n), same.advance(n)
        np.testing.assert_array_equal(one.ledgers, other.ledgers)
        np.testing.assert_allclose(one.squared, other.squared, rtol=1e-10, atol=1e-16)
    assert (captured._recording is None) == (name in LOOKS_OR_COUNTS_STEPS)


@pytest.mark.parametrize(
    ("name", "noise"),
    [(name, noise) for name, noise in EVERY if name != "hoag"],
)
def test_steps_do_not_wait_for_the_device(name, noise):
    """HOAG is left out: it looks every few passes whether its tolerance is met."""
    opened = session(name, "hard", noise)
    opened.walk(3)  # the first step, and the capture of the others
    torch.cuda.synchronize()
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        walk = opened.walk(STEPS)
    finally:
        torch.cuda.set_sync_debug_mode(before)
    assert torch.isfinite(walk.positions).all().item()


def test_waiting_would_be_seen():
    """Otherwise the test above could not fail."""
    one = torch.ones(1, device="cuda")
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        with pytest.raises(RuntimeError, match="synchroniz"):
            one.item()
    finally:
        torch.cuda.set_sync_debug_mode(before)


@pytest.mark.parametrize(("name", "noise"), NOISY)
def test_random_solvers_agree_with_the_cpu_in_law(name, noise):
    """Squared gradients after ten steps, over independent repetitions of one instance."""
    solver, N = solvers.get(name), 1000
    problem = problems.make("hard", kappa=4.0, **NOISES[noise])
    params = solver.Params(**SMALL[name])
    agree_in_law(
        TorchSession([problem] * N, solver, params, device, range(N)) for device in ("cpu", "cuda")
    )


@pytest.mark.parametrize("name", ["aid_bio", "hoag", "ttsa"])
def test_a_hundred_thousand_starts_fit(name):
    problem, solver, batch = problems.make("quadratic", kappa=4.0, dim=2), solvers.get(name), 10**5
    starts = 0.1 * np.random.default_rng(0).normal(size=(batch, 2))
    instances = [dataclasses.replace(problem, x0=start) for start in starts]
    if name in SMALL:
        params = solver.Params(**SMALL[name])
    else:
        params = params_for(solver, problem, "theory", {}, 0.1)
    torch.cuda.reset_peak_memory_stats()
    seeds = range(batch) if name in SMALL else None
    opened = TorchSession(instances, solver, params, "cuda", seeds)
    for _ in range(3):
        chunk = opened.advance(1000)
        assert chunk.squared.shape[1] == batch
        assert np.isfinite(chunk.squared).all()
    assert torch.cuda.max_memory_allocated() < 6 * LARGEST


def test_the_recorder_of_a_cuda_device_is_a_graph():
    from bilevel_core.engines.torch import RECORDERS

    assert RECORDERS["cuda"] is record_graph
