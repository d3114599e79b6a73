"""How well one run reproduces another: from the order of its documents to the size of its effect.

Measures and names of Breuer et al., How to measure the reproducibility of system-oriented IR experiments (2020). Knows no file.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rerankbench.errors import MeasureError
from rerankbench.measures.alignment import Missing, common_queries, judged_queries, same_orders
from rerankbench.measures.orders import rank_biased_overlap, tau_union, tau_union_by_id
from rerankbench.measures.quality import measure as measured
from rerankbench.records import Qrels
from rerankbench.trec import Run

PERSISTENCE = 0.8
"""The paper's p of rank-biased overlap; repro_eval 0.5.0 takes 0.95 where nothing is said."""


@dataclass(frozen=True, slots=True)
class QueryOrder:
    """How alike both rankings of one query are.

    Attributes:
        tau: Cutoff → `tau_union` of the first documents.
        tau_by_id: Cutoff → `tau_union_by_id`, repro_eval's.
        is_same: The same documents in the same order, as deep as both go.
    """

    query_id: str
    tau: Mapping[int, float | None]
    tau_by_id: Mapping[int, float | None]
    rbo: float
    is_same: bool


@dataclass(frozen=True, slots=True)
class Values:
    """One measure of both runs.

    Attributes:
        a, b: Query id → value, the same queries.
    """

    measure: str
    a: Mapping[str, float]
    b: Mapping[str, float]

    @property
    def means(self) -> tuple[float, float]:
        """Of a and of b."""
        return _mean(self.a.values()), _mean(self.b.values())

    @property
    def rmse(self) -> float:
        """Root mean square of the differences by query: 0 for the same values, whatever the order of the documents."""
        return math.sqrt(_mean((self.a[query] - self.b[query]) ** 2 for query in self.b))


@dataclass(frozen=True, slots=True)
class Effect:
    """What both runs gain over a baseline of their own.

    Attributes:
        a, b: Query id → gain over the baseline.
        effect_ratio: Mean gain of a over mean gain of b: 1 is the same effect, below 0 the opposite one. None where b gains nothing.
        delta_relative_improvement: Relative gain of b minus relative gain of a: 0 is the same. None where a baseline's mean is 0.
    """

    a: Mapping[str, float]
    b: Mapping[str, float]
    effect_ratio: float | None
    delta_relative_improvement: float | None

    @property
    def means(self) -> tuple[float, float]:
        """Mean gain of a and of b."""
        return _mean(self.a.values()), _mean(self.b.values())


@dataclass(frozen=True, slots=True)
class SameOrders:
    """For how many of the compared queries two runs have the same documents in the same order."""

    names: tuple[str, str]
    same: int
    queries: int

    @property
    def is_identical(self) -> bool:
        """For all of them."""
        return self.same == self.queries


@dataclass(frozen=True, slots=True)
class Reproduction:
    """How well run A reproduces run B.

    Attributes:
        orders: By query, in the order of the qrels, or of A where there are none.
        values: None without judgements.
        effect: None without baselines.
        same: The two runs, and each with its baseline: a reranker that changed nothing has failed.
    """

    orders: tuple[QueryOrder, ...]
    values: Values | None
    effect: Effect | None
    same: tuple[SameOrders, ...]

    def mean_tau(self, cutoff: int, *, by_id: bool = False) -> float | None:
        """Over the queries that have one; None where none has."""
        values = [(order.tau_by_id if by_id else order.tau)[cutoff] for order in self.orders]
        known = [value for value in values if value is not None]
        return _mean(known) if known else None

    @property
    def mean_rbo(self) -> float:
        """Over all compared queries."""
        return _mean(order.rbo for order in self.orders)


def reproduce(
    a: Run,
    b: Run,
    *,
    qrels: Qrels | None = None,
    baselines: tuple[Run, Run] | None = None,
    measure: str = "nDCG@10",
    cutoffs: Sequence[int] = (10, 100),
    persistence: float = PERSISTENCE,
    missing: Missing = "error",
) -> Reproduction:
    """Measure how well run `a` reproduces the original run `b`.

    Args:
        qrels: With them the judged queries are compared, else all.
        baselines: Of a and of b; the same run twice where they share one.
        missing: Of a query that a run lacks: refuse, or leave it out. A missing order has no likeness, so it cannot count as 0.

    Raises:
        ConfigError: the measure is unknown.
        MeasureError: queries do not fit together, or an argument is out of its range.
    """
    _check(qrels, baselines, cutoffs, persistence, missing)
    runs = {"A": a, "B": b}
    if baselines is not None:
        runs |= {"baseline A": baselines[0], "baseline B": baselines[1]}
    queries = common_queries(runs, missing) if qrels is None else judged_queries(runs, qrels, missing)
    values = effect = None
    if qrels is not None:
        judged = {query: qrels[query] for query in queries}
        results = [measured(run, judged, [measure]) for run in runs.values()]
        ((printed, _),) = results[0].means.items()
        by_run = [result.values(printed) for result in results]
        values = Values(printed, by_run[0], by_run[1])
        effect = _effect(*by_run) if baselines is not None else None
    orders = tuple(_order(query, a, b, cutoffs, persistence) for query in queries)
    pairs = [("A", "B"), *([("A", "baseline A"), ("B", "baseline B")] if baselines is not None else [])]
    same = tuple(SameOrders(pair, same_orders(runs[pair[0]], runs[pair[1]], queries), len(queries)) for pair in pairs)
    return Reproduction(orders, values, effect, same)


def _check(qrels: Qrels | None, baselines: tuple[Run, Run] | None, cutoffs: Sequence[int], persistence: float, missing: Missing) -> None:
    if baselines is not None and qrels is None:
        raise MeasureError("An effect over a baseline needs judgements.")
    if missing == "zero":
        raise MeasureError("A missing ranking has no order to compare: it cannot count as zero.", hint="Use skip.")
    if not 0 < persistence < 1 or any(cutoff < 2 for cutoff in cutoffs):
        raise MeasureError(f"p lies between 0 and 1 and cutoffs are at least 2; got {persistence} and {', '.join(map(str, cutoffs))}.")


def _order(query_id: str, a: Run, b: Run, cutoffs: Sequence[int], persistence: float) -> QueryOrder:
    first, second = a.ranking(query_id), b.ranking(query_id)
    return QueryOrder(
        query_id=query_id,
        tau={k: tau_union(first[:k], second[:k]) for k in cutoffs},
        tau_by_id={k: tau_union_by_id(first[:k], second[:k]) for k in cutoffs},
        rbo=rank_biased_overlap(first, second, persistence),
        is_same=bool(same_orders(a, b, [query_id])),
    )


def _effect(a: Mapping[str, float], b: Mapping[str, float], base_a: Mapping[str, float], base_b: Mapping[str, float]) -> Effect:
    gain_a, gain_b = ({query: run[query] - base[query] for query in run} for run, base in ((a, base_a), (b, base_b)))
    mean_a, mean_b, level_a, level_b = (_mean(of.values()) for of in (gain_a, gain_b, base_a, base_b))
    relative = mean_b / level_b - mean_a / level_a if level_a and level_b else None
    return Effect(gain_a, gain_b, mean_a / mean_b if mean_b else None, relative)


def _mean(values: Iterable[float]) -> float:
    known = list(values)
    return math.fsum(known) / len(known)
