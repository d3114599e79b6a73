"""Candidate lists on disk, in one form: the authors' JSON lines, and a manifest beside them that is written last.

``NAME`` holds one ``{"query", "hits": [{"content", "qid", "docid", "rank", "score"}]}`` a line, which `published.read_lists`
and the authors' own code read. Two keys are ours, and other readers pass over them: a document with a title has ``"title"``
beside a ``"content"`` that begins with it, and a list without documents has its ``"qid"`` beside the query.
``NAME.manifest.json`` says what the file holds and where it came from. A file without a manifest is unfinished, or not ours.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import Any

import orjson

from rerankbench.errors import DataError, DataMismatch, StoreError
from rerankbench.first_stages.published import read_lists
from rerankbench.records import CandidateList, Document


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a file of candidate lists holds, and where it came from.

    Attributes:
        depth_min, depth_max: Documents of the shortest and of the longest list.
        documents: Over all lists; a document that stands in two lists counts twice.
        source: In words, e.g. ``"first stage bm25 over beir/scifact"``.
        options: What the lists were made with, JSON-able.
    """

    queries: int
    depth_min: int
    depth_max: int
    documents: int
    bytes: int
    sha256: str
    source: str
    options: Mapping[str, Any]


def manifest_path(path: Path) -> Path:
    """Where the manifest of a list file lies."""
    return path.with_name(f"{path.name}.manifest.json")


def write_lists(path: Path, lists: Iterable[CandidateList], *, source: str, options: Mapping[str, Any] | None = None) -> Manifest:
    """Write candidate lists so that reading gives them back as they are, then their manifest.

    Whenever the process stops, there is either no manifest or one that fits the file beside it. The lists are taken one by
    one, so that a generator needs no memory.

    Args:
        source: See `Manifest`.
        options: See `Manifest`.

    Raises:
        DataError: there is no list, a query stands twice, or a list could not be read back: a text is missing, a score is
            not finite or rises, an id is no valid text.
        StoreError: another process is writing this file, or it cannot be written.
    """
    with _held(path):
        partial = path.with_name(f".{path.name}.partial")
        counts = _Counts()
        with partial.open("wb") as file:
            for line in counts.of(lists):
                file.write(line)
            file.flush()
            os.fsync(file.fileno())
        manifest = counts.manifest(path, source, dict(options or {}))
        manifest_path(path).unlink(missing_ok=True)  # it fits the old lists; without one the file counts as unfinished
        partial.replace(path)
        _write_manifest(path, manifest)
    return manifest


def read_manifest(path: Path) -> Manifest | None:
    """The manifest beside a list file; None where there is none.

    Raises:
        DataError: it is damaged.
    """
    file = manifest_path(path)
    if not file.is_file():
        return None
    try:
        return Manifest(**orjson.loads(file.read_bytes()))
    except (orjson.JSONDecodeError, TypeError) as error:
        raise DataError(f"{file}: not a manifest of candidate lists: {error}.", hint=f"Delete it and make {path.name} again.") from error


def read_written(path: Path) -> tuple[list[CandidateList], Manifest]:
    """Read lists that `write_lists` has finished.

    Raises:
        DataError: there is no manifest, or the file or its manifest is damaged.
        DataMismatch: the file was changed since it was written.
        MissingData: there is no such file.
    """
    manifest = read_manifest(path)
    if manifest is None:
        raise DataError(f"{path}: has no manifest, so its writing was not finished.", hint="Make the lists again.")
    found = sha256_of(path)
    if found != manifest.sha256:
        raise DataMismatch(
            f"{path}: SHA-256 {found}, but its manifest says {manifest.sha256}: it was changed since.",
            hint=f"Delete {path} and make the lists again.",
        )
    return read_lists(path), manifest


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error


class _Counts:
    """Turns lists into lines and counts what goes by."""

    def __init__(self) -> None:
        self._depths: dict[str, int] = {}
        self._digest = hashlib.sha256()
        self._bytes = 0

    def of(self, lists: Iterable[CandidateList]) -> Iterator[bytes]:
        for candidates in lists:
            if candidates.query.id in self._depths:
                raise DataError(f"Query {candidates.query.id!r} has two candidate lists: such a file could not be read back.")
            line = _line(candidates)
            self._depths[candidates.query.id] = len(candidates)
            self._digest.update(line)
            self._bytes += len(line)
            yield line

    def manifest(self, path: Path, source: str, options: dict[str, Any]) -> Manifest:
        depths = self._depths.values()
        if not depths:
            raise DataError(f"{path}: there is no candidate list to write.")
        return Manifest(len(depths), min(depths), max(depths), sum(depths), self._bytes, self._digest.hexdigest(), source, options)


def _line(candidates: CandidateList) -> bytes:
    query = candidates.query
    if any(not isfinite(s) for s in candidates.scores) or any(later > earlier for earlier, later in pairwise(candidates.scores)):
        raise DataError(f"The scores of query {query.id!r} rise, or are no finite numbers: such a list could not be read back.")
    hits = [
        {**_content(document), "qid": query.id, "docid": document.id, "rank": rank, "score": float(score)}
        for rank, (document, score) in enumerate(zip(candidates.documents, candidates.scores, strict=True), start=1)
    ]
    record = {"query": query.text, "hits": hits} if hits else {"query": query.text, "qid": query.id, "hits": []}
    try:
        return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError as error:
        raise DataError(f"The candidate list of query {query.id!r} cannot be written as JSON: {error}.") from error


def _content(document: Document) -> dict[str, str]:
    if document.text is None:
        raise DataError(
            f"The text of document {document.id!r} is not at hand: a file of candidate lists has every text.",
            hint="Join the list with a corpus first, or write a run file.",
        )
    title = {"title": document.title} if document.title else {}
    return {"content": document.contents, **title}


def _write_manifest(path: Path, manifest: Manifest) -> None:
    file = manifest_path(path)
    partial = file.with_name(f".{file.name}.partial")
    try:
        content = orjson.dumps(asdict(manifest), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError as error:
        raise DataError(f"The options of {path} cannot be written as JSON: {error}.") from error
    with partial.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    partial.replace(file)


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """Keep other processes from writing this file.

    Raises:
        StoreError: one does already, or the operating system refuses.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_name(f".{path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
    except BlockingIOError as error:
        raise StoreError(f"{path}: another process is writing this file.", hint="Wait for it, or stop it.") from error
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error}.", hint="Make room, or choose another place.") from error
