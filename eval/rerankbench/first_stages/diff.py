"""How far two first stages agree: per query first, means second. Knows no judgement: agreement is not quality."""

from __future__ import annotations

from bisect import bisect, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from pathlib import Path

from rerankbench.errors import DataError
from rerankbench.first_stages.formats import open_listed
from rerankbench.records import CandidateList, Document

Orders = Mapping[str, Sequence[Document]]
"""query id → documents, best first."""

PERSISTENCE = 0.9
"""p of rank-biased overlap: the first ten ranks carry 86 % of the weight."""


@dataclass(frozen=True, slots=True)
class QueryDiff:
    """How far two lists of one query agree.

    Attributes:
        overlap: Cutoff → `overlap`.
        rbo: `rank_biased_overlap`.
        tau: `kendall_tau` over the shared documents; None where fewer than two are shared.
        shared: Documents in both lists, at any rank.
    """

    query_id: str
    overlap: Mapping[int, float]
    rbo: float
    tau: float | None
    shared: int


@dataclass(frozen=True, slots=True)
class ListsDiff:
    """How far two sets of lists agree.

    Attributes:
        queries: Those that both have, in the order of the first.
        only_a, only_b: Queries that the other one lacks; they are in no mean.
        other_texts: Ids of documents whose title and text differ between the two, among those whose texts both have.
        compared_texts: How many distinct ids had a text on both sides.
    """

    queries: tuple[QueryDiff, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    other_texts: tuple[str, ...]
    compared_texts: int

    def mean_overlap(self, k: int) -> float:
        """Over the shared queries."""
        return _mean([query.overlap[k] for query in self.queries])

    @property
    def mean_rbo(self) -> float:
        """Over the shared queries."""
        return _mean([query.rbo for query in self.queries])

    @property
    def mean_tau(self) -> float | None:
        """Over the queries that have one; None where none has."""
        values = [query.tau for query in self.queries if query.tau is not None]
        return _mean(values) if values else None

    def most_different(self, count: int) -> list[QueryDiff]:
        """The queries of the smallest rank-biased overlap, smallest first; equal ones in the order of the first set."""
        return sorted(self.queries, key=lambda query: query.rbo)[:count]


def diff(a: Iterable[CandidateList], b: Iterable[CandidateList], ks: Sequence[int] = (10, 100)) -> ListsDiff:
    """Compare two sets of candidate lists.

    Args:
        ks: Cutoffs of the overlap.

    Raises:
        DataError: they share no query, or one has two lists of a query.
    """
    first, second = (_orders((c.query.id, c.documents) for c in lists) for lists in (a, b))
    return diff_orders(first, second, ks)


def diff_orders(a: Orders, b: Orders, ks: Sequence[int] = (10, 100)) -> ListsDiff:
    """As `diff`, where only the documents are at hand."""
    both = [query_id for query_id in a if query_id in b]
    if not both:
        raise DataError(f"The two share no query: one has {_some(a)}, the other {_some(b)}.", hint="Are they of the same benchmark?")
    texts = _texts(a), _texts(b)
    compared = [doc_id for doc_id in texts[0] if doc_id in texts[1]]
    return ListsDiff(
        queries=tuple(_query_diff(query_id, [d.id for d in a[query_id]], [d.id for d in b[query_id]], ks) for query_id in both),
        only_a=tuple(query_id for query_id in a if query_id not in b),
        only_b=tuple(query_id for query_id in b if query_id not in a),
        other_texts=tuple(doc_id for doc_id in compared if texts[0][doc_id] != texts[1][doc_id]),
        compared_texts=len(compared),
    )


def read_orders(path: Path) -> Orders:
    """The documents of every query of a file of any published form; a run file needs no queries here.

    Raises:
        MissingData: there is no such file.
        DataError: it is damaged, or has two lists of a query.
    """
    _, listed = open_listed(path)
    return _orders((each.query_id, each.documents) for each in listed)


def overlap(a: Sequence[str], b: Sequence[str], k: int) -> float:
    """Share of the first `k` documents that both lists have, at whatever rank.

    Divided by `k`, or by the longer list's length where both are shorter. 1 for two empty lists.
    """
    first, second = set(a[:k]), set(b[:k])
    longer = max(len(first), len(second))
    return len(first & second) / longer if longer else 1.0


def rank_biased_overlap(a: Sequence[str], b: Sequence[str], p: float = PERSISTENCE) -> float:
    """Rank-biased overlap, extrapolated: what the agreement of the ranks seen makes one expect of infinite lists.

    Webber, Moffat and Zobel, A similarity measure for indefinite rankings (2010), equation 32 (RBO_EXT), which takes lists of
    different length. 1 for equal lists, 0 for lists that share nothing; with one list empty 0, with both 1.
    """
    shorter, longer = sorted((a, b), key=len)
    s, l = len(shorter), len(longer)  # noqa: E741 the paper's names
    if not s:
        return float(l == 0)
    agreed = _agreement(shorter, longer)  # X_d at index d
    terms = [agreed[d] / d * p**d for d in range(1, l + 1)]
    terms += [agreed[s] * (d - s) / (s * d) * p**d for d in range(s + 1, l + 1)]
    return (1 - p) / p * fsum(terms) + ((agreed[l] - agreed[s]) / l + agreed[s] / s) * p**l


def kendall_tau(a: Sequence[str], b: Sequence[str]) -> float | None:
    """Kendall's tau of the two orders of the shared documents; None where fewer than two are shared.

    Positions have no ties, so tau-a and tau-b are one. Counted here because importing scipy.stats takes longer (0.7 s) than
    everything else that a comparison does; a test holds it to scipy's.
    """
    place = {doc_id: position for position, doc_id in enumerate(b)}
    order = [place[doc_id] for doc_id in a if doc_id in place]
    n = len(order)
    if n < 2:
        return None
    seen: list[int] = []
    inversions = 0
    for position in order:
        inversions += len(seen) - bisect(seen, position)
        insort(seen, position)
    return 1 - 4 * inversions / (n * (n - 1))


def _agreement(a: Sequence[str], b: Sequence[str]) -> list[int]:
    """Shared documents of the first d ranks, for d = 0, 1 … the longer list's length."""
    agreed, counts = set[str](), [0]
    first, second = set[str](), set[str]()
    for d in range(max(len(a), len(b))):
        first.update(a[d : d + 1])
        second.update(b[d : d + 1])
        agreed.update(doc_id for doc_id in (*a[d : d + 1], *b[d : d + 1]) if doc_id in first and doc_id in second)
        counts.append(len(agreed))
    return counts


def _query_diff(query_id: str, a: Sequence[str], b: Sequence[str], ks: Sequence[int]) -> QueryDiff:
    overlaps = {k: overlap(a, b, k) for k in ks}
    return QueryDiff(query_id, overlaps, rank_biased_overlap(a, b), kendall_tau(a, b), len(set(a) & set(b)))


def _orders(lists: Iterable[tuple[str, Sequence[Document]]]) -> Orders:
    orders: dict[str, Sequence[Document]] = {}
    for query_id, documents in lists:
        if query_id in orders:
            raise DataError(f"Query {query_id!r} has two candidate lists.")
        orders[query_id] = documents
    return orders


def _texts(orders: Orders) -> dict[str, str]:
    return {d.id: d.contents for documents in orders.values() for d in documents if d.text is not None}


def _mean(values: Sequence[float]) -> float:
    return fsum(values) / len(values)


def _some(query_ids: Iterable[str]) -> str:
    ids = list(query_ids)
    return ", ".join(map(repr, ids[:5])) + (", …" if len(ids) > 5 else "") if ids else "none"
