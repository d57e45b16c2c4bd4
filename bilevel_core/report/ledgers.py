"""Which ledger the counts of a group are read from.

The paper's deterministic table counts calls of an oracle, its stochastic table samples: a call with
a mini-batch of S costs S.  A problem with noise is of the second kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bilevel_core.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

COUNTED = ("gc_f", "gc_g", "jv", "hv")
"""The columns of the papers' tables."""

CALLS, SAMPLES = "calls", "samples"

OPTIONAL = ("predicted_calls", "tuning_cost", "batches_hv")
"""Columns of numbers that a frame may lack: nothing infeasible, tuned, or drawn in batches."""


def ledger(options: Mapping[str, Any]) -> str:
    """The ledger that the counts of a problem with these options are read from."""
    return SAMPLES if "noise" in options else CALLS


def counted(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """The rows with gc_f, gc_g, jv and hv of the ledger `name`, and the calls as calls_gc_f, ...

    Columns of `OPTIONAL` are there and numbers.

    Raises:
        InputError: a column of the ledger is missing.
    """
    import pandas as pd

    calls = {f"calls_{column}": rows[column] for column in COUNTED}
    optional = {
        column: pd.to_numeric(rows[column]) if column in rows else float("nan")
        for column in OPTIONAL
    }
    if name == CALLS:
        return rows.assign(**calls, **optional)
    missing = [f"samples_{column}" for column in COUNTED if f"samples_{column}" not in rows]
    if missing:
        raise InputError(
            f"frame has no column {missing[0]!r}, which a problem with noise is counted in"
        )
    samples = {column: rows[f"samples_{column}"] for column in COUNTED}
    return rows.assign(**calls, **optional, **samples)
