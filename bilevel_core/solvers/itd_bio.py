"""ITD-BiO: back-propagation through the inner loop, y warm-started.

Ji, Yang and Liang (ICML 2021), Algorithm 1 (ITD) and Theorem 2.  For k = 0, 1, ...:

    y^0 = y_{k-1}^D,  y^{t+1} = y^t - alpha grad_y g(x_k, y^t),  t = 0..D-1
    x_{k+1} = x_k - beta d f(x_k, y^D(x_k)) / d x, with y^0 taken as a constant:
    grad_x f - alpha sum_t J(x_k, y^t) prod_{j>t} (I - alpha H(x_k, y^j)) grad_y f(x_k, y^D)

The backward pass runs over t = D-1, ..., 0 with one Jacobian and one Hessian product each (the last
Hessian product is what automatic differentiation pays, too).  x: (p,) or (p, B); y: (q,) or (q, B).
"""

from __future__ import annotations

from bilevel_core.arrays import add_scaled, assign, copy, stack_like
from bilevel_core.constants import Constants
from bilevel_core.cost import Cost
from bilevel_core.inner import descend
from bilevel_core.jacobian_sums import add_jvp, settle_jvps
from bilevel_core.oracle import Oracle, grad_x_f, grad_y_f, grad_y_g_into, hvp_into
from bilevel_core.solvers import register_solver
from bilevel_core.unrolled import State, UnrolledParams, init, unrolled_params

__all__ = ["GUARANTEE", "Params", "State", "cost_per_step", "init", "outer_bound", "step", "theory"]

GUARANTEE = "K = O(kappa^3 / eps), D = Theta(kappa log(1/eps))"


class Params(UnrolledParams):
    """Step sizes and the number of inner steps; a class of its own, by which the step is found."""

    __slots__ = ()


@register_solver("itd_bio")
def step(oracle: Oracle, params: Params, state: State) -> State:
    """One outer step."""
    x = state.x
    path = stack_like(state.y, params.D)
    y = copy(state.y)
    product_y, pending = oracle.work.product, oracle.work.direction
    for t in range(params.D):
        assign(path[t], y)
        grad_y_g_into(oracle, x, y, product_y)
        add_scaled(y, -params.alpha, product_y)
    gradient = grad_x_f(oracle, x, y)
    adjoint = grad_y_f(oracle, x, y)
    assign(pending, 0.0)
    for t in range(params.D - 1, -1, -1):
        add_jvp(oracle, x, path[t], adjoint, -params.alpha, pending, gradient)
        hvp_into(oracle, x, path[t], adjoint, product_y)
        add_scaled(adjoint, -params.alpha, product_y)
    settle_jvps(oracle, x, y, -params.alpha, pending, gradient)
    return State(descend(x, params.beta, gradient), y)


def cost_per_step(params: Params, k: int) -> Cost:
    """2 gradients of f, and D gradients of g, Jacobian and Hessian products."""
    return Cost(grad_x_f=1, grad_y_f=1, grad_y_g=params.D, jvp=params.D, hvp=params.D)


def theory(constants: Constants, eps: float) -> Params:
    """alpha = 1/L, beta = 1/(4 L_Phi) and D = Theta(kappa log(1/eps)) as in Theorem 2."""
    return Params(*unrolled_params(constants, eps))


def outer_bound(constants: Constants, eps: float) -> float:
    """48 L_Phi gap / eps, from (1/K) sum ||grad Phi||^2 <= 16 L_Phi gap/K + 2 eps/3 (Theorem 2)."""
    return 48.0 * constants.L_Phi * constants.gap / eps
