"""An embedder as an encoder of mteb: texts as they are to be read, vectors in their order, memory that does not grow with a task."""

from __future__ import annotations

from typing import ClassVar, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mteb_suite.fakes import DOCUMENT, QUERY, LetterEmbedder, Loader, WordTokens, task
from rerankbench import prompts
from rerankbench.engines.caching import CachedEngine
from rerankbench.errors import EngineError
from rerankbench.mteb_suite.encoder import MtebEncoder
from rerankbench.mteb_suite.reading import Reading
from rerankbench.protocols import Floats, TextEmbedder

INSTRUCTION = "Instruct: Given a scientific claim, retrieve documents that support or refute the claim\nQuery:"


def encoder(embedder: LetterEmbedder, **more: int) -> MtebEncoder:
    return MtebEncoder(embedder, Reading(prompts.load("e2rank-mteb"), "#"), meta=None, **more)


@pytest.mark.parametrize(("side", "expected"), [(QUERY, f"{INSTRUCTION}heart#"), (None, f"{INSTRUCTION}heart#"), (DOCUMENT, "heart#")])
def test_queries_and_texts_among_their_like_bear_the_instruction(side: object, expected: str) -> None:
    embedder = LetterEmbedder()
    encoder(embedder).encode(Loader(["heart"]), task_metadata=task(), hf_split="test", hf_subset="default", prompt_type=side)
    assert embedder.asked == [expected]


@given(st.lists(st.text(alphabet="abcxyz", min_size=1, max_size=3), min_size=1, max_size=30), st.integers(1, 7), st.integers(1, 7))
def test_vectors_come_in_the_order_of_the_texts_whatever_the_portions(texts: list[str], batch: int, at_once: int) -> None:
    embedder = LetterEmbedder()
    made = encoder(embedder, at_once=at_once).encode(
        Loader(texts, batch), task_metadata=task(), hf_split="test", hf_subset="default", prompt_type=DOCUMENT
    )
    assert made.dtype == np.float32
    assert [int(row.argmax()) for row in made] == [ord(text[0]) - ord("a") for text in texts]
    assert max(embedder.portions) <= at_once


def test_no_text_is_no_vector() -> None:
    made = encoder(LetterEmbedder()).encode(Loader([]), task_metadata=task(), hf_split="test", hf_subset="default")
    assert made.shape == (0, 26)


def test_a_task_that_hands_over_fewer_texts_than_it_said_is_an_error() -> None:
    with pytest.raises(EngineError, match="said that it has 5 texts, and handed over 2"):
        encoder(LetterEmbedder()).encode(Loader(["a", "b"], claims=5), task_metadata=task(), hf_split="test", hf_subset="default")


def test_an_engine_that_loses_a_vector_is_an_error() -> None:
    class Losing(LetterEmbedder):
        def embed(self, texts: object) -> Floats:
            return np.zeros((1, 26), dtype=np.float32)

    with pytest.raises(EngineError, match="asked to embed 2 texts"):
        encoder(Losing()).encode(Loader(["a", "b"]), task_metadata=task(), hf_split="test", hf_subset="default")


def test_what_is_cut_is_counted_once_a_task() -> None:
    class Counting(LetterEmbedder, WordTokens):
        def __init__(self) -> None:
            LetterEmbedder.__init__(self)
            WordTokens.__init__(self, max_tokens=3)

    embedder = Counting()
    made = MtebEncoder(embedder, Reading(None, " END"), meta=None)
    made.encode(Loader(["one two three four", "five"]), task_metadata=task(), hf_split="test", hf_subset="default", prompt_type=DOCUMENT)
    assert embedder.asked == ["one two END", "five END"]
    assert made.account() == {"texts": 2, "cut": 1}
    assert made.account() == {"texts": 0, "cut": 0}


def test_a_text_that_comes_again_is_embedded_once() -> None:
    class Engine(LetterEmbedder):
        name: ClassVar[str] = "letters"
        caveat: ClassVar[str] = ""

        def synchronise(self) -> None: ...

        def close(self) -> None: ...

    inner = Engine()
    made = MtebEncoder(cast(TextEmbedder, CachedEngine(inner)), Reading(None, "#"), meta=None)
    for name in ("SciFact", "NFCorpus"):
        made.encode(Loader(["a", "b", "a"]), task_metadata=task(name), hf_split="test", hf_subset="default", prompt_type=DOCUMENT)
    assert sorted(inner.asked) == ["a#", "b#"]
