"""Softmax families: closed forms, both engines, what is kept at a point, and memory."""

import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from softmax import FAMILIES, dense, dims, in_torch, points, problem

from bilevel_core import oracle
from bilevel_core.autograd import AutogradData, Graph
from bilevel_core.engines.compiled import CompiledSession
from bilevel_core.engines.torch import TorchSession, stack_data
from bilevel_core.solvers import aid_bio, get
from problems import softmax_dense

PARTS = ("grad_x_f", "grad_y_f", "grad_x_g", "grad_y_g", "jvp", "hvp")
STEPS = aid_bio.Params(0.3, 50.0, 3, 4, 3, 4)

families = pytest.mark.parametrize("family", FAMILIES)


def part_of(data, part, x, y, v):
    out = np.full_like(x if part in ("grad_x_f", "grad_x_g", "jvp") else y, np.nan)
    if isinstance(x, torch.Tensor):
        out = torch.full_like(x if part in ("grad_x_f", "grad_x_g", "jvp") else y, torch.nan)
    given = (x, y, v) if part in ("jvp", "hvp") else (x, y)
    oracle.FAMILY_CALLS[part](data, *given, out)
    return out


@pytest.mark.parametrize("part", PARTS)
@families
def test_closed_forms_are_those_of_automatic_differentiation(family, part):
    data = FAMILIES[family]()
    x, y, v, _ = points(data)
    expected = part_of(
        AutogradData(*in_torch(data), Graph()), part, *map(torch.as_tensor, (x, y, v))
    )
    np.testing.assert_allclose(part_of(data, part, x, y, v), expected, rtol=1e-10, atol=1e-14)


@families
def test_values_are_those_of_torch(family):
    data = FAMILIES[family]()
    x, y, *_ = points(data)
    expected = [
        float(function(torch.as_tensor(x), torch.as_tensor(y))) for function in in_torch(data)
    ]
    found = [oracle.family_f(data, x, y), oracle.family_g(data, x, y)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@families
def test_products_are_derivatives_of_the_gradient(family):
    data = FAMILIES[family]()
    x, y, v, w = points(data)
    u = points(data, seed=5)[0]
    h = 1e-5

    def gradient(s, t):
        return part_of(data, "grad_y_g", x + s * u, y + t * v, None)

    along_y = (gradient(0.0, h) - gradient(0.0, -h)) / (2 * h)
    np.testing.assert_allclose(part_of(data, "hvp", x, y, v), along_y, rtol=1e-6, atol=1e-9)
    along_x = (gradient(h, 0.0) - gradient(-h, 0.0)) / (2 * h)
    assert part_of(data, "jvp", x, y, w) @ u == pytest.approx(along_x @ w, rel=1e-6)


@families
def test_a_batch_is_its_columns(family):
    data = FAMILIES[family]()
    tensors = [torch.as_tensor(vector) for vector in points(data, 2, number=2)]
    shared = stack_data([data], torch.device("cpu"))
    for part in PARTS:
        both = part_of(shared, part, *tensors)
        for b in range(2):
            own = part_of(data, part, *(t[:, b].numpy().copy() for t in tensors))
            np.testing.assert_allclose(both[:, b], own, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("family", ["dense, 7 classes, biases", "sparse, 13 classes"])
def test_both_engines_agree(family):
    instance = problem(FAMILIES[family]())
    compiled = CompiledSession(instance, get("aid_bio"), STEPS)
    eager = TorchSession([instance], get("aid_bio"), STEPS)
    for session in (compiled, eager):
        session.advance(3)
    moved = eager.iterate()[:, 0] - instance.x0
    assert np.abs(moved).max() > 1e-4
    np.testing.assert_allclose(
        compiled.iterate()[:, 0] - instance.x0, moved, rtol=1e-10, atol=1e-10 * np.abs(moved).max()
    )


moves = st.lists(
    st.tuples(
        st.sampled_from(
            ["hvp", "jvp", "grad_y_g", "move y", "move y in place", "move x", "move v"]
        ),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=12,
)


@families
@settings(max_examples=25, deadline=None)
@given(calls=moves)
def test_what_is_kept_is_never_that_of_another_point(family, calls):
    kept, fresh = FAMILIES[family](), FAMILIES[family]
    p, q = dims(kept)
    x, y, v, _ = points(kept)
    for call, place in calls:
        if call == "move y":
            y = points(kept, seed=place)[1]
        elif call == "move y in place":
            y[place * (q - 1) // 3] += 0.5  # one number, the last one, too
        elif call == "move x":
            x[place * (p - 1) // 3] += 0.5
        elif call == "move v":
            v[place * (q - 1) // 3] += 0.5
        else:
            expected = part_of(fresh(), call, x, y, v)
            np.testing.assert_array_equal(part_of(kept, call, x, y, v), expected)


@pytest.mark.parametrize("kept", ["probabilities", "scores"])
def test_what_is_kept_is_used(kept):
    data = dense()
    x, y, v, _ = points(data)
    part_of(data, "jvp", x, y, v)
    getattr(data, kept).values[:] = 0.0
    np.testing.assert_array_equal(part_of(data, "hvp", x, y, v), 2.0 * data.regularisation * v)


def test_a_product_that_is_cut_short_leaves_nothing_behind(monkeypatch):
    data = dense()
    x, y, v, w = points(data)
    expected = part_of(data, "hvp", x, y, v)
    blocks = iter([softmax_dense.softmax, None])

    def cut_short(scores, classes):
        next(blocks)(scores, classes)

    with monkeypatch.context() as patch:
        patch.setattr(softmax_dense, "softmax", cut_short)
        with pytest.raises(TypeError):
            part_of(data, "hvp", x, w, v)
    np.testing.assert_array_equal(part_of(data, "hvp", x, y, v), expected)


def test_no_array_of_samples_times_features_is_made():
    n, d, c = 4_000, 50, 3
    data = softmax_dense.synthetic_dense(n, 100, d, c)
    x, y, v, _ = points(data)
    for part in PARTS:
        tracemalloc.start()
        part_of(data, part, x, y, v)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 8 * n * d / 2, part


def test_grad_x_f_is_zero_and_counted_as_any_other():
    instance = problem(dense(3, False))
    session = TorchSession([instance], get("aid_bio"), STEPS)
    chunk = session.advance(2)
    spent = dict(zip(oracle.SLOTS, chunk.ledgers[-1, 0, oracle.CALLS], strict=True))
    cost = [aid_bio.cost_per_step(STEPS, k) for k in range(2)]
    assert spent["hvp"] == sum(one.hvp for one in cost)
    assert spent["grad_x_f"] == 2


def test_synthetic_instances_have_the_shape_asked_for():
    data = FAMILIES["sparse, 13 classes"]()
    assert data.train.by_rows.values.size == 500
    assert dims(data) == (90, 90 * 13)
