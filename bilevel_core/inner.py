"""Inner loops and the implicit hypergradient, over counted oracles.

Shapes: x (p,) or (p, B); y, v (q,) or (q, B).
"""

from __future__ import annotations

from bilevel_core.arrays import Array, add_scaled, copy, dot, scale_and_add, where
from bilevel_core.looking import PASSES, any_left
from bilevel_core.oracle import Oracle, grad_x_f, grad_y_f_into, grad_y_g_into, jvp_into, restrict


def gradient_steps(oracle: Oracle, x: Array, y: Array, alpha: float, D: int) -> Array:
    """D gradient steps y <- y - alpha grad_y g(x, y); D gradients of g."""
    y = copy(y)
    gradient = oracle.work.gradient
    for _ in range(D):
        grad_y_g_into(oracle, x, y, gradient)
        add_scaled(y, -alpha, gradient)
    return y


def gradient_steps_until(
    oracle: Oracle, x: Array, y: Array, alpha: float, tolerance: Array, most: int
) -> Array:
    """Gradient steps until ||grad_y g(x, y)|| <= tolerance; at most `most` steps.

    One gradient a step and one more for the test that stops it; each instance of a batch is charged
    until its own tolerance is met.  tolerance: a number or (B,).
    """
    y = copy(y)
    gradient = oracle.work.gradient
    grad_y_g_into(oracle, x, y, gradient)
    for done in range(most):
        unsolved = dot(gradient, gradient) > tolerance**2
        if not any_left(unsolved, done, PASSES):
            break
        add_scaled(y, where(unsolved, -alpha, 0.0), gradient)
        grad_y_g_into(restrict(oracle, unsolved), x, y, gradient)
    return y


def implicit_gradient(oracle: Oracle, x: Array, y: Array, v: Array) -> Array:
    """grad_x f(x, y) - (grad_x grad_y g(x, y)) v: one gradient of f and one product, like x."""
    gradient = grad_x_f(oracle, x, y)
    product = oracle.work.x
    jvp_into(oracle, x, y, v, product)
    add_scaled(gradient, -1.0, product)
    return gradient


def linear_target(oracle: Oracle, x: Array, y: Array) -> Array:
    """grad_y f(x, y), the right-hand side of the system for v; valid until the next call."""
    target = oracle.work.target
    grad_y_f_into(oracle, x, y, target)
    return target


def descend(x: Array, beta: float, gradient: Array) -> Array:
    """x - beta * gradient, written over the gradient, which is not needed any more."""
    scale_and_add(gradient, -beta, x)
    return gradient
