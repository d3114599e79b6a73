from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rerankbench.clock import Clock
from rerankbench.engines.caching import CachedEngine
from rerankbench.engines.transformers_local import TransformersEngine, TransformersOptions
from rerankbench.engines.vllm_offline import VllmEngine, VllmOptions
from rerankbench.errors import EngineError, OverLengthError
from rerankbench.protocols import Engine, Floats, Parts
from rerankbench.rankers.embedding import EmbeddingOptions, EmbeddingRanker
from rerankbench.records import CandidateList, Ranking

ROUNDING = 2e-6
"""Of two cosines in float32 over 128 numbers, each engine's own way. Seen: 7.5e-7 at most."""


@pytest.fixture(scope="module")
def vllm(small_qwen3: Path) -> Iterator[VllmEngine]:
    engine = VllmEngine(VllmOptions(model=str(small_qwen3), enforce_eager=True))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def transformers(small_qwen3: Path) -> TransformersEngine:
    return TransformersEngine(TransformersOptions(model=str(small_qwen3), device="cpu"))


def test_vectors_of_real_documents_are_those_of_the_transformers_engine(
    vllm: VllmEngine, transformers: TransformersEngine, dl19: list[CandidateList]
) -> None:
    texts = [d.contents + end for d in dl19[0].documents for end in ("", "<|endoftext|>")]
    vectors = vllm.embed(texts)
    assert vectors.shape == (200, 128)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, transformers.embed(texts), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert vllm.count_tokens(texts) == transformers.count_tokens(texts)


def test_a_text_without_a_token_is_zero_and_no_text_gives_no_row(vllm: VllmEngine) -> None:
    assert np.linalg.norm(vllm.embed(["", "x", ""]), axis=1) == pytest.approx([0, 1, 0], abs=1e-6)
    assert vllm.embed([]).shape == (0, 128)


def test_a_text_is_embedded_up_to_the_last_position_and_refused_beyond(vllm: VllmEngine) -> None:
    assert vllm.max_tokens == 8192
    assert vllm.embed([" word" * 8192]).shape == (1, 128)
    with pytest.raises(OverLengthError, match="longer than 8192 tokens; the first is number 2 with 8193 tokens"):
        vllm.embed(["x", " word" * 8193])


def test_a_decoder_does_not_score_pairs(vllm: VllmEngine) -> None:
    with pytest.raises(EngineError, match="is a Qwen3ForCausalLM and no cross-encoder"):
        vllm.score_pairs([("query", "document")])


def rankings(engine: Engine, lists: list[CandidateList], profile: str) -> list[Ranking]:
    parts = Parts("dl19", engine, dict, Clock())
    return [r.ranking for r in EmbeddingRanker.build(EmbeddingOptions(profile=profile), parts).rank(lists)]


@pytest.fixture(scope="module")
def cached(vllm: VllmEngine, transformers: TransformersEngine) -> tuple[Engine, Engine]:
    """Both engines, each document embedded once for all profiles."""
    return CachedEngine(vllm), CachedEngine(transformers)


@pytest.mark.parametrize("profile", ["authors-code", "readme", "dataset"])
def test_e2rank_gives_every_list_of_dl19_the_same_order_on_both_engines(
    cached: tuple[Engine, Engine], dl19: list[CandidateList], profile: str
) -> None:
    assert [len(candidates) for candidates in dl19] == [100] * 43
    apart = 0
    for candidates, ours, theirs in zip(dl19, *(rankings(engine, dl19, profile) for engine in cached), strict=True):
        assert ours.doc_ids != tuple(d.id for d in candidates.documents), "an order of the model's own"
        one, other = scores_in(ours, ours), scores_in(theirs, ours)
        assert np.abs(one - other).max() < ROUNDING
        # Where orders differ, it is by documents that the other engine holds for equal but for rounding.
        assert (np.diff(other) < ROUNDING).all()
        apart += ours.doc_ids != theirs.doc_ids
    assert apart <= 1, "lists with such a tie: none on the machine where this was written"


def scores_in(ranking: Ranking, order: Ranking) -> Floats:
    """The scores of one ranking in the order of another."""
    assert ranking.scores is not None
    by_id = dict(zip(ranking.doc_ids, ranking.scores, strict=True))
    return np.array([by_id[doc_id] for doc_id in order.doc_ids], dtype=np.float32)
