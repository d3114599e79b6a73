"""Which queries several runs can be compared on, and whether their orders are the same. Knows no measure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from rerankbench.errors import MeasureError
from rerankbench.records import Qrels
from rerankbench.trec import Run

Missing = Literal["error", "zero", "skip"]
"""What a query does that one run lacks: refuse the comparison, count as 0 in that run, or count in no run."""


def common_queries(runs: Mapping[str, Run], missing: Missing = "error") -> tuple[str, ...]:
    """The queries that every run ranks, in the order of the first run.

    Args:
        runs: Name → run, at least one.

    Raises:
        MeasureError: the runs do not rank the same queries and `missing` is ``"error"``, or they share none.
    """
    (name, first), *others = runs.items()
    for other_name, other in others:
        if missing == "error" and set(first.query_ids) != set(other.query_ids):
            raise _mismatch({name: first, other_name: other})
    common = tuple(q for q in first.query_ids if all(q in other for _, other in others))
    if not common:
        raise MeasureError(f"The runs {', '.join(runs)} share no query.", hint="Are they of the same benchmark?")
    return common


def judged_queries(runs: Mapping[str, Run], qrels: Qrels, missing: Missing = "error") -> tuple[str, ...]:
    """The judged queries that a comparison counts, in the order of the qrels.

    Unjudged queries count nowhere; where two runs differ in them alone, ``"error"`` still refuses: such runs were seldom
    made from the same queries.

    Raises:
        MeasureError: as `common_queries`, or with ``"error"`` a judged query has no ranking.
    """
    common = set(common_queries(runs, missing)) if missing != "zero" else set()
    absent = [q for q in qrels if q not in common]
    if missing == "zero":
        return tuple(qrels)
    if absent and missing == "error":
        raise MeasureError(
            f"{len(absent)} of {len(qrels)} judged queries have no ranking in the {len(common)} queries of these runs: {_some(absent)}.",
            hint=_HINT,
        )
    counted = tuple(q for q in qrels if q in common)
    if not counted:
        raise MeasureError("No query that all runs share is judged.", hint="Do runs and qrels belong to the same benchmark?")
    return counted


def same_orders(a: Run, b: Run, queries: Iterable[str], depth: int | None = None) -> int:
    """For how many queries both runs have the same documents in the same order, as deep as both of them go.

    A query that one of them lacks counts as different.
    """
    return sum(_same_order(a, b, query, depth) for query in queries if query in a and query in b)


_HINT = "--missing zero counts a missing ranking as 0, --missing skip compares the queries that all runs have."


def _same_order(a: Run, b: Run, query_id: str, depth: int | None) -> bool:
    shorter = min(a.depth(query_id), b.depth(query_id))
    depth = shorter if depth is None else min(depth, shorter)
    return a.ranking(query_id, depth) == b.ranking(query_id, depth)


def _mismatch(pair: Mapping[str, Run]) -> MeasureError:
    (a, first), (b, second) = pair.items()
    only = [_only(name, one, other) for name, one, other in ((a, first, second), (b, second, first))]
    counts = f"{a} has {len(first.query_ids)} and {b} {len(second.query_ids)}"
    return MeasureError(f"The runs do not rank the same queries: {counts}; {'; '.join(filter(None, only))}.", hint=_HINT)


def _only(name: str, run: Run, other: Run) -> str:
    only = [q for q in run.query_ids if q not in other]
    return f"{len(only)} in {name} alone: {_some(only)}" if only else ""


def _some(query_ids: list[str]) -> str:
    return ", ".join(map(repr, query_ids[:5])) + (", …" if len(query_ids) > 5 else "")
