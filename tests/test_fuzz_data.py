"""Damaged files of every format end in an InputError; none with a checksum gives another value.

Formats without one, plain IDX and pickles, give another checksum of what was read with another
value: it is part of the fingerprint of a run.
"""

import fuzzing
import pytest

INPUTS = {"posts": 30, "counts": 30}


@pytest.fixture(autouse=True)
def nowhere_else(monkeypatch, tmp_path_factory):
    """No other folder of data than the one that a test names."""
    monkeypatch.delenv("BILEVEL_DATA")
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))


@pytest.mark.parametrize("name", fuzzing.FORMATS)
def test_damaged_files_are_refused_or_read_as_before(tmp_path, name):
    form = fuzzing.FORMATS[name](tmp_path / "data")
    counts = fuzzing.outcomes(form, INPUTS.get(name, 150), seed=1)
    assert counts["refused"] > 0
    if form.is_checked:
        assert counts["changed"] == 0
