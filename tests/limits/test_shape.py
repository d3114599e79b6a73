"""Shapes have as many weights as torch's own models of the same configuration, and what cannot be counted is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from rerankbench.engines.random_weights import shape_file
from rerankbench.errors import DataError
from rerankbench.limits import read_shape, shape_from

SMALL = {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}


# As the model cards' files hold them: torch's count of Qwen3ForCausalLM, a tied language head once.
@pytest.mark.parametrize(("name", "parameters"), [("qwen3-0.6b", 596_049_920), ("qwen3-4b", 4_022_468_096), ("qwen3-8b", 8_190_735_360)])
def test_the_published_sizes_have_their_weights(name: str, parameters: int) -> None:
    assert read_shape(shape_file(name)).parameters == parameters


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("qwen3", {}),  # its heads have 128 numbers where nothing is said
        ("qwen3", {"head_dim": 16, "attention_bias": True, "tie_word_embeddings": True}),
        ("qwen2", {"tie_word_embeddings": True}),
        ("qwen2", {"attention_bias": False}),  # a key that it does not read: it always has these vectors
        ("llama", {"attention_bias": True, "mlp_bias": True}),
        ("llama", {"num_key_value_heads": None}),
        ("mistral", {"head_dim": 24}),
        ("mistral", {"attention_bias": True, "mlp_bias": True}),
    ],
)
def test_weights_are_as_many_as_the_library_makes(kind: str, more: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    config = {key: value for key, value in {**SMALL, **more}.items() if value is not None}
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.for_model(kind, **config))
    shape = shape_from({"model_type": kind, **SMALL, **more}, "small")
    assert shape.parameters == sum(weights.numel() for weights in model.parameters())


def test_a_mistral_looks_back_as_far_as_its_library_says() -> None:
    assert shape_from({"model_type": "mistral", **SMALL}, "small").window == 4096
    assert shape_from({"model_type": "mistral", **SMALL, "sliding_window": None}, "small").window is None
    assert shape_from({"model_type": "qwen3", **SMALL, "sliding_window": 64, "use_sliding_window": False}, "small").window is None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"model_type": "bert"}, "type 'bert'"),
        ({"model_type": "qwen3_moe"}, "Did you mean 'qwen3'"),
        ({"num_hidden_layers": 0}, "num_hidden_layers is 0"),
        ({"vocab_size": None}, "vocab_size is None"),
        ({"use_sliding_window": True}, "use_sliding_window"),
    ],
)
def test_what_cannot_be_counted_is_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        shape_from({"model_type": "qwen3", **SMALL, **changed}, "small")


@pytest.mark.parametrize("content", [b"{", orjson.dumps([1])])
def test_a_file_that_is_no_configuration_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(DataError, match=r"config\.json"):
        read_shape(tmp_path / "config.json")
