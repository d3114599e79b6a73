from __future__ import annotations

from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerankbench.engines.lexical import LexicalEngine, LexicalOptions, Window, order_by_overlap, read_window, stem, words
from rerankbench.protocols import ChatTemplate, Engine, TextEmbedder, TextGenerator, Tokens
from rerankbench.records import Chat, Message

LIST_OF_FOUR = """I will provide you with 4 passages, each indicated by a numerical identifier []. Rank the passages based on their \
relevance to the search query: how long do fleas live.

[1] Stock markets fell.

[2] Cats have fleas.

[3] A flea lives up to a year. How long it lives [2] depends [1].

[4] The weather is long.

Search Query: how long do fleas live.
Rank the 4 passages above based on their relevance to the search query. The output format should be [] > [] > ..., e.g., [4] > [2] > ..., \
Only respond with the ranking results, do not say anything else or explain.
"""


@pytest.fixture
def engine() -> LexicalEngine:
    return LexicalEngine(LexicalOptions())


def test_it_is_an_engine_that_embeds_and_generates_but_has_no_tokens_and_no_template(engine: LexicalEngine) -> None:
    assert isinstance(engine, Engine)
    assert isinstance(engine, TextEmbedder)
    assert isinstance(engine, TextGenerator)
    assert not isinstance(engine, Tokens)
    assert not isinstance(engine, ChatTemplate)
    assert "not a language model" in engine.caveat


@given(st.lists(st.text(max_size=60), min_size=1, max_size=6))
def test_a_vector_is_the_same_bit_by_bit_whatever_its_batch(texts: list[str]) -> None:
    engine = LexicalEngine(LexicalOptions(dims=64))
    together = engine.embed(texts)
    alone = np.concatenate([LexicalEngine(LexicalOptions(dims=64)).embed([text]) for text in texts])
    assert together.tobytes() == alone.tobytes()


@given(st.text(max_size=200))
def test_every_row_is_of_unit_length_or_zero(text: str) -> None:
    row = LexicalEngine(LexicalOptions()).embed([text])[0]
    assert row.dtype == np.float32
    length = float(np.linalg.norm(row))
    assert length == pytest.approx(1.0, abs=1e-6) or (length == 0.0 and not words(text))


def test_texts_without_content_are_zero(engine: LexicalEngine) -> None:
    assert not engine.embed(["", "  \n", "<|endoftext|>", "--- !?", "[1] [22]", "</s>"]).any()


def test_no_text_gives_no_row(engine: LexicalEngine) -> None:
    assert engine.embed([]).shape == (0, 4096)


def test_counts_are_damped(engine: LexicalEngine) -> None:
    # "flea" three times and "cat" once: (1 + ln 3, 1); the cosine with "cat" alone is 1 / sqrt((1 + ln 3)² + 1).
    both, cat = engine.embed(["flea flea flea cat", "cat"])
    assert float(both @ cat) == pytest.approx(1 / sqrt((1 + log(3)) ** 2 + 1), abs=1e-6)


def test_function_words_hardly_count_yet_are_content(engine: LexicalEngine) -> None:
    plain, wordy, only = engine.embed(["flea cycle", "the flea and its cycle", "to be or not to be"])
    assert float(plain @ wordy) > 0.999
    assert float(np.linalg.norm(only)) == pytest.approx(1.0, abs=1e-6)


def test_markup_identifiers_and_case_are_no_words(engine: LexicalEngine) -> None:
    marked = "<|im_start|>user\n[1] Flea cycles<|endoftext|><|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
    plain, read = engine.embed(["flea cycle", marked])
    assert plain.tobytes() == read.tobytes()


def test_plurals_fold_into_singulars() -> None:
    assert [stem(w) for w in ("fleas", "studies", "glass", "virus", "gas", "bus")] == ["flea", "study", "glass", "virus", "gas", "bus"]


def test_chinese_is_read_in_pairs_of_characters() -> None:
    assert words("跳蚤的生命 iPhone手机") == ["跳蚤", "蚤的", "的生", "生命", "iphone", "手机"]
    assert words("水") == ["水"]


def test_a_word_that_is_written_with_combining_marks_stays_one_word() -> None:
    assert words("cafe\u0301 ﬁne") == ["café", "fine"]
    assert words("हिन्दी") == ["हिन्दी"]


def test_the_vector_of_a_listwise_prompt_leans_to_the_documents_of_the_window(engine: LexicalEngine) -> None:
    # Pseudo-relevance feedback: no document shares a word with the query, but the second shares words with the window.
    prompt = "Documents:\n[1] parasite jumps on dogs\n[2] parasite lays eggs\nSearch Query: flea"
    query, feedback, parasite, market = engine.embed(["flea", prompt, "a parasite of dogs", "the stock market"])
    assert float(query @ parasite) == pytest.approx(float(query @ market), abs=1e-3)
    assert float(feedback @ parasite) > float(feedback @ market) + 0.3


def test_a_single_turn_prompt_is_read_in_sequence_at_line_starts() -> None:
    window = read_window(LIST_OF_FOUR)
    assert window is not None
    assert window.query == "how long do fleas live"
    assert window.passages == (
        "Stock markets fell.",
        "Cats have fleas.",
        "A flea lives up to a year. How long it lives [2] depends [1].",
        "The weather is long.",
    )


def test_passages_that_hold_an_answer_or_a_query_line_do_not_mislead() -> None:
    prompt = (
        "[1] see [3] > [1]\n[7] is no identifier here\n[2] Search Query: fake.\n[3] c\nSearch Query: real one.\nRank the 3 passages above"
    )
    assert read_window(prompt) == Window("real one", ("see [3] > [1]\n[7] is no identifier here", "Search Query: fake.", "c"))


def test_a_query_of_several_lines_is_read_whole() -> None:
    prompt = "[1] a\n[2] b\nSearch Query: first line\nsecond line.\nRank the 2 passages above based on"
    assert read_window(prompt) == Window("first line\nsecond line", ("a", "b"))


def test_a_prompt_that_ends_with_its_query_is_read() -> None:
    assert read_window("Documents:\n[1] a\n[2] b\nSearch Query: c") == Window("c", ("a", "b"))


def test_a_chat_with_one_passage_a_message_is_read() -> None:
    turns = (
        Message("system", "You are RankGPT."),
        Message("user", "I will provide you with 2 passages, each indicated by number identifier []."),
        Message("assistant", "Okay, please provide the passages."),
        Message("user", "[1] one\n[2] is still the first"),
        Message("assistant", "Received passage [1]."),
        Message("user", "[2] two"),
        Message("assistant", "Received passage [2]."),
        Message("user", "Search Query: q. \nRank the 2 passages above based on their relevance to the search query."),
    )
    assert read_window(Chat(turns)) == Window("q", ("one\n[2] is still the first", "two"))


def test_the_answer_names_every_passage_once_by_overlap(engine: LexicalEngine) -> None:
    # Content words of the query: long, fleas → flea, live. [3] flea, long, live(s); [2] flea; [4] long; [1] none.
    # [2] has 3 words and [4] 4; flea and long are each in two passages, so the shorter goes first.
    call = engine.generate([LIST_OF_FOUR], max_tokens=100)[0]
    assert call.text == "[3] > [2] > [4] > [1]"
    assert call.completion_tokens == 7
    assert call.prompt_tokens == len(LIST_OF_FOUR.split())


def test_a_small_budget_cuts_the_answer_in_its_middle(engine: LexicalEngine) -> None:
    call = engine.generate([LIST_OF_FOUR], max_tokens=3)[0]
    assert (call.text, call.completion_tokens, call.finish) == ("[3] > [2]", 3, "length")


def test_an_answer_ends_before_a_stop_text(engine: LexicalEngine) -> None:
    call = engine.generate([LIST_OF_FOUR], max_tokens=100, stop=(" > [4]",))[0]
    assert (call.text, call.completion_tokens, call.finish) == ("[3] > [2]", 3, "stop")


def test_ties_keep_the_incoming_order() -> None:
    assert order_by_overlap("nothing here", ["a b", "c d", "e f"]) == [0, 1, 2]


def test_empty_passages_and_an_empty_query_are_ranked_like_any_other() -> None:
    assert order_by_overlap("flea", ["", "flea", ""]) == [1, 0, 2]
    assert order_by_overlap("", ["", ""]) == [0, 1]


@pytest.mark.parametrize("prompt", ["", "What is the capital of China?", "[1] a\n[2] b", "Search Query: x", "[2] a\nSearch Query: x"])
def test_a_prompt_that_it_cannot_read_is_answered_in_words_without_identifiers(engine: LexicalEngine, prompt: str) -> None:
    text = engine.generate([prompt], max_tokens=100)[0].text
    assert text
    assert not any(c.isdigit() or c in "[]" for c in text)
