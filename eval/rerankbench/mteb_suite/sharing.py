"""Several processes at one folder of results: each task of a system is one process's at a time, and files are changed by one.

A lock goes with the process that has it, however that ends.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rerankbench.config import fingerprint

LOCKS = ".locks"
"""Below the folder of results."""


@contextmanager
def taken(folder: Path, *what: str, wait: bool = True) -> Iterator[bool]:
    """Keep something of a folder from other processes.

    Args:
        what: Its name in parts, e.g. model, revision and task.
        wait: Until another process gives it back.

    Yields:
        Whether it is ours; always, after waiting.
    """
    place = folder / LOCKS / fingerprint(list(what))[:16]
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
