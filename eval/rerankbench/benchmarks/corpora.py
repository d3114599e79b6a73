"""A corpus on disk, read in order; a few documents by one pass. Never held in memory as a whole."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path
from typing import cast

import orjson

from rerankbench.errors import DataError, MissingData
from rerankbench.records import Document, Query
from rerankbench.trec.text import load


class BeirCorpus:
    """The documents of a BEIR folder: ``corpus.jsonl`` (or ``.gz``), one ``{"_id", "title", "text"}`` a line.

    Args:
        folder: The BEIR folder.
        name: As messages call it.
        source: Where the folder came from, for manifests.

    Raises:
        MissingData: the folder has no corpus file.
    """

    def __init__(self, folder: Path, name: str, *, source: str = "own folder") -> None:
        self.name = name
        self.folder = folder
        self.source = source
        self._file = next((f for f in (folder / "corpus.jsonl", folder / "corpus.jsonl.gz") if f.is_file()), None)
        if self._file is None:
            raise MissingData(
                f"{folder}: there is no corpus.jsonl of {name}.", hint="Name a BEIR folder: corpus.jsonl, queries.jsonl, qrels/."
            )

    @cached_property
    def _facts(self) -> tuple[int, str]:
        """Number of documents and fingerprint, by one pass.

        Raises:
            DataError: a document id occurs twice, or there is no document.
        """
        digest, seen = hashlib.sha256(), set()
        for document in self.documents():
            if document.id in seen:
                raise DataError(f"{self._file}: document id {document.id!r} occurs more than once.")
            seen.add(document.id)
            digest.update(orjson.dumps([document.id, document.title, document.text]) + b"\n")
        if not seen:
            raise DataError(f"{self._file}: holds no document.", hint="Is the download complete?")
        return len(seen), digest.hexdigest()

    @property
    def fingerprint(self) -> str:
        """SHA-256 over ids, titles and texts in order: the same for a file with other white space or compression."""
        return self._facts[1]

    def __len__(self) -> int:
        return self._facts[0]

    def documents(self) -> Iterator[Document]:
        """Every document, in the file's order.

        Raises:
            DataError: a line is no document.
        """
        for number, line in _json_lines(cast("Path", self._file)):
            yield _document(self._file, number, line)

    def subset(self, ids: Collection[str]) -> dict[str, Document]:
        wanted = set(ids)
        return {document.id: document for document in self.documents() if document.id in wanted}


def read_beir_queries(folder: Path) -> list[Query]:
    """Every query of a BEIR folder, in the file's order.

    Raises:
        MissingData: the folder has no query file.
        DataError: a line is no query, or an id occurs twice.
    """
    file = next((f for f in (folder / "queries.jsonl", folder / "queries.jsonl.gz") if f.is_file()), None)
    if file is None:
        raise MissingData(f"{folder}: there is no queries.jsonl.", hint="Name a BEIR folder: corpus.jsonl, queries.jsonl, qrels/.")
    return read_query_lines(file)


def read_query_lines(file: Path) -> list[Query]:
    """Every query of a file in BEIR's form, in its order.

    Raises:
        DataError: a line is no query, or an id occurs twice.
    """
    queries: dict[str, Query] = {}
    for number, line in _json_lines(file):
        try:
            record = orjson.loads(line)
            query = Query(str(record["_id"]), str(record["text"]))
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise DataError(f'{file}:{number}: expected {{"_id", "text"}}; wrong or missing: {error}.') from error
        if query.id in queries:
            raise DataError(f"{file}:{number}: query id {query.id!r} occurs more than once.")
        queries[query.id] = query
    return list(queries.values())


def read_query_table(path: Path) -> dict[str, str]:
    """Query id → text, from lines of an id, a tab and a text; compressed by gzip or not.

    Raises:
        MissingData: there is no such file.
        DataError: a line has no tab, or an id stands twice with different texts.
    """
    texts: dict[str, str] = {}
    for number, line in enumerate(load(path).data.decode().split("\n")[:-1], start=1):
        query_id, tab, text = line.partition("\t")
        if not tab:
            raise DataError(f"{path}:{number}: expected a query id, a tab and the query's text.")
        if texts.setdefault(query_id, text) != text:
            raise DataError(f"{path}:{number}: query {query_id!r} stands here a second time, with another text.")
    return texts


def _json_lines(file: Path) -> Iterator[tuple[int, bytes]]:
    with gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield number, line


def _document(file: Path | None, number: int, line: bytes) -> Document:
    try:
        record = orjson.loads(line)
        return Document(str(record["_id"]), _string(record["text"]), _string(record.get("title") or ""))
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f'{file}:{number}: expected {{"_id", "title", "text"}}; wrong or missing: {error}.', hint="Is the download complete?"
        ) from error


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value
