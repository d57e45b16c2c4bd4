"""Keys and run files, and what reads many of them."""

import pytest

from benchmarks.instrument import stores
from bilevel_core.fit import fit
from bilevel_core.sweep import frames, store
from bilevel_core.sweep.keys import key

FILES = 200


@pytest.fixture(scope="module")
def record():
    return stores.original()


@pytest.fixture(scope="module")
def asked(record):
    return stores.cells(record.config, FILES)


@pytest.fixture(scope="module")
def records(record, asked):
    return [stores.variant(record, config) for cell in asked for config in cell.configs]


@pytest.fixture(scope="module")
def filled(records, tmp_path_factory):
    directory = tmp_path_factory.mktemp("store")
    stores.fill(directory, records)
    return directory


def test_key_of_a_configuration(benchmark, record):
    assert len(benchmark(key, record.config)) == 32


def test_writing_a_run_file(benchmark, record, tmp_path):
    assert benchmark(store.write, tmp_path, record).exists()


def test_reading_a_run_file(benchmark, filled):
    assert benchmark(store.read, store.paths(filled)[0]).trajectory


def test_reading_a_run_file_without_its_trajectory(benchmark, filled):
    assert benchmark(store.read_summary, store.paths(filled)[0]).trajectory == []


def test_listing_200_files(benchmark, filled):
    assert len(benchmark(store.paths, filled)) == FILES


def test_planning_200_stored_runs(benchmark, filled, asked):
    assert benchmark(stores.resume, filled, asked).kept == {"ok": FILES}


def test_reading_200_files_into_a_frame(benchmark, filled):
    assert len(benchmark(store.frame, filled)) == FILES * 2 * len(stores.EPS)


def test_fitting_a_group_of_200_runs(benchmark, records):
    rows = stores.average_rows(frames.of_records(records))
    assert benchmark(fit, rows, "hv").instances == stores.INSTANCES
