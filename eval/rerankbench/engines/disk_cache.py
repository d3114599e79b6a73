"""One engine's answers on disk: bytes by key, in one SQLite file. Knows nothing of what was asked.

``ROOT/FINGERPRINT/`` holds ``engine.json`` (what the engine is), ``answers.sqlite``, ``.lock``, which whoever uses the folder holds
shared, and ``.turn``, which whoever waits for the file holds. A folder an engine, so that forgetting one gives its room back at once.

SQLite, because a process may die at any moment, many may read and write at once, and the file grows as it must. Its journal is the
plain one: a write-ahead log needs memory shared by all readers, and a cluster's home folders have none.
"""

from __future__ import annotations

import fcntl
import os
import re
import sqlite3
import warnings
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import IO, Any

import orjson

from rerankbench.errors import StoreError

FINGERPRINT = re.compile(r"[0-9a-f]{64}")
ANSWERS, ENGINE, LOCK, TURN = "answers.sqlite", "engine.json", ".lock", ".turn"
_CHUNK = 256
"""Keys a query: SQLite compares each page's keys with all of them at once, and keeps the prepared statement."""
_SELECT = f"SELECT key, crc, value FROM answers WHERE key IN ({','.join('?' * _CHUNK)})"  # noqa: S608 question marks alone
_INSERT = "INSERT OR REPLACE INTO answers (key, crc, value) VALUES (?, ?, ?)"
_CREATE = "CREATE TABLE IF NOT EXISTS answers (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, crc INTEGER NOT NULL, value BLOB NOT NULL)"
_WAIT_S = 120.0
"""Seconds until a file that others write to counts as stuck."""


class DiskCache:
    """Bytes by key, shared by all processes that work with one engine. What is damaged is missing, with a warning, never returned.

    A folder that may not be written is read; what is new is then not kept, with one warning.

    Attributes:
        fingerprint: The engine's.
        path: The engine's folder.
        damaged: Values so far that were not as they were written.

    Args:
        root: Holds a folder an engine.
        fingerprint: SHA-256 of all that decides the engine's answers, as 64 lower-case hexadecimal digits.
        description: What a person would want to know of the engine, JSON-able; kept when the folder is made.

    Raises:
        StoreError: the folder cannot be made or read, or is another engine's.
    """

    def __init__(self, root: Path, fingerprint: str, description: Mapping[str, Any]) -> None:
        if not FINGERPRINT.fullmatch(fingerprint):
            raise StoreError(f"{fingerprint!r} is no fingerprint of an engine: 64 lower-case hexadecimal digits were expected.")
        self.fingerprint = fingerprint
        self.path = root / fingerprint
        self.damaged = 0
        self._turn: IO[bytes] | None = None
        with self._reporting():
            self._is_readonly = self.path.is_dir() and not os.access(self.path, os.W_OK)
            self._lock = _shared_lock(self.path, create=not self._is_readonly)
            try:
                self._note_use()
                self._describe(description)
                if not self._is_readonly:
                    self._turn = (self.path / TURN).open("a+b")
                with self._in_turn():
                    self._answers = self._open()
            except BaseException:
                self._let_go()
                raise
        if self._is_readonly:
            warnings.warn(f"{self.path} may not be written: it is read, and new answers are not kept.", stacklevel=2)

    @property
    def how_to_prune(self) -> str:
        """The command that makes way for a fresh folder."""
        return f"rerankbench cache prune --engine {self.fingerprint[:16]} --cache {self.path.parent}"

    def get(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The values of those keys that have one, in one transaction.

        Raises:
            StoreError: the file cannot be read, or is damaged as a whole.
        """
        if not keys:
            return {}
        found: dict[bytes, bytes] = {}
        damaged = 0
        with self._reporting(), self._transaction("BEGIN", "SELECT 1 FROM answers LIMIT 1"):
            for key, crc, value in self._rows(keys):
                if _sum(key, value) == crc:
                    found[key] = value
                else:
                    damaged += 1
        if damaged:
            self.damaged += damaged
            warnings.warn(f"{self.path / ANSWERS}: {damaged} of its values are damaged, and are computed again.", stacklevel=2)
        return found

    def put(self, values: Mapping[bytes, bytes]) -> None:
        """Keep values, in one transaction. When this returns they are on the disk: all of them, or after a stop before that, none.

        Raises:
            StoreError: the disk is full, or the file cannot be written. What was kept before stays.
        """
        if not values or self._is_readonly:
            return
        with self._reporting(), self._transaction("BEGIN IMMEDIATE"):
            self._answers.executemany(_INSERT, ((key, _sum(key, value), value) for key, value in values.items()))

    def close(self) -> None:
        """Let go of the folder. May be called again; nothing else may."""
        self._answers.close()
        self._note_use()
        self._let_go()

    def _open(self) -> sqlite3.Connection:
        place = f"{(self.path / ANSWERS).absolute().as_uri()}?mode={'ro' if self._is_readonly else 'rwc'}"
        answers = sqlite3.connect(place, uri=True, timeout=_WAIT_S, isolation_level=None)
        try:
            answers.text_factory = bytes  # damage may make a text of a value: it is then compared like any other
            answers.execute("PRAGMA cell_size_check = ON")
            answers.execute("PRAGMA cache_size = -32768")  # KiB: the inner pages of an index of some ten million keys
            if not self._is_readonly:
                answers.execute("PRAGMA journal_mode = TRUNCATE")
                answers.execute("PRAGMA synchronous = FULL")
                answers.execute(_CREATE)
        except BaseException:
            answers.close()
            raise
        return answers

    def _rows(self, keys: Sequence[bytes]) -> Iterator[tuple[bytes, int, Any]]:
        remaining = iter(keys)
        while chunk := list(islice(remaining, _CHUNK)):
            # Filled up with its last key, which is still one row: every query is then the same statement.
            yield from self._answers.execute(_SELECT, chunk + chunk[-1:] * (_CHUNK - len(chunk)))

    def _describe(self, description: Mapping[str, Any]) -> None:
        file = self.path / ENGINE
        if file.is_file():
            found = read_engine(file)
            if found["fingerprint"] != self.fingerprint:
                raise StoreError(f"{file}: belongs to another engine than its folder says.", hint=f"Delete {self.path}.")
        elif not self._is_readonly:
            now = datetime.now(UTC).isoformat(timespec="seconds")
            content = orjson.dumps(
                {"fingerprint": self.fingerprint, "engine": dict(description), "first_used": now}, option=orjson.OPT_INDENT_2
            )
            partial = file.with_name(f"{ENGINE}.{os.getpid()}")
            partial.write_bytes(content + b"\n")
            partial.replace(file)

    def _note_use(self) -> None:
        """The lock's time tells when the folder was last used."""
        if self._lock is not None and not self._lock.closed and not self._is_readonly:
            os.utime(self._lock.fileno())

    def _let_go(self) -> None:
        for file in (self._turn, self._lock):
            if file is not None:
                file.close()

    @contextmanager
    def _transaction(self, *begin: str) -> Iterator[None]:
        """
        Args:
            begin: Statements after which the file cannot be kept from this process.
        """
        try:
            with self._in_turn():
                for statement in begin:
                    self._answers.execute(statement).fetchone()
            yield
            self._answers.execute("COMMIT")
        except BaseException:
            if self._answers.in_transaction:  # SQLite itself ends one that met a full disk
                self._answers.execute("ROLLBACK")
            raise

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        """SQLite lets those that wait for the file try now and then, so that one who writes without a pause would keep it for seconds.

        Whoever waits therefore holds a lock of our own, behind which the one who writes has to wait.
        """
        if self._turn is None:
            yield
            return
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        """Raises: StoreError: in place of SQLite's and the operating system's complaints."""
        try:
            yield
        except sqlite3.ProgrammingError:  # a cache that was closed, or another thread's: no matter of the file
            raise
        except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter of a complaint that quotes a damaged file
            said = _outside(error)
            hint = "Make room, choose another --cache, or run without; the same command then goes on." if said else self.how_to_prune
            raise StoreError(f"{self.path / ANSWERS}: {said or 'is damaged'} ({error}).", hint=hint) from error
        except OSError as error:
            raise StoreError(
                f"{self.path}: cannot be used: {error.strerror or error}.", hint="Choose another --cache, or run without."
            ) from error


def read_engine(file: Path) -> dict[str, Any]:
    """The content of an ``engine.json``: ``fingerprint``, ``engine`` (the description) and ``first_used``.

    Raises:
        StoreError: it is damaged.
    """
    try:
        found = orjson.loads(file.read_bytes())
        return {key: found[key] for key in ("fingerprint", "engine", "first_used")}
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise StoreError(f"{file}: does not say whose answers its folder holds: {error!r}", hint=f"Delete {file.parent}.") from error


def is_current(lock: IO[bytes], file: Path) -> bool:
    """Whether an open lock is the one at this path, and not that of a folder that was removed since."""
    try:
        there, here = file.stat(), os.fstat(lock.fileno())
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)


def _shared_lock(folder: Path, *, create: bool) -> IO[bytes] | None:
    """Hold the folder against pruning. None where it has no lock and may not get one."""
    file = folder / LOCK
    while True:
        if create:
            folder.mkdir(parents=True, exist_ok=True)
        try:
            lock = file.open("a+b" if create else "rb")
        except FileNotFoundError:
            if create:
                continue  # pruned since it was made
            return None
        fcntl.flock(lock, fcntl.LOCK_SH)
        if is_current(lock, file):
            return lock
        lock.close()


def _sum(key: bytes, value: object) -> int | None:
    """Over the key too: a value that damage has moved to another key is as wrong as a changed one. None for what can be no value."""
    return zlib.crc32(value, zlib.crc32(key)) if isinstance(value, bytes) else None


def _outside(error: Exception) -> str:
    """What keeps a file that is whole from being used; empty where it is damaged: our statements are right, so it cannot be they."""
    known = {
        sqlite3.SQLITE_FULL: "the disk is full",
        sqlite3.SQLITE_BUSY: f"another process has kept it to itself for {_WAIT_S:.0f} seconds",
        sqlite3.SQLITE_READONLY: "may not be written",
        sqlite3.SQLITE_CANTOPEN: "cannot be opened",
        sqlite3.SQLITE_IOERR: "the system cannot read or write it",
    }
    return known.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, "")
