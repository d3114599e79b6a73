"""What lies in a folder of disk caches, and forgetting some of it. Reads no answer and needs no engine."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rerankbench.engines.disk_cache import ANSWERS, ENGINE, FINGERPRINT, LOCK, is_current, read_engine
from rerankbench.errors import StoreError

_REMOVED = ".removed-"
"""How the name of a folder begins that is being deleted: a stop on the way leaves it, and the next prune deletes it."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One engine's folder.

    Attributes:
        engine: What the engine is, as its user described it; None where that cannot be read.
        answers: How many; None where the file cannot be read.
        bytes: Of all its files.
        first_used, last_used: In UTC; None where that cannot be known.
        is_in_use: Whether a process holds it.
    """

    path: Path
    fingerprint: str
    engine: Mapping[str, Any] | None
    answers: int | None
    bytes: int
    first_used: datetime | None
    last_used: datetime | None
    is_in_use: bool


def kept(root: Path) -> list[Kept]:
    """Every engine's folder, the last used first. Changes nothing; a root that does not exist holds none."""
    found = [_read(path) for path in root.iterdir() if FINGERPRINT.fullmatch(path.name)] if root.is_dir() else []
    return sorted(found, key=lambda one: (-_last_used(one).timestamp(), one.fingerprint))


def unused_for(folders: Iterable[Kept], days: float) -> list[Kept]:
    """Those that were last used longer ago than that, or at a time that nobody knows."""
    before = datetime.now(UTC) - timedelta(days=days)
    return [one for one in folders if _last_used(one) < before]


def prune(root: Path, folders: Sequence[Kept]) -> list[Kept]:
    """Delete these folders of the root but those in use, and what earlier prunes were stopped at.

    Returns:
        The folders that are gone. Their room on the disk is free.

    Raises:
        StoreError: one may not be deleted.
    """
    gone = [one for one in folders if _forget(one.path)]
    for left in root.glob(f"{_REMOVED}*"):
        shutil.rmtree(left, ignore_errors=True)  # another process may be at it too
    return gone


def _forget(folder: Path) -> bool:
    """Delete the folder, unless a process holds it. Whoever opens it meanwhile finds it whole or not at all."""
    aside = folder.with_name(f"{_REMOVED}{folder.name}-{os.getpid()}")
    try:
        with _exclusively(folder) as is_free:
            if is_free:
                folder.rename(aside)
        if is_free:
            shutil.rmtree(aside)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be deleted: {error.strerror or error}.") from error
    return is_free


@contextmanager
def _exclusively(folder: Path) -> Iterator[bool]:
    """Whether nobody else holds the folder; while this lasts, nobody does."""
    file = folder / LOCK
    if not file.exists():  # nobody has opened the folder since it was copied here
        yield True
        return
    with file.open("r+b") as lock:  # to be written to, because a network file system gives no exclusive lock else
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield is_current(lock, file)


def _read(path: Path) -> Kept:
    try:
        about = read_engine(path / ENGINE)
        first_used = datetime.fromisoformat(about["first_used"])
    except (StoreError, OSError, ValueError, TypeError):
        about, first_used = {"engine": None}, None
    states = [state for file in path.rglob("*") if (state := _state(file))]
    lock = _state(path / LOCK)
    return Kept(
        path=path,
        fingerprint=path.name,
        engine=about["engine"],
        answers=_count(path / ANSWERS),
        bytes=sum(state.st_size for state in states),
        first_used=first_used,
        last_used=datetime.fromtimestamp(lock.st_mtime, UTC) if lock else None,
        is_in_use=_is_in_use(path),
    )


def _last_used(one: Kept) -> datetime:
    return one.last_used or datetime.fromtimestamp(0, UTC)


def _state(file: Path) -> os.stat_result | None:
    """None for a file that is gone: a journal comes and goes."""
    try:
        return file.stat()
    except FileNotFoundError:
        return None


def _is_in_use(folder: Path) -> bool:
    try:
        with _exclusively(folder) as is_free:
            return not is_free
    except OSError:  # a folder that may not be written cannot be pruned either
        return False


def _count(file: Path) -> int | None:
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=rw", uri=True, timeout=1.0)) as answers:
            return int(answers.execute("SELECT count(*) FROM answers").fetchone()[0])
    except sqlite3.Error:
        return None
