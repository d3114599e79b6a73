"""A process of its own that works on a disk cache: ``python cache_writer.py WHAT ROOT FINGERPRINT …``. Every value follows from its key.

``write FIRST COUNT ROUNDS``: puts batches of COUNT values, from number FIRST on, and says the number behind each batch when it is kept.
``read FIRST COUNT``: says how many of these values are there, and ends with 1 if one is wrong.
``hold``: opens the cache, says so, and keeps it until its standard input ends.
``visit TIMES``: opens the cache so many times, puts and reads ten values, closes it, and says how often it found them.
``fill LIMIT``: puts values until the system allows the file no more than LIMIT bytes, and says the error.
``readonly``: as a user who may not write everywhere, reads values 0 to 9, tries to put value 10, and says how many were there each time.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterable
from contextlib import closing
from hashlib import sha256
from pathlib import Path

from rerankbench.engines.disk_cache import DiskCache
from rerankbench.errors import StoreError

LENGTH = 4096


def key(number: int) -> bytes:
    return sha256(b"key %d" % number).digest()[:16]


def value(number: int) -> bytes:
    """Values of different lengths: some fit into a page of the file, some do not."""
    return (sha256(b"value %d" % number).digest() * (LENGTH // 32))[: LENGTH - number % 7 * 600]


def values(numbers: Iterable[int]) -> dict[bytes, bytes]:
    return {key(number): value(number) for number in numbers}


def write(cache: DiskCache, first: int, count: int, rounds: int) -> None:
    for start in range(first, first + count * rounds, count):
        cache.put(values(range(start, start + count)))
        print(start + count, flush=True)


def read(cache: DiskCache, first: int, count: int) -> int:
    expected = values(range(first, first + count))
    found = cache.get(list(expected))
    print(len(found), flush=True)
    return int(any(expected[k] != v for k, v in found.items()))


def hold(cache: DiskCache) -> None:
    print("held", cache.fingerprint, flush=True)
    sys.stdin.read()


def visit(cache: DiskCache, times: int) -> None:
    cache.close()  # nobody is to hold the folder between two visits
    whole = 0
    for _ in range(times):
        with closing(DiskCache(cache.path.parent, cache.fingerprint, {"kind": "test"})) as again:
            again.put(values(range(10)))
            whole += again.get(list(values(range(10)))) == values(range(10))
    print(whole, flush=True)


def fill(cache: DiskCache, limit: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        write(cache, 0, 50, 10_000)
    except StoreError as error:
        print(error.message, flush=True)


def readonly(cache: DiskCache) -> None:
    print(len(cache.get([key(n) for n in range(10)])))
    cache.put(values([10]))
    print(len(cache.get([key(n) for n in range(11)])), flush=True)


COMMANDS: dict[str, Callable[..., int | None]] = {
    "write": write,
    "read": read,
    "hold": hold,
    "visit": visit,
    "fill": fill,
    "readonly": readonly,
}


def main() -> int:
    what, root, fingerprint, *numbers = sys.argv[1:]
    if what == "readonly" and os.geteuid() == 0:
        Path(root).as_uri()  # has pathlib import what it imports late
        os.setuid(65534)  # not at the start of the process: this user may not even read the interpreter and its library
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        cache = DiskCache(Path(root), fingerprint, {"kind": "test"})
        code = COMMANDS[what](cache, *map(int, numbers))
        cache.close()
    for one in told:
        print(one.message, file=sys.stderr)
    return code or 0


if __name__ == "__main__":
    sys.exit(main())
