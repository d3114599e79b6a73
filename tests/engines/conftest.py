"""A decoder of two layers with random weights and the real Qwen3 tokenizer, and the real tokenizers themselves."""

from __future__ import annotations

import shutil
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
