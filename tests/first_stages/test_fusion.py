"""Fused lists against the plain formulas, written out here, and against ranx."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerankbench.errors import ConfigError, DataError
from rerankbench.first_stages.fusion import RANK_METHODS, SCORE_METHODS, fuse
from rerankbench.records import CandidateList, Document, Query

Stage = dict[str, dict[str, float]]
"""query id → document id → score, best first."""


def _lists(stage: Stage, text: str | None = "text") -> list[CandidateList]:
    return [
        CandidateList(Query(q, f"query {q}"), tuple(Document(d, text) for d in scores), tuple(scores.values()))
        for q, scores in stage.items()
    ]


def _ids(lists: Sequence[CandidateList]) -> dict[str, list[str]]:
    return {c.query.id: [d.id for d in c.documents] for c in lists}


@st.composite
def _stages(draw: st.DrawFn) -> list[Stage]:
    def scores() -> dict[str, float]:
        ids = draw(st.lists(st.sampled_from(["a", "b b", "c" * 30, "d\u2028", "é", "f"]), unique=True, max_size=6))
        values = draw(st.lists(st.integers(0, 40), min_size=len(ids), max_size=len(ids)))
        return dict(zip(ids, map(float, sorted(values, reverse=True)), strict=True))

    queries = st.lists(st.sampled_from(["1", "2", "3"]), unique=True)
    return [{q: scores() for q in draw(queries)} for _ in range(draw(st.integers(2, 4)))]


@given(_stages(), st.integers(0, 100), st.integers(1, 7))
def test_reciprocal_rank_fusion_is_its_formula_with_ties_in_the_order_of_the_lists(stages: list[Stage], k: int, depth: int) -> None:
    fused = fuse([_lists(s) for s in stages], "rrf", depth, k=k)
    assert [c.query.id for c in fused] == list(dict.fromkeys(q for s in stages for q in s))
    for candidates in fused:
        lists = [list(s.get(candidates.query.id, {})) for s in stages]
        first_seen = list(dict.fromkeys(d for ids in lists for d in ids))
        # Fractions are exact, so that equal is equal; Python's sort is stable.
        score = {d: sum((Fraction(1, k + ids.index(d) + 1) for ids in lists if d in ids), Fraction()) for d in first_seen}
        expected = sorted(first_seen, key=lambda d: -score[d])[:depth]
        assert [d.id for d in candidates.documents] == expected
        assert candidates.scores == pytest.approx([float(score[d]) for d in expected], rel=1e-15)


def test_documents_that_the_formula_makes_equal_are_equal_with_three_lists() -> None:
    # a has the ranks 1, 2, 3 and b the ranks 3, 1, 2; adding 1/61, 1/62 and 1/63 in these two orders gives different doubles.
    stages: list[Stage] = [{"q": {"a": 3, "c": 2, "b": 1}}, {"q": {"b": 3, "a": 2, "c": 1}}, {"q": {"c": 3, "b": 2, "a": 1}}]
    (candidates,) = fuse([_lists(s) for s in stages])
    assert len(set(candidates.scores)) == 1
    assert _ids([candidates])["q"] == ["a", "c", "b"]


def test_texts_come_from_the_first_list_that_has_one_and_queries_from_the_first_stage_that_has_them() -> None:
    bare = [CandidateList(Query("1", "as first"), (Document("a", None),), (1.0,))]
    titled = [CandidateList(Query("1", "as second"), (Document("b", "x"), Document("a", "text", "title")), (2.0, 1.0))]
    other = [CandidateList(Query("1", "as third"), (Document("a", "another"), Document("c", None)), (2.0, 1.0))]
    (candidates,) = fuse([bare, titled, other])
    assert candidates.query.text == "as first"
    assert {d.id: d for d in candidates.documents} == {
        "a": Document("a", "text", "title"),
        "b": Document("b", "x"),
        "c": Document("c", None),
    }


def test_a_query_that_one_stage_lacks_keeps_the_order_of_the_other() -> None:
    assert _ids(fuse([_lists({"1": {"a": 1}}), _lists({"2": {"c": 2, "b": 1}})])) == {"1": ["a"], "2": ["c", "b"]}
    assert _ids(fuse([_lists({"1": {}}), _lists({"1": {"a": 1}, "2": {}})])) == {"1": ["a"], "2": []}
    assert fuse([[], []]) == []


@pytest.mark.parametrize(
    ("method", "parameters", "expected"),
    [
        ("rff", {}, "no fusion method 'rff'. Did you mean 'rrf'"),
        ("mapfuse", {}, "no fusion method 'mapfuse'"),
        ("rrf", {"n": 3}, "'rrf' has no parameter 'n'"),
        ("rrf", {"k": -1}, "parameter 'k' is a number from 0 up, not -1"),
        ("rrf", {"k": "60"}, "parameter 'k'"),
        ("sum", {"norm": "minmax"}, "parameter 'norm' is one of min-max, max"),
        ("wsum", {}, "parameter 'weights' is one number from 0 up a first stage, not all 0, not None"),
        ("wsum", {"weights": (1, 2, 3)}, "3 weights for 2 first stages"),
        ("wsum", {"weights": (0, 0)}, "not all 0"),
        ("wsum", {"weights": (1, float("nan"))}, "parameter 'weights'"),
        ("rbc", {"phi": 1}, "parameter 'phi' is a number between 0 and 1"),
        ("gmnz", {}, "parameter 'gamma' is a number, not None"),
    ],
)
def test_an_unknown_method_or_parameter_is_refused(method: str, parameters: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        fuse([[], []], method, **parameters)


def test_too_few_stages_no_depth_and_a_query_twice_are_refused() -> None:
    with pytest.raises(ConfigError, match="two first stages or more, not of 1"):
        fuse([[]])
    with pytest.raises(ConfigError, match="keeps no document"):
        fuse([[], []], "rrf", 0)
    with pytest.raises(DataError, match="First stage 2 of the fusion has two lists of query '1'"):
        fuse([[], [*_lists({"1": {}}), *_lists({"1": {}})]])


# ranx compiles each method when it is first used: every further method here costs seconds, so two stand for all that go through it.
LONG = "a document id longer than all in the first list"
STAGES: list[Stage] = [
    {"1": {"d1": 9.0, "d2": 5.0, "d3": 5.0}, "2": {"x": 1.0}, "4": {}},
    {"1": {"d2": 30.0, "d10": 20.0, LONG: 10.0}, "3": {"y": 3.0, "z": 1.0}, "4": {}},
]


def test_weighted_sums_of_min_max_scores_are_their_formula() -> None:
    pytest.importorskip("ranx")
    fused = fuse([_lists(s) for s in STAGES], "wsum", 4, weights=(0.25, 0.75))
    # min-max: d1 1, d2 0, d3 0 and d2 1, d10 1/2, LONG 0. A single document, x, has (1 - 1) / 1e-9 = 0 in ranx.
    assert _ids(fused) == {"1": ["d2", "d10", "d1", "d3"], "2": ["x"], "4": [], "3": ["y", "z"]}
    assert [c.scores for c in fused] == [pytest.approx((0.75, 0.375, 0.25, 0.0)), (0.0,), (), pytest.approx((0.75, 0.0))]


def test_sums_of_native_scores_keep_documents_apart_whose_ids_begin_alike() -> None:
    pytest.importorskip("ranx")
    # ranx alone would make d10 and d1 one document here, and lose LONG.
    fused = fuse([_lists(s) for s in STAGES], "sum", norm="none")
    assert _ids(fused)["1"] == ["d2", "d10", LONG, "d1", "d3"]
    assert fused[0].scores == (35.0, 20.0, 10.0, 9.0, 5.0)


def test_reciprocal_rank_fusion_is_that_of_ranx() -> None:
    ranx = pytest.importorskip("ranx")
    stages: list[Stage] = [{"1": {"a": 3, "b": 2, "c": 1}}, {"1": {"c": 3, "d": 2, "a": 1}}]
    theirs = ranx.fuse([ranx.Run(s) for s in stages], norm=None, method="rrf", params={"k": 60}).run["1"]
    (ours,) = fuse([_lists(s) for s in stages], "rrf", k=60)
    assert dict(zip(_ids([ours])["1"], ours.scores, strict=True)) == pytest.approx({str(d): float(s) for d, s in theirs.items()})


def test_every_method_that_is_offered_is_one_of_ranx() -> None:
    fusion = pytest.importorskip("ranx.fusion")
    for method in (*RANK_METHODS, *SCORE_METHODS):
        assert callable(fusion.fusion_switch(method))
