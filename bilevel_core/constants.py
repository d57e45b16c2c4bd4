"""Constants of a bilevel problem and the smoothness of its outer objective.

Assumptions 1 to 3 of Ji, Yang and Liang (ICML 2021): g(x, .) is mu-strongly convex; f is
M-Lipschitz; the gradients of f and g are L-Lipschitz; the Jacobian grad_x grad_y g is
tau-Lipschitz and the Hessian grad_yy g is rho-Lipschitz.  As in the proofs, L bounds each block
separately: ||grad_yy g||, ||grad_x grad_y g||, ||grad_yy f|| and ||grad_xy f||, ||grad_xx f||.
"""

from __future__ import annotations

import dataclasses
import math

from bilevel_core import checking
from bilevel_core.errors import InputError


def lower_level(rho: float, tau: float) -> str:
    """Say "quadratic" where the derivatives that rho and tau bound are constant, else "general"."""
    return "quadratic" if rho == tau == 0.0 else "general"


@dataclasses.dataclass(frozen=True)
class Constants:
    """Certified constants of one instance; all finite, 0 < mu <= L.

    `smoothness` replaces the formula for L_Phi where a sharper value is known; `gap` is
    Phi(x0) - inf Phi and `distance` is ||y0 - y*(x0)||, both of the instance's own start.

    Raises:
        InputError: a constant is not finite, negative, or mu > L; or what follows from them is
            beyond float64.
    """

    L: float
    mu: float
    M: float
    rho: float = 0.0
    tau: float = 0.0
    sigma: float = 0.0
    smoothness: float | None = None
    gap: float = 1.0
    distance: float = 1.0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is None and field.name == "smoothness":
                continue
            name, allowed = f"constants.{field.name}", "a finite number >= 0"
            found = checking.number(name, value, allowed, lambda v: v >= 0)
            object.__setattr__(self, field.name, found)
        if not 0 < self.mu <= self.L:
            raise InputError(f"constants: expected 0 < mu <= L, got mu={self.mu!r}, L={self.L!r}")
        try:
            representable = math.isfinite(self.kappa + self.formula_L_Phi)
        except ArithmeticError:
            representable = False
        if not representable:
            raise InputError(
                f"constants: L_Phi is beyond float64 for L={self.L!r}, mu={self.mu!r}, "
                f"M={self.M!r}, rho={self.rho!r}, tau={self.tau!r}"
            )

    @property
    def kappa(self) -> float:
        """Condition number L / mu of the inner problem."""
        return self.L / self.mu

    @property
    def L_y(self) -> float:
        """Lipschitz constant in y, at y*(x), of the hypergradient formula.

        L + L^2/mu + tau M/mu + rho L M/mu^2 (Ghadimi and Wang 2018, Lemma 2.2).
        """
        return (
            self.L
            + self.L**2 / self.mu
            + self.tau * self.M / self.mu
            + self.rho * self.L * self.M / self.mu**2
        )

    @property
    def formula_L_Phi(self) -> float:
        """(1 + kappa) L_y, whatever `smoothness` says.

        The published form has tau M^2 where dimensions ask for tau M; this is the corrected one.
        """
        return (1.0 + self.kappa) * self.L_y

    @property
    def L_Phi(self) -> float:
        """Lipschitz constant of grad Phi: `smoothness` where given, else the corrected formula."""
        return self.formula_L_Phi if self.smoothness is None else self.smoothness

    def sharpened(self, smoothness: float) -> Constants:
        """The same constants, with the instance's exact L_Phi in place of the formula."""
        return dataclasses.replace(self, smoothness=smoothness)

    def to_dict(self) -> dict[str, float]:
        """All constants, kappa, L_y and L_Phi, ready for JSON."""
        given = {k: float(v) for k, v in dataclasses.asdict(self).items() if v is not None}
        return given | {"kappa": self.kappa, "L_y": self.L_y, "L_Phi": self.L_Phi}
