"""Drawn weights through vLLM's own dummy loader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rerankbench.engines.random_weights import RandomVllmEngine, RandomVllmOptions
from rerankbench.records import Chat, Message


def test_a_shape_alone_embeds_answers_and_scores_and_says_that_it_means_nothing(small_qwen3: Path, tokenizer_dir: Path) -> None:
    shape = str(small_qwen3 / "config.json")
    engine = RandomVllmEngine(RandomVllmOptions(shape=shape, tokenizer=str(tokenizer_dir), max_tokens=256, enforce_eager=True))
    assert "never of quality" in engine.caveat
    vectors = engine.embed(["a", "b c"])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1], abs=1e-5)
    (call,) = engine.generate([Chat((Message("user", "hello"),))], max_tokens=5)
    assert 1 <= call.completion_tokens <= 5
    assert np.isfinite(engine.label_scores(["x"], [" yes", " no"])).all()
    engine.close()
