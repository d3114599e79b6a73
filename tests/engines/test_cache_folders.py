"""What is listed is what is there, and what is pruned is gone from the disk; nobody loses a folder that is in use."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engines.cache_writer import key, values
from engines.test_disk_cache import said, started
from rerankbench.engines.cache_folders import kept, prune, unused_for
from rerankbench.engines.disk_cache import ANSWERS, ENGINE, LOCK, DiskCache

ONE, TWO, THREE = "01" * 32, "23" * 32, "45" * 32


def fill(root: Path, fingerprint: str, count: int, days_ago: float = 0.0) -> Path:
    """A closed cache with that many values, last used so long ago."""
    with closing(DiskCache(root, fingerprint, {"kind": "test", "seed": count})) as cache:
        cache.put(values(range(count)))
    then = (datetime.now(UTC) - timedelta(days=days_ago)).timestamp()
    os.utime(cache.path / LOCK, (then, then))
    return cache.path


def size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def test_every_engine_is_listed_with_what_it_was_and_when_it_was_used(tmp_path: Path) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    older, newer = fill(tmp_path, ONE, 10, days_ago=3), fill(tmp_path, TWO, 0)
    (tmp_path / "something else").mkdir()
    second, first = kept(tmp_path)[::-1]
    assert (first.path, first.fingerprint, first.engine, first.answers) == (newer, TWO, {"kind": "test", "seed": 0}, 0)
    assert (second.path, second.fingerprint, second.engine, second.answers) == (older, ONE, {"kind": "test", "seed": 10}, 10)
    assert (first.bytes, second.bytes) == (size(newer), size(older))
    assert second.first_used is not None
    assert second.last_used is not None
    assert before <= second.first_used <= datetime.now(UTC)
    assert timedelta(days=2.9) < datetime.now(UTC) - second.last_used < timedelta(days=3.1)
    assert not first.is_in_use


def test_a_root_that_is_not_there_or_empty_holds_nothing(tmp_path: Path) -> None:
    assert kept(tmp_path) == kept(tmp_path / "none") == []


def test_opening_a_cache_is_using_it(tmp_path: Path) -> None:
    fill(tmp_path, ONE, 1, days_ago=50)
    assert len(unused_for(kept(tmp_path), 49)) == 1
    assert unused_for(kept(tmp_path), 51) == []
    DiskCache(tmp_path, ONE, {}).close()
    assert unused_for(kept(tmp_path), 1) == []


def test_damaged_folders_are_listed_all_the_same_and_can_be_pruned(tmp_path: Path) -> None:
    first, second, third = fill(tmp_path, ONE, 5), fill(tmp_path, TWO, 5), fill(tmp_path, THREE, 5)
    (first / ENGINE).write_bytes(b"{")
    (second / ANSWERS).write_bytes(b"not a database" * 1000)
    (third / LOCK).unlink()
    found = {one.fingerprint: one for one in kept(tmp_path)}
    assert (found[ONE].engine, found[ONE].answers) == (None, 5)
    assert (found[TWO].engine, found[TWO].answers) == ({"kind": "test", "seed": 5}, None)
    assert (found[THREE].last_used, found[THREE].is_in_use) == (None, False)
    assert len(prune(tmp_path, list(found.values()))) == 3
    assert list(tmp_path.iterdir()) == []


def test_what_is_pruned_is_gone_and_the_rest_stays(tmp_path: Path) -> None:
    fill(tmp_path, ONE, 10)
    stays = fill(tmp_path, TWO, 10)
    gone = prune(tmp_path, [one for one in kept(tmp_path) if one.fingerprint == ONE])
    assert [one.fingerprint for one in gone] == [ONE]
    assert list(tmp_path.iterdir()) == [stays]
    with closing(DiskCache(tmp_path, TWO, {})) as cache:
        assert cache.get([key(n) for n in range(10)]) == values(range(10))
    with closing(DiskCache(tmp_path, ONE, {})) as cache:
        assert cache.get([key(n) for n in range(10)]) == {}


def test_a_folder_that_another_process_uses_is_not_pruned_from_under_it(tmp_path: Path) -> None:
    fill(tmp_path, ONE, 3)
    holder = started("hold", tmp_path, ONE)
    assert holder.stdout
    assert holder.stdin
    assert holder.stdout.readline() == f"held {ONE}\n"
    (found,) = kept(tmp_path)
    assert found.is_in_use
    assert prune(tmp_path, [found]) == []
    assert found.path.is_dir()
    said(holder)  # its input ends, and so does it
    (found,) = kept(tmp_path)
    assert not found.is_in_use
    assert prune(tmp_path, [found]) == [found]


def test_a_folder_that_a_killed_process_used_is_free(tmp_path: Path) -> None:
    holder = started("hold", tmp_path, ONE)
    assert holder.stdout
    holder.stdout.readline()
    holder.kill()
    holder.communicate()
    assert len(prune(tmp_path, kept(tmp_path))) == 1


def test_what_an_earlier_prune_was_stopped_at_is_deleted_by_the_next(tmp_path: Path) -> None:
    fill(tmp_path, ONE, 3).rename(tmp_path / f".removed-{ONE}-123")
    assert kept(tmp_path) == []
    assert prune(tmp_path, []) == []
    assert list(tmp_path.iterdir()) == []


def test_whoever_opens_a_folder_while_it_is_pruned_gets_a_whole_one(tmp_path: Path) -> None:
    # Three processes each open, fill and leave the same folder eight times over, while this one prunes it whenever it is free.
    users = [started("visit", tmp_path, ONE, 8) for _ in range(3)]
    pruned = 0
    while any(user.poll() is None for user in users):
        pruned += len(prune(tmp_path, kept(tmp_path)))
    for user in users:
        assert said(user) == ["8"]
    assert pruned > 0
    with closing(DiskCache(tmp_path, ONE, {})) as cache, closing(sqlite3.connect(cache.path / ANSWERS)) as file:
        assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.parametrize("count", [0, 1, 300])
def test_listing_changes_nothing(tmp_path: Path, count: int) -> None:
    folder = fill(tmp_path, ONE, count)
    before = {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in folder.iterdir()}
    kept(tmp_path)
    assert {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in folder.iterdir()} == before
