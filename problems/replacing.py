"""Other values in the place of an array, whichever engine it belongs to."""

from __future__ import annotations

import numpy as np

from bilevel_core.arrays import Array


def on_host(array: Array) -> np.ndarray:
    """The values of an array of either engine, in NumPy."""
    if isinstance(array, np.ndarray):
        return array
    values: np.ndarray = array.cpu().numpy()
    return values


def in_place_of(old: Array, values: np.ndarray) -> Array:
    """New values in the library, the shape and, for a tensor, on the device of the old array."""
    shaped = values.reshape(old.shape)
    if isinstance(old, np.ndarray):
        return shaped
    import torch

    return torch.as_tensor(shaped, device=old.device)
