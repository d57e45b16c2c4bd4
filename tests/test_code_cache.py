"""The folder of compiled code: the user's alone, and never why a run fails."""

import os
import resource
import stat
import tempfile
from pathlib import Path

import numba
import pytest

from bilevel_core.engines import code_cache


def plus_one(x):
    return x + 1


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """BILEVEL_CACHE_DIR, beside a folder of temporary files; nothing has been said yet."""
    monkeypatch.setenv("BILEVEL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code_cache._say.cache_clear()
    return tmp_path / "cache"


def hits():
    """How many specialisations a new dispatcher found on disk."""
    dispatcher = numba.njit(plus_one)
    code_cache.keep(dispatcher, "key")
    assert dispatcher(2) == 3
    return sum(dispatcher.stats.cache_hits.values())


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_folders_are_private_whatever_the_umask(folder):
    before = os.umask(0)
    try:
        assert (hits(), hits()) == (0, 1)
    finally:
        os.umask(before)
    assert (mode(folder), mode(folder / "key")) == (0o700, 0o700)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda path: path.chmod(0o777), "others may write to it; chmod go-w makes it yours"),
        (lambda path: path.chmod(0o770), "others may write to it; chmod go-w makes it yours"),
        (lambda path: os.chown(path, 12345, -1), "it belongs to another user (12345)"),
        (lambda path: (path.rmdir(), path.touch()), "File exists"),
    ],
)
def test_a_folder_that_is_not_the_users_alone_is_named_and_not_used(folder, spoil, told, capsys):
    folder.mkdir()
    try:
        spoil(folder)
    except PermissionError:
        pytest.skip("root alone gives files away")
    other = folder.parent / f"bilevel-bench-{os.getuid()}"
    assert code_cache.directory() == other
    assert code_cache.directory() == other
    assert mode(other) == 0o700
    assert capsys.readouterr().err == f"compiled code is not kept in {folder}: {told}\n"


def test_a_link_in_the_shared_folder_is_not_followed(folder, tmp_path, capsys):
    folder.touch()
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / f"bilevel-bench-{os.getuid()}").symlink_to(tmp_path / "elsewhere")
    assert code_cache.directory() is None
    assert "it is no folder" in capsys.readouterr().err
    assert (hits(), hits()) == (0, 0)  # compiled, not kept


def test_a_link_of_the_users_own_is(folder, tmp_path):
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "elsewhere")
    assert (hits(), hits()) == (0, 1)


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:40],
        lambda content: content[:-1],
        lambda content: content[:-100] + bytes([content[-100] ^ 1]) + content[-99:],
    ],
)
def test_damaged_files_are_compiled_anew(folder, suffix, damage, capsys):
    hits()
    (path,) = folder.rglob(f"*{suffix}")
    path.write_bytes(damage(path.read_bytes()))
    found = hits()
    assert found == 0 or suffix == ".nbi"  # a flipped bit of the index may be in a name alone
    assert hits() == 1
    assert capsys.readouterr().err == ""


def test_a_full_disk_costs_the_cache_and_not_the_run(folder, capsys):
    """A limit on the size of files stands for the disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        assert hits() == 0
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    err = capsys.readouterr().err
    assert err.startswith(f"compiled code is not kept in {folder}")
    assert err.count("\n") == 1
    assert not [path for path in Path(folder).rglob("*") if path.is_file()]
    assert (hits(), hits()) == (0, 1)
