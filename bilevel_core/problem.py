"""A bilevel problem instance: data, constants, start and, where known, the closed forms.

min_x Phi(x) = f(x, y*(x)) with y*(x) = argmin_y g(x, y).  Everything here is evaluation: it
reaches the family's functions directly and is never counted.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from bilevel_core import checking
from bilevel_core.constants import Constants
from bilevel_core.errors import InputError
from bilevel_core.reference import numerical_grad_phi, numerical_phi, numerical_y_star


class ClosedForms(NamedTuple):
    """Array functions for y*, Phi and grad Phi of a family that knows them."""

    y_star: Callable[..., None]  # (data, x, out), out like y
    phi: Callable[..., Any]  # (data, x) -> number
    grad_phi: Callable[..., None]  # (data, x, out), out like x


@dataclasses.dataclass(frozen=True)
class Problem:
    """One instance of a family.

    data: NamedTuple of floats, ints and float64 arrays, whose class selects the family's functions.
    x0: (dim_x,), y0: (dim_y,) the start.  `exact_smoothness` is L_Phi of this very instance, where
    known. `closed_forms` is None where y* has to be computed numerically.  `content` is the
    checksum of data that was read from files, the same for all seeds.
    """

    name: str
    data: Any
    constants: Constants
    x0: np.ndarray
    y0: np.ndarray
    kappa: float
    seed: int = 0
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    exact_smoothness: float | None = None
    closed_forms: ClosedForms | None = None
    engines: tuple[str, ...] = ("compiled", "torch")
    noise: str | None = None  # "gaussian" or "finite_sum" where the oracles draw batches
    content: str = ""

    @property
    def dim_x(self) -> int:
        """Number of outer unknowns."""
        return self.x0.shape[0]

    @property
    def dim_y(self) -> int:
        """Number of inner unknowns."""
        return self.y0.shape[0]

    def y_star(self, x: np.ndarray) -> np.ndarray:
        """Inner solution at x: x (dim_x,) or (dim_x, B) gives (dim_y,) or (dim_y, B).

        Raises:
            InputError: x has another shape, or y* was not found numerically (so `phi`, `grad_phi`).
        """
        x, data = self._point(x)
        if self.closed_forms is None:
            return _columns(lambda column: numerical_y_star(self, column), x)
        out = np.empty((self.dim_y, *x.shape[1:]))
        self.closed_forms.y_star(data, x, out)
        return out

    def phi(self, x: np.ndarray) -> Any:
        """Outer objective at x: x (dim_x,) gives a float, (dim_x, B) gives (B,)."""
        x, data = self._point(x)
        if self.closed_forms is None:
            return _columns(lambda column: numerical_phi(self, column), x)[0]
        return self.closed_forms.phi(data, x)

    def grad_phi(self, x: np.ndarray) -> np.ndarray:
        """True gradient of Phi: x (dim_x,) or (dim_x, B), the same shape out."""
        x, data = self._point(x)
        if self.closed_forms is None:
            return _columns(lambda column: numerical_grad_phi(self, column), x)
        out = np.empty_like(x)
        self.closed_forms.grad_phi(data, x, out)
        return out

    def _point(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        x = checking.real_array("x", x)
        if x.ndim not in (1, 2) or x.shape[0] != self.dim_x:
            raise InputError(
                f"x: expected shape ({self.dim_x},) or ({self.dim_x}, B), got {x.shape}"
            )
        if self.closed_forms is None and x.ndim == 2 and x.shape[1] == 0:
            raise InputError(f"x: expected at least one point, got shape {x.shape}")
        return x, (self.data if x.ndim == 1 else column_data(self.data))


def column_data(data: Any) -> Any:
    """The same data with each vector (n,) as a column (n, 1), to broadcast over a batch."""
    changed = {}
    for name, value in data._asdict().items():
        if isinstance(value, np.ndarray) and value.ndim == 1:
            changed[name] = value[:, None]
        elif hasattr(value, "_fields"):
            changed[name] = column_data(value)
    return data._replace(**changed)


def _columns(function: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> np.ndarray:
    if x.ndim == 1:
        return function(x)
    return np.stack([function(np.ascontiguousarray(column)) for column in x.T], axis=-1)
