"""Runs are compared on the same queries, or not at all unless that is said."""

from __future__ import annotations

import pytest

from rerankbench.errors import MeasureError
from rerankbench.measures.alignment import common_queries, judged_queries, same_orders
from rerankbench.records import Ranking
from rerankbench.trec import Run


def _run(**rankings: str) -> Run:
    return Run.of(Ranking(query, tuple(documents)) for query, documents in rankings.items())


QRELS = {"q3": {"a": 1}, "q1": {"a": 1}, "q2": {"a": 1}}


def test_a_mismatch_is_refused_with_counts_and_ids_of_both() -> None:
    runs = {"ours": _run(q1="ab", q2="ab", q4="ab"), "theirs": _run(q2="ab", q3="ab")}
    with pytest.raises(MeasureError) as refused:
        common_queries(runs)
    assert "ours has 3 and theirs 2" in refused.value.message
    assert "2 in ours alone: 'q1', 'q4'; 1 in theirs alone: 'q3'" in refused.value.message
    assert "--missing skip" in refused.value.hint
    assert common_queries(runs, "skip") == ("q2",)


def test_judged_queries_come_in_the_order_of_the_qrels() -> None:
    runs = {"a": _run(q1="ab", q2="ab", q3="ab", q9="ab"), "b": _run(q9="ab", q2="ab", q3="ab", q1="ab")}
    assert judged_queries(runs, QRELS) == ("q3", "q1", "q2")


def test_a_judged_query_that_no_run_has_is_refused() -> None:
    runs = {"a": _run(q1="ab", q3="ab"), "b": _run(q1="ab", q3="ab")}
    with pytest.raises(MeasureError, match=r"1 of 3 judged queries have no ranking in the 2 queries of these runs: 'q2'\."):
        judged_queries(runs, QRELS)
    assert judged_queries(runs, QRELS, "skip") == ("q3", "q1")
    assert judged_queries(runs, QRELS, "zero") == ("q3", "q1", "q2")


def test_runs_that_share_nothing_are_refused_whatever_was_said() -> None:
    with pytest.raises(MeasureError, match="share no query"):
        common_queries({"a": _run(q1="ab"), "b": _run(q2="ab")}, "skip")
    with pytest.raises(MeasureError, match="No query that all runs share is judged"):
        judged_queries({"a": _run(q8="ab"), "b": _run(q8="ab")}, QRELS, "skip")


def test_orders_are_the_same_as_deep_as_both_go() -> None:
    a, b = _run(q1="abc", q2="abc", q3="abc", q4="abc"), _run(q1="abcd", q2="acb", q3="ab", q5="abc")
    assert same_orders(a, b, ["q1", "q2", "q3", "q4", "q5"]) == 2
    assert same_orders(a, b, ["q1", "q2", "q3"], depth=1) == 3
