"""What stands in the place of a store's files: only regular files are read, and all are healed."""

import json
import os
import socket
import threading

import page_store
import pytest
from page_store import SEARCH

from bilevel_core.errors import InputError
from bilevel_core.sweep import atomic, lock, merge, run_file, store, tunings
from bilevel_core.sweep.run_file import Damaged, enveloped

PLACES = ("link", "dangling link", "fifo", "socket", "directory")
TOO_LONG = 60
"""Seconds; nothing here takes one, and a pipe that is waited for never ends."""


def stand(place, path, target):
    """Put something that is no regular file in a path; a link points to `target`."""
    path.unlink()
    match place:
        case "link":
            path.symlink_to(target)
        case "dangling link":
            path.symlink_to(target.with_name("nowhere"))
        case "fifo":
            os.mkfifo(path)
        case "socket":
            with socket.socket(socket.AF_UNIX) as made:
                here = os.getcwd()
                os.chdir(path.parent)  # the name of a socket has few characters
                made.bind(path.name)
                os.chdir(here)
        case "directory":
            path.mkdir()


def ended(work):
    """The result of work that must not hang."""
    found = []
    thread = threading.Thread(target=lambda: found.append(work()), daemon=True)
    thread.start()
    thread.join(TOO_LONG)
    assert found, "it hangs, or failed"
    return found[0]


@pytest.fixture
def record():
    return page_store.planted(page_store.config())


@pytest.mark.parametrize("place", PLACES)
def test_a_run_file_that_is_no_regular_file_is_damaged_and_replaced(place, record, tmp_path):
    outside = tmp_path / "outside.json"
    path = store.write(tmp_path / "store", record)
    outside.write_bytes(path.read_bytes())
    before = outside.read_bytes()
    stand(place, path, outside)
    for read in (store.read, store.read_summary):
        assert isinstance(ended(lambda read=read: read(path)), Damaged)
    assert ended(lambda: merge.merge([tmp_path / "store"], tmp_path / "other")).damaged == 1
    if place == "directory":
        with pytest.raises(OSError, match=path.name):
            store.write(tmp_path / "store", record)
        return
    store.write(tmp_path / "store", record)
    assert not path.is_symlink()
    assert store.read(path) == record
    assert outside.read_bytes() == before
    assert not outside.with_name("nowhere").exists()


@pytest.mark.parametrize("place", PLACES)
def test_a_search_that_is_no_regular_file_is_damaged_and_replaced(place, tmp_path, capsys):
    tunings.write(tmp_path, SEARCH)
    (path,) = tunings.paths(tmp_path)
    outside = tmp_path / "outside.json"
    outside.write_bytes(path.read_bytes())
    stand(place, path, outside)
    assert ended(lambda: [tunings.read(path)]) == [None]
    assert f"left out {path}"[:100] in capsys.readouterr().err
    if place != "directory":
        tunings.write(tmp_path, SEARCH)
        assert tunings.read(path) == SEARCH
        assert not path.is_symlink()


@pytest.mark.parametrize("place", PLACES[:4])
def test_a_folder_of_run_files_that_is_none_is_named_and_replaced(place, record, tmp_path):
    other = store.write(tmp_path / "other", record)
    path = store.write(tmp_path / "store", record)
    path.unlink()
    path.parent.rmdir()
    path.parent.touch()
    stand(place, path.parent, other.parent)
    assert store.paths(tmp_path / "store") == [path.parent]
    damaged = []
    assert not list(
        ended(lambda: list(store.records(tmp_path / "store", damaged.append)) or [[]])[0]
    )
    assert [each.path for each in damaged] == [path.parent]
    other.unlink()
    assert store.write(tmp_path / "store", record) == path
    assert store.read(path) == record
    assert not other.exists()


def test_a_lock_that_is_a_link_empties_nothing(tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("precious")
    (tmp_path / ".lock").symlink_to(precious)
    with pytest.raises(InputError, match="no regular file"), lock.exclusive(tmp_path):
        pass
    assert precious.read_text() == "precious"


def test_a_temporary_file_is_never_written_through(record, tmp_path):
    path = store.write(tmp_path, record)
    path.unlink()
    temporary = path.with_name(f".{path.name}.{atomic.HOST}.{os.getpid()}.tmp")
    temporary.symlink_to(tmp_path / "outside")
    store.write(tmp_path, record)
    assert store.read(path) == record
    assert not (tmp_path / "outside").exists()


def test_what_a_user_names_is_written_through_links(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    atomic.write_output(tmp_path / "link", "text")
    assert (tmp_path / "real").read_text() == "text"
    assert (tmp_path / "link").is_symlink()


def test_a_huge_file_is_not_read(record, tmp_path):
    path = store.write(tmp_path, record)
    os.truncate(path, run_file.LARGEST + 1)
    assert f"expected at most {run_file.LARGEST}" in store.read(path).reason


def test_few_bytes_do_not_become_many_points(record, tmp_path):
    path = store.write(tmp_path, record)
    content = json.loads(path.read_text())["record"]
    names = {f"c{n}": "outer" for n in range(1000)}
    for points in ({"outer": [0] * 100, **names}, {"outer": [0] * 100_000}):
        path.write_text(enveloped(content | {"trajectory": points}))
        assert "more than" in store.read(path).reason


def test_leftovers_of_searches_are_removed(tmp_path):
    tunings.write(tmp_path, SEARCH)
    leftover = tmp_path / "tuning" / f".{SEARCH.key}.json.{atomic.HOST}.{2**22 + 1}.tmp"
    leftover.write_text("{")
    (tmp_path / "tuning" / f".x.{atomic.HOST}.{2**22 + 1}.tmp").mkdir()
    assert store.remove_leftovers(tmp_path) == 1
    assert not leftover.exists()


def halved(search):
    search["params"]["alpha"] /= 2


@pytest.mark.parametrize(
    "change",
    [
        halved,
        lambda search: search.pop("key"),
        lambda search: search["spent"].pop("cost"),
        lambda search: search.update(costs="359"),
        lambda search: search.update(eps="0.1"),
        lambda search: search.update(tried=-1),
        lambda search: search.update(params={"alpha": 0.5}),
        lambda search: search.update(params=None),
        lambda search: search["params"].update(alpha=-0.5),
        lambda search: search["settings"].update(keep=7),
        lambda search: search.update(key="0" * 32),
        lambda search: search.update(surplus=1),
    ],
)
def test_an_edited_search_is_absent_and_named(change, tmp_path, capsys):
    tunings.write(tmp_path, SEARCH)
    (path,) = tunings.paths(tmp_path)
    document = json.loads(path.read_text())
    change(document["record"])
    path.write_text(json.dumps(document))  # as one edits it, who leaves the checksum alone
    assert tunings.read(path) is None
    assert "edited" in capsys.readouterr().err
    if change is not halved:
        path.write_text(enveloped(document["record"]))
        assert tunings.read(path) is None
        assert "left out" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["", "{", "null", "[]", "3", json.dumps(SEARCH.to_dict()), '{"eps": NaN}', "\xff"]
)
def test_what_is_no_search_is_absent_and_named(text, tmp_path, capsys):
    path = tunings.path_of(tmp_path, SEARCH.key)
    path.parent.mkdir()
    path.write_text(text, encoding="latin-1")
    assert tunings.read(path) is None
    assert "left out" in capsys.readouterr().err
    tunings.write(tmp_path, SEARCH)
    renamed = path.rename(path.with_stem("f" * 32))
    assert "wrong name" in tunings.load(renamed).reason


def test_merging_leaves_damaged_searches_out_and_replaces_them(record, tmp_path, capsys):
    for folder in ("one", "two"):
        store.write(tmp_path / folder, record)
        tunings.write(tmp_path / folder, SEARCH)
    path = tunings.path_of(tmp_path / "two", SEARCH.key)
    path.write_text(path.read_text().replace("0.5", "0.25"))
    merge.merge([tmp_path / "two"], tmp_path / "new")
    assert tunings.paths(tmp_path / "new") == []
    merge.merge([tmp_path / "one"], tmp_path / "two")
    assert tunings.read(path) == SEARCH
    assert capsys.readouterr().err.count("edited") == 2
