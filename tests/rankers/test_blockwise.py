"""Blocks of documents scored in one pass."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from rankers.fakes import HashEmbedder, candidates, parts
from rankers.scoring_fakes import HOSTILE, ListFake, is_permutation, words
from rerankbench.clock import Clock
from rerankbench.errors import ConfigError, EngineError, RankingError
from rerankbench.protocols import ListScorer, Workload
from rerankbench.rankers.blockwise import BlockwiseOptions, BlockwiseRanker
from rerankbench.rankers.identity import OracleRanker
from rerankbench.records import DefectKind, Qrels


def ranker(engine: ListFake, clock: Clock | None = None, **options: object) -> BlockwiseRanker:
    return BlockwiseRanker.build(BlockwiseOptions.model_validate(options), parts(engine, clock=clock))


def lengths(_: str, documents: Sequence[str]) -> list[float]:
    return [float(len(d)) for d in documents]


def test_scores_of_all_blocks_are_compared_as_they_are() -> None:
    # Within a block a score is the share of the block's letters: "cc" has 2/3 of its own, "bbb" 3/4, "a" 1/4 and "d" 1/3.
    engine = ListFake(lambda _, documents: [len(d) / len("".join(documents)) for d in documents])
    (ranked,) = ranker(engine, block=2).rank([candidates("1", ["a", "bbb", "cc", "d"])])
    assert ranked.ranking.doc_ids == ("d1", "d2", "d3", "d0")
    assert ranked.ranking.scores == pytest.approx((3 / 4, 2 / 3, 1 / 3, 1 / 4))
    assert engine.asked == [[("a query", ["a", "bbb"]), ("a query", ["cc", "d"])]]


def test_all_blocks_of_all_lists_are_one_engine_call() -> None:
    engine, clock = ListFake(lengths), Clock()
    first, none, second = ranker(engine, clock).rank([candidates("a", words(100), "q1"), candidates("b", []), candidates("c", ["x"], "q2")])
    assert [[(query, len(documents)) for query, documents in call] for call in engine.asked] == [[("q1", 64), ("q1", 36), ("q2", 1)]]
    assert [(c.phase, c.batch_size) for c in first.calls] == [("block 1-64", 3), ("block 65-100", 3)]
    assert [c.phase for c in second.calls] == ["block 1-1"]
    assert (none.ranking.doc_ids, none.calls) == ((), ())
    assert [s.name for s in clock.spans] == ["build prompt", "score"]
    ranker(engine).rank([candidates("b", [])])
    assert len(engine.asked) == 1, "nothing to score costs no call"


def test_equal_scores_keep_the_first_stages_order() -> None:
    (ranked,) = ranker(ListFake(lambda _, documents: [0.5] * len(documents)), block=3).rank([candidates("1", words(8))])
    assert ranked.ranking.doc_ids == tuple(f"d{i}" for i in range(8))


def test_limits_and_brackets_hold_for_blocks() -> None:
    engine = ListFake(lengths)
    (ranked,) = ranker(engine, max_words=2, brackets="round").rank([candidates("1", ["a [1] b", ""], "see [2]")])
    assert engine.asked == [[("see (2)", ["a (1)", ""])]]
    assert [d.kind for d in ranked.defects] == [DefectKind.SHORTENED, DefectKind.EMPTY_DOCUMENT]


def test_scores_that_are_lost_or_no_numbers_are_errors() -> None:
    with pytest.raises(EngineError, match=r"asked for scores of shapes \[\(2,\), \(1,\)\] and gave \[\(1,\), \(0,\)\]"):
        ranker(ListFake(lambda _, documents: [0.0] * (len(documents) - 1)), block=2).rank([candidates("1", words(3))])
    with pytest.raises(RankingError, match="'d1'"):
        ranker(ListFake(lambda _, documents: [0.0, math.nan])).rank([candidates("1", words(2))])


def test_what_it_needs_and_what_it_asks() -> None:
    assert BlockwiseRanker.needs(BlockwiseOptions()) == (ListScorer,)
    with pytest.raises(ConfigError, match="needs an engine that is a ListScorer, got HashEmbedder"):
        BlockwiseRanker.build(BlockwiseOptions(), parts(HashEmbedder()))
    with pytest.raises(ValidationError, match="has no prompt"):
        BlockwiseOptions(max_prompt_tokens=100)
    assert BlockwiseRanker.provenance(BlockwiseOptions(), "dl19") == {}
    # 5 documents of 2 words in 3 blocks, each with the query's 2; 1 document of 1 word, the query again; an empty list.
    lists = [candidates("1", ["a b"] * 5), candidates("2", ["a"]), candidates("3", [])]
    assert BlockwiseRanker.workload(BlockwiseOptions(block=2), lists) == Workload(prompts=4, words=10 + 6 + 1 + 2)


@settings(deadline=None)
@given(grades=st.lists(st.integers(0, 3), max_size=40), block=st.integers(1, 50))
def test_an_engine_that_knows_the_grades_reaches_the_ceiling(grades: list[int], block: int) -> None:
    one = candidates("1", words(len(grades)))
    qrels: Qrels = {"1": {f"d{i}": g for i, g in enumerate(grades)}}
    (best,) = OracleRanker(lambda: qrels).rank([one])
    (ranked,) = ranker(ListFake(lambda _, documents: [float(grades[int(d[1:])]) for d in documents]), block=block).rank([one])
    assert ranked.ranking.doc_ids == best.ranking.doc_ids
    assert ranked.defects == ()


SCORES = st.floats(allow_nan=False)


@settings(max_examples=500, deadline=None)
@given(lists=st.lists(st.lists(HOSTILE, max_size=5), max_size=3), scores=st.lists(SCORES, min_size=7, max_size=7), block=st.integers(1, 6))
def test_whatever_is_scored_the_result_is_a_permutation_and_lists_are_independent(
    lists: list[list[str]], scores: list[float], block: int
) -> None:
    engine = ListFake(lambda query, documents: [scores[(len(query + d) + i) % 7] for i, d in enumerate(documents)])
    batch = [candidates(str(i), texts, f"query {'x' * i}") for i, texts in enumerate(lists)]
    together = ranker(engine, block=block).rank(batch)
    assert all(is_permutation(r, c) for r, c in zip(together, batch, strict=True))
    alone = [ranker(engine, block=block).rank([one])[0] for one in batch]
    assert [(r.ranking, r.defects) for r in together] == [(r.ranking, r.defects) for r in alone]
