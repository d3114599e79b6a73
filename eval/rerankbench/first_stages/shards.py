"""What an encoder made of a corpus, on disk: in shards, so that a stop loses one shard at most. Knows no encoder.

A folder holds ``identity.json``, for shard 0 ``00000.ids.json``, one or more ``00000.NAME`` and, last, ``00000.json`` (its record: counts,
sizes and hashes), and when every shard is there ``manifest.json``. Each file appears whole or not at all. The folder's name is a hash of
all that decides the rows, so nothing in it is ever stale. The size of the shards decides no row: whoever began the folder has chosen it.

Opening a finished folder reads all of it once, for its hashes: about 15 s for 18 GB where the disk is no slower than SHA-256.
"""

from __future__ import annotations

import fcntl
import hashlib
import math
import os
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any, cast

import orjson

from rerankbench.config import fingerprint
from rerankbench.errors import DataError, StoreError
from rerankbench.protocols import Corpus
from rerankbench.records import Document

CALL_DOCUMENTS = 1024
"""Documents handed to an encoder at once: enough for it to sort by length, few enough to be nothing in memory."""

Progress = Callable[[int, int], None]
"""Called with the documents done and all documents, now and then."""
WriteShard = Callable[[Iterator[Document], Callable[[str], Path]], Mapping[str, int]]
"""Reads all of the documents, writes files at the paths that it is given for their names, and returns counts to be kept."""


def no_progress(done: int, documents: int) -> None:
    """Tell nobody."""


def warn(message: str) -> None:
    """Tell the user as Python tells them."""
    warnings.warn(message, stacklevel=2)


class ShardFolder:
    """The shards of one corpus under one rule.

    Args:
        parent: The folder is made in here, by the name of its identity's hash.
        identity: All that decides the rows, JSON-able.
        shard_documents: Documents a shard, where the folder is begun now.
    """

    def __init__(self, parent: Path, identity: Mapping[str, Any], documents: int, shard_documents: int) -> None:
        self.path = parent / fingerprint(identity)[:32]
        self.documents = documents
        self._identity = dict(identity)
        self._shard_documents = shard_documents

    def __len__(self) -> int:
        """Number of shards."""
        return math.ceil(self.documents / self._shard_documents)

    def fill(self, corpus: Corpus, write: WriteShard, *, progress: Progress = no_progress, say: Callable[[str], None] = warn) -> None:
        """Make every shard that is not there or not as it was written. All others are read once, for their hashes, and kept.

        Args:
            say: Told of each shard that was damaged.

        Raises:
            StoreError: another process is filling this folder, or it cannot be written.
            DataError: the corpus holds fewer documents than it says.
        """
        self._take_over_layout()
        if (self.path / "manifest.json").is_file() and all(self._is_whole(n, say) for n in range(len(self))):
            return
        with self._locked():
            self._own()
            missing = [n for n in range(len(self)) if not self._is_whole(n, lambda _: None)]
            self._make(missing, corpus, write, progress)
            self._seal()

    def file(self, number: int, name: str) -> Path:
        return self.path / f"{number:05d}.{name}"

    def first(self, number: int) -> int:
        """Position in the corpus of a shard's first document; for the number of shards, the number of documents."""
        return min(number * self._shard_documents, self.documents)

    def ids(self, number: int) -> list[str]:
        """Ids of a shard's documents, in the corpus's order."""
        return cast("list[str]", orjson.loads(self.file(number, "ids.json").read_bytes()))

    def ids_at(self, positions: Sequence[int]) -> dict[int, str]:
        """Ids of the documents at these positions of the corpus. Reads each shard's ids at most once."""
        by_shard: dict[int, list[int]] = {}
        for position in set(positions):
            by_shard.setdefault(position // self._shard_documents, []).append(position)
        found = {}
        for number, wanted in sorted(by_shard.items()):
            ids = self.ids(number)
            found.update({p: ids[p - self.first(number)] for p in wanted})
        return found

    def manifest(self) -> dict[str, Any]:
        """Identity, numbers of documents and shards, and the counts of all shards together."""
        return cast("dict[str, Any]", orjson.loads((self.path / "manifest.json").read_bytes()))

    def _make(self, missing: Sequence[int], corpus: Corpus, write: WriteShard, progress: Progress) -> None:
        done = self.documents - sum(self.first(n + 1) - self.first(n) for n in missing)
        progress(done, self.documents)
        stream, at = corpus.documents() if missing else iter(()), 0
        for number in missing:
            first, end = self.first(number), self.first(number + 1)
            deque(islice(stream, first - at), maxlen=0)
            ids: list[str] = []
            self._write_shard(number, self._noted(islice(stream, end - first), ids, done, progress), ids, write)
            at, done = end, done + len(ids)

    def _noted(self, documents: Iterator[Document], ids: list[str], done: int, progress: Progress) -> Iterator[Document]:
        """Note each id that goes by, and tell how many did whenever another call of the encoder is full."""
        for document in documents:
            if ids and len(ids) % CALL_DOCUMENTS == 0:
                progress(done + len(ids), self.documents)
            ids.append(document.id)
            yield document
        progress(done + len(ids), self.documents)

    def _write_shard(self, number: int, documents: Iterator[Document], ids: list[str], write: WriteShard) -> None:
        names: list[str] = []

        def create(name: str) -> Path:
            names.append(name)
            return self.file(number, f"{name}.partial")

        counts = dict(write(documents, create))
        expected = self.first(number + 1) - self.first(number)
        if len(ids) != expected:
            raise DataError(
                f"Shard {number} was to hold {expected} documents, and {len(ids)} were read: the corpus holds fewer than the"
                f" {self.documents} that it says, or its encoder left some out."
            )
        with writing(self.path):
            create("ids.json").write_bytes(orjson.dumps(ids))
            files = {name: self._settle(number, name) for name in names}
            _write_atomically(self.file(number, "json"), {"documents": len(ids), "counts": counts, "files": files})

    def _settle(self, number: int, name: str) -> dict[str, Any]:
        partial, file = self.file(number, f"{name}.partial"), self.file(number, name)
        with partial.open("rb") as content:
            os.fsync(content.fileno())
            sha256 = hashlib.file_digest(content, "sha256").hexdigest()
        partial.replace(file)
        return {"bytes": file.stat().st_size, "sha256": sha256}

    def _is_whole(self, number: int, say: Callable[[str], None]) -> bool:
        record = self.file(number, "json")
        if not record.is_file():
            return False
        problem = self._problem(number, record)
        if problem:
            say(f"{problem}; shard {number} (documents {self.first(number) + 1} to {self.first(number + 1)}) is made again.")
        return not problem

    def _problem(self, number: int, record: Path) -> str:
        """What is not as it was written; empty when all is well."""
        try:
            expected = {
                self.file(number, name): (f["bytes"], f["sha256"]) for name, f in orjson.loads(record.read_bytes())["files"].items()
            }
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            return f"{record} is no record of a shard ({error})"
        for file, (size, sha256) in expected.items():
            if not file.is_file() or file.stat().st_size != size:
                return f"{file} is not {size} bytes long, as it was written"
            with file.open("rb") as content:
                if hashlib.file_digest(content, "sha256").hexdigest() != sha256:
                    return f"{file} was changed since it was written"
        return ""

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            lock: IO[str] = (self.path / ".lock").open("w")
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise StoreError(f"{self.path}: another process is encoding this corpus.", hint="Wait for it, or stop it.") from error
            yield

    def _take_over_layout(self) -> None:
        file = self.path / "identity.json"
        if not file.is_file():
            return
        try:
            written = orjson.loads(file.read_bytes())
            identity, self._shard_documents = written["identity"], int(written["shard_documents"])
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise StoreError(f"{file}: does not say what this folder holds: {error}", hint=f"Delete {self.path}.") from error
        if identity != orjson.loads(orjson.dumps(self._identity)):
            raise StoreError(f"{file}: holds another identity than the one that names this folder.", hint=f"Delete {self.path}.")

    def _own(self) -> None:
        """Claim the folder, now that no other process can, and take back its manifest until every shard is whole."""
        self._take_over_layout()
        with writing(self.path):
            (self.path / "manifest.json").unlink(missing_ok=True)
            _write_atomically(self.path / "identity.json", {"identity": self._identity, "shard_documents": self._shard_documents})

    def _seal(self) -> None:
        counts: Counter[str] = Counter()
        for number in range(len(self)):
            counts.update(orjson.loads(self.file(number, "json").read_bytes())["counts"])
        facts = {"identity": self._identity, "documents": self.documents, "shards": len(self), "counts": dict(counts)}
        with writing(self.path):
            _write_atomically(self.path / "manifest.json", facts)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Raises: StoreError: in place of the operating system's complaint."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{folder}: cannot be written: {error.strerror or error}.",
            hint="Make room or choose another workspace; the same command then goes on.",
        ) from error


def _write_atomically(file: Path, content: Mapping[str, Any]) -> None:
    partial = file.with_name(f"{file.name}.partial")
    with partial.open("wb") as out:
        out.write(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n")
        out.flush()
        os.fsync(out.fileno())
    partial.replace(file)
