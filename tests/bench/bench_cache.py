"""How fast answers come out of the disk cache: vectors of 1,024 floats and generated texts, on this machine.

Not a test: nothing here asserts. ``warm`` is read from the system's page cache, as any file that was used a moment ago; ``cold`` after
the system was told to drop the file, in the order of writing and in another one.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from rerankbench.engines.cache_values import Keys, calls_as_bytes, vectors, vectors_as_bytes
from rerankbench.engines.caching import CachedEngine
from rerankbench.engines.disk_cache import ANSWERS, DiskCache
from rerankbench.protocols import Floats
from rerankbench.records import Call

TEXTS, DIMENSIONS, BATCH, REPEATS = 40_000, 1_024, 2_000, 5
FINGERPRINT = "0" * 64


class Instant:
    """Vectors made beforehand, by the number that a text begins with."""

    name: ClassVar[str] = "instant"
    caveat: ClassVar[str] = ""

    def __init__(self, made: Floats) -> None:
        self._made = made

    def embed(self, texts: Sequence[str]) -> Floats:
        return self._made[[int(text.split(" ", 1)[0]) for text in texts]]

    def synchronise(self) -> None:
        """There is no device."""

    def close(self) -> None:
        """There is nothing to give back."""


def cache() -> dict[str, float]:
    """Vectors and answers a second; bytes on disk a vector."""
    draws = np.random.default_rng(0)
    made = draws.standard_normal((TEXTS, DIMENSIONS)).astype(np.float32)
    texts = [f"{number} {'word ' * 61}" for number in range(TEXTS)]  # 62 words: the mean of DL19's passages
    order = [int(position) for position in draws.permutation(TEXTS)]
    with tempfile.TemporaryDirectory() as folder:
        figures = _vectors(Path(folder), made, texts, order)
        return {"vectors": TEXTS, "dimensions": DIMENSIONS, "batch": BATCH, "repeats": REPEATS, **figures, **_answers(Path(folder))}


def _vectors(root: Path, made: Floats, texts: Sequence[str], order: Sequence[int]) -> dict[str, float]:
    keys = Keys(FINGERPRINT).of("embed", ((text,) for text in texts))
    shuffled = [keys[position] for position in order]
    disk = DiskCache(root, FINGERPRINT, {"kind": "instant"})
    file = disk.path / ANSWERS

    def read(wanted: Sequence[bytes]) -> None:
        for start in range(0, TEXTS, BATCH):
            batch = wanted[start : start + BATCH]
            found = disk.get(batch)
            vectors([found[key] for key in batch])

    def write() -> None:
        for start in range(0, TEXTS, BATCH):
            disk.put(dict(zip(keys[start : start + BATCH], vectors_as_bytes(made[start : start + BATCH]), strict=True)))

    figures = {
        "write_vectors_per_second": TEXTS / _seconds(write),
        "bytes_on_disk_per_vector": file.stat().st_size / TEXTS,
        "read_in_order_warm_vectors_per_second": TEXTS / _best(lambda: read(keys)),
        "read_shuffled_warm_vectors_per_second": TEXTS / _best(lambda: read(shuffled)),
        "read_in_order_cold_vectors_per_second": TEXTS / _best(lambda: read(keys), before=lambda: _drop(file)),
        "read_shuffled_cold_vectors_per_second": TEXTS / _best(lambda: read(shuffled), before=lambda: _drop(file)),
    }
    engine: Any = CachedEngine(Instant(made), max_bytes=0, disk=disk)
    held: Any = CachedEngine(Instant(made))
    some = [texts[position] for position in order]

    def embed(by: Any) -> None:
        for start in range(0, TEXTS, BATCH):
            by.embed(some[start : start + BATCH])

    figures["embed_from_disk_texts_per_second"] = TEXTS / _best(lambda: embed(engine))
    figures["embed_from_memory_texts_per_second"] = TEXTS / _best(lambda: embed(held))
    engine.close()
    return figures


def _answers(root: Path) -> dict[str, float]:
    """Listwise answers of 100 bytes, twenty at a time, as one batch of windows asks for them."""
    disk = DiskCache(root, "1" * 64, {"kind": "instant"})
    count, batch = 4_000, 20
    keys = Keys("1" * 64).of("generate", ((f"{number} {'word ' * 2_000}", 120, ()) for number in range(count)))
    values = calls_as_bytes([Call(2_600, 60, 1.0, batch, " > ".join(f"[{i}]" for i in range(20, 0, -1)))] * count)

    def write() -> None:
        for start in range(0, count, batch):
            disk.put(dict(zip(keys[start : start + batch], values[start : start + batch], strict=True)))

    def read() -> None:
        for start in range(0, count, batch):
            disk.get(keys[start : start + batch])

    writing, reading = _seconds(write), _best(read)
    disk.close()
    return {"write_generations_per_second": count / writing, "read_generations_per_second": count / reading}


def _best(work: Callable[[], None], before: Callable[[], None] = lambda: None) -> float:
    """Seconds of the fastest repeat: what other processes take is no cost of ours."""
    return min(_seconds(work, before) for _ in range(REPEATS))


def _seconds(work: Callable[[], None], before: Callable[[], None] = lambda: None) -> float:
    before()
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _drop(file: Path) -> None:
    """Have the system forget what it holds of the file."""
    handle = os.open(file, os.O_RDONLY)
    try:
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(handle)
