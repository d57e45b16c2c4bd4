"""Batches as on a CUDA device, for tests without one, and what raises where the host waits."""

import contextlib

import numpy as np
import torch
from draws import mean_is, one_thread, rejected  # noqa: F401
from noisy import NOISES
from scipy import stats
from tiny_data import OPTIONS
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

import problems
from bilevel_core import solvers
from bilevel_core.engines import captured
from bilevel_core.engines.device_streams import open_on_device
from bilevel_core.engines.torch import TorchSession
from bilevel_core.policies import params_for

CPU = torch.device("cpu")
RANDOM = [name for name in solvers.names() if solvers.get(name).is_random]
EXACT = [name for name in solvers.names() if name not in RANDOM]
NOISY = [(name, noise) for name in RANDOM for noise in NOISES]
EVERY = [(name, None) for name in EXACT] + NOISY
SMALL = {
    "stocbio": {
        "alpha": 1.0, "beta": 0.02, "eta": 1.0, "D": 2, "Q": 3, "S": 5, "B": 12, "D_f": 4,
        "D_g": 40, "first_D": 3, "shrink": 0.7,
    },
    "stocbio_single_batch": {
        "alpha": 1.0, "beta": 0.02, "eta": 1.0, "D": 2, "Q": 3, "S": 5, "S_h": 36, "D_f": 4,
        "D_g": 40, "first_D": 3,
    },
    "ttsa": {"alpha": 0.3, "beta": 0.01, "eta": 1.0, "b": 12},
    "bsa": {"alpha": 1.0, "offset": 6.0, "beta": 0.01, "eta": 1.0, "b": 12},
}  # fmt: skip
LOOKS_OR_COUNTS_STEPS = {"ba", "bsa", "hoag"}
"""Solvers whose steps differ with k, or end when a tolerance is met: they cannot be replayed."""


def session(name, noise=None, family="hard", batch=3, **arguments):
    solver = solvers.get(name)
    options = OPTIONS.get(family, {}) | (NOISES[noise] if noise else {})
    instances = [problems.make(family, kappa=4.0, seed=b, **options) for b in range(batch)]
    if name in SMALL:
        params = solver.Params(**SMALL[name])
    else:
        params = params_for(solver, instances[0], "theory", {}, 1e-2)
    if solver.is_random:
        arguments = {"noise_seeds": range(batch), "streams": open_on_device} | arguments
    return TorchSession(instances, solver, params, **arguments)


def on_meta(opened):
    """Its solver's step at k on tensors without values, as (oracle, params, state)."""
    oracle = captured._without_values(opened._oracle)
    bare = [
        torch.empty_like(v, device="meta") if isinstance(v, torch.Tensor) else v
        for v in opened._state
    ]
    return oracle, opened._params, type(opened._state)(*bare)


class NoNumbers(TorchFunctionMode):
    """Raises where a tensor is made from numbers of the host."""

    MADE = (torch.as_tensor, torch.tensor, torch.from_numpy, torch.Tensor.new_tensor)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func in self.MADE:
            raise AssertionError(f"{func.__name__}: the host waits for its copy to the device")
        return func(*args, **(kwargs or {}))


class NoCopies(TorchDispatchMode):
    """Raises where a value is read, or a tensor goes from one device to another."""

    READ = ("_local_scalar_dense", "is_nonzero", "item", "equal", "nonzero", "lift_fresh")

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._schema.name.removeprefix("aten::")
        if name in self.READ:
            raise AssertionError(f"{name}: the host and the device wait for each other")
        out = func(*args, **(kwargs or {}))
        if name in ("_to_copy", "copy_"):
            devices = {v.device.type for v in (*args, out) if isinstance(v, torch.Tensor)}
            assert len(devices) == 1, f"{name} from one device to another"
        return out


@contextlib.contextmanager
def no_copies():
    """Neither reads nor writes of values between host and device."""
    with NoNumbers(), NoCopies():
        yield


def agree_in_law(sessions):
    """Squared gradients and products after ten steps have one law in both sessions."""
    squared, products = [], []
    for one in sessions:
        chunk = one.advance(11)
        squared.append(chunk.squared[-1])
        products.append(chunk.ledgers[-1, :, 0, 5])
    found = [stats.ks_2samp(*squared, method="asymp").pvalue]
    if np.ptp(products[0]) > 0:
        found.append(stats.ks_2samp(*products, method="asymp").pvalue)
    else:
        np.testing.assert_array_equal(*products)
    assert rejected({"squared and products": np.array(found)}, level=1e-3) == []
