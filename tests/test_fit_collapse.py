"""Counts over a theorem's own bound on them."""

import numpy as np
import pytest
from fit_frames import covers, formula, frame

from bilevel_core.errors import InputError
from bilevel_core.fit import collapse


def bounded(ratio, **options):
    counts = frame(lambda k, e: formula(k, e) * ratio(k, e), **options)
    counts = counts.rename(columns={"hv": "outer"})
    return counts.assign(outer_bound=formula(counts.kappa, counts.eps))


def test_counts_that_follow_their_bound_collapse():
    c = collapse(bounded(lambda k, e: 0.125, noise=0.03, spread=0.1))
    assert covers(c.kappa, 0)
    assert covers(c.eps, 0)
    assert c.kappa.high - c.kappa.low < 0.1
    assert c.minimum < c.mean < c.maximum
    assert c.mean == pytest.approx(0.125, rel=0.2)
    assert (c.instances, c.cells, c.excluded) == (5, 15, ())


def test_counts_that_leave_their_bound_have_a_slope():
    c = collapse(bounded(lambda k, e: k**-0.3 * e**0.1))
    assert c.kappa.value == pytest.approx(-0.3)
    assert c.eps.value == pytest.approx(-0.1)
    assert c.minimum == pytest.approx(64**-0.3 * 1e-3**0.1)
    assert c.maximum == pytest.approx(4**-0.3 * 1e-1**0.1)


def test_cells_without_a_bound_are_left_out_of_the_collapse():
    counts = bounded(lambda k, e: 0.5)
    counts.loc[counts.kappa == 4, "outer_bound"] = np.nan
    c = collapse(counts)
    assert c.cells == 12
    assert len(c.excluded) == 3
    with pytest.raises(InputError, match="'outer/outer_bound' must be finite and > 0"):
        collapse(counts.assign(outer_bound=0.0))
    empty = collapse(counts.assign(outer_bound=np.nan))
    assert empty.kappa is None
    assert np.isnan(empty.mean)
