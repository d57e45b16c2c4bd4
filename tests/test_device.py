"""What a CUDA device needs, shown without one: no look at a value, draws in place, replayed steps.

Tensors on "meta" have no values: whatever waits for one raises.
"""

import itertools
import math
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
import torch
from devices import EVERY, LOOKS_OR_COUNTS_STEPS, no_copies, on_meta, session
from draws import one_thread  # noqa: F401
from tape import record_tape

import problems
from bilevel_core import looking, solvers
from bilevel_core.arrays import where
from bilevel_core.autograd import problem_from_functions
from bilevel_core.constants import Constants
from bilevel_core.engines.captured import Later, trial
from bilevel_core.engines.torch import TorchSession

HOST_VALUES = {
    "a number to the device": lambda t: torch.as_tensor(0.5, device=t.device),
    "numbers to the device": lambda t: torch.tensor([0.5], device=t.device),
    "an array like a tensor": lambda t: t.new_tensor(np.zeros(3)),
    "an array to the device": lambda t: torch.from_numpy(np.zeros(3)).to(t.device),
    "a tensor to the device": lambda t: torch.zeros(3).to(t.device),
    "a tensor into another": lambda t: t.copy_(torch.zeros(3)),
    "a tensor to the host": lambda t: t.cpu(),
    "an item": lambda t: t[0].item(),
    "a branch": lambda t: bool(t.any()),
}


@pytest.mark.parametrize("function", HOST_VALUES.values(), ids=HOST_VALUES.keys())
def test_what_waits_for_a_device_is_seen(function):
    """Otherwise the next test could not fail."""
    with pytest.raises((AssertionError, RuntimeError)), no_copies():
        function(torch.empty(3, device="meta"))


FAMILIES = ("hard", "quadratic", "ramp", "chain", "logistic", "hypercleaning")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("name", "noise"), EVERY)
def test_a_step_looks_at_no_value(name, noise, family):
    if name == "hoag":
        pytest.skip("it ends loops by a tolerance; see the test of its looks")
    if family == "hypercleaning" and noise in ("gaussian", "shuffled"):
        pytest.skip("its batches are drawn with replacement, and there is no other noise")
    opened = session(name, noise, family)
    oracle, params, state = on_meta(opened)
    with no_copies():
        for _ in range(3):
            state = solvers.get(name).step(oracle, params, state)
    assert oracle.ledger.any()


def test_a_device_is_looked_at_every_so_many_passes(monkeypatch):
    """Each of its two loops goes on for as many passes, and ends at the first look."""
    opened = session("hoag")
    oracle, params, state = on_meta(opened)
    looks = []

    def look(condition):
        looks.append(oracle.restricted._version)
        return len(looks) % 3 != 0  # the third look of each loop finds that all is done

    monkeypatch.setattr(looking, "any_true", look)
    with no_copies():
        solvers.get("hoag").step(oracle, params, state)
    calls = np.diff([0, *looks]) // (looks[1] - looks[0])
    assert calls.tolist() == [1, 1, 1, 1, 1, 1]
    assert len(looks) == 6


@pytest.mark.parametrize("every", [1, 4, 100])
@pytest.mark.parametrize("ends", [0, 1, 7, 8])
def test_looks_come_every_so_many_passes(every, ends):
    class Elsewhere:
        is_cpu = False

        def __init__(self, left):
            self.left = left

        def any(self):
            looked.append(self.left)
            return self.left

    looked = []
    passes = next(
        d for d in itertools.count() if not looking.any_left(Elsewhere(d < ends), d, every)
    )
    assert passes == every * max(1, math.ceil(ends / every))
    assert len(looked) == passes // every
    # The host looks each time: no pass too many.
    assert next(d for d in itertools.count() if not looking.any_left(d < ends, d, every)) == ends


@pytest.mark.parametrize("name", ["hoag", "ttsa", "bsa"])
def test_passes_without_a_look_change_no_count_and_no_iterate(name, monkeypatch):
    wanted = session(name).advance(8)

    class Blind:
        """A device's tensor, as far as looks go."""

        is_cpu = False

        def __init__(self, tensor):
            self.any = tensor.any

    seen = looking.any_left
    monkeypatch.setattr(
        "bilevel_core.inner.any_left", lambda left, done, every: seen(Blind(left), done, every)
    )
    for module in ("linear", "estimators"):
        monkeypatch.setattr(
            f"bilevel_core.{module}.any_left",
            lambda left, done, every: seen(Blind(left), done, every),
        )
    found = session(name).advance(8)
    np.testing.assert_array_equal(found.ledgers, wanted.ledgers)
    if name == "hoag":  # the others draw more numbers, which nobody uses
        np.testing.assert_array_equal(found.squared, wanted.squared)


def test_where_takes_numbers_and_tensors():
    condition = torch.tensor([True, False, True])
    a = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    assert where(condition, a, 0.0).tolist() == [1.0, 0.0, 3.0]
    assert where(condition, -0.25, a).tolist() == [-0.25, 2.0, -0.25]
    both = where(condition, 0.1, 0.7)
    assert both.dtype == torch.float64
    assert both.tolist() == [0.1, 0.7, 0.1]


# Recorded steps.


@pytest.mark.parametrize("family", ["hard", "quadratic"])
@pytest.mark.parametrize(("name", "noise"), EVERY)
def test_a_replayed_step_is_the_step(name, noise, family, monkeypatch):
    if name == "ttsa":  # on a device its series goes on to the end, unseen
        monkeypatch.setattr(looking, "any_true", lambda condition: True)
    eager, replayed = session(name, noise, family), session(name, noise, family, record=record_tape)
    for n in (1, 5, 4):
        for one, other in zip(eager.advance(n), replayed.advance(n), strict=True):
            np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(eager.iterate(), replayed.iterate())
    assert (replayed._recording is None) == (name in LOOKS_OR_COUNTS_STEPS)
    if hasattr(eager._state, "k"):
        assert replayed._state.k == eager._state.k == 10


def test_a_whole_run_is_the_same_replayed(monkeypatch):
    import bilevel_core as bl
    from bilevel_core.engines import torch as engine

    def run():
        instances = [problems.make("hard", kappa=4.0, seed=seed) for seed in range(3)]
        records = bl.run_many(instances, "aid_bio", [0.5, 0.1], "sharp", engine="torch")
        return [(r.status, r.passes, r.hits, r.trajectory) for r in records]

    wanted = run()
    monkeypatch.setitem(engine.RECORDERS, "cpu", record_tape)
    assert run() == wanted


class Pair(NamedTuple):
    x: torch.Tensor
    y: torch.Tensor
    k: int


def made_up(step, state=None):
    """A session of aid_bio whose step is this one, after its first step."""
    opened = session("aid_bio", record=record_tape)
    opened._solver = SimpleNamespace(step=step)
    opened._state = state or Pair(opened._state.x, opened._state.y[:2].clone(), 0)
    return opened


def turning(oracle, params, state):
    """Views of the old state, in each other's place."""
    return Pair(state.y[:], state.x[:], state.k + 1)


def test_a_step_may_return_views_of_its_state():
    one, other = made_up(turning), made_up(turning)
    other._record = None
    for opened in (one, other):
        opened._state.y[:] = 7.0
        opened.walk(6)
    assert one._recording is not None
    assert other._recording is None
    for a, b in zip(one._state, other._state, strict=True):
        assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


REFUSED = {
    "a power of k": lambda o, p, s: Pair(s.x / (s.k + 1.0), s.y, s.k + 1),
    "k in a product": lambda o, p, s: Pair(s.x * s.k, s.y, s.k + 1),
    "whether k is 7": lambda o, p, s: Pair(s.x * (2.0 if s.k == 7 else 1.0), s.y, s.k + 1),
    "whether k is large": lambda o, p, s: Pair(s.x * (2.0 if s.k > 7 else 1.0), s.y, s.k + 1),
    "k passes": lambda o, p, s: Pair(s.x + len(range(s.k)), s.y, s.k + 1),
    "a table at k": lambda o, p, s: Pair(s.x + [1.0, 2.0][s.k], s.y, s.k + 1),
    "a value": lambda o, p, s: Pair(s.x * float(s.x[0, 0]), s.y, s.k + 1),
    "a branch on a value": lambda o, p, s: Pair(s.x if s.x.sum() > 0 else s.y, s.y, s.k + 1),
    "a copy to the host": lambda o, p, s: Pair(s.x, torch.as_tensor(s.y.numpy()), s.k + 1),
    "another shape": lambda o, p, s: Pair(s.x, s.y[:1], s.k + 1),
    "a tensor for k": lambda o, p, s: Pair(s.x, s.y, s.x),
    "a number for a tensor": lambda o, p, s: Pair(s.x, 0, s.k + 1),
}


@pytest.mark.parametrize("step", REFUSED.values(), ids=REFUSED.keys())
def test_what_a_recording_cannot_stand_for_is_refused(step):
    opened = made_up(step)
    assert trial(step, opened._oracle, opened._params, opened._state) is None


def test_a_state_with_other_numbers_is_refused():
    opened = made_up(turning)
    state = opened._state._replace(k=0.5)
    assert trial(turning, opened._oracle, opened._params, state) is None


def test_a_graph_of_gradients_is_not_recorded():
    """It lives from one step to the next, which a recording would not see."""
    problem = problem_from_functions(
        lambda x, y: ((y - 1.0) ** 2).sum(), lambda x, y: ((y - x) ** 2).sum(),
        dim_x=1, dim_y=1, constants=Constants(L=2.0, mu=2.0, M=1.0),
    )  # fmt: skip
    solver = solvers.get("aid_bio")
    params = solver.Params(alpha=0.25, beta=0.1, D=2, N=1, first_D=2, first_N=1)
    opened = TorchSession([problem], solver, params, record=record_tape)
    opened.advance(4)
    assert opened._recording is None


def test_what_is_known_of_a_later_k():
    k = Later()
    assert k != 0
    assert not k == 0  # noqa: SIM201
    assert bool(k)
    assert (2 + k + 1).offset == 3
    for ask in (
        lambda: k == 1, lambda: k < 1, lambda: k + 1.0, lambda: k + True, lambda: k + (-1),
        lambda: k * 2, lambda: int(k), lambda: float(k), lambda: {k}, lambda: k == 0.0,
        lambda: range(k), lambda: k % 2, lambda: -k, lambda: k - 1,
    ):  # fmt: skip
        with pytest.raises(TypeError):
            ask()


def test_a_trial_draws_nothing():
    """Its numbers would be missing from the run."""
    opened = session("stocbio", "replacement")
    before = [one.generator.get_state() for one in opened._oracle.streams]
    constant = trial(
        opened._solver.step, opened._oracle, opened._params, opened._state._replace(k=3)
    )
    assert constant is not None
    for one, state in zip(opened._oracle.streams, before, strict=True):
        assert torch.equal(one.generator.get_state(), state)


# Memory of a chunk.


def test_a_chunk_is_bounded_whatever_the_batch():
    from bilevel_core.engines.chunk import LARGEST, LONGEST, steps_in_chunk

    for p, batch, counts in itertools.product((1, 2, 100), (1, 10**3, 10**5), (0, 16)):
        n = steps_in_chunk(p, batch, counts)
        assert 1 <= n <= LONGEST
        assert n == 1 or 8 * n * batch * (p + 1 + counts) <= LARGEST
        assert n == LONGEST or 8 * (n + 1) * batch * (p + 1 + counts) > LARGEST
    assert steps_in_chunk(2, 10, 16) == LONGEST
    assert 16 <= steps_in_chunk(2, 10**5, 16) < 20
    assert steps_in_chunk(10**9, 10, 0) == 1


def test_a_session_takes_as_many_steps_as_fit(monkeypatch):
    from bilevel_core.engines import chunk

    monkeypatch.setattr(chunk, "LARGEST", 8 * 3 * (2 + 1 + 16) * 4)
    opened = session("aid_bio")
    assert len(opened.advance(30).squared) == 4
    assert len(opened.advance(30).squared) == 25  # no ledger of their own
    assert len(session("hoag").advance(30).squared) == 4


def test_a_ledger_that_all_share_is_not_copied():
    shared, own = session("aid_bio").advance(5).ledgers, session("hoag").advance(5).ledgers
    assert shared.shape == own.shape == (6, 3, 2, 8)
    assert shared.strides[1] == 0
    assert own.strides[1] > 0
