"""Each capability of the engine, for each class of model, against plain library code that takes one input at a time."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rerankbench.engines.transformers_local import TransformersEngine, TransformersOptions
from rerankbench.errors import EngineError, OverLengthError
from rerankbench.protocols import Doubles, Floats, FusionGenerator, PairScorer, TokenScorer

torch = pytest.importorskip("torch")
transformers: Any = pytest.importorskip("transformers")

Tiny = Callable[[str], Path]
DECODERS = ["llama", "mistral", "mistral-window", "qwen2"]
PROMPTS = ["the cat lives a year on monday and the flea", "query", "how long do fleas live what is life", "true false yes no A"]


def engine_of(folder: Path, **changes: Any) -> TransformersEngine:
    return TransformersEngine(TransformersOptions(**{"model": str(folder), "dtype": "float32", "device": "cpu", **changes}))


# Single precision, summed in another order: up to 1.2e-6 and 1.3e-5 were seen on one CPU and less on others. A wrong mask, position
# or row is off by more than 1e-2.
VECTORS, LOGITS = 1e-5, 1e-4


def library(folder: Path, auto: str) -> tuple[Any, Any]:
    return transformers.AutoTokenizer.from_pretrained(folder), getattr(transformers, auto).from_pretrained(folder, dtype=torch.float32)


def test_the_class_has_every_capability() -> None:
    assert all(issubclass(TransformersEngine, capability) for capability in (FusionGenerator, PairScorer, TokenScorer))


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("batching", ["auto", "padded"])
def test_a_decoders_vectors_are_those_of_one_text_at_a_time(tiny: Tiny, name: str, batching: str) -> None:
    tokenizer, model = library(tiny(name), "AutoModel")
    with torch.no_grad():
        states = [model(torch.tensor([tokenizer(text)["input_ids"]])).last_hidden_state[0, -1] for text in PROMPTS]
    expected: Floats = torch.nn.functional.normalize(torch.stack(states), dim=1).numpy()
    np.testing.assert_allclose(engine_of(tiny(name), batching=batching).embed(PROMPTS), expected, atol=VECTORS)


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("batching", ["auto", "padded"])
def test_a_decoders_label_scores_are_those_of_one_prompt_at_a_time(tiny: Tiny, name: str, batching: str) -> None:
    tokenizer, model = library(tiny(name), "AutoModelForCausalLM")
    # Of one letter: a token in each of these vocabularies, with no blank before it.
    labels, wanted = ["A", "B", "["], tokenizer.convert_tokens_to_ids(["A", "B", "["])
    with torch.no_grad():
        logits = torch.stack([model(torch.tensor([tokenizer(text)["input_ids"]])).logits[0, -1] for text in PROMPTS])
    engine = engine_of(tiny(name), batching=batching)
    found = engine.label_scores(PROMPTS, labels, kind="logit")
    assert found.shape == (4, 3)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, logits[:, wanted].numpy(), atol=LOGITS)
    np.testing.assert_allclose(engine.label_scores(PROMPTS, labels), logits.log_softmax(-1)[:, wanted].numpy(), atol=LOGITS)


def test_no_prompt_gives_no_row(tiny: Tiny) -> None:
    assert engine_of(tiny("llama")).label_scores([], ["A", "B"]).shape == (0, 2)
    assert engine_of(tiny("t5")).generate_fused([], max_tokens=1) == []
    assert engine_of(tiny("bert"), pair_tokens=80).score_pairs([]).shape == (0,)


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
@pytest.mark.parametrize("name", ["bert", "xlm-roberta", "electra", "llama"])
def test_pooling_is_over_a_texts_own_tokens(tiny: Tiny, name: str, pooling: str) -> None:
    tokenizer, model = library(tiny(name), "AutoModel")
    rows = []
    for text in PROMPTS:
        with torch.no_grad():
            states = model(torch.tensor([tokenizer(text)["input_ids"]])).last_hidden_state[0]
        rows.append({"mean": states.mean(0), "cls": states[0], "last": states[-1]}[pooling])
    expected: Floats = torch.nn.functional.normalize(torch.stack(rows), dim=1).numpy()
    np.testing.assert_allclose(engine_of(tiny(name), pooling=pooling).embed(PROMPTS), expected, atol=VECTORS)


PAIRS = [
    ("how long do fleas live", "the flea lives a year"),
    ("query", "stock markets fell on monday " * 30),
    ("what is the capital of china " * 20, "the cat " * 50),
    ("what is the capital of china " * 20, "cats"),
    ("", "life and cats"),
]


def library_scores(folder: Path, limit: int) -> Doubles:
    """The library's own pair encoding, cut longest first, one pair at a time."""
    tokenizer, model = library(folder, "AutoModelForSequenceClassification")
    rows = []
    for query, document in PAIRS:
        read = tokenizer(query, document, truncation=True, max_length=limit, return_tensors="pt")
        with torch.no_grad():
            logits = model(**read).logits[0]
        rows.append(logits[0] if len(logits) == 1 else logits.log_softmax(-1)[-1])
    scores: Doubles = torch.stack(rows).double().numpy()
    return scores


@pytest.mark.parametrize("name", ["bert", "electra", "xlm-roberta"])
@pytest.mark.parametrize("limit", [17, 64, 80])
def test_pairs_are_scored_as_the_library_scores_one_at_a_time(tiny: Tiny, name: str, limit: int) -> None:
    engine = engine_of(tiny(name), pair_tokens=limit)
    np.testing.assert_allclose(engine.score_pairs(PAIRS), library_scores(tiny(name), limit), atol=1e-5)


def test_token_types_matter_for_bert(tiny: Tiny) -> None:
    tokenizer, model = library(tiny("bert"), "AutoModelForSequenceClassification")
    read = tokenizer(*PAIRS[0], return_tensors="pt")
    with torch.no_grad():
        without = model(read["input_ids"]).logits[0].log_softmax(-1)[-1]
    assert abs(engine_of(tiny("bert"), pair_tokens=80).score_pairs(PAIRS[:1])[0] - float(without)) > 1e-3


def test_what_a_model_cannot_do_is_said(tiny: Tiny) -> None:
    with pytest.raises(EngineError, match="'decoder', which is not for scores of pairs"):
        engine_of(tiny("llama")).score_pairs(PAIRS)
    with pytest.raises(EngineError, match="'encoder', which is not for answers or scores of answers"):
        engine_of(tiny("bert")).generate(["x"], max_tokens=1)
    with pytest.raises(EngineError, match="'encoder-decoder', which is not for embeddings"):
        engine_of(tiny("t5")).embed(["x"])
    with pytest.raises(EngineError, match="cannot read texts apart"):
        engine_of(tiny("llama")).generate_fused([["x"]], max_tokens=1)
    with pytest.raises(EngineError, match="cannot work packed"):
        engine_of(tiny("bert"), batching="packed")


def test_a_checkpoint_without_the_head_that_is_asked_for_is_an_error(tiny: Tiny, tmp_path: Path) -> None:
    safetensors: Any = pytest.importorskip("safetensors.torch")
    folder = shutil.copytree(tiny("bert"), tmp_path / "m")
    state = {key: value for key, value in safetensors.load_file(folder / "model.safetensors").items() if "classifier" not in key}
    safetensors.save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    engine = engine_of(folder, pair_tokens=80)
    assert engine.embed(["life"]).shape == (1, 32)
    with pytest.raises(EngineError, match=r"lack 2 weights of BertForSequenceClassification, the first is 'classifier\.bias'"):
        engine.score_pairs(PAIRS)


def test_pairs_beyond_a_models_positions_are_refused(tiny: Tiny) -> None:
    # 82 positions, of which XLM-R skips its padding id 1 and what lies before it.
    assert engine_of(tiny("xlm-roberta")).max_tokens == 80
    with pytest.raises(EngineError, match=r"pair_tokens is 512, but model .* reads 80 tokens only"):
        engine_of(tiny("xlm-roberta")).score_pairs(PAIRS)


def greedy_t5(model: Any, encoded: Any, mask: Any, steps: int) -> list[int]:
    """A decoder over given encoder states, written out: no cache, no padding."""
    answer = [1]  # this model's start token
    while len(answer) <= steps and 2 not in answer:
        with torch.no_grad():
            out = model(encoder_outputs=(encoded,), attention_mask=mask, decoder_input_ids=torch.tensor([answer]))
        answer.append(int(out.logits[0, -1].argmax()))
    return answer[1:]


def test_t5_answers_are_those_of_a_loop(tiny: Tiny) -> None:
    tokenizer, model = library(tiny("t5"), "AutoModelForSeq2SeqLM")
    calls = engine_of(tiny("t5")).generate(PROMPTS, max_tokens=6)
    for text, call in zip(PROMPTS, calls, strict=True):
        ids = torch.tensor([tokenizer(text)["input_ids"]])
        expected = greedy_t5(model, model.get_encoder()(ids).last_hidden_state, torch.ones_like(ids), 6)
        assert call.text == tokenizer.decode(expected, skip_special_tokens=True)
        assert (call.prompt_tokens, call.completion_tokens) == (ids.shape[1], len(expected))
        assert call.finish == ("stop" if 2 in expected else "length")


def test_t5_first_token_scores_are_those_of_the_first_decoding_step(tiny: Tiny) -> None:
    tokenizer, model = library(tiny("t5"), "AutoModelForSeq2SeqLM")
    wanted = tokenizer.convert_tokens_to_ids(["▁true", "▁false", "<extra_id_10>"])
    with torch.no_grad():
        rows = [
            model(input_ids=torch.tensor([tokenizer(t)["input_ids"]]), decoder_input_ids=torch.tensor([[1]])).logits[0, 0] for t in PROMPTS
        ]
    logits = torch.stack(rows)
    engine = engine_of(tiny("t5"), batch_tokens=24)
    labels = ["true", "false", "<extra_id_10>"]
    np.testing.assert_allclose(engine.label_scores(PROMPTS, labels, kind="logit"), logits[:, wanted].numpy(), atol=1e-4)
    np.testing.assert_allclose(engine.label_scores(PROMPTS, labels), logits.log_softmax(-1)[:, wanted].numpy(), atol=1e-4)


GROUPS = [
    ["query one index 1 context the cat", "query one index 2 context stock markets fell on monday", "query one index 3 context x"],
    ["query two index 1 context fleas live a year", "query two index 2 context life"],
]


@pytest.mark.parametrize("batch_tokens", [1, 30, 16384])
def test_fusion_reads_texts_apart_and_answers_over_all(tiny: Tiny, batch_tokens: int) -> None:
    tokenizer, model = library(tiny("t5"), "AutoModelForSeq2SeqLM")
    calls = engine_of(tiny("t5"), batch_tokens=batch_tokens).generate_fused(GROUPS, max_tokens=6)
    for group, call in zip(GROUPS, calls, strict=True):
        ids = [torch.tensor([tokenizer(text)["input_ids"]]) for text in group]
        with torch.no_grad():
            encoded = torch.cat([model.get_encoder()(i).last_hidden_state for i in ids], dim=1)
        expected = greedy_t5(model, encoded, torch.ones(encoded.shape[:2], dtype=torch.long), 6)
        assert call.text == tokenizer.decode(expected, skip_special_tokens=True)
        assert (call.prompt_tokens, call.completion_tokens) == (encoded.shape[1], len(expected))


def test_fusion_is_not_reading_the_texts_as_one(tiny: Tiny) -> None:
    tokenizer, model = library(tiny("t5"), "AutoModelForSeq2SeqLM")
    ids = [tokenizer(text)["input_ids"] for text in GROUPS[0]]
    with torch.no_grad():
        apart = torch.cat([model.get_encoder()(torch.tensor([i])).last_hidden_state for i in ids], dim=1)
        together = model.get_encoder()(torch.tensor([[i for text in ids for i in text]])).last_hidden_state
    assert float((apart - together).abs().max()) > 0.1


def test_fusion_refuses_what_it_cannot_read(tiny: Tiny) -> None:
    engine = engine_of(tiny("t5"), max_tokens=4)
    with pytest.raises(OverLengthError, match="longer than 4 tokens"):
        engine.generate_fused([["the cat"], ["the cat lives a year"]], max_tokens=1)
    with pytest.raises(EngineError, match="group without a text"):
        engine.generate_fused([["the cat"], []], max_tokens=1)


def test_weights_that_were_saved_with_fusions_wrappers_are_those_of_the_plain_model(tiny: Tiny, tmp_path: Path) -> None:
    safetensors: Any = pytest.importorskip("safetensors.torch")
    folder = shutil.copytree(tiny("t5"), tmp_path / "m")
    plain = safetensors.load_file(folder / "model.safetensors")
    names = {name: re.sub(r"^encoder\.block\.(\d)\.", r"encoder.block.\1.module.", name) for name in plain}
    wrapped = {re.sub(r"^encoder\.", "encoder.encoder.", names[name]): value for name, value in plain.items()}
    assert "encoder.encoder.block.1.module.layer.0.SelfAttention.q.weight" in wrapped
    safetensors.save_file(wrapped, folder / "model.safetensors", metadata={"format": "pt"})
    found, expected = (engine_of(f).label_scores(PROMPTS, ["true"]) for f in (folder, tiny("t5")))
    assert found.tobytes() == expected.tobytes()


def test_half_precision_scores_are_computed_in_single(tiny: Tiny) -> None:
    full = engine_of(tiny("llama")).label_scores(PROMPTS, ["A", "B"])
    half = engine_of(tiny("llama"), dtype="bfloat16").label_scores(PROMPTS, ["A", "B"])
    np.testing.assert_allclose(half, full, atol=0.5)
    # bfloat16 keeps 8 bits: numbers near -5 would be multiples of 1/32.
    assert any(score * 32 != round(score * 32) for score in half.ravel().tolist())


def test_a_tokenizer_of_its_own_may_stand_beside_a_model_without_one(tiny: Tiny, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny("bert"), tmp_path / "m", ignore=shutil.ignore_patterns("tokenizer*"))
    options = TransformersOptions(model=str(folder), tokenizer=str(tiny("bert")), dtype="float32", device="cpu", pair_tokens=64)
    scores = TransformersEngine(options).score_pairs(PAIRS)
    np.testing.assert_allclose(scores, library_scores(tiny("bert"), 64), atol=1e-5)
    assert sorted(TransformersEngine.provenance(options)) == ["tokenizer_sha256", "weights_sha256"]


def test_a_stored_dtype_is_taken_over(tiny: Tiny, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny("llama"), tmp_path / "m")
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**settings, "dtype": "bfloat16"}))
    engine = TransformersEngine(TransformersOptions(model=str(folder), device="cpu"))
    engine.embed(["x"])
    assert engine._model("embed").dtype == torch.bfloat16
