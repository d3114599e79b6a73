"""Documents that must not count for a query: BRIGHT's ``excluded_ids``, mostly the very text that a query was taken from.

Pure functions over lists and rankings. When they are applied, before or after reranking, is the protocol's business.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rerankbench.errors import DataError
from rerankbench.records import CandidateList, Ranking
from rerankbench.trec.text import load

NONE = "N/A"
"""What BRIGHT writes as the only excluded id of a query that has none."""


@dataclass(frozen=True)
class Exclusions:
    """The excluded documents of every query that has some.

    The authors' code writes ``_`` for every blank of a document id, so an id is excluded whichever of the two it is written
    with. Their own filter looks up the rewritten ids among the original ones, and so lets an excluded id with a blank pass;
    BRIGHT has such ids in stackoverflow alone, which excludes nothing.

    Attributes:
        by_query: query id → document ids as the file has them. Never empty sets.
    """

    by_query: Mapping[str, frozenset[str]]

    @cached_property
    def _joined(self) -> Mapping[str, frozenset[str]]:
        return {query_id: frozenset(map(joined, ids)) for query_id, ids in self.by_query.items()}

    def __len__(self) -> int:
        """Pairs of query and document."""
        return sum(map(len, self.by_query.values()))

    def excludes(self, query_id: str, doc_id: str) -> bool:
        return joined(doc_id) in self._joined.get(query_id, ())


def joined(doc_id: str) -> str:
    """A document id without blanks, as the authors' run files have it."""
    return doc_id.replace(" ", "_")


def read_exclusions(path: Path) -> Exclusions:
    """Read lines of a query id, a blank or tab, and a document id, which may hold blanks itself.

    Raises:
        MissingData: there is no such file.
        DataError: a line has one column, or a pair occurs twice.
    """
    by_query: dict[str, set[str]] = {}
    for number, line in enumerate(load(path).data.decode().split("\n"), start=1):
        if not line.strip():
            continue
        columns = line.split("\t") if "\t" in line else line.split(None, 1)
        if len(columns) != 2:
            raise DataError(f"{path}:{number}: expected a query id, a blank and a document id.")
        query_id, doc_id = columns[0], columns[1].strip()
        if doc_id in by_query.setdefault(query_id, set()):
            raise DataError(f"{path}:{number}: document {doc_id!r} of query {query_id!r} stands here a second time.")
        by_query[query_id].add(doc_id)
    return Exclusions({query_id: frozenset(ids) for query_id, ids in by_query.items()})


def without_excluded(lists: Iterable[CandidateList], exclusions: Exclusions) -> tuple[list[CandidateList], int]:
    """Candidate lists without excluded documents, for exclusion before reranking. The lists get shorter, and nothing fills them up.

    Returns:
        New lists, same order, and how many documents were dropped in all.
    """
    kept, dropped = [], 0
    for candidates in lists:
        positions = [p for p, d in enumerate(candidates.documents) if not exclusions.excludes(candidates.query.id, d.id)]
        dropped += len(candidates) - len(positions)
        documents = tuple(candidates.documents[p] for p in positions)
        kept.append(CandidateList(candidates.query, documents, tuple(candidates.scores[p] for p in positions)))
    return kept, dropped


def rankings_without_excluded(rankings: Sequence[Ranking], exclusions: Exclusions) -> tuple[list[Ranking], int]:
    """Rankings without excluded documents, for exclusion after reranking (the paper's way).

    Returns:
        New rankings, same order, and how many documents were dropped in all.
    """
    kept, dropped = [], 0
    for ranking in rankings:
        positions = [p for p, doc_id in enumerate(ranking.doc_ids) if not exclusions.excludes(ranking.query_id, doc_id)]
        dropped += len(ranking.doc_ids) - len(positions)
        scores = None if ranking.scores is None else tuple(ranking.scores[p] for p in positions)
        kept.append(Ranking(ranking.query_id, tuple(ranking.doc_ids[p] for p in positions), scores))
    return kept, dropped
