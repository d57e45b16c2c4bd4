"""Columns in run files: nothing is lost, and old files, which hold points, still read."""

import pytest

import bilevel_core as bl
import problems
from bilevel_core import solvers
from bilevel_core.sweep import store
from bilevel_core.sweep.packing import packed, unpacked

POINT = {"outer": 1, "calls": {"hvp": 2, "jvp": 2, "value_f": 0}, "samples": {"hvp": 6, "jvp": 2}}


def record(points):
    return {"trajectory": points, "hits": [], "status": "ok"}


def test_columns_name_what_they_repeat_and_shorten_zeros():
    points = [
        POINT,
        {"outer": 3, "calls": {"hvp": 4, "jvp": 4, "value_f": 0}, "samples": {"hvp": 8, "jvp": 4}},
    ]
    columns = packed(record(points))["trajectory"]
    assert columns == {
        "outer": [1, 3],
        "calls": {"hvp": [2, 4], "jvp": "hvp", "value_f": 0},
        "samples": {"hvp": [6, 8], "jvp": [2, 4]},
    }
    assert unpacked(record(columns))["trajectory"] == points


def test_a_quantity_that_repeats_another_is_named_whole():
    points = [{"outer": 1, "calls": {"hvp": 2}, "samples": {"hvp": 2}, "eps": 0.5}]
    assert packed(record(points))["trajectory"]["samples"] == "calls"
    assert unpacked(packed(record(points))) == record(points)


@pytest.mark.parametrize(
    "points", [[], [POINT], [{"outer": 0, "eps": 0.1}, {"outer": 5, "eps": 0.1}]]
)
def test_what_is_packed_unpacks(points):
    assert unpacked(packed(record(points))) == record(points)


def test_points_of_an_older_file_stay():
    assert unpacked(record([POINT])) == record([POINT])


@pytest.mark.parametrize(
    "columns", [{"outer": [1, 2], "eps": [0.1]}, {"outer": "nobody", "eps": [1]}, {"outer": 0}]
)
def test_columns_that_do_not_fit_are_refused(columns):
    with pytest.raises((LookupError, TypeError, ValueError)):
        unpacked(record(columns))


@pytest.mark.parametrize("solver", solvers.names())
def test_a_whole_record_is_kept_by_a_file(solver, tmp_path):
    """Names in a file are in alphabetical order, whatever their order in the record."""
    record = bl.run(problems.make("hard", kappa=2), solver, [0.3, 0.1], "sharp", max_outer=50)
    assert unpacked(packed(record.to_dict())) == record.to_dict()
    assert store.read(store.write(tmp_path, record)) == record
