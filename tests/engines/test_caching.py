from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerankbench.engines.caching import CachedEmbedder
from rerankbench.engines.scripted import ScriptedEngine, ScriptedOptions
from rerankbench.errors import EngineError
from rerankbench.protocols import ChatTemplate, Engine, Floats, PairScorer, TextEmbedder, TextGenerator, Tokens, TokenScorer
from rerankbench.records import Message


class Bare:
    """An engine with a device and no capability."""

    name: ClassVar[str] = "bare"
    caveat: ClassVar[str] = "bare is nothing"

    def __init__(self) -> None:
        self.events: list[str] = []

    def synchronise(self) -> None:
        self.events.append("synchronise")

    def close(self) -> None:
        self.events.append("close")


class WithTokens(Bare):
    max_tokens = 7
    has_chat_template = True

    def embed(self, texts: Sequence[str]) -> Floats:
        return np.ones((len(texts), 4), dtype=np.float32)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(t) for t in texts]

    def truncate(self, text: str, max_tokens: int) -> str:
        return text[:max_tokens]

    def render_chat(self, messages: Sequence[Message]) -> str:
        return "|".join(m.content for m in messages)


def asked_of(engine: ScriptedEngine) -> list[object]:
    return [request.asked for request in engine.requests]


def test_each_distinct_text_is_embedded_once_also_within_one_batch() -> None:
    inner = ScriptedEngine(ScriptedOptions())
    cached = CachedEmbedder(inner)
    cached.embed(["a", "b", "a"])
    cached.embed(["b", "c"])
    assert asked_of(inner) == ["a", "b", "c"]
    assert (cached.asked, cached.embedded) == (5, 3)


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=8), max_size=6), st.integers(0, 6))
def test_what_comes_out_is_what_the_inner_engine_would_give_however_little_is_kept(batches: list[list[str]], rows: int) -> None:
    plain = ScriptedEngine(ScriptedOptions(dims=4))
    cached = CachedEmbedder(ScriptedEngine(ScriptedOptions(dims=4)), max_bytes=rows * 16)  # 4 floats of 4 bytes a row
    for batch in batches:
        assert cached.embed(batch).tobytes() == plain.embed(batch).tobytes()


def test_the_least_recently_used_vector_goes_first() -> None:
    inner = ScriptedEngine(ScriptedOptions(dims=4))
    cached = CachedEmbedder(inner, max_bytes=32)  # two rows
    cached.embed(["a", "b"])
    cached.embed(["a"])  # now b is the older one
    cached.embed(["c"])  # b goes
    cached.embed(["a", "c"])
    assert asked_of(inner) == ["a", "b", "c"]
    cached.embed(["b"])
    assert asked_of(inner) == ["a", "b", "c", "b"]


def test_what_a_caller_does_to_its_vectors_does_not_reach_the_cache() -> None:
    cached = CachedEmbedder(ScriptedEngine(ScriptedOptions()))
    first = cached.embed(["a"])
    kept = first.copy()
    first[:] = 0
    assert cached.embed(["a"]).tobytes() == kept.tobytes()


def test_it_has_the_capabilities_of_the_inner_engine_and_no_others() -> None:
    scripted, with_tokens = CachedEmbedder(ScriptedEngine(ScriptedOptions())), CachedEmbedder(WithTokens())
    capabilities = (Engine, TextEmbedder, TextGenerator, Tokens, ChatTemplate, TokenScorer, PairScorer)
    assert [isinstance(scripted, c) for c in capabilities] == [True, True, True, False, False, False, False]
    assert [isinstance(with_tokens, c) for c in capabilities] == [True, True, False, True, True, False, False]


def test_the_inner_engines_answers_come_through() -> None:
    inner = WithTokens()
    cached = CachedEmbedder(inner)
    assert isinstance(cached, Tokens)
    assert (cached.max_tokens, cached.count_tokens(["abc"]), cached.truncate("abc", 2)) == (7, [3], "ab")
    assert isinstance(cached, ChatTemplate)
    assert (cached.has_chat_template, cached.render_chat([Message("user", "x")])) == (True, "x")
    assert (cached.name, cached.caveat) == ("bare", "bare is nothing")
    cached.synchronise()
    cached.close()
    assert inner.events == ["synchronise", "close"]


def test_an_engine_that_does_not_embed_is_refused() -> None:
    with pytest.raises(EngineError, match="'bare' does not embed"):
        CachedEmbedder(Bare())


def test_vectors_made_elsewhere_are_given_until_they_are_forgotten() -> None:
    inner = ScriptedEngine(ScriptedOptions(dims=2))
    cached = CachedEmbedder(inner)
    own = cached.embed(["own"])
    elsewhere = np.array([[0.6, 0.8]], dtype=np.float32)
    cached.preload(["text"], elsewhere)
    assert (cached.embed(["text", "own"]) == np.concatenate([elsewhere, own])).all()
    assert (cached.asked, cached.embedded) == (3, 1)
    cached.forget_preloaded()
    assert (cached.embed(["text", "own"]) == np.concatenate([inner.embed(["text"]), own])).all()
    assert (cached.asked, cached.embedded) == (5, 2)  # what was embedded here stays
    cached.forget_preloaded()
    assert cached.embed(["text"]) is not None
    assert cached.embedded == 2
