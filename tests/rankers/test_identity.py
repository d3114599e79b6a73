"""The first stage's order, and the best order that a list allows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rankers.fakes import candidates, parts
from rerankbench.rankers.base import NoOptions
from rerankbench.rankers.identity import IdentityRanker, OracleRanker
from rerankbench.records import CandidateList, Document, Query, Ranking


def test_identity_keeps_order_and_native_scores_even_where_scores_do_not_fall() -> None:
    bare = CandidateList(Query("q", "x"), (Document("b", None), Document("a", None)), (1.0, 2.0))
    (ranked,) = IdentityRanker.build(NoOptions(), parts()).rank([bare])
    assert ranked.ranking == Ranking("q", ("b", "a"), (1.0, 2.0))


def test_the_oracle_orders_by_grade_and_keeps_the_incoming_order_of_ties() -> None:
    lists = [candidates("1", ["a", "b", "c", "d"]), candidates("unjudged", ["x", "y"])]
    # d2 has grade 2, d1 and d3 have 1, d0 is unjudged, which counts as 0.
    qrels = {"1": {"d2": 2, "d3": 1, "d1": 1, "elsewhere": 3}}
    first, second = OracleRanker.build(NoOptions(), parts(qrels=qrels)).rank(lists)
    assert first.ranking == Ranking("1", ("d2", "d1", "d3", "d0"), (2.0, 1.0, 1.0, 0.0))
    assert second.ranking.doc_ids == ("d0", "d1")


@given(st.lists(st.integers(-2, 3), max_size=30))
def test_no_order_has_a_higher_grade_below_a_lower_one(grades: list[int]) -> None:
    one = candidates("1", ["x"] * len(grades))
    qrels = {"1": {f"d{i}": g for i, g in enumerate(grades)}}
    (ranked,) = OracleRanker(lambda: qrels).rank([one])
    got = [qrels["1"][d] for d in ranked.ranking.doc_ids]
    assert got == sorted(grades, reverse=True)


def test_the_oracle_reads_the_judgements_once_and_only_when_asked() -> None:
    loads: list[int] = []

    def load() -> dict[str, dict[str, int]]:
        loads.append(1)
        return {}

    ranker = OracleRanker(load)
    assert not loads
    ranker.rank([candidates("1", ["a"])])
    ranker.rank([candidates("2", ["a"])])
    assert len(loads) == 1
