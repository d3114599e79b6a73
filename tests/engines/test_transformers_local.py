from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rerankbench.clock import Clock
from rerankbench.engines import local_model
from rerankbench.engines.transformers_batches import pieces, plan_batches
from rerankbench.engines.transformers_decoding import FirstToken
from rerankbench.engines.transformers_local import TransformersEngine, TransformersOptions
from rerankbench.errors import EngineError, MissingWeights, OverLengthError
from rerankbench.protocols import ChatTemplate, Engine, Floats, Parts, Ranker, TextEmbedder, TextGenerator, Tokens
from rerankbench.rankers.embedding import EmbeddingOptions, EmbeddingRanker
from rerankbench.rankers.listwise import ListwiseOptions, ListwiseRanker
from rerankbench.records import CandidateList, Chat, Document, Message, Prompt, Query

torch = pytest.importorskip("torch")
transformers: Any = pytest.importorskip("transformers")

TEXTS = ["hello<|endoftext|>", "a much longer passage about the life of fleas and cats " * 8, "x", "two words<|endoftext|>", "字"]
LISTWISE = "[1] fleas\n[2] stock markets\nSearch Query: fleas.\nRank the 2 passages above"


def options(model: Path, **changes: Any) -> TransformersOptions:
    return TransformersOptions(model=str(model), dtype="float32", device="cpu", **changes)


@pytest.fixture(scope="module")
def engine(tiny_qwen3: Path) -> Iterator[TransformersEngine]:
    engine = TransformersEngine(options(tiny_qwen3))
    yield engine
    engine.close()


def card_vectors(folder: Path, texts: list[str]) -> Floats:
    """The model card's own way: the library's padding, no explicit positions, `last_token_pool` under left padding."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, padding_side="left")
    model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32)
    batch = tokenizer(texts, padding=True, truncation=True, max_length=512, return_tensors="pt")
    with torch.no_grad():
        states = model(**batch).last_hidden_state
    assert batch["attention_mask"][:, -1].sum() == len(texts)
    vectors: Floats = torch.nn.functional.normalize(states[:, -1], p=2, dim=1).numpy()
    return vectors


def test_it_has_all_capabilities_of_a_decoder(engine: TransformersEngine) -> None:
    for capability in (Engine, TextEmbedder, TextGenerator, Tokens, ChatTemplate):
        assert isinstance(engine, capability)
    assert issubclass(TransformersEngine, TextEmbedder)
    assert issubclass(TransformersEngine, TextGenerator)
    assert engine.has_chat_template


def test_vectors_are_those_of_the_model_card(engine: TransformersEngine, tiny_qwen3: Path) -> None:
    vectors = engine.embed(TEXTS)
    assert vectors.shape == (5, 64)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, card_vectors(tiny_qwen3, TEXTS), atol=1e-5)


def test_vectors_are_those_of_the_model_card_where_the_tokenizer_appends_the_end_token(tiny_qwen3_embedding: Path) -> None:
    plain = ["hello", "two words", "字"]
    engine = TransformersEngine(options(tiny_qwen3_embedding))
    expected = card_vectors(tiny_qwen3_embedding, plain)
    np.testing.assert_allclose(engine.embed(plain), expected, atol=1e-5)
    np.testing.assert_allclose(engine.embed([t + "<|endoftext|>" for t in plain]), expected, atol=1e-5)


def test_the_end_token_changes_the_vector(engine: TransformersEngine) -> None:
    without, with_end = engine.embed(["hello", "hello<|endoftext|>"])
    assert float(without @ with_end) < 0.99


def test_a_batch_of_different_lengths_equals_one_text_at_a_time(engine: TransformersEngine, tiny_qwen3: Path) -> None:
    together = engine.embed(TEXTS)
    np.testing.assert_allclose(together, np.concatenate([engine.embed([text]) for text in TEXTS]), atol=1e-5)
    small = TransformersEngine(options(tiny_qwen3, batch_tokens=1))
    np.testing.assert_allclose(together, small.embed(TEXTS), atol=1e-5)


def test_a_text_without_a_token_is_zero_and_no_text_gives_no_row(engine: TransformersEngine) -> None:
    vectors = engine.embed(["", "x"])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([0.0, 1.0], abs=1e-6)
    assert engine.embed([]).shape == (0, 64)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text("ab c", max_size=30), max_size=8), characters=st.integers(1, 60))
def test_what_is_tokenised_piece_by_piece_gets_the_vectors_that_it_gets_in_one_piece(
    engine: TransformersEngine, texts: list[str], characters: int
) -> None:
    whole = engine.embed(texts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local_model, "pieces", lambda of, _: pieces(of, characters))
        assert engine.embed(texts) == pytest.approx(whole, abs=1e-6)


def test_a_text_in_a_later_piece_that_is_too_long_is_named_by_its_place_in_the_list(tiny_qwen3: Path) -> None:
    engine = TransformersEngine(options(tiny_qwen3, max_tokens=4, batch_tokens=1))
    texts = ["one two", "three four", "one two three four five six", "x", "one two three four five six seven"]
    assert engine.options.batching == "auto"
    with pytest.raises(OverLengthError, match="2 of 5 inputs are longer than 4 tokens; the first is number 3 with 6 tokens"):
        engine.embed(texts)


@given(st.lists(st.text(max_size=9), max_size=12), st.none() | st.integers(1, 30))
def test_pieces_are_the_list_and_hold_no_more_characters_than_they_may_but_for_one_long_text(texts: list[str], most: int | None) -> None:
    made = list(pieces(texts, most))
    assert [text for piece in made for text in piece] == texts
    assert all(made)
    assert all(len(piece) == 1 or most is None or sum(map(len, piece)) <= most for piece in made)
    # And no two neighbours would fit together.
    assert all(most is not None and sum(map(len, a)) + len(b[0]) > most for a, b in pairwise(made))


@pytest.mark.parametrize(
    "make",
    [
        lambda p: EmbeddingRanker.build(EmbeddingOptions(), p),
        lambda p: ListwiseRanker.build(ListwiseOptions(window=3, step=2, max_new_tokens=4), p),
    ],
    ids=["E2Rank", "RankQwen3"],
)
def test_from_the_check_of_its_length_to_the_answer_no_text_is_tokenised_twice(
    tiny_qwen3: Path, make: Callable[[Parts], Ranker], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = TransformersEngine(options(tiny_qwen3))
    read: list[str] = []
    call = engine.tokens._call

    def noted(texts: Sequence[str], **more: bool) -> Any:
        read.extend(texts)
        return call(texts, **more)

    monkeypatch.setattr(engine.tokens, "_call", noted)
    documents = tuple(Document(f"d{i}", f"text {i} about life") for i in range(5))
    make(Parts("dl19", engine, dict, Clock())).rank([CandidateList(Query("q", "what is life"), documents, (0.0,) * 5)])
    assert len(read) >= 2
    assert [text for text, times in Counter(read).items() if times > 1] == []


def test_the_limit_is_the_smaller_of_the_option_and_the_models_positions(engine: TransformersEngine, tiny_qwen3: Path) -> None:
    assert engine.max_tokens == 512
    assert TransformersEngine(options(tiny_qwen3, max_tokens=7)).max_tokens == 7


def test_a_text_that_is_too_long_is_refused_and_fits_once_truncated(tiny_qwen3: Path) -> None:
    engine = TransformersEngine(options(tiny_qwen3, max_tokens=4))
    with pytest.raises(OverLengthError, match="longer than 4 tokens; the first is number 2 with 6 tokens"):
        engine.embed(["x", "one two three four five six"])
    assert engine.count_tokens([engine.truncate("one two three four five six", 4)]) == [4]


def test_greedy_answers_of_a_batch_are_those_of_a_plain_loop(engine: TransformersEngine, tiny_qwen3: Path) -> None:
    prompts: list[Prompt] = ["The capital of China is", Chat((Message("user", LISTWISE),)), "x"]
    calls = engine.generate(prompts, max_tokens=8)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_qwen3)
    model = transformers.AutoModelForCausalLM.from_pretrained(tiny_qwen3, dtype=torch.float32)
    for prompt, call in zip(prompts, calls, strict=True):
        text = (
            prompt if isinstance(prompt, str) else f"<|im_start|>user\n{LISTWISE}<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
        )
        ids = tokenizer(text)["input_ids"]
        answer: list[int] = []
        while len(answer) < 8 and 151645 not in answer:  # <|im_end|>
            with torch.no_grad():
                answer.append(int(model(torch.tensor([ids + answer])).logits[0, -1].argmax()))
        assert call.text == tokenizer.decode(answer, skip_special_tokens=True)
        assert (call.prompt_tokens, call.completion_tokens, call.batch_size) == (len(ids), len(answer), 3)
        assert call.finish == ("stop" if 151645 in answer else "length")
        assert 0 < call.first_token_s < call.seconds


def test_the_first_token_is_there_once_the_device_has_finished_it_and_no_later_one_is_waited_for() -> None:
    device = {"now": 10.0}

    def synchronise() -> None:
        device["now"] += 2.0  # what is left to do when the host has long gone on

    watch = FirstToken(synchronise, now=lambda: device["now"])
    for _ in range(3):
        assert watch(torch.zeros(4, 7, dtype=torch.long), None).tolist() == [False] * 4
        device["now"] += 100.0
    assert (watch.there_s, device["now"]) == (12.0, 10.0 + 2.0 + 3 * 100.0)


def test_an_answer_ends_before_the_first_stop_text(engine: TransformersEngine) -> None:
    prompts: list[Prompt] = ["The capital of China is", Chat((Message("user", LISTWISE),)), "x"]
    whole = engine.generate(prompts, max_tokens=12)
    # A stop text out of the middle of the first answer, across the end of a token; another that no answer holds.
    stop = [whole[0].text[9:14], "no answer says this"]
    stopped = engine.generate(prompts, max_tokens=12, stop=stop)
    assert stopped[0].text == whole[0].text[: whole[0].text.index(stop[0])]
    assert stopped[0].finish == "stop"
    assert stopped[0].completion_tokens < whole[0].completion_tokens == 12
    for before, after in zip(whole[1:], stopped[1:], strict=True):
        assert stop[0] not in before.text
        assert (after.text, after.finish, after.completion_tokens) == (before.text, "length", 12)


def test_a_stop_text_costs_the_tokens_that_complete_it(engine: TransformersEngine) -> None:
    three = engine.generate([LISTWISE], max_tokens=3)[0].text
    call = engine.generate([LISTWISE], max_tokens=9, stop=["never said", three])[0]
    assert (call.text, call.completion_tokens, call.finish) == ("", 3, "stop")


def edited(source: Path, target: Path, file: str, **changes: Any) -> Path:
    shutil.copytree(source, target)
    found = json.loads((target / file).read_text())
    (target / file).write_text(json.dumps({**found, **changes}))
    return target


def test_the_sampling_that_a_checkpoint_recommends_is_not_used(engine: TransformersEngine, tiny_qwen3: Path, tmp_path: Path) -> None:
    recommending = edited(
        tiny_qwen3, tmp_path / "m", "generation_config.json", do_sample=True, temperature=5.0, top_k=50, repetition_penalty=9.0
    )
    plain = engine.generate(["fleas fleas fleas fleas"], max_tokens=12)[0].text
    assert TransformersEngine(options(recommending)).generate(["fleas fleas fleas fleas"], max_tokens=12)[0].text == plain


def test_an_answer_stops_at_the_end_token_which_counts_but_is_not_shown(
    engine: TransformersEngine, tiny_qwen3: Path, tmp_path: Path
) -> None:
    # Whatever this model says first is made the end token.
    first = engine.generate(["hello"], max_tokens=1)[0].text
    end = engine.tokens.tokenizer.encode(first)
    assert len(end) == 1
    stopping = edited(tiny_qwen3, tmp_path / "m", "generation_config.json", eos_token_id=[151645, end[0]])
    call = TransformersEngine(options(stopping)).generate(["hello"], max_tokens=9)[0]
    assert (call.completion_tokens, call.text, call.finish) == (1, "", "stop")


def test_a_prompt_whose_answer_may_not_fit_is_refused(engine: TransformersEngine) -> None:
    with pytest.raises(OverLengthError, match="longer than 2 tokens"):
        engine.generate(["one two three"], max_tokens=510)
    with pytest.raises(EngineError, match="empty prompt"):
        engine.generate([""], max_tokens=1)


def test_embedding_and_generating_may_alternate(engine: TransformersEngine) -> None:
    before = engine.embed(["x"])
    engine.generate(["x"], max_tokens=1)
    assert engine.embed(["x"]).tobytes() == before.tobytes()


def test_weights_that_are_missing_are_an_error_and_not_random_numbers(tiny_qwen3: Path, tmp_path: Path) -> None:
    safetensors: Any = pytest.importorskip("safetensors.torch")
    folder = shutil.copytree(tiny_qwen3, tmp_path / "m")
    state = safetensors.load_file(folder / "model.safetensors")
    del state["model.layers.1.mlp.up_proj.weight"]
    safetensors.save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EngineError, match=r"lack 1 weights of Qwen3Model, the first is .*layers\.1\.mlp\.up_proj\.weight"):
        TransformersEngine(options(folder)).embed(["x"])


def test_a_damaged_weights_file_is_an_error_of_ours(tiny_qwen3: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_qwen3, tmp_path / "m")
    (folder / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(EngineError, match="could not load model"):
        TransformersEngine(options(folder)).embed(["x"])


def test_a_folder_without_a_model_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="could not load model"):
        TransformersEngine(options(tmp_path))


def test_a_model_that_is_not_at_hand_is_missing_before_anything_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(MissingWeights, match="owner/absent"):
        TransformersEngine(TransformersOptions(model="owner/absent"))
    with pytest.raises(MissingWeights, match="owner/absent"):
        TransformersEngine.provenance(TransformersOptions(model="owner/absent"))


def test_a_device_that_is_not_there_is_an_error(tiny_qwen3: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    with pytest.raises(EngineError, match="no CUDA device"):
        TransformersEngine(TransformersOptions(model=str(tiny_qwen3), device="cuda"))


@given(st.lists(st.integers(0, 50), max_size=30), st.integers(1, 120))
def test_batches_hold_each_input_once_and_stay_within_their_tokens(lengths: list[int], budget: int) -> None:
    batches = plan_batches(lengths, budget)
    assert sorted(p for batch in batches for p in batch) == [p for p, n in enumerate(lengths) if n]
    assert all(len(batch) == 1 or len(batch) * max(lengths[p] for p in batch) <= budget for batch in batches)
    longest = [max(lengths[p] for p in batch) for batch in batches]
    assert longest == sorted(longest, reverse=True)
