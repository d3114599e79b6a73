"""The forms in which people publish candidate lists, each taken apart into the same record. Holds nobody to any rule.

========== ==================================================================================== ======================================
form       one query                                                                            from
========== ==================================================================================== ======================================
authors    ``{"query", "hits": [{"content", "qid", "docid", "rank", "score"}]}``                the paper's data set, older RankLLM
rank_llm   ``{"query": {"text", "qid"}, "candidates": [{"docid", "score", "doc": {…}}]}``       RankLLM's ``Request``
lit5       ``{"question", "id", "ctxs": [{"docid", "text"}]}``, also "query", "qid", ctx "id"   LiT5, Fusion-in-Decoder
trec       lines of ``query Q0 document rank score tag``, no text                               trec_eval
========== ==================================================================================== ======================================

JSON forms come as lines, as one array, or as a single object; any of them compressed by gzip. What the content begins with
and the key that holds the documents tell the form; a file's name tells nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Any

from rerankbench.errors import DataError
from rerankbench.first_stages.json_records import Placed, first_byte, json_records
from rerankbench.records import Document
from rerankbench.trec import read_run

_TEXT_KEYS = ("text", "segment", "contents", "content", "body", "passage")
"""Where RankLLM looks for a document's text, in its order."""


class Form(StrEnum):
    AUTHORS = "authors"
    RANK_LLM = "rank_llm"
    LIT5 = "lit5"
    TREC = "trec"


@dataclass(frozen=True, slots=True)
class Listed:
    """What a file says about one query, as it says it: order, ids and scores may be wrong.

    Attributes:
        place: File and line, or file and record, for messages.
        query_text: None in a form that has none.
        documents: In the order of the file; a text that the file lacks is None.
        scores: One a document; None where the file has none.
        ranks: As written; None in a form without ranks.
    """

    place: str
    query_id: str
    query_text: str | None
    documents: tuple[Document, ...]
    scores: tuple[float | None, ...]
    ranks: tuple[int, ...] | None = None


def open_listed(path: Path, form: Form | None = None) -> tuple[Form, Iterator[Listed]]:
    """Find out a file's form and read it, one query after the other.

    Args:
        form: Overrides what the content says.

    Returns:
        The form, and the file's queries in its order. A run is ordered by trec_eval's rule, everything else as written.

    Raises:
        MissingData: there is no such file.
        DataError: at once, or while the records are taken: the file is empty, of no known form, or damaged.
    """
    if form is Form.TREC or (form is None and first_byte(path) not in b"[{"):
        return Form.TREC, _of_run(path)
    records = json_records(path)
    first = next(records, None)
    if first is None:
        raise DataError(f"{path}: holds no candidate list; expected one JSON object a line.", hint="Is the download complete?")
    found = form or _form_of(first)
    return found, (_read(found, each) for each in chain([first], records))


def _read(form: Form, placed: Placed) -> Listed:
    try:
        return _READERS[form](placed.place, placed.record)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{placed.place}: expected {_EXPECTED[form]}; wrong or missing: {error}.") from error


def _form_of(placed: Placed) -> Form:
    for key, form in {"hits": Form.AUTHORS, "candidates": Form.RANK_LLM, "ctxs": Form.LIT5}.items():
        if isinstance(placed.record, Mapping) and key in placed.record:
            return form
    found = f"the keys {sorted(placed.record)}" if isinstance(placed.record, Mapping) else f"{type(placed.record).__name__}"
    raise DataError(
        f"{placed.place}: of no known form: expected an object with 'hits' (authors), 'candidates' (rank_llm) or 'ctxs' (lit5); "
        f"found {found}.",
        hint="Name the form if you know it.",
    )


def _authors(place: str, record: Any) -> Listed:
    entries = record["hits"]
    query_ids = {_id(entry["qid"]) for entry in entries}
    if not entries and "qid" in record:  # our own addition: a list without documents has no entry to tell its query
        query_ids = {_id(record["qid"])}
    if len(query_ids) != 1:
        raise DataError(f"{place}: expected one query id, found {sorted(query_ids) or 'an empty list'}.")
    documents = tuple(_document_of_entry(entry) for entry in entries)
    scores = tuple(_score(entry) for entry in entries)
    return Listed(place, query_ids.pop(), _text(record["query"], "query"), documents, scores, tuple(entry["rank"] for entry in entries))


def _document_of_entry(entry: Mapping[str, Any]) -> Document:
    doc_id, content, title = _id(entry["docid"]), entry["content"], entry.get("title") or ""
    if content is None:
        return Document(doc_id, None)
    if not title:
        return Document(doc_id, _text(content, "content"))
    # Our own addition: the title that `content` begins with, so that both can be told apart again.
    if not _text(content, "content").startswith(f"{_text(title, 'title')} "):
        raise ValueError(f"the content of document {doc_id!r} does not begin with its title and a space")
    return Document(doc_id, content[len(title) + 1 :], title)


def _rank_llm(place: str, record: Any) -> Listed:
    query, candidates = record["query"], record["candidates"]
    documents = tuple(_titled(_id(c["docid"]), c.get("doc") or {}, _TEXT_KEYS) for c in candidates)
    return Listed(place, _id(query["qid"]), _text(query["text"], "query"), documents, tuple(_score(c) for c in candidates))


def _lit5(place: str, record: Any) -> Listed:
    entries = record["ctxs"]
    documents = tuple(_titled(_id(_either(entry, "docid", "id")), entry, ("text",)) for entry in entries)
    query_text = _text(_either(record, "question", "query"), "question")
    return Listed(place, _id(_either(record, "id", "qid")), query_text, documents, tuple(_score(entry) for entry in entries))


_READERS: dict[Form, Callable[[str, Any], Listed]] = {Form.AUTHORS: _authors, Form.RANK_LLM: _rank_llm, Form.LIT5: _lit5}
_EXPECTED = {
    Form.AUTHORS: '{"query", "hits": [{"content", "qid", "docid", "rank", "score"}]}',
    Form.RANK_LLM: '{"query": {"text", "qid"}, "candidates": [{"docid", "score", "doc": {"text" or …}}]}',
    Form.LIT5: '{"question", "id", "ctxs": [{"docid" or "id", "text"}]}',
}


def _of_run(path: Path) -> Iterator[Listed]:
    run = read_run(path)
    for query_id in run.query_ids:
        scores: list[float] = []
        for score in run.scores(query_id):
            # trec_eval compares in single precision: among scores that are equal there, a later one may be larger by a hair.
            scores.append(min(score, scores[-1]) if scores else score)
        documents = tuple(Document(doc_id, None) for doc_id in run.ranking(query_id))
        yield Listed(str(path), query_id, None, documents, tuple(scores))


def _titled(doc_id: str, fields: Any, text_keys: tuple[str, ...]) -> Document:
    """The first text there is; None where there is none."""
    if not isinstance(fields, Mapping):
        raise TypeError(f"the doc of document {doc_id!r} is {fields!r}, not an object")
    found = next((fields[key] for key in text_keys if fields.get(key) is not None), None)
    title = _text(fields.get("title") or "", "title")
    return Document(doc_id, None if found is None else _text(found, f"text of document {doc_id!r}"), title)


def _either(record: Mapping[str, Any], key: str, other: str) -> Any:
    return record[key] if key in record or other not in record else record[other]


def _id(value: object) -> str:
    """Ids are text; some files have them as whole numbers."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{value!r} is no id")
    return str(value)


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"the {what} is {value!r}, not text")
    return value


def _score(entry: Mapping[str, Any]) -> float | None:
    value = entry.get("score")
    if value is None:
        return None
    score = value if isinstance(value, float) else _number(value)
    if not math.isfinite(score):
        raise ValueError(f"the score {value!r} is not a finite number")
    return score


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TypeError(f"the score {value!r} is no number")
    return float(value)  # Fusion-in-Decoder's files have numbers in quotes
