"""Cross-encoders of three kinds, with random weights, against the plain library."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from on_vllm.conftest import qwen3_shape, saved
from rerankbench.engines.vllm_offline import VllmEngine, VllmOptions
from rerankbench.errors import EngineError
from rerankbench.protocols import PairScorer

torch: Any = pytest.importorskip("torch")
library: Any = pytest.importorskip("transformers")

PAIRS = [("what do fleas eat", "fleas feed on blood"), ("", "no query"), ("long", "word " * 900), ("q " * 400, "document " * 400)]
BASE: dict[str, Any] = {
    "hidden_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 256,
    "initializer_range": 0.2,
}


def words(folder: Path, pair: str, *more_names: str) -> Path:
    """A tokenizer of few words that writes pairs like this."""
    tokenizers: Any = pytest.importorskip("tokenizers")
    known = ["[UNK]", "[PAD]", "[CLS]", "[SEP]", *sorted({word for pair in PAIRS for text in pair for word in text.split()})]
    backend = tokenizers.Tokenizer(tokenizers.models.WordLevel({w: i for i, w in enumerate(known)}, unk_token="[UNK]"))
    backend.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    marks = [("[CLS]", 2), ("[SEP]", 3)]
    backend.post_processor = tokenizers.processors.TemplateProcessing(single="[CLS] $A [SEP]", pair=pair, special_tokens=marks)
    special = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]"}
    names = ["input_ids", "attention_mask", *more_names]
    library.PreTrainedTokenizerFast(tokenizer_object=backend, model_input_names=names, **special).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=["bert", "bert of two classes", "xlm-roberta", "qwen3"])
def folder(request: pytest.FixtureRequest, tokenizer_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    tokenizer, target = tmp_path_factory.mktemp("words"), tmp_path_factory.mktemp("cross-encoder")
    if request.param == "qwen3":
        shape = qwen3_shape(library, num_labels=1, max_position_embeddings=1024)
        return saved("Qwen3ForSequenceClassification", shape, tokenizer_dir, target)
    if request.param == "xlm-roberta":
        # Positions are counted from behind the padding id: 514 of them are 512. Texts of a pair are not told apart by types.
        shape = library.XLMRobertaConfig(
            **BASE, vocab_size=30, num_labels=1, max_position_embeddings=514, pad_token_id=1, type_vocab_size=1
        )
        return saved("XLMRobertaForSequenceClassification", shape, words(tokenizer, "[CLS] $A [SEP] [SEP] $B [SEP]"), target)
    classes = 2 if "two" in request.param else 1
    shape = library.BertConfig(**BASE, vocab_size=30, num_labels=classes, max_position_embeddings=512, pad_token_id=1)
    typed = words(tokenizer, "[CLS] $A [SEP] $B:1 [SEP]:1", "token_type_ids")
    return saved("BertForSequenceClassification", shape, typed, target)


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[VllmEngine]:
    engine = VllmEngine(VllmOptions(model=str(folder), enforce_eager=True))
    yield engine
    engine.close()


def test_scores_are_those_of_the_plain_library(engine: VllmEngine, folder: Path) -> None:
    assert isinstance(engine, PairScorer)
    model = library.AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = library.AutoTokenizer.from_pretrained(folder)
    expected = []
    for pair in PAIRS:
        read = tokenizer(*pair, truncation="longest_first", max_length=512, return_tensors="pt")
        with torch.no_grad():
            logits = model(**read).logits[0].double()
        expected.append(float(logits[0] if len(logits) == 1 else logits.log_softmax(0)[1]))
    scores = engine.score_pairs(PAIRS)
    assert scores.shape == (4,)
    assert scores.dtype == np.float64
    assert np.ptp(expected) > 0.1, "pairs are told apart"
    np.testing.assert_allclose(scores, expected, atol=3e-5)
    assert engine.score_pairs([]).shape == (0,)


def test_it_says_how_many_tokens_are_read_and_how_many_cut(engine: VllmEngine) -> None:
    tokenizer = engine.tokens.tokenizer
    for pair, (read, cut) in zip(PAIRS, engine.pair_tokens(PAIRS), strict=True):
        whole = len(tokenizer(*pair)["input_ids"])
        assert (read, read + cut) == (min(whole, 512), whole)
    assert [cut > 0 for _, cut in engine.pair_tokens(PAIRS)] == [False, False, True, True]


def test_a_cross_encoder_answers_nothing(engine: VllmEngine) -> None:
    with pytest.raises(EngineError):
        engine.generate(["x"], max_tokens=1)
