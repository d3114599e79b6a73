"""Drawn weights through vLLM's own dummy loader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rerankbench.engines.random_weights import RandomVllmEngine, RandomVllmOptions
from rerankbench.rankers.listwise import forced_answer
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


def test_forced_answers_have_the_tokens_of_the_answer_and_its_end_whatever_the_weights_would_say(
    small_qwen3: Path, tokenizer_dir: Path
) -> None:
    shape = str(small_qwen3 / "config.json")
    engine = RandomVllmEngine(RandomVllmOptions(shape=shape, tokenizer=str(tokenizer_dir), max_tokens=512, enforce_eager=True))
    answers = [forced_answer(20, "a"), forced_answer(5, "b")]
    calls = engine.generate_forced(["Rank the passages.", "x"], answers, max_tokens=128)
    # Of five: "[" 1, four times " >" and " [", five times "]", five digits: 1 + 8 + 5 + 5 = 19, and the end.
    assert [(c.text, c.completion_tokens, c.finish) for c in calls] == [(answers[0], 91, "stop"), (answers[1], 20, "stop")]
    assert all(0 < c.first_token_s < c.seconds for c in calls)
    engine.close()


def test_inputs_are_forgotten_whose_beginnings_are_kept(small_qwen3: Path, tokenizer_dir: Path) -> None:
    shape = str(small_qwen3 / "config.json")
    options = RandomVllmOptions(shape=shape, tokenizer=str(tokenizer_dir), max_tokens=1024, enforce_eager=True, prefix_caching=True)
    engine = RandomVllmEngine(options)
    engine.forget_inputs()  # nothing is loaded, and nothing is to be forgotten
    prompt = "words that are read again " * 150
    cached = []
    for forget in (False, False, True, False):
        if forget:
            engine.forget_inputs()
        outputs, *_ = engine._continued(("generate",), engine.tokens.prompt_ids([prompt]), engine._greedy(1))
        cached.append(outputs[0].num_cached_tokens)
    assert cached[0] == cached[2] == 0
    assert cached[1] == cached[3] > 0
    engine.close()
