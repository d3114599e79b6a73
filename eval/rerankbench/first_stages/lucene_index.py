"""A Lucene index of a corpus: built once, content-addressed, used again.

Indexes are named by a hash of the corpus, the fields and Anserini's version. A folder's manifest is written last; a folder without
one is unfinished and is built again. Two processes that want one index build it once. Knows no query.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal

import orjson

from rerankbench.config import fingerprint
from rerankbench.errors import DataError, StoreError
from rerankbench.first_stages.anserini import Anserini, Indexed
from rerankbench.protocols import Corpus

log = logging.getLogger(__name__)

Fields = Literal["flat", "multifield"]
_COLLECTION: Mapping[Fields, str] = {"flat": "BeirFlatCollection", "multifield": "BeirMultifieldCollection"}
_OPTIONS: Mapping[Fields, tuple[str, ...]] = {"flat": (), "multifield": ("-fields", "title")}


def ensure_index(store: Path, corpus: Corpus, fields: Fields, anserini: Anserini, threads: int = 2) -> tuple[Path, Mapping[str, Any]]:
    """The index of a corpus, built where there is none yet.

    Returns:
        Its folder and its manifest.

    Raises:
        DataError: Anserini did not index what it was given.
        StoreError: the index was changed since it was built.
    """
    key = {"corpus": corpus.fingerprint, "fields": fields, "anserini": anserini.version}
    folder = store / fingerprint(key)[:32]
    manifest = _read_manifest(folder)
    if manifest is None:
        with _lock(folder) as held:
            manifest = _read_manifest(folder)  # another process may have built it while this one waited
            if manifest is None:
                manifest = {**key, **_build(folder, corpus, fields, anserini, threads=threads, held=held)}
                _write_manifest(folder, manifest)
    return folder / "index", manifest


def _read_manifest(folder: Path) -> Mapping[str, Any] | None:
    file = folder / "manifest.json"
    if not file.is_file():
        return None
    manifest: Mapping[str, Any] = orjson.loads(file.read_bytes())
    if _sizes(folder / "index") != manifest["files"]:
        raise StoreError(f"{folder}: the index is not as it was when it was built.", hint=f"Delete {folder} and run again.")
    return manifest


def _sizes(index: Path) -> dict[str, int]:
    return {f.name: f.stat().st_size for f in sorted(index.glob("*")) if f.name != "write.lock"}


@contextmanager
def _lock(folder: Path) -> Iterator[int]:
    """Hold the folder's lock, waiting for it; yields its file descriptor."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("another process is building %s: waiting for it", folder)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def _build(folder: Path, corpus: Corpus, fields: Fields, anserini: Anserini, *, threads: int, held: int) -> dict[str, Any]:
    """Index the corpus into an emptied folder; returns what became of it, without writing a manifest."""
    shutil.rmtree(folder, ignore_errors=True)
    source, index = folder / "corpus", folder / "index"
    source.mkdir(parents=True)
    start = time.perf_counter()
    given = _write_corpus(corpus, source, threads)
    log.info("indexing the %s documents of %s with Anserini %s", f"{given:,}", corpus.name, anserini.version)
    # The JVM holds the lock too: it may outlive this process, and would then write into a folder that another one builds.
    indexed = anserini.index(source, index, *_OPTIONS[fields], collection=_COLLECTION[fields], threads=threads, hold=(held,))
    _check_counts(corpus.name, given, indexed)
    shutil.rmtree(source)
    return {
        "name": corpus.name,
        "documents": {"given": given, "indexed": indexed.indexed, "empty": indexed.empty},
        "java": anserini.java.version,
        "seconds": time.perf_counter() - start,
        "files": _sizes(index),
    }


def _write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    partial = folder / "manifest.json.partial"
    with partial.open("wb") as file:
        file.write(orjson.dumps(manifest, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(folder / "manifest.json")


def _write_corpus(corpus: Corpus, source: Path, threads: int) -> int:
    """Write the documents in BEIR's form into one file a thread (Anserini gives a thread whole files), in turns.

    Raises:
        DataError: a document has no text, or its id a line end, which no run file can hold.
    """
    count = 0
    with ExitStack() as stack:
        files = [stack.enter_context((source / f"corpus-{n}.jsonl").open("wb")) for n in range(threads)]
        for count, document in enumerate(corpus.documents(), start=1):
            if document.text is None or "\n" in document.id:
                raise DataError(f"{corpus.name}: document {document.id!r} has no text, or a line end in its id: it cannot be indexed.")
            record = {"_id": document.id, "title": document.title, "text": document.text}
            files[count % threads].write(orjson.dumps(record) + b"\n")
    return count


def _check_counts(name: str, given: int, indexed: Indexed) -> None:
    if given != indexed.indexed + indexed.empty or indexed.errors or indexed.unindexable or indexed.skipped:
        raise DataError(
            f"{name}: {given:,} documents were given to Anserini, which indexed {indexed.indexed:,}, found {indexed.empty:,} empty,"
            f" {indexed.unindexable:,} unindexable, skipped {indexed.skipped:,} and had {indexed.errors:,} errors.",
            hint="Is the disk full? A document id that is longer than 32 kB cannot be indexed.",
        )
