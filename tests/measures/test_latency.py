"""Seconds of a query from spans: what belongs to it, what does not, and what is no latency at all."""

from __future__ import annotations

import pytest

from rerankbench.errors import DataError, MeasureError
from rerankbench.measures.latency import QUANTITIES, percentile, query_times
from rerankbench.records import Span

SPANS = [
    Span("encode documents", 0.0, 9.0, ("a",), warmup=True),
    Span("rank", 0.0, 10.0, ("a",), warmup=True),
    Span("build prompt", 10.0, 0.25, ("a",)),
    Span("encode documents", 10.25, 0.5, ("a",)),
    Span("rank", 10.0, 1.0, ("a",)),
    Span("generate", 11.0, 1.5, ("b",)),
    Span("generate", 12.5, 0.25, ("b",)),
    Span("rank", 11.0, 2.0, ("b",)),
]


def test_a_querys_seconds_are_those_of_its_own_spans_without_the_warm_up() -> None:
    a, b = query_times(SPANS, ["a", "b"])
    assert (a.overall, a.phases) == (1.0, {"build prompt": 0.25, "encode documents": 0.5})
    assert (b.overall, b.phases) == (2.0, {"generate": 1.75})  # two windows


def test_the_quantities_of_the_paper_add_up_to_the_whole() -> None:
    a, b = query_times(SPANS, ["a", "b"])
    assert {name: of(a) for name, of in QUANTITIES.items()} == {"encode-documents-s": 0.5, "others-s": 0.5, "overall-s": 1.0}
    assert {name: of(b) for name, of in QUANTITIES.items()} == {"encode-documents-s": 0.0, "others-s": 2.0, "overall-s": 2.0}


def test_queries_that_were_ranked_together_have_no_latency() -> None:
    together = [Span("rank", 0.0, 3.0, ("a", "b", "c")), Span("rank", 3.0, 1.0, ("d",))]
    with pytest.raises(MeasureError, match="3 queries at a time: throughput, not latency"):
        query_times(together, ["a", "b", "c", "d"])


@pytest.mark.parametrize(
    ("spans", "queries", "first"),
    [
        (SPANS, ["a", "b", "c"], "c"),  # never timed
        ([*SPANS, Span("rank", 13.0, 1.0, ("b",))], ["a", "b"], "b"),  # twice
        (SPANS, ["a"], "b"),  # of another run
        ([*SPANS, Span("score", 13.0, 1.0, ("x",))], ["a", "b"], "x"),  # a phase of no query
        ([], ["a"], "a"),
    ],
)
def test_spans_that_do_not_fit_the_run_are_an_error(spans: list[Span], queries: list[str], first: str) -> None:
    with pytest.raises(DataError, match=f"not timed exactly once, or are not of this run; the first of them is '{first}'"):
        query_times(spans, queries)


def test_percentiles_lie_between_the_nearest_two() -> None:
    # Of 0.5, 0.6, 0.6, 0.7 the 90th lies at position 0.9 × 3 = 2.7, so 0.6 + 0.7 × 0.1.
    assert percentile([0.7, 0.5, 0.6, 0.6], 90) == pytest.approx(0.67)
    assert percentile([0.7, 0.5, 0.6, 0.6], 50) == pytest.approx(0.6)
