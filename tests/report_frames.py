"""Frames with planted exponents, in the columns of `bilevel_core.sweep.store.frame`."""

import json
import math

import pandas as pd

KAPPAS = (4.0, 8.0, 16.0, 32.0)
EPSS = (1e-1, 1e-2, 1e-3)
SEEDS = (0, 1, 2, 3, 4)

# solver: exponents (kappa, 1/eps) of K, then of Gc(g), JV and HV over K
PLANTED = {
    "aid_bio": ((3.0, 1.0), (1.0, 0.0), (0.0, 0.0), (0.5, 0.0)),
    "ba": ((4.0, 1.0), (1.0, 0.25), (0.0, 0.0), (0.5, 0.0)),
    "fo_itd_bio": ((1.0, 0.5), (1.0, 0.0), None, None),
}


def rows(solver, problem="hard", options=None, criterion="average", shift=(0.0, 0.0), **columns):
    """All cells of one solver, complete; shift: added to the exponents of K."""
    (kappa_power, eps_power), *over_outer = PLANTED[solver]
    found = []
    for kappa in KAPPAS:
        for eps in EPSS:
            for seed in SEEDS:
                level = 1e5 * math.exp(0.05 * math.sin(7.0 * seed + 1.0))
                outer = level * kappa ** (kappa_power + shift[0]) * eps ** -(eps_power + shift[1])
                counts = [
                    0.0 if powers is None else outer * kappa ** powers[0] * eps ** -powers[1]
                    for powers in over_outer
                ]
                found.append(
                    {
                        "problem": problem,
                        "options": json.dumps({} if options is None else options),
                        "solver": solver,
                        "policy": "sharp",
                        "overrides": "{}",
                        "criterion": criterion,
                        "kappa": kappa,
                        "seed": seed,
                        "instance": str(seed),
                        "eps": eps,
                        "status": "ok",
                        "reason": "",
                        "outer": round(outer),
                        "gc_f": 2.0 * round(outer),
                        "gc_g": round(counts[0]),
                        "jv": round(counts[1]),
                        "hv": round(counts[2]),
                        "outer_bound": None if solver == "fo_itd_bio" else 4.0 * outer,
                        "seconds": 0.1,
                        "engine": "compiled",
                    }
                    | columns
                )
    return found


def frame(*solvers, name=None, **columns):
    """A frame of these solvers (all planted ones by default), all under `name` if given."""
    df = pd.DataFrame([row for solver in solvers or PLANTED for row in rows(solver, **columns)])
    return df if name is None else df.assign(solver=name)


def miss(df, status="censored", **where):
    """The frame with the rows that match `where` turned into rows that reached nothing."""
    df = df.copy()
    hit = pd.Series(True, index=df.index)
    for name, value in where.items():
        hit &= df[name] == value
    df.loc[hit, ["outer", "gc_f", "gc_g", "jv", "hv"]] = float("nan")
    df.loc[hit, "status"] = status
    return df
