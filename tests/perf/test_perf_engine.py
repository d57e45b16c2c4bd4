"""Outer steps of both engines, with their evaluation, and what is recorded of them."""

import numpy as np
import pytest

import problems
from bilevel_core.engines.chunk import LONGEST, Chunk, shared_by_all
from bilevel_core.engines.compiled import CompiledSession
from bilevel_core.engines.loop import drive
from bilevel_core.engines.torch import TorchSession
from bilevel_core.oracle import SLOTS
from bilevel_core.policies import params_for
from bilevel_core.solvers import get
from bilevel_core.sweep.executors import pin_torch

EPS = (0.1, 0.03, 0.01)
SIZES = [2, 20, 100]
KAPPA = 10.0


def made(solver, dimension, seed=0, **options):
    """An instance and the solver's parameters on it."""
    problem = problems.make("quadratic", kappa=KAPPA, seed=seed, dim=dimension, **options)
    return problem, params_for(get(solver), problem, "sharp", {}, EPS[0])


@pytest.mark.parametrize("dimension", SIZES)
@pytest.mark.parametrize("solver", ["aid_bio", "itd_bio"])
def test_compiled_steps(stepping, solver, dimension):
    problem, params = made(solver, dimension)
    chunk = stepping(lambda: CompiledSession(problem, get(solver), params), 64)
    assert np.isfinite(chunk.squared).all()


@pytest.mark.parametrize("dimension", SIZES)
def test_compiled_steps_with_noise(stepping, dimension):
    problem, params = made("stocbio", dimension, noise="gaussian", sigma=0.1)
    chunk = stepping(lambda: CompiledSession(problem, get("stocbio"), params, 0), 16)
    assert np.isfinite(chunk.squared).all()


@pytest.mark.parametrize("batch", [1, 64])
def test_torch_steps(stepping, batch):
    pin_torch("torch")
    instances = [made("aid_bio", 20, seed)[0] for seed in range(batch)]
    params = made("aid_bio", 20)[1]
    chunk = stepping(lambda: TorchSession(instances, get("aid_bio"), params), 4)
    assert chunk.squared.shape[1] == batch


class Prepared:
    """A session that hands out the same chunk: what is left to time is the loop around it."""

    seconds = 0.0

    def __init__(self, batch):
        self.batch = batch
        self._squared = np.geomspace(1.0, 0.5, LONGEST)[:, None] * np.ones(batch)
        counts = np.arange(LONGEST + 1)[:, None, None] * np.ones((1, 2, len(SLOTS)), np.int64)
        self._ledgers = shared_by_all(counts, batch)

    def iterate(self):
        return np.zeros((1, self.batch))

    def advance(self, n, is_late=None):
        n = min(n, LONGEST)
        return Chunk(self._squared[:n], self._ledgers[: n + 1], np.ones(self.batch, bool))


@pytest.mark.parametrize("batch", [1, 1000])
def test_recording_10000_steps(benchmark, batch):
    tracks = benchmark(drive, Prepared(batch), EPS, "average", 10_000, None)
    assert len(tracks) == batch
    assert {track.outer for track in tracks} == {10_000}
