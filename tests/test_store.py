"""Run files: whatever happens to one is seen, named, and never read as a record."""

import dataclasses
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bilevel_core.errors import InputError
from bilevel_core.record import RunConfig
from bilevel_core.sweep import atomic, keys, store
from bilevel_core.sweep.merge import merge

CONFIG = RunConfig(problem="hard", kappa=4.0, solver="aid_bio", eps=(1.0, 0.5))


@pytest.fixture(scope="module")
def record():
    return importlib.import_module("bilevel_core.run").execute(CONFIG)


@pytest.fixture
def stored(tmp_path, record):
    return store.write(tmp_path, record)


def damage(path):
    """What is wrong with a file, whoever reads it."""
    found = store.read(path)
    assert isinstance(found, store.Damaged)
    assert store.read_summary(path) == found
    assert str(path) in str(found)
    return found.reason


def summary_of(record):
    return dataclasses.replace(record, trajectory=[])


def rewrite(path, change):
    """Edit the record of a run file as a person would, who leaves the checksum alone."""
    document = json.loads(path.read_text())
    change(document["record"])
    path.write_text(json.dumps(document))


def test_key_does_not_depend_on_how_numbers_and_mappings_are_written():
    options = {"curvature": 3, "tail": 4.0}
    one = dataclasses.replace(CONFIG, kappa=16, options=options)
    other = dataclasses.replace(CONFIG, kappa=16.0, options={"tail": 4, "curvature": 3.0})
    assert keys.key(one) == keys.key(other)
    assert len(keys.key(one)) == 32


@pytest.mark.parametrize(
    "change",
    [
        {"kappa": 4.000000000000001},
        {"seed": 1},
        {"eps": (1.0,)},
        {"policy": "sharp"},
        {"options": {"curvature": True}},
        {"max_outer": 5},
        {"overrides": {"D": 2}},
    ],
)
def test_key_depends_on_everything(change):
    assert keys.key(dataclasses.replace(CONFIG, **change)) != keys.key(CONFIG)


def test_what_is_written_is_read(record, stored):
    assert store.read(stored) == record
    assert stored.stem == keys.key(CONFIG)
    assert stored.parent.name == stored.stem[:2]


def test_truncation_at_any_byte_is_seen(stored):
    whole = stored.read_bytes()
    for length in [*range(0, len(whole) - 1, 37), len(whole) - 2]:
        stored.write_bytes(whole[:length])
        assert "truncated" in damage(stored)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_changed_bytes_give_damage_or_the_same_record(data, record, tmp_path_factory):
    path = store.write(tmp_path_factory.mktemp("store"), record)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    for found, whole in (
        (store.read(path), record),
        (store.read_summary(path), summary_of(record)),
    ):
        assert isinstance(found, store.Damaged) or found == whole


def test_summary_is_the_record_without_its_trajectory(record, stored):
    assert record.trajectory
    assert store.read_summary(stored) == summary_of(record)


def test_an_edit_in_a_trajectory_is_seen_by_those_who_make_no_use_of_it(stored):
    text = stored.read_text()
    place = text.rindex('"squared":[') + len('"squared":[')
    stored.write_text(text[:place] + "7" + text[place:])
    assert "checksum" in damage(stored)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"code":', "JSON"),
        ('{"a":1},"record":{"a":1}', "JSON"),
        ("[]", "not a run file"),
        ('{"seconds":NaN}', "JSON"),
        ("{}", "not a record of this version"),
    ],
)
def test_checksum_that_fits_does_not_make_a_record(stored, content, reason):
    head = f'{{"format":1,"checksum":"{keys.digest(content)}","record":'
    stored.write_text(f"{head}{content}}}\n")
    assert reason in damage(stored)


def test_edited_counts_are_seen(stored):
    def one_less(content):
        content["hits"]["calls"]["hvp"][-1] -= 1

    rewrite(stored, one_less)
    assert "checksum" in damage(stored)


def test_reformatted_file_is_still_intact(stored, record):
    stored.write_text(json.dumps(json.loads(stored.read_text()), indent=4))
    assert store.read(stored) == record
    assert store.read_summary(stored) == summary_of(record)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_are_not_json_are_seen(stored, number):
    stored.write_text(stored.read_text().replace('"seconds":', f'"seconds":{number},"_":', 1))
    assert "JSON" in damage(stored)


def test_file_under_another_name_is_seen(stored):
    other = "0" * 32
    moved = stored.parent.parent / "00" / f"{other}.json"
    moved.parent.mkdir(exist_ok=True)
    stored.rename(moved)
    assert f"wrong name: it holds the run {stored.stem}" in damage(moved)


def test_unknown_format_is_seen(stored):
    stored.write_text(stored.read_text().replace('{"format":1', '{"format":2', 1))
    assert "format 2: this version reads format 1" in damage(stored)


@pytest.mark.parametrize("content", [b"[]", b"{}", b"null", b"\xff\xfe", b'{"format":1}', b"1"])
def test_foreign_content_is_seen(stored, content):
    stored.write_bytes(content)
    damage(stored)


def test_record_of_other_fields_is_seen(stored):
    content = {"config": CONFIG.to_dict()}
    text = keys.to_json(content)
    document = {"format": store.FORMAT, "checksum": keys.digest(text), "record": content}
    stored.write_text(json.dumps(document))
    assert "not a record of this version" in damage(stored)


def test_nan_is_never_written(tmp_path, record):
    with pytest.raises(ValueError, match="JSON"):
        store.write(tmp_path, dataclasses.replace(record, seconds=float("nan")))
    assert store.paths(tmp_path) == []


def test_frame_leaves_damaged_files_out_and_says_so(tmp_path, record, stored):
    other = store.write(tmp_path, dataclasses.replace(record, config=with_seed(1)))
    other.write_bytes(other.read_bytes()[:-9])
    with pytest.warns(UserWarning, match="left out .*truncated"):
        table = store.frame(tmp_path)
    assert set(table["seed"]) == {0}
    assert list(table["criterion"]) == ["average", "average", "first", "first"]
    assert list(table["eps"]) == [1.0, 0.5, 1.0, 0.5]


def test_count_that_was_not_reached_is_nan_not_zero(tmp_path, record):
    config = dataclasses.replace(CONFIG, eps=(1.0, 1e-9), max_outer=50)
    run = importlib.import_module("bilevel_core.run")
    store.write(tmp_path, run.execute(config))
    table = store.frame(tmp_path).set_index(["criterion", "eps"])
    assert table.loc[("average", 1e-9), "status"] == "censored"
    assert table.loc[("average", 1e-9), ["outer", "gc_f", "gc_g", "jv", "hv"]].isna().all()
    assert table.loc[("average", 1.0), "hv"] > 0


@pytest.mark.parametrize("make", [lambda p: None, lambda p: p.mkdir(), lambda p: p.touch()])
def test_directory_without_runs_is_bad_input(tmp_path, make):
    directory = tmp_path / "elsewhere"
    make(directory)
    with pytest.raises(InputError, match="elsewhere"):
        store.frame(directory)


def test_store_with_only_damaged_runs_is_bad_input(tmp_path, stored):
    stored.write_text("{")
    intact = pytest.raises(InputError, match="no intact run")
    with pytest.warns(UserWarning, match="left out"), intact:
        store.frame(tmp_path)


def test_failed_write_leaves_the_old_file(stored, record, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.write(tmp_path, dataclasses.replace(record, seconds=1e9))
    assert store.read(stored) == record
    assert not store.being_written(tmp_path)


def test_file_is_whole_at_every_moment(stored, record, tmp_path, monkeypatch):
    def interrupt(source, target):
        assert len(Path(source).read_bytes()) > 100
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        store.write(tmp_path, dataclasses.replace(record, seconds=1e9))
    assert store.read(stored) == record
    assert not store.being_written(tmp_path)


def test_leftovers_of_dead_processes_are_removed_and_others_kept(stored, tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    names = {
        "gone": f".x.json.{atomic.HOST}.{dead.pid}.tmp",
        "alive": f".x.json.{atomic.HOST}.{os.getpid()}.tmp",
        "elsewhere": ".x.json.another-host.1.tmp",
        "old": ".y.json.another-host.1.tmp",
    }
    for name in names.values():
        (stored.parent / name).touch()
    os.utime(stored.parent / names["old"], (1, 1))
    assert store.being_written(tmp_path)
    assert store.remove_leftovers(tmp_path) == 2
    left = {path.name for path in stored.parent.iterdir()}
    assert left == {stored.name, names["alive"], names["elsewhere"]}


def with_seed(seed, **changes):
    return dataclasses.replace(CONFIG, seed=seed, **changes)


@pytest.fixture
def two_stores(tmp_path, record):
    """Stores a (seeds 0, 1) and b (seeds 1, 2); seed 1 differs in its seconds alone."""
    for name, seed, seconds in [("a", 0, 1.0), ("a", 1, 1.0), ("b", 1, 2.0), ("b", 2, 1.0)]:
        store.write(
            tmp_path / name, dataclasses.replace(record, config=with_seed(seed), seconds=seconds)
        )
    return tmp_path / "a", tmp_path / "b"


def contents(directory):
    return {path.name: path.read_bytes() for path in store.paths(directory)}


def test_merge_is_the_union_and_merging_twice_changes_nothing(two_stores, tmp_path):
    out = tmp_path / "out"
    summary = merge(two_stores, out)
    assert (summary.copied, summary.present, summary.conflicts) == (3, 1, 0)
    before = contents(out)
    assert before.items() >= contents(two_stores[0]).items()
    again = merge(two_stores, out)
    assert (again.copied, again.present, again.conflicts) == (0, 4, 0)
    assert contents(out) == before


def test_merge_is_the_same_as_copying(two_stores, tmp_path):
    subprocess.run(["cp", "-r", f"{two_stores[0]}/.", str(two_stores[1])], check=True)
    assert {record.config.seed for record in store.records(two_stores[1])} == {0, 1, 2}


def test_merge_keeps_the_destination_and_reports_other_counts(two_stores, record, capsys):
    a, b = two_stores
    hits = [hit | {"outer": hit["outer"] + 1} for hit in record.hits]
    store.write(b, dataclasses.replace(record, config=with_seed(1), hits=hits))
    before = contents(b)
    for _ in range(2):
        assert merge([a], b).conflicts == 1
        assert "conflict: " in capsys.readouterr().err
    assert contents(b).items() >= before.items()


def test_merge_prefers_a_record_of_current_code(two_stores, record):
    a, b = two_stores
    hits = [hit | {"outer": hit["outer"] + 1} for hit in record.hits]
    path = store.write(b, dataclasses.replace(record, config=with_seed(1), hits=hits, code="old"))
    assert merge([b], a).present == 1
    assert merge([a], b).replaced == 1
    assert store.read(path).hits == record.hits


def test_merge_leaves_damaged_files_out_and_replaces_them(two_stores, capsys):
    a, b = two_stores
    shared = store.path_of(a, keys.key(with_seed(1)))
    shared.write_text("{")
    assert merge([b], a).replaced == 1
    assert store.read(shared).config.seed == 1
    shared.write_text("{")
    assert merge([a], b).damaged == 1
    assert capsys.readouterr().err.count(str(shared)) == 2


def test_merge_into_itself_is_bad_input(two_stores):
    with pytest.raises(InputError, match="both a source and the destination"):
        merge([two_stores[0]], two_stores[0])


def test_a_write_goes_through_a_link_and_into_a_pipe(tmp_path):
    target, link, pipe = tmp_path / "target", tmp_path / "link", tmp_path / "pipe"
    target.write_text("old")
    link.symlink_to(target)
    atomic.write_output(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        atomic.write_output(pipe, "through")
        assert os.read(reader, 100) == b"through"
    finally:
        os.close(reader)
    assert pipe.is_fifo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "pipe", "target"]


def test_a_file_nested_without_end_is_damaged(stored):
    stored.write_text("[" * 200_000)
    assert damage(stored) == "not complete JSON: truncated or edited"
