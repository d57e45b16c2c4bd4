"""Frames with planted exponents, in the columns of `bilevel_core.sweep.store.frame`."""

import json
import math

import pandas as pd

KAPPAS = (4.0, 8.0, 16.0, 32.0)
EPSS = (1e-1, 1e-2, 1e-3)
SEEDS = (0, 1, 2, 3, 4)
COLUMNS = ("gc_f", "gc_g", "jv", "hv")

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
    df.loc[hit, [name for name in df.columns if name.endswith(("outer", *COLUMNS))]] = float("nan")
    df.loc[hit, "status"] = status
    return df


STOCHASTIC_KAPPAS = (2.0, 3.0, 4.0, 6.0, 8.0)
STOCHASTIC_EPSS = (1e-1, 10**-1.5, 1e-2)
NOISE = {"noise": "gaussian", "sigma": 0.1}
BUDGET = 1e12

# solver: exponents (kappa, 1/eps) of K, then of samples over K (Gc(f), Gc(g), JV, HV), of calls
# over K, and of B Q where Hessian-vector products are drawn in batches
PLANTED_SAMPLES = {
    "ttsa": ((5.0, 2.5), ((0, 0), (0, 0), (0, 0), (1, 0)), ((0, 0), (0, 0), (0, 0), (1, 0)), None),
    "bsa": ((6.0, 2.0), ((0, 0), (3, 1), (0, 0), (1, 0)), ((0, 0), (3, 1), (0, 0), (1, 0)), None),
    "stocbio": (
        (3.0, 1.0),
        ((2, 1), (6, 1), (2, 1), (4, 1)),
        ((0, 0), (1, 0), (0, 0), (1, 0)),
        (3, 1),
    ),
}


def sample_rows(
    solver, kappas=STOCHASTIC_KAPPAS, epss=STOCHASTIC_EPSS, options=NOISE, budget=BUDGET, **columns
):
    """All cells of one random solver; those whose calls would exceed the budget are infeasible."""
    outer_powers, samples, calls, batches = PLANTED_SAMPLES[solver]
    return [
        _sample_row(solver, (kappa, eps, seed), outer_powers, samples, calls, batches, budget)
        | {"options": json.dumps(options)}
        | columns
        for kappa in kappas
        for eps in epss
        for seed in SEEDS
    ]


def _sample_row(solver, cell, outer_powers, samples, calls, batches, budget):
    kappa, eps, seed = cell

    def power(powers):
        return kappa ** powers[0] * eps ** -powers[1]

    outer = round(1e3 * math.exp(0.05 * math.sin(7.0 * seed + 1.0)) * power(outer_powers))
    called = {name: float(round(outer * power(p))) for name, p in zip(COLUMNS, calls, strict=True)}
    sampled = {
        f"samples_{n}": float(round(outer * power(p)))
        for n, p in zip(COLUMNS, samples, strict=True)
    }
    drawn = {"batches_hv": None if batches is None else float(round(outer * power(batches)))}
    row = {
        "problem": "hard",
        "solver": solver,
        "policy": "theory",
        "overrides": "{}",
        "criterion": "average",
        "kappa": kappa,
        "seed": seed,
        "instance": str(seed),
        "eps": eps,
        "status": "ok",
        "reason": "",
        "outer_bound": 8.0 * outer if solver == "stocbio" else None,
        "predicted_calls": None,
        "tuning_cost": None,
        "seconds": 0.1,
        "engine": "compiled",
    }
    predicted = sum(called.values())
    if predicted > budget:
        missing = dict.fromkeys(("outer", *called, *sampled, *drawn))
        return row | missing | {"status": "infeasible", "predicted_calls": predicted}
    return row | {"outer": float(outer)} | called | sampled | drawn


def samples(*solvers, name=None, **columns):
    """A frame of these random solvers (all of them by default), all under `name` if given."""
    found = [row for solver in solvers or PLANTED_SAMPLES for row in sample_rows(solver, **columns)]
    counts = ["outer", "batches_hv", *COLUMNS, *(f"samples_{column}" for column in COLUMNS)]
    df = pd.DataFrame(found).astype(dict.fromkeys(counts, float))
    return df if name is None else df.assign(solver=name)


def tuned(df, times=40.0):
    """The frame as policy "tuned" gives it, the search of a cell `times` as dear as its runs."""
    cost = df[[f"samples_{column}" for column in COLUMNS]].sum(axis=1, skipna=False)
    mean = cost.groupby([df["solver"], df["kappa"], df["eps"]]).transform("mean")
    return df.assign(policy="tuned", tuning_cost=times * mean)
