"""Frames of counts whose exponents are known."""

import itertools

import numpy as np
import pandas as pd

KAPPAS = (4.0, 8.0, 16.0, 32.0, 64.0)
EPSILONS = (1e-1, 1e-2, 1e-3)
NOISE = {"noise": 0.05, "spread": 0.3}


def frame(count, kappas=KAPPAS, epsilons=EPSILONS, instances=5, spread=0.0, noise=0.0, seed=0):
    """One row for each kappa, eps and instance: hv = count(kappa, eps) with log-normal noise."""
    rng = np.random.default_rng(seed)
    level = spread * rng.standard_normal(instances)
    rows = [
        {"kappa": kappa, "eps": eps, "instance": str(g), "status": "ok"}
        | {"hv": count(kappa, eps) * np.exp(level[g] + noise * rng.standard_normal())}
        for kappa, eps, g in itertools.product(kappas, epsilons, range(instances))
    ]
    return pd.DataFrame(rows)


def formula(kappa, eps=1.0):
    """L_Phi for L = M = rho = 1, tau = 0: the outer iterations that the theorem prescribes."""
    return (1 + kappa) * (1 + kappa + kappa**2) / eps


def covers(exponent, truth):
    return exponent.low <= truth <= exponent.high
