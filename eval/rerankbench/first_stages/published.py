"""Candidate lists that somebody published: the authors' JSON lines with text, or a bare run without it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson

from rerankbench.errors import DataError
from rerankbench.records import CandidateList, Document, Query
from rerankbench.trec import read_run


def read_lists(path: Path) -> list[CandidateList]:
    """Read candidate lists with text, one JSON object a query, in the order of the file.

    The form is that of the authors' data set: ``{"query": …, "hits": [{"content", "qid", "docid", "rank", "score"}]}``.

    Raises:
        DataError: a line is no such object, its ranks are not 1, 2, 3 …, its scores rise, or a query or document id repeats.
    """
    lists: list[CandidateList] = []
    line_of: dict[str, int] = {}
    for number, line in _lines(path):
        candidates = _candidate_list(path, number, line)
        first = line_of.setdefault(candidates.query.id, number)
        if first != number:
            raise DataError(f"{path}:{number}: query {candidates.query.id!r} has a list already, on line {first}.")
        lists.append(candidates)
    if not lists:
        raise DataError(f"{path}: holds no candidate list; expected one JSON object a line.", hint="Is the download complete?")
    return lists


def lists_of_run(path: Path, queries: Mapping[str, str]) -> list[CandidateList]:
    """Candidate lists without text from a run file: enough for an order, not for a reranker that reads.

    Args:
        queries: query id → text, for the queries of the run.

    Raises:
        TrecFormatError: the run cannot be read.
        DataError: a query of the run has no text.
    """
    run = read_run(path)
    lists = []
    for query_id in run.query_ids:
        if query_id not in queries:
            raise DataError(f"{path}: query {query_id!r} has no text among the benchmark's {len(queries)} queries.")
        doc_ids = run.ranking(query_id)
        # The order of a bare run is its written scores under trec_eval's tie rule; the list's own scores are its ranks,
        # turned round, because that order is all that is relied on.
        scores = tuple(float(len(doc_ids) - position) for position in range(len(doc_ids)))
        lists.append(CandidateList(Query(query_id, queries[query_id]), tuple(Document(d, None) for d in doc_ids), scores))
    return lists


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, line


def _candidate_list(path: Path, number: int, line: bytes) -> CandidateList:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise DataError(f"{path}:{number}: not a JSON object: {error}.", hint="Is the download complete?") from error
    try:
        entries = record["hits"]
        query_ids = {str(entry["qid"]) for entry in entries}
        documents = tuple(Document(str(entry["docid"]), _text(entry)) for entry in entries)
        scores = tuple(float(entry["score"]) for entry in entries)
        ranks = [entry["rank"] for entry in entries]
        text = str(record["query"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f'{path}:{number}: expected {{"query", "hits": [{{"content", "qid", "docid", "rank", "score"}}]}}; wrong or missing: {error}.'
        ) from error
    if len(query_ids) != 1:
        raise DataError(f"{path}:{number}: expected one query id, found {sorted(query_ids) or 'an empty list'}.")
    if ranks != list(range(1, len(ranks) + 1)):
        raise DataError(f"{path}:{number}: the ranks of query {query_ids.pop()!r} are not 1, 2, 3 … {len(ranks)}.")
    if any(later > earlier for earlier, later in pairwise(scores)):
        raise DataError(f"{path}:{number}: the scores of query {query_ids.pop()!r} rise along its ranks.")
    try:
        return CandidateList(Query(query_ids.pop(), text), documents, scores)
    except DataError as error:
        raise DataError(f"{path}:{number}: {error.message}") from error


def _text(entry: Mapping[str, Any]) -> str:
    content = entry["content"]
    if not isinstance(content, str):
        raise TypeError(f"content of document {entry['docid']!r} is {content!r}, not text")
    return content
