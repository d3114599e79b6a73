"""What a decoder is made of, as its ``config.json`` says: how many weights, and which of them a token meets. Knows no work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from rerankbench.errors import DataError, nearest


@dataclass(frozen=True, slots=True)
class Shape:
    """A decoder of the kind of Llama: RMS norms, rotary positions, grouped queries, a gated unit of three matrices.

    Attributes:
        heads, kv_heads: Of the queries, and of the keys and values that they share.
        head_size: Numbers of one head.
        qkv_bias, output_bias, mlp_bias: Whether these matrices add a vector.
        head_norms: Whether queries and keys are normed head by head (Qwen3).
        tied: Whether the language head is the table of embeddings.
        window: How many tokens back, its own included, a token attends to; None: all.
        dtype: In which the weights are stored, as torch calls it; empty where that is not said.
    """

    name: str
    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_size: int
    vocabulary: int
    tied: bool = False
    qkv_bias: bool = False
    output_bias: bool = False
    mlp_bias: bool = False
    head_norms: bool = False
    window: int | None = None
    dtype: str = ""

    @property
    def query_size(self) -> int:
        return self.heads * self.head_size

    @property
    def kv_size(self) -> int:
        """Of one token's keys in one layer; its values take as much."""
        return self.kv_heads * self.head_size

    @property
    def matrices(self) -> int:
        """Weights of all layers that every token is multiplied with."""
        attention = self.hidden * (self.query_size + 2 * self.kv_size) + self.query_size * self.hidden
        return self.layers * (attention + 3 * self.hidden * self.intermediate)

    @property
    def body(self) -> int:
        """All weights of the layers and the last norm: what every pass reads, whatever it is for."""
        return self.matrices + self._biases + self._norms

    @property
    def table(self) -> int:
        """Weights of the table of embeddings; the language head has as many."""
        return self.vocabulary * self.hidden

    @property
    def parameters(self) -> int:
        """All weights of the model with its language head, a tied one once."""
        return self.body + self.table * (1 if self.tied else 2)

    @property
    def _biases(self) -> int:
        qkv = (self.query_size + 2 * self.kv_size) * self.qkv_bias
        return self.layers * (qkv + self.hidden * self.output_bias + (2 * self.intermediate + self.hidden) * self.mlp_bias)

    @property
    def _norms(self) -> int:
        return self.layers * (2 * self.hidden + 2 * self.head_size * self.head_norms) + self.hidden


def shape_from(config: Mapping[str, Any], name: str) -> Shape:
    """The shape that a configuration of the transformers library describes. What it leaves out is as in that library.

    Args:
        name: What the user calls it, for messages.

    Raises:
        DataError: it is of another kind of model, lacks a number, or lets layers differ in how far they look back.
    """
    kind = str(config.get("model_type", ""))
    if kind not in _KINDS:
        raise DataError(f"Shape {name!r}: nothing is counted for models of type {kind!r}. {nearest(kind, _KINDS)}")
    defaults = _KINDS[kind]
    hidden, heads = _number(config, "hidden_size", name), _number(config, "num_attention_heads", name)
    biased = bool(config.get("attention_bias", False)) and kind in {"llama", "qwen3"}  # the others do not read that key
    return Shape(
        name=name,
        layers=_number(config, "num_hidden_layers", name),
        hidden=hidden,
        intermediate=_number(config, "intermediate_size", name),
        heads=heads,
        kv_heads=heads if kind == "llama" and config.get("num_key_value_heads") is None else _number(config, "num_key_value_heads", name),
        head_size=int(config.get("head_dim") or defaults.get("head_dim", hidden // heads)),
        vocabulary=_number(config, "vocab_size", name),
        tied=bool(config.get("tie_word_embeddings", False)),
        qkv_bias=biased or kind == "qwen2",
        output_bias=biased,
        mlp_bias=bool(config.get("mlp_bias", False)) and kind == "llama",
        head_norms=kind == "qwen3",
        window=_window(config, kind, name),
        dtype=str(config.get("torch_dtype") or config.get("dtype") or ""),
    )


def read_shape(file: Path, name: str = "") -> Shape:
    """The shape in a ``config.json``.

    Raises:
        DataError: it is no JSON object, or as `shape_from`.
    """
    try:
        found = orjson.loads(file.read_bytes())
    except orjson.JSONDecodeError as error:
        raise DataError(f"{file}: no JSON: {error}") from error
    if not isinstance(found, dict):
        raise DataError(f"{file}: holds no object, so it describes no model.")
    return shape_from(found, name or str(file))


_KINDS: Mapping[str, Mapping[str, int]] = {"llama": {}, "mistral": {}, "qwen2": {}, "qwen3": {"head_dim": 128}}
"""Types of models that are counted, and what their configurations need not say."""
_MISTRAL_WINDOW = 4096
"""Of a Mistral whose configuration is silent; one without a window says null."""


def _window(config: Mapping[str, Any], kind: str, name: str) -> int | None:
    if kind == "mistral":
        window = config.get("sliding_window", _MISTRAL_WINDOW)
        return None if window is None else int(window)
    if config.get("use_sliding_window"):
        raise DataError(f"Shape {name!r}: some of its layers look back less far than others (use_sliding_window), which is not counted.")
    return None


def _number(config: Mapping[str, Any], key: str, name: str) -> int:
    value = config.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise DataError(f"Shape {name!r}: {key} is {value!r}, expected a number from 1 on.")
    return value
