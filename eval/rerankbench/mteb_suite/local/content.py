"""What a task shows: columns of values, or documents to be found. Its revision changes with any of it. Knows no mteb."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson

from rerankbench.records import Document, Qrels, Query

DIGITS = 40
"""Of a revision: as many as a commit of the hub has."""


@dataclass(frozen=True)
class Columns:
    """Of a task whose texts stand in rows.

    Attributes:
        splits: Split → column → a value a row.
    """

    splits: Mapping[str, Mapping[str, Sequence[Any]]]

    @cached_property
    def revision(self) -> str:
        """SHA-256 over splits, columns and values, its first `DIGITS`."""
        return _digest([self.splits])


@dataclass(frozen=True)
class Searched:
    """Of a task whose documents are to be found or put into order.

    Attributes:
        qrels: A query without judgements is not evaluated.
        lists: Query id → document ids in the first stage's order, for reranking; None for retrieval from all documents.
    """

    documents: Sequence[Document]
    queries: Sequence[Query]
    qrels: Qrels
    lists: Mapping[str, Sequence[str]] | None = None

    @cached_property
    def revision(self) -> str:
        """SHA-256 over documents, queries, judgements and lists, its first `DIGITS`."""
        documents = ([d.id, d.title, d.text] for d in self.documents)
        queries = ([q.id, q.text] for q in self.queries)
        return _digest([*documents, None, *queries, None, self.qrels, self.lists])


def _digest(parts: Iterable[Any]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(orjson.dumps(part) + b"\n")
    return digest.hexdigest()[:DIGITS]
