"""What was kept comes back as it was, or not at all: whoever dies, fills the disk or damages the file."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines import cache_writer
from engines.cache_writer import key, value, values
from rerankbench.engines import disk_cache
from rerankbench.engines.disk_cache import ANSWERS, ENGINE, DiskCache
from rerankbench.errors import StoreError

FINGERPRINT, OTHER = "ab" * 32, "cd" * 32
KILLS = 20
SOURCE = Path(__file__).parents[2] / "eval"


@contextmanager
def opened(root: Path, fingerprint: str = FINGERPRINT) -> Iterator[DiskCache]:
    with closing(DiskCache(root, fingerprint, {"kind": "test"})) as cache:
        yield cache


def started(*arguments: str | int | Path) -> subprocess.Popen[str]:
    command = [sys.executable, cache_writer.__file__, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1"}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment)


def said(process: subprocess.Popen[str]) -> list[str]:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out.splitlines()


def content(cache: DiskCache, numbers: Sequence[int]) -> dict[bytes, bytes]:
    return cache.get([key(number) for number in numbers])


@settings(deadline=None, max_examples=30)  # each example waits for the disk
@given(
    st.dictionaries(st.binary(min_size=16, max_size=16), st.binary(max_size=9_000), max_size=8),
    st.sets(st.binary(min_size=16, max_size=16)),
)
def test_what_was_put_comes_back_also_after_the_file_was_opened_anew(kept: dict[bytes, bytes], others: set[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asked = [*kept, *others, *kept]
        with opened(Path(folder)) as cache:
            assert cache.get(asked) == {}
            cache.put(kept)
            assert cache.get(asked) == kept
        with opened(Path(folder)) as cache:
            assert cache.get(asked) == kept


def test_more_keys_than_one_query_takes_are_found(tmp_path: Path) -> None:
    with opened(tmp_path) as cache:
        kept = values(range(1_000))
        cache.put(kept)
        for count in (1, 255, 256, 257, 512, 1_000):
            assert cache.get(list(kept)[:count]) == dict(list(kept.items())[:count])


def test_the_later_value_of_a_key_stays(tmp_path: Path) -> None:
    with opened(tmp_path) as cache:
        cache.put({key(1): b"earlier"})
        cache.put({key(1): b"later"})
        assert content(cache, [1]) == {key(1): b"later"}


def test_another_engine_has_another_folder_and_sees_nothing_of_this_one(tmp_path: Path) -> None:
    with opened(tmp_path) as one, opened(tmp_path, OTHER) as other:
        one.put(values([1]))
        assert content(other, [1]) == {}
        assert (one.path.name, other.path.name) == (FINGERPRINT, OTHER)


def test_two_users_in_one_process_see_each_others_values(tmp_path: Path) -> None:
    with opened(tmp_path) as one, opened(tmp_path) as other:
        one.put(values([1]))
        other.put(values([2]))
        assert content(one, [1, 2]) == content(other, [1, 2]) == values([1, 2])


def test_the_folder_says_whose_it_is(tmp_path: Path) -> None:
    with closing(DiskCache(tmp_path, FINGERPRINT, {"kind": "lexical", "seed": 1})) as cache:
        found = orjson.loads((cache.path / ENGINE).read_bytes())
    assert (found["fingerprint"], found["engine"]) == (FINGERPRINT, {"kind": "lexical", "seed": 1})
    with closing(DiskCache(tmp_path, FINGERPRINT, {"kind": "described otherwise"})) as cache:
        assert orjson.loads((cache.path / ENGINE).read_bytes()) == found


@pytest.mark.parametrize("fingerprint", ["", "ab", "AB" * 32, "../" + "a" * 61, "ab" * 33])
def test_what_is_no_fingerprint_is_refused(tmp_path: Path, fingerprint: str) -> None:
    with pytest.raises(StoreError, match="64 lower-case hexadecimal digits"):
        DiskCache(tmp_path, fingerprint, {})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_another_engine_or_of_nobody_knows_whom_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path) as cache:
        (tmp_path / OTHER).mkdir()
        shutil.copy(cache.path / ENGINE, tmp_path / OTHER)
        with pytest.raises(StoreError, match="belongs to another engine"):
            DiskCache(tmp_path, OTHER, {})
    (tmp_path / OTHER / ENGINE).write_bytes(b'{"fingerprint": ')
    with pytest.raises(StoreError, match="does not say whose"):
        DiskCache(tmp_path, OTHER, {})


def test_a_root_that_cannot_be_a_folder_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="cannot be used: Not a directory") as raised:
        DiskCache(tmp_path / "file", FINGERPRINT, {})
    assert "--cache" in raised.value.hint


# Processes


def test_several_processes_write_and_read_at_once(tmp_path: Path) -> None:
    # Four writers of 20 batches of 10 values; each shares half of its values with the next.
    writers = [started("write", tmp_path, FINGERPRINT, first, 10, 20) for first in (0, 100, 200, 300)]
    readers = [started("read", tmp_path, FINGERPRINT, 0, 500) for _ in range(2)]
    assert [said(writer)[-1] for writer in writers] == ["200", "300", "400", "500"]
    for reader in readers:
        said(reader)  # a wrong value would have ended it with 1
    with opened(tmp_path) as cache:
        assert content(cache, range(500)) == values(range(500))
        assert cache.damaged == 0


def test_writers_killed_again_and_again_leave_nothing_but_whole_and_right_values(tmp_path: Path) -> None:
    dice = random.Random(0)
    kept = 0
    for attempt in range(KILLS):
        writers = [started("write", tmp_path, FINGERPRINT, first, 40, 100_000) for first in (kept, 1_000_000 + kept)]
        assert writers[0].stdout
        for _ in range(dice.randint(1, 3)):
            kept = int(writers[0].stdout.readline())
        time.sleep(dice.uniform(0.0, 0.05))
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
        more = [int(line) for line in writers[0].communicate()[0].split("\n")[:-1]]
        kept = max([kept, *more])
        writers[1].communicate()
        with opened(tmp_path) as cache:
            assert content(cache, range(kept)) == values(range(kept)), f"after kill {attempt}: a value is gone that was said to be kept"
            beyond = [n for start in (kept, 1_000_000) for n in range(start, start + 400)]
            assert content(cache, beyond).items() <= values(beyond).items()
            assert cache.damaged == 0
    with closing(sqlite3.connect(tmp_path / FINGERPRINT / ANSWERS)) as file:
        assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_file_that_another_process_never_lets_go_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_cache, "_WAIT_S", 0.05)
    with opened(tmp_path) as cache:
        with closing(sqlite3.connect(cache.path / ANSWERS, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(StoreError, match="another process has kept it to itself"):
                cache.put(values([1]))
        cache.put(values([1]))
        assert content(cache, [1]) == values([1])


# A disk without room, a folder that may not be written


def test_a_full_disk_is_a_clear_error_and_what_was_kept_stays(tmp_path: Path) -> None:
    with opened(tmp_path) as cache:
        cache.put(values(range(10)))
        cache._answers.execute("PRAGMA max_page_count = 40")  # the error is the same as that of a full disk: SQLITE_FULL
        with pytest.raises(StoreError, match="the disk is full") as raised:
            cache.put(values(range(10, 200)))
        assert "Make room" in raised.value.hint
        assert content(cache, range(200)) == values(range(10))
        cache._answers.execute("PRAGMA max_page_count = 100000")
        cache.put(values(range(10, 200)))
        assert content(cache, range(200)) == values(range(200))


def test_a_write_that_the_system_refuses_is_an_error_and_what_was_kept_stays(tmp_path: Path) -> None:
    *numbers, error = said(started("fill", tmp_path, FINGERPRINT, 1_000_000))
    assert str(tmp_path / FINGERPRINT / ANSWERS) in error
    kept = int(numbers[-1])
    assert 100 < kept <= 435  # seven values in turn have 4,096 bytes less 0, 600, … 3,600: 2,296 on average, 435 in a million bytes
    with opened(tmp_path) as cache:
        assert content(cache, range(kept + 50)) == values(range(kept))
        cache.put(values(range(kept, kept + 50)))
        assert content(cache, range(kept + 50)) == values(range(kept + 50))


@pytest.fixture
def readonly_root() -> Iterator[Path]:
    """A folder that everybody may read, with values 0 to 9, and nobody may write but root."""
    root = Path(tempfile.mkdtemp())  # the parents of tmp_path are closed to other users
    with opened(root) as cache:
        cache.put(values(range(10)))
    for path in (root, cache.path):
        path.chmod(0o555)
    yield root
    for path in (root, cache.path):
        path.chmod(0o755)
    shutil.rmtree(root)


def test_a_folder_that_may_not_be_written_is_read_and_says_so(readonly_root: Path) -> None:
    process = started("readonly", readonly_root, FINGERPRINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out.splitlines() == ["10", "10"]
    assert "may not be written: it is read, and new answers are not kept" in err


def test_a_new_folder_where_nothing_may_be_written_is_a_clear_error(readonly_root: Path) -> None:
    process = started("readonly", readonly_root, OTHER)
    _, err = process.communicate(timeout=60)
    assert "StoreError" in err
    assert "Permission denied" in err


# Damage


def flip(file: Path, offset: int, mask: int = 0xFF) -> None:
    with file.open("r+b") as out:
        out.seek(offset)
        (byte,) = out.read(1)
        out.seek(offset)
        out.write(bytes([byte ^ mask]))


def test_a_changed_value_is_missing_and_said_and_can_be_put_again(tmp_path: Path) -> None:
    with opened(tmp_path) as cache:
        cache.put(values(range(5)))
        file = cache.path / ANSWERS
    flip(file, file.read_bytes().index(value(6 % 5)[:64]) + 10, 0x01)
    with opened(tmp_path) as cache:
        with pytest.warns(UserWarning, match="1 of its values are damaged, and are computed again"):
            assert content(cache, range(5)) == values([0, 2, 3, 4])
        assert cache.damaged == 1
        cache.put(values([1]))
        assert content(cache, range(5)) == values(range(5))
        assert cache.damaged == 1


def test_a_value_that_stands_under_another_key_is_missing(tmp_path: Path) -> None:
    with opened(tmp_path) as cache:
        cache.put(values(range(3)))
    with closing(sqlite3.connect(cache.path / ANSWERS, isolation_level=None)) as file:
        row = file.execute("SELECT crc, value FROM answers WHERE key = ?", [key(1)]).fetchone()
        file.execute("UPDATE answers SET crc = ?, value = ? WHERE key = ?", [*row, key(2)])
    with opened(tmp_path) as cache, pytest.warns(UserWarning, match="damaged"):
        assert content(cache, range(3)) == values([0, 1])


def test_no_byte_that_changes_makes_a_wrong_value(tmp_path: Path) -> None:
    numbers = range(40)
    with opened(tmp_path) as cache:
        cache.put(values(numbers))
    whole = (cache.path / ANSWERS).read_bytes()
    dice = random.Random(1)
    outcomes = {"right": 0, "missing": 0, "refused": 0}
    for _ in range(400):
        broken = bytearray(whole)
        # Half of the changes at the beginnings of pages, where the file's own structure lies.
        start = dice.randrange(len(whole)) if dice.random() < 0.5 else dice.randrange(len(whole) // 4096) * 4096
        for offset in range(start, min(start + dice.randint(1, 40), len(whole))):
            broken[offset] = dice.randrange(256)
        (cache.path / ANSWERS).write_bytes(broken)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outcomes[outcome(tmp_path, numbers)] += 1
    assert min(outcomes.values()) > 10, outcomes


def outcome(root: Path, numbers: Sequence[int]) -> str:
    try:
        with opened(root) as cache:
            found = content(cache, numbers)
    except StoreError:
        return "refused"
    expected = values(numbers)
    assert found.items() <= expected.items()
    return "right" if found == expected else "missing"


@pytest.mark.parametrize("damage", [lambda whole: b"not a database" * 1_000, lambda whole: whole[: len(whole) // 2]])
def test_a_file_that_is_damaged_as_a_whole_is_refused_with_the_way_out(tmp_path: Path, damage: object) -> None:
    assert callable(damage)
    with opened(tmp_path) as cache:
        cache.put(values(range(100)))
        file = cache.path / ANSWERS
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(StoreError, match="is damaged") as raised, opened(tmp_path) as cache:
        content(cache, range(100))
    assert raised.value.hint == f"rerankbench cache prune --engine {FINGERPRINT[:16]} --cache {tmp_path}"
