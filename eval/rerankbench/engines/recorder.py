"""An engine that answers nothing and keeps what it was asked: how a prompt is looked at exactly as it would be sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from rerankbench.engines.hf_tokens import HfTokens
from rerankbench.protocols import Floats
from rerankbench.records import Call, Message, Prompt


class Recorder:
    """Embeds every text as the same vector and answers every prompt with nothing.

    Attributes:
        embedded: All texts in the order in which they came, call by call.
        prompted: All prompts of `generate`.
    """

    name: ClassVar[str] = "recorder"
    caveat: ClassVar[str] = "nothing was ranked"

    def __init__(self) -> None:
        self.embedded: list[list[str]] = []
        self.prompted: list[Prompt] = []

    def embed(self, texts: Sequence[str]) -> Floats:
        self.embedded.append(list(texts))
        return np.ones((len(texts), 1), dtype=np.float32)

    def generate(self, prompts: Sequence[Prompt], *, max_tokens: int) -> list[Call]:  # noqa: ARG002 the contract of generators
        self.prompted.extend(prompts)
        return [Call(0, 0, 0.0) for _ in prompts]

    def synchronise(self) -> None:
        """There is no device."""

    def close(self) -> None:
        """There is nothing to give back."""


class TokenizingRecorder(Recorder):
    """A recorder with a model's real tokenizer: prompts go through its chat template, and lengths are counted.

    Args:
        max_tokens: The length that the model's engine takes.
    """

    def __init__(self, tokens: HfTokens, max_tokens: int) -> None:
        super().__init__()
        self._tokens = tokens
        self.max_tokens = max_tokens
        self.has_chat_template = tokens.has_chat_template

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._tokens.count_tokens(texts)

    def truncate(self, text: str, max_tokens: int) -> str:
        return self._tokens.truncate(text, max_tokens)

    def render_chat(self, messages: Sequence[Message]) -> str:
        return self._tokens.render_chat(messages)
