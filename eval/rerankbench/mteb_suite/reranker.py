"""A ranker of ours as a search model of mteb: for its reranking tasks, and for retrieval tasks that were made into such."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Literal

from rerankbench.errors import DataError, UsageError
from rerankbench.mteb_suite import rows
from rerankbench.mteb_suite.tasks import RERANKING
from rerankbench.protocols import Ranker
from rerankbench.records import CandidateList, Document, Ranked

Order = Literal["shuffled", "given"]
"""In which order a ranker meets the candidates of a query."""


class MtebReranker:
    """Implements mteb's ``SearchProtocol``: it sees whole candidate lists, and searches no corpus.

    The candidates of mteb's own reranking tasks are no first stage's order: those that are relevant may stand in front, and whatever
    a ranker keeps of the order in which it meets them would then be the answer. They are shuffled, by their ids alone (SHA-256 of query
    and document), so that every ranker and every run meets the same order. Candidates that a retriever ranked keep its order: those of
    retrieval tasks that were made into reranking, and of no others, for one model may be evaluated on both kinds.

    Attributes:
        mteb_model_meta: What mteb writes beside the results, an ``mteb.ModelMeta``.

    Args:
        ranker: In its default wording: no prompt here knows a task of mteb.
        order: ``given`` for candidates that were ranked; those of a reranking task are shuffled all the same.
        batch_queries: Queries that are ranked together.
    """

    def __init__(self, ranker: Ranker, meta: Any, *, order: Order = "shuffled", batch_queries: int = 32) -> None:
        self.mteb_model_meta = meta
        self._ranker = ranker
        self._order = order
        self._batch_queries = batch_queries
        self._corpus: Any = None
        self._counts: Counter[str] = Counter()

    def index(self, corpus: Any, **_: object) -> None:
        """Keep the corpus for the search that follows; nothing is encoded yet.

        Args:
            corpus: A data set with the columns ``id``, ``text`` and perhaps ``title``.
        """
        self._corpus = corpus

    def search(
        self, queries: Any, *, task_metadata: Any, top_k: int, top_ranked: Mapping[str, Sequence[str]] | None = None, **_: object
    ) -> dict[str, dict[str, float]]:
        """Rank each query's candidates.

        Args:
            queries: A data set with the columns ``id`` and ``text``, and perhaps ``instruction``.
            top_ranked: Query → its candidates' ids.
            top_k: How many of each ranking are given back at most.

        Returns:
            Query → document → a score that falls strictly with the rank: the order is the result, and a tie would be broken by ids.

        Raises:
            UsageError: the task has no candidates.
            DataError: a query has none, or one of them is not in the corpus.
        """
        if top_ranked is None:
            raise UsageError(
                f"Task {task_metadata.name} has no candidates, and a reranker searches no corpus.",
                hint="Say 'over: SYSTEM' in the configuration: the best documents of that system become the candidates.",
            )
        given = self._order == "given" and task_metadata.type not in RERANKING
        lists = iter(self._lists(queries, top_ranked, task_metadata.name, given=given))
        found: dict[str, dict[str, float]] = {}
        while batch := list(islice(lists, self._batch_queries)):
            for ranked in self._ranker.rank(batch):
                self._note(ranked)
                ids = ranked.ranking.doc_ids[:top_k]
                found[ranked.ranking.query_id] = {id_: float(len(ids) - rank) for rank, id_ in enumerate(ids)}
        self._corpus = None
        return found

    def account(self) -> Mapping[str, int]:
        """``queries`` that were ranked since the last time, and the defects of their rankings by kind."""
        counts, self._counts = self._counts, Counter()
        return {"queries": counts.pop("queries", 0), **dict(sorted(counts.items()))}

    def _lists(self, queries: Any, top_ranked: Mapping[str, Sequence[str]], task: str, *, given: bool) -> list[CandidateList]:
        row_of = {id_: row for row, id_ in enumerate(self._corpus["id"])}
        titles = self._corpus["title"] if "title" in self._corpus.column_names else None
        texts = self._corpus["text"]

        def document(id_: str, query: str) -> Document:
            if id_ not in row_of:
                raise DataError(f"Task {task}, query {query!r}: its candidate {id_!r} is not in the corpus.")
            row = row_of[id_]
            return rows.document(id_, texts[row], titles[row] if titles is not None else None, f"Task {task}")

        lists = []
        for query in rows.queries(queries, f"Task {task}"):
            candidates = top_ranked.get(query.id)
            if not candidates:
                raise DataError(f"Task {task}: query {query.id!r} has no candidates.")
            ids = list(dict.fromkeys(candidates)) if given else rows.shuffled(query.id, candidates)
            documents = tuple(document(id_, query.id) for id_ in ids)
            # Falling by one, for no scores come with the order.
            lists.append(CandidateList(query, documents, tuple(float(-place) for place in range(len(documents)))))
        return lists

    def _note(self, ranked: Ranked) -> None:
        self._counts["queries"] += 1
        for defect in ranked.defects:
            self._counts[defect.kind.value] += defect.count
