"""Candidate lists that somebody published, in any of the known forms, held to the rules of a candidate list.

Knows no benchmark: the texts that a bare run lacks come from the queries and the corpus that are handed in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from rerankbench.errors import DataError, MissingData
from rerankbench.first_stages.formats import Form, Listed, open_listed
from rerankbench.protocols import Corpus
from rerankbench.records import CandidateList, Document, Query
from rerankbench.trec import read_run


@dataclass(frozen=True, slots=True)
class ListsRead:
    """What a file of candidate lists holds.

    Attributes:
        lists: In the order of the file.
        unscored: The queries whose documents have no scores in the file. Their lists carry n, n-1 … 1 instead, which says
            no more than the order: not for fusion by score, nor for any look at the scores.
    """

    lists: list[CandidateList]
    form: Form
    unscored: tuple[str, ...] = ()


def read_candidates(
    path: Path,
    *,
    form: Form | None = None,
    queries: Mapping[str, str] | None = None,
    corpus: Corpus | None = None,
    only: Collection[str] | None = None,
) -> ListsRead:
    """Read candidate lists of any published form.

    Args:
        form: Overrides what the content says.
        queries: query id → text; needed by a run file, which has none. Where a file has texts, they stay.
        corpus: Gives the texts that the file lacks, by one pass over it. Without one the lists of a run file have no text.
        only: The ids of the queries that are wanted; all by default.

    Raises:
        MissingData: there is no such file, or a run file's queries are not given.
        DataError: the file is damaged, of no known form, or breaks a rule: ranks are 1, 2, 3 …, scores never rise, no query
            and no document of a query stands twice, every document has a text (but in a run file without a corpus). Also: a
            query or document of a run is not among those given.
    """
    found, listed = open_listed(path, form)
    if found is Form.TREC and queries is None:
        raise MissingData(f"{path}: a run file has no query texts, and no queries are given.", hint="Name the benchmark or its queries.")
    lists, unscored = [], []
    for each in _each_once(path, listed):
        if only is not None and each.query_id not in only:
            continue
        candidates, scored = _candidates(each, _query_text(each, queries or {}))
        lists.append(candidates)
        if not scored:
            unscored.append(candidates.query.id)
    if corpus is not None:
        lists = with_texts(lists, corpus, str(path))
    elif found is not Form.TREC:
        _refuse_missing_texts(path, lists)
    return ListsRead(lists, found, tuple(unscored))


def read_lists(path: Path) -> list[CandidateList]:
    """Read candidate lists with texts and scores: the authors' form, which `listfile.write_lists` writes too, or another.

    Raises:
        MissingData: there is no such file.
        DataError: as `read_candidates`; also where scores are missing.
    """
    read = read_candidates(path)
    if read.unscored:
        raise DataError(
            f"{path}: the documents of {len(read.unscored)} of {len(read.lists)} queries have no scores; wrong or missing: 'score'.",
            hint="Convert the file: its order alone can stand for the scores, but somebody has to say so.",
        )
    return read.lists


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


def with_texts(lists: Sequence[CandidateList], corpus: Corpus, where: str) -> list[CandidateList]:
    """The same lists, with the texts that they lack from a corpus.

    Args:
        where: Names the lists in a message.

    Raises:
        DataError: the corpus lacks a document.
    """
    bare = {d.id for candidates in lists for d in candidates.documents if d.text is None}
    if not bare:
        return list(lists)
    found = corpus.subset(bare)
    lacking = sorted(bare - found.keys())
    if lacking:
        raise DataError(
            f"{where}: {len(lacking)} of {len(bare)} documents are not in the corpus {corpus.name}: {_some(lacking)}.",
            hint="Are the lists made from this corpus, in this version?",
        )
    return [
        CandidateList(c.query, tuple(found[d.id] if d.text is None else d for d in c.documents), c.scores) if not c.has_text else c
        for c in lists
    ]


def _each_once(path: Path, listed: Iterable[Listed]) -> Iterable[Listed]:
    places: dict[str, str] = {}
    for each in listed:
        if each.query_id in places:
            first = places[each.query_id].removeprefix(f"{path}:")
            where = f"on line {first}" if first.isdecimal() else f"in {first.strip()}"
            raise DataError(f"{each.place}: query {each.query_id!r} has a list already, {where}.")
        places[each.query_id] = each.place
        yield each


def _query_text(listed: Listed, queries: Mapping[str, str]) -> str:
    if listed.query_text is not None:
        return listed.query_text
    if listed.query_id not in queries:
        raise DataError(f"{listed.place}: query {listed.query_id!r} has no text among the {len(queries)} queries that are given.")
    return queries[listed.query_id]


def _candidates(listed: Listed, query_text: str) -> tuple[CandidateList, bool]:
    """Returns: the list, and whether its scores are the file's own."""
    query, count = f"query {listed.query_id!r}", len(listed.documents)
    if listed.ranks is not None and listed.ranks != tuple(range(1, count + 1)):
        raise DataError(f"{listed.place}: the ranks of {query} are not 1, 2, 3 … {count}.")
    own = tuple(score for score in listed.scores if score is not None)
    if own and len(own) < count:
        raise DataError(f"{listed.place}: {count - len(own)} of the {count} documents of {query} have no score.")
    if any(not later <= earlier for earlier, later in pairwise(own)):
        raise DataError(f"{listed.place}: the scores of {query} rise along its ranks.")
    scores = own or tuple(float(count - position) for position in range(count))
    try:
        return CandidateList(Query(listed.query_id, query_text), listed.documents, scores), bool(own) or not count
    except DataError as error:
        raise DataError(f"{listed.place}: {error.message}") from error


def _refuse_missing_texts(path: Path, lists: Iterable[CandidateList]) -> None:
    for candidates in lists:
        lacking = [d.id for d in candidates.documents if d.text is None]
        if lacking:
            raise DataError(
                f"{path}: the text of {len(lacking)} of {len(candidates)} documents of query {candidates.query.id!r} is None, not text:"
                f" {_some(lacking)}.",
                hint="Where only the order is at hand, a run file says so; or name the corpus that has the texts.",
            )


def _some(ids: Sequence[str]) -> str:
    return ", ".join(map(repr, ids[:5])) + (", …" if len(ids) > 5 else "")
