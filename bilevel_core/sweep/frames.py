"""From records to the frame that fits, tables and figures read: one row for each eps."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from bilevel_core.record import RunRecord

ORDER = ("problem", "options", "solver", "policy", "overrides", "criterion", "kappa", "seed", "eps")
NUMBERS = ("outer", "gc_f", "gc_g", "jv", "hv", "samples_", "batches_", "predicted_", "tuning_")
"""How names of columns begin in which None stands for a number that is not there."""
BATCH = 1000
"""Records whose rows become columns at a time; as dicts, rows take ten times the room."""


def of_records(records: Iterable[RunRecord]) -> pd.DataFrame | None:
    """The rows of all records in a fixed order, with float counts; None without any."""
    import pandas as pd

    left = iter(records)
    parts = []
    while batch := list(itertools.islice(left, BATCH)):
        parts.append(_columns([row for record in batch for row in record.rows()]))
    return _sorted(pd.concat(parts, ignore_index=True)) if parts else None


def to_frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows of `RunRecord.rows()` as a sorted DataFrame with float counts."""
    return _sorted(_columns(rows))


def _columns(rows: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    table = pd.DataFrame(rows)
    numbers = [name for name in table.columns if name.startswith(NUMBERS)]
    return table.astype(dict.fromkeys(numbers, float))


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    ascending = [name != "eps" for name in ORDER]
    return table.sort_values(list(ORDER), ascending=ascending, ignore_index=True)
