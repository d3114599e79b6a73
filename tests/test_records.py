"""Lists and rankings refuse what is not whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerankbench.errors import DataError, RankingError
from rerankbench.records import CandidateList, Document, Query, Ranking


def _list(n: int) -> CandidateList:
    return CandidateList(Query("q", "text"), tuple(Document(f"d{i}", f"text {i}") for i in range(n)), tuple(float(n - i) for i in range(n)))


def test_an_order_that_is_no_permutation_is_refused_and_says_what_is_wrong() -> None:
    with pytest.raises(RankingError, match=r"missing \[1\], repeated \[0\], unknown \[7\]"):
        Ranking.of(_list(3), [0, 0, 2, 7])


def test_scores_come_along_in_ranked_order() -> None:
    ranking = Ranking.of(_list(3), [2, 0, 1], [0.1, 0.2, 0.3])
    assert ranking.doc_ids == ("d2", "d0", "d1")
    assert ranking.scores == (0.3, 0.1, 0.2)


def test_equal_scores_keep_the_incoming_order() -> None:
    assert Ranking.by_score(_list(4), [1.0, 2.0, 1.0, 2.0]).doc_ids == ("d1", "d3", "d0", "d2")


@given(st.lists(st.floats(allow_nan=False), max_size=30))
def test_by_score_is_a_stable_descending_sort(scores: list[float]) -> None:
    expected = [f"d{i}" for _, i in sorted((-s, i) for i, s in enumerate(scores))]
    assert list(Ranking.by_score(_list(len(scores)), scores).doc_ids) == expected


def test_a_score_that_is_no_number_is_refused_with_its_document() -> None:
    with pytest.raises(RankingError, match="'d1' is not a number"):
        Ranking.by_score(_list(2), [1.0, float("nan")])


def test_a_number_of_scores_that_does_not_fit_is_refused() -> None:
    with pytest.raises(RankingError, match="1 scores for 2 candidates"):
        Ranking.by_score(_list(2), [1.0])
    with pytest.raises(DataError, match="2 documents, but 1 scores"):
        CandidateList(Query("q", ""), (Document("a", ""), Document("b", "")), (1.0,))


def test_a_document_that_stands_twice_in_a_list_is_refused() -> None:
    with pytest.raises(DataError, match="'a'"):
        CandidateList(Query("q", ""), (Document("a", ""), Document("a", "")), (2.0, 1.0))


def test_the_text_of_a_bare_run_cannot_be_read() -> None:
    with pytest.raises(DataError, match="not at hand"):
        _ = Document("a", None).contents
    assert Document("a", "text", "title").contents == "title text"
    assert Document("a", "").contents == ""
