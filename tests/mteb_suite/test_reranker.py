"""A ranker as a search model of mteb: candidate lists in an order that tells nothing, scores that fall strictly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mteb_suite.fakes import Columns, task
from rerankbench.errors import DataError, UsageError
from rerankbench.mteb_suite.reranker import MtebReranker, Order
from rerankbench.records import CandidateList, Defect, DefectKind, Ranked, Ranking

CORPUS = Columns(id=["d1", "d2", "d3"], title=["", "Two", None], text=["one", "two", "three"])
QUERIES = Columns(id=["q1", "q2"], text=["first", "second"])


class Keeping:
    """Keeps the order of its lists, and remembers them."""

    name: ClassVar[str] = "keeping"

    def __init__(self) -> None:
        self.met: list[CandidateList] = []

    def rank(self, batch: Sequence[CandidateList]) -> list[Ranked]:
        self.met += batch
        return [Ranked(Ranking.of(c, range(len(c))), defects=(Defect(DefectKind.MISSING, "two", 2),)) for c in batch]


def searched(
    candidates: Mapping[str, Sequence[str]] | None, ranker: Keeping, order: Order = "given", queries: Columns = QUERIES, top_k: int = 10
) -> dict[str, dict[str, float]]:
    model = MtebReranker(ranker, meta=None, order=order)
    model.index(CORPUS)
    return model.search(queries, task_metadata=task(), top_k=top_k, top_ranked=candidates)


def test_scores_fall_strictly_with_the_rank() -> None:
    found = searched({"q1": ["d3", "d1"], "q2": ["d2"]}, Keeping())
    assert found == {"q1": {"d3": 2.0, "d1": 1.0}, "q2": {"d2": 1.0}}


def test_no_more_than_asked_for_come_back() -> None:
    assert searched({"q1": ["d3", "d1", "d2"], "q2": ["d2"]}, Keeping(), top_k=2)["q1"] == {"d3": 2.0, "d1": 1.0}


def test_a_document_is_its_title_and_text() -> None:
    ranker = Keeping()
    searched({"q1": ["d1", "d2", "d3"], "q2": ["d1"]}, ranker)
    assert [document.contents for document in ranker.met[0].documents] == ["one", "Two two", "three"]


def test_an_instruction_of_the_query_stands_behind_it() -> None:
    ranker = Keeping()
    queries = Columns(id=["q1", "q2"], text=["first", "second"], instruction=["only peer-reviewed", None])
    searched({"q1": ["d1"], "q2": ["d1"]}, ranker, queries=queries)
    assert [candidates.query.text for candidates in ranker.met] == ["first only peer-reviewed", "second"]


def test_shuffled_candidates_meet_every_ranker_in_one_order_whatever_order_they_came_in() -> None:
    here, there = Keeping(), Keeping()
    searched({"q1": ["d1", "d2", "d3"], "q2": ["d3"]}, here, "shuffled")
    searched({"q1": ["d3", "d2", "d1"], "q2": ["d3"]}, there, "shuffled")
    assert here.met == there.met


def test_candidates_of_a_reranking_task_are_shuffled_whatever_was_said_of_others() -> None:
    ranker, candidates = Keeping(), {"q1": ["d1", "d2", "d3"], "q2": ["d3"]}
    model = MtebReranker(ranker, meta=None, order="given")
    model.index(CORPUS)
    model.search(QUERIES, task_metadata=task(type_="Reranking"), top_k=10, top_ranked=candidates)
    shuffled = Keeping()
    searched(candidates, shuffled, "shuffled")
    assert ranker.met == shuffled.met


@given(st.integers(20, 60))
def test_relevant_documents_in_front_are_no_advantage(queries: int) -> None:
    # Five candidates a query, the relevant one in front: an order that tells nothing puts it first in a fifth of all queries.
    ids = [f"d{i}" for i in range(5)]
    ranker = Keeping()
    model = MtebReranker(ranker, meta=None)
    model.index(Columns(id=ids, text=ids))
    names = [f"q{i}" for i in range(queries)]
    model.search(Columns(id=names, text=names), task_metadata=task(), top_k=5, top_ranked=dict.fromkeys(names, ids))
    first = sum(candidates.documents[0].id == "d0" for candidates in ranker.met)
    assert first < queries / 2


def test_a_candidate_that_comes_twice_is_ranked_once() -> None:
    assert searched({"q1": ["d1", "d2", "d1"], "q2": ["d1"]}, Keeping())["q1"] == {"d1": 2.0, "d2": 1.0}


def test_a_task_without_candidates_is_refused_and_says_what_to_do() -> None:
    with pytest.raises(UsageError) as wrong:
        searched(None, Keeping())
    assert "SciFact has no candidates" in wrong.value.message
    assert "over: SYSTEM" in wrong.value.hint


@pytest.mark.parametrize("candidates", [{"q1": ["d1"]}, {"q1": ["d1"], "q2": []}])
def test_a_query_without_candidates_is_an_error_and_is_not_left_out(candidates: Mapping[str, Sequence[str]]) -> None:
    with pytest.raises(DataError, match="query 'q2' has no candidates"):
        searched(candidates, Keeping())


def test_a_candidate_that_is_not_in_the_corpus_is_an_error() -> None:
    with pytest.raises(DataError, match="'d9' is not in the corpus"):
        searched({"q1": ["d9"], "q2": ["d1"]}, Keeping())


def test_a_conversation_is_refused() -> None:
    with pytest.raises(DataError, match="conversations are not ranked"):
        searched({"q1": ["d1"]}, Keeping(), queries=Columns(id=["q1"], text=[[{"role": "user", "content": "hi"}]]))


def test_defects_are_counted() -> None:
    model = MtebReranker(Keeping(), meta=None, order="given")
    model.index(CORPUS)
    model.search(QUERIES, task_metadata=task(), top_k=3, top_ranked={"q1": ["d1"], "q2": ["d2"]})
    assert model.account() == {"queries": 2, "missing": 4}
