"""A store with planted counts, for tests of the page that is made from it; nothing is run."""

import itertools
import json

from report_frames import COLUMNS, PLANTED

from bilevel_core.oracle import SLOTS
from bilevel_core.record import RunConfig, RunRecord
from bilevel_core.sweep import store
from bilevel_core.tuning import Settings, Tuning

KAPPAS, EPSS, SEEDS = (4.0, 8.0, 16.0), (0.1, 0.0316, 0.01), (0, 1, 2, 3, 4)
EVIL = "evil.py:<script>document.title='owned'</script>"
EVIL_REASON = "</script><script>document.title='owned'</script> {{ 7 * 7 }} & \"quoted\" 'too'"
HERE = {"python": "3.11", "numpy": "2.4", "system": "Linux", "cores": "2"}
SLOT_OF = {"gc_f": "grad_x_f", "gc_g": "grad_y_g", "jv": "jvp", "hv": "hvp"}

SPENT = dict.fromkeys(("gc_f", "gc_g", "jv", "hv"), 7)
SEARCH = Tuning(
    key="0123456789abcdef" * 2,
    eps=0.1,
    params={"alpha": 0.5, "beta": 0.25, "D": 3},
    origin="search",
    costs=(359.0, 399.0, 319.0),
    held_out_costs=(319.0, 421.0),
    failure="",
    rejected=({"params": {"alpha": 1.0}, "costs": [], "reason": "luck"},),
    tried=133,
    spent={"cost": 9.5, "calls": SPENT, "samples": SPENT, "seconds": 3.25, "runs": 98},
    nominal={"alpha": 1.0, "beta": 0.5, "D": 4},
    settings=Settings(instances=3, held_out=2).to_dict(),
    tuning_seeds=(1000, 1001, 1002),
    held_out_seeds=(2000, 2001),
)
"""A search that was kept."""


def config(solver="aid_bio", **changes):
    values = {"problem": "hard", "kappa": 4.0, "solver": solver, "eps": EPSS, "policy": "sharp"}
    return RunConfig(**(values | {"options": {"curvature": 3}} | changes))


def ledger(outer, powers, kappa, eps):
    """Calls by slot: Gc(f) is K, the others K times their planted powers."""
    counts = [
        outer,
        *(0 if p is None else round(outer * kappa ** p[0] * eps ** -p[1]) for p in powers),
    ]
    return dict.fromkeys(SLOTS, 0) | {
        SLOT_OF[name]: n for name, n in zip(COLUMNS, counts, strict=True)
    }


def planted(one, name=None):
    """The record of a run that reached everything, with the counts planted for solver `name`."""
    (in_kappa, in_eps), *powers = PLANTED[name or one.solver]
    hits, passes = [], []
    for eps in one.eps:
        outer = round(50 * (1 + 0.01 * one.seed) * one.kappa**in_kappa * eps**-in_eps)
        calls = ledger(outer, powers, one.kappa, eps)
        hits += [
            {"criterion": criterion, "eps": eps, "outer": outer, "calls": calls, "samples": calls}
            for criterion in ("first", "average")
        ]
        passes.append(
            {
                "eps": [eps],
                "params": {},
                "status": "ok",
                "reason": "every eps reached",
                "outer": outer,
                "spent": calls,
                "outer_bound": {repr(eps): 4.0 * outer},
            }
        )
    points = [
        {
            "eps": one.eps[-1],
            "outer": 10**k,
            "calls": ledger(10**k, powers, one.kappa, 1.0),
            "samples": ledger(10**k, powers, one.kappa, 1.0),
            "squared": 10.0 ** (-k),
            "average": 10.0 ** (-k / 2),
        }
        for k in range(5)
    ]
    return RunRecord(
        one, {"L": 1.0}, "ok", "every eps reached", passes, hits, points, HERE, 0.5, "c0de" * 8
    )


def missed(one, status="censored", reason="max_outer = 10 reached", **more):
    """The record of a run that reached nothing."""
    passes = [
        {"eps": [eps], "status": status, "reason": reason, "outer": 10, "spent": {}} | more
        for eps in one.eps
    ]
    return RunRecord(one, {"L": 1.0}, status, reason, passes, [], [], HERE, 0.5, "c0de" * 8)


def records(solvers=("aid_bio", "ba", EVIL)):
    """BA is censored at the largest kappa, the plug-in failed there on one instance."""
    for solver, kappa, seed in itertools.product(solvers, KAPPAS, SEEDS):
        one = config(solver, kappa=kappa, seed=seed)
        if solver == "ba" and kappa == KAPPAS[-1]:
            yield missed(one)
        elif solver == EVIL and (kappa, seed) == (KAPPAS[-1], 3):
            yield missed(one, "failed", EVIL_REASON)
        else:
            yield planted(one, "fo_itd_bio" if solver == EVIL else None)


def make(folder, found=None, manifest=True):
    """A store of these records in `folder`, with the manifest of a sweep that asks for most."""
    for record in records() if found is None else found:
        store.write(folder, record)
    grid = {
        "problem": "hard",
        "options": {"curvature": 3},
        "solvers": ["aid_bio", "ba", EVIL],
        "kappa": KAPPAS,
        "eps": EPSS,
        "seeds": SEEDS,
        "policy": ["sharp"],
    }
    asked = {"name": "planted & <b>bold</b>", "description": "Planted counts.", "grid": [grid]}
    if manifest:
        content = {"format": 1, "specification": asked, "started": "s", "finished": "f"}
        (folder / "sweep.json").write_text(json.dumps(content))
    return folder
