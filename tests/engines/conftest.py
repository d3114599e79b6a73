"""Tiny models with random weights: Qwen3 with the real tokenizers, and every other class with a tokenizer made here."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def tokenizer_dirs(data_dir: Path) -> dict[str, Path]:
    return {name: data_dir / "tokenizers" / name for name in ("Qwen3-0.6B", "Qwen3-Embedding-0.6B")}


@pytest.fixture(scope="session")
def tiny_qwen3(tokenizer_dirs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a saved `Qwen3ForCausalLM`, about 10 million parameters."""
    return save_tiny(tmp_path_factory.mktemp("tiny-qwen3"), tokenizer_dirs["Qwen3-0.6B"])


@pytest.fixture(scope="session")
def tiny_qwen3_embedding(tokenizer_dirs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with the tokenizer that appends the end token by itself."""
    return save_tiny(tmp_path_factory.mktemp("tiny-qwen3-embedding"), tokenizer_dirs["Qwen3-Embedding-0.6B"])


def save_tiny(folder: Path, tokenizer: Path) -> Path:
    torch = pytest.importorskip("torch")
    transformers: Any = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.Qwen3Config(
        vocab_size=151936,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        intermediate_size=128,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        eos_token_id=151645,
    )
    transformers.Qwen3ForCausalLM(config).save_pretrained(folder)
    for file in tokenizer.iterdir():
        shutil.copy(file, folder / file.name)
    return folder


TEXT = """query document relevant index context true false yes no the flea cat lives a year stock markets fell on monday how long do fleas
live capital of china is what passage about life and cats two words zero one three"""
WORDS = TEXT.split()
CHARACTERS = [chr(c) for c in range(33, 127)]


def metaspace_tokenizer(*, start: str | None, extra: tuple[str, ...] = ()) -> Any:
    """A sentencepiece-like unigram vocabulary: words carry the mark of their beginning. T5 and Llama write no start, XLM-R does."""
    tokenizers: Any = pytest.importorskip("tokenizers")
    pieces = [
        "<s>",
        "<pad>",
        "</s>",
        "<unk>",
        "\u2581",
        *(f"\u2581{w}" for w in WORDS),
        *(f"\u2581{c}" for c in "ABCDE"),
        *WORDS,
        *CHARACTERS,
    ]
    vocabulary = [(piece, -float(len(CHARACTERS) if len(piece) == 1 else 5)) for piece in dict.fromkeys(pieces)]
    made = tokenizers.Tokenizer(tokenizers.models.Unigram(vocabulary, unk_id=3))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    made.decoder = tokenizers.decoders.Metaspace()
    both = "<s> $A </s> </s> $B </s>" if start == "xlm-roberta" else "$A </s> $B </s>"
    single = {"xlm-roberta": "<s> $A </s>", "t5": "$A </s>", "llama": "<s> $A"}[start or "llama"]
    made.post_processor = tokenizers.processors.TemplateProcessing(single=single, pair=both, special_tokens=[("<s>", 0), ("</s>", 2)])
    return _fast(made, bos_token="<s>", pad_token="<pad>", eos_token="</s>", unk_token="<unk>", additional_special_tokens=list(extra))


def wordpiece_tokenizer() -> Any:
    """As BERT's: words and characters, lower case, [CLS] a [SEP] b [SEP] with types 0 and 1."""
    tokenizers: Any = pytest.importorskip("tokenizers")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS, *CHARACTERS, *(f"##{c}" for c in CHARACTERS)]
    made = tokenizers.Tokenizer(tokenizers.models.WordPiece({p: i for i, p in enumerate(dict.fromkeys(pieces))}, unk_token="[UNK]"))
    made.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return _fast(
        made,
        cls_token="[CLS]",
        sep_token="[SEP]",
        pad_token="[PAD]",
        unk_token="[UNK]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def bytelevel_tokenizer() -> Any:
    """As Mistral's newer ones: bytes, and merges learnt from a few words."""
    tokenizers: Any = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=600, initial_alphabet=sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()), special_tokens=["<s>", "</s>", "<pad>"]
    )
    made.train_from_iterator([" ".join(WORDS), " ".join(f" {w}" for w in WORDS)] * 3, trainer)
    return _fast(made, bos_token="<s>", eos_token="</s>", pad_token="<pad>")


def _fast(made: Any, **settings: Any) -> Any:
    transformers: Any = pytest.importorskip("transformers")
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, **settings)


ENCODER = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, "initializer_range": 0.5}
DECODER = {**ENCODER, "num_key_value_heads": 2, "max_position_embeddings": 512, "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1}


def _shapes() -> dict[str, tuple[str, Any, Callable[[], Any], dict[str, Any]]]:
    """name: (class, configuration class, tokenizer, settings)"""

    def xlm() -> Any:
        return metaspace_tokenizer(start="xlm-roberta")

    def t5() -> Any:
        return metaspace_tokenizer(start="t5", extra=tuple(f"<extra_id_{i}>" for i in range(12)))

    def llama() -> Any:
        return metaspace_tokenizer(start="llama")

    roberta = {**ENCODER, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "max_position_embeddings": 82, "type_vocab_size": 1}
    bert = {**ENCODER, "max_position_embeddings": 80, "pad_token_id": 0}
    small = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4, "initializer_factor": 3.0}
    return {
        "bert": ("BertForSequenceClassification", "BertConfig", wordpiece_tokenizer, {**bert, "num_labels": 2}),
        "electra": (
            "ElectraForSequenceClassification",
            "ElectraConfig",
            wordpiece_tokenizer,
            {**bert, "embedding_size": 16, "num_labels": 1},
        ),
        "xlm-roberta": ("XLMRobertaForSequenceClassification", "XLMRobertaConfig", xlm, {**roberta, "num_labels": 1}),
        "t5": (
            "T5ForConditionalGeneration",
            "T5Config",
            t5,
            {**small, "decoder_start_token_id": 1, "pad_token_id": 1, "eos_token_id": 2},
        ),
        "llama": ("LlamaForCausalLM", "LlamaConfig", llama, DECODER),
        "mistral": (
            "MistralForCausalLM",
            "MistralConfig",
            bytelevel_tokenizer,
            {**DECODER, "eos_token_id": 1, "pad_token_id": 2, "sliding_window": None},
        ),
        "mistral-window": (
            "MistralForCausalLM",
            "MistralConfig",
            bytelevel_tokenizer,
            {**DECODER, "eos_token_id": 1, "pad_token_id": 2, "sliding_window": 4},
        ),
        "qwen2": ("Qwen2ForCausalLM", "Qwen2Config", bytelevel_tokenizer, {**DECODER, "eos_token_id": 1, "pad_token_id": 2}),
    }


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folder of a tiny model of a class, made when it is first asked for."""
    torch = pytest.importorskip("torch")
    transformers: Any = pytest.importorskip("transformers")

    @cache
    def make(name: str) -> Path:
        model, configuration, tokenizer, settings = _shapes()[name]
        made, folder = tokenizer(), tmp_path_factory.mktemp(name)
        torch.manual_seed(0)
        shape = getattr(transformers, configuration)(**settings, vocab_size=len(made))
        getattr(transformers, model)(shape).save_pretrained(folder)
        made.save_pretrained(folder)
        return folder

    return make
