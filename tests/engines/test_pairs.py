from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerankbench.engines.hf_tokens import HfTokens, load_tokenizer
from rerankbench.engines.pairs import PairTokens
from rerankbench.errors import EngineError

pytest.importorskip("transformers")

Tiny = Callable[[str], Path]
TEXT = st.lists(st.sampled_from(["the", "cat", "flea", "x", "42", "[SEP]"]), max_size=30).map(" ".join)


@cache
def tokens_of(folder: Path) -> HfTokens:
    return HfTokens(load_tokenizer(folder), max_tokens=10_000)


@settings(deadline=None, max_examples=150)
@given(TEXT, TEXT, st.integers(6, 40), st.sampled_from(["bert", "xlm-roberta"]))
def test_longest_first_is_the_libraries_own(tiny: Tiny, first: str, second: str, limit: int, name: str) -> None:
    tokens = tokens_of(tiny(name))
    (pair,) = PairTokens(tokens, limit=limit, cut="longest_first").encode([(first, second)])
    expected: Any = tokens.tokenizer([first], [second], truncation="longest_first", max_length=limit, return_token_type_ids=True)
    whole: Any = tokens.tokenizer([first], [second], truncation=False)
    assert pair.ids.tolist() == expected["input_ids"][0]
    assert pair.types.tolist() == expected["token_type_ids"][0]
    assert pair.cut_tokens == len(whole["input_ids"][0]) - len(expected["input_ids"][0])


@settings(deadline=None, max_examples=150)
@given(TEXT, TEXT, st.integers(16, 40))
def test_only_second_is_the_libraries_own_behind_a_first_cut_to_three_quarters(tiny: Tiny, first: str, second: str, limit: int) -> None:
    tokens = tokens_of(tiny("xlm-roberta"))
    (pair,) = PairTokens(tokens, limit=limit, cut="only_second").encode([(first, second)])
    words = tokens.tokenizer.tokenize(first)[: limit * 3 // 4]
    rest = tokens.tokenizer.tokenize(second)[: limit - len(words) - 4]
    assert tokens.tokenizer.convert_ids_to_tokens(pair.ids.tolist()) == ["<s>", *words, "</s>", "</s>", *rest, "</s>"]


def test_the_second_text_alone_is_cut_as_flagembedding_does(tiny: Tiny) -> None:
    # 16 tokens: 4 special, at most 12 of the query, so none is left for the document.
    pairs = [(" ".join(["the cat"] * 10), " ".join(["flea"] * 10)), ("the cat", " ".join(["flea"] * 20))]
    read = PairTokens(tokens_of(tiny("xlm-roberta")), limit=16, cut="only_second").encode(pairs)
    assert [(len(pair.ids), pair.cut_tokens) for pair in read] == [(16, 8 + 10), (16, 10)]


def test_a_query_is_tokenised_once_however_many_documents_it_meets(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = HfTokens(load_tokenizer(tiny("bert")), max_tokens=99)
    pairs = PairTokens(tokens, limit=20, cut="longest_first")
    seen: list[str] = []
    original = HfTokens._call

    def spy(self: HfTokens, texts: list[str], **settings: bool) -> Any:
        seen.extend(texts)
        return original(self, texts, **settings)

    monkeypatch.setattr(HfTokens, "_call", spy)
    pairs.encode([("query", "a"), ("query", "b"), ("query", "a")])
    assert seen == ["query", "a", "b"]


def test_a_limit_without_room_for_text_is_refused(tiny: Tiny) -> None:
    with pytest.raises(EngineError, match="no room beside the 3 special tokens"):
        PairTokens(tokens_of(tiny("bert")), limit=3, cut="longest_first")
