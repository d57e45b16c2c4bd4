"""The seven algorithms that are compared on the finite sums, each as its paper defines it.

alpha and beta, the steps of y and x, come from one grid for all.  eta, the step of a Neumann
series, is alpha: both are bounded by 1/L.  The first outer step is like the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from bilevel_core.experiments.task import Method

BSA = "bilevel_core.experiments.bsa_last:step"


class Sizes(NamedTuple):
    """What the methods do in an outer step."""

    inner_steps: int  # D of those that read all samples
    linear_steps: int  # their Hessian products; those of the stochastic methods too
    batch_steps: int  # D of stocBiO
    batch: int  # of stocBiO, for every kind of oracle
    tolerance: float  # of HOAG at the first outer step, on the norm of grad_y g
    most: int  # inner and linear steps of HOAG in an outer step at most


def full_batch(
    sizes: Sizes, mu: float, grid: Mapping[str, tuple[float, ...]]
) -> tuple[Method, ...]:
    """AID by conjugate gradients and by a fixed point, ITD, and HOAG; mu: of g."""
    D, N = sizes.inner_steps, sizes.linear_steps
    firsts = {"first_D": D, "first_N": N}
    hoag = {
        "tolerance": sizes.tolerance / mu, "decrease": 2.0, "floor": 1e-11, "mu": mu,
        "most": sizes.most,
    }  # fmt: skip
    return (
        Method("aid_bio", "AID-CG", "aid_bio", {"D": D, "N": N, **firsts}, grid),
        Method("aid_fp", "AID-FP", "aid_fp", {"D": D, "N": N, "first_D": D}, grid, _eta),
        Method("itd_bio", "ITD", "itd_bio", {"D": D}, grid),
        Method("hoag", "HOAG", "hoag", hoag, grid),
    )


def stochastic(
    sizes: Sizes, mu: float, grid: Mapping[str, tuple[float, ...]]
) -> tuple[Method, ...]:
    """stocBiO, BSA and TTSA; mu: of g."""

    def shrinking(known: Mapping[str, int | float]) -> dict[str, float]:
        return {**_eta(known), "shrink": 1.0 - known["alpha"] * mu}

    def decaying(known: Mapping[str, int | float]) -> dict[str, float]:
        # Inner steps 2/(mu (t + offset)), the first of which is alpha.
        return {**_eta(known), "offset": 2.0 / (known["alpha"] * mu)}

    D, Q, S = sizes.batch_steps, sizes.linear_steps, sizes.batch
    batches = {"S": S, "B": max(1, round(S / Q)), "D_f": S, "D_g": S}
    stocbio = {"D": D, "first_D": D, "Q": Q, **batches}
    return (
        Method("stocbio", "stocBiO", "stocbio", stocbio, grid, shrinking),
        Method("bsa", "BSA", BSA, {"b": Q + 1}, grid, decaying),
        Method("ttsa", "TTSA", "ttsa", {"b": Q + 1}, grid, _eta),
    )


def _eta(known: Mapping[str, int | float]) -> dict[str, float]:
    return {"eta": float(known["alpha"])}
