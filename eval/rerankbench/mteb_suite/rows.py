"""Rows of a task's data as our records, the way that mteb's own models read them, and the order in which candidates are met.

Needs no mteb: a data set is whatever gives its columns by name.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Any

from rerankbench.errors import DataError
from rerankbench.records import Document, Query


def document(id_: str, text: object, title: object, where: str) -> Document:
    """A document whose title and text, joined, are what mteb's encoders read: without white space around them.

    Args:
        title: None or empty where there is none.
        where: Names the task in a message.

    Raises:
        DataError: the text is none.
    """
    if not isinstance(text, str):
        raise DataError(f"{where}: the text of document {id_!r} is {type(text).__name__}, not text.")
    front, body = str(title or "").lstrip(), text.rstrip()
    if not front:
        return Document(id_, body.lstrip())
    # A title alone is read without the blank that would follow it.
    return Document(id_, body, front) if body else Document(id_, front.rstrip())


def queries(table: Any, where: str) -> list[Query]:
    """All queries of a data set with the columns ``id``, ``text`` and perhaps ``instruction``. Raises: DataError: as `query`."""
    instructions = table["instruction"] if "instruction" in table.column_names else [None] * len(table["id"])
    columns = zip(table["id"], table["text"], instructions, strict=True)
    return [query(id_, text, instruction, where) for id_, text, instruction in columns]


def query(id_: str, text: object, instruction: object, where: str) -> Query:
    """A query with its instruction behind it, as mteb's encoders read it.

    Args:
        instruction: None or empty where there is none.

    Raises:
        DataError: it is a conversation.
    """
    if not isinstance(text, str):
        raise DataError(f"{where}, query {id_!r}: expected a text, found {type(text).__name__}: conversations are not ranked.")
    return Query(id_, f"{text} {instruction}".rstrip() if instruction else text)


def shuffled(query_id: str, doc_ids: Iterable[str]) -> list[str]:
    """A query's candidates, each once, in an order that tells nothing: by SHA-256 of the ids of query and document."""
    return sorted(dict.fromkeys(doc_ids), key=lambda id_: sha256(f"{query_id}\0{id_}".encode()).digest())
