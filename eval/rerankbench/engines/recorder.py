"""An engine that answers nothing and keeps what it was asked: how an input is looked at exactly as it would be sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from rerankbench.engines.hf_tokens import HfTokens
from rerankbench.protocols import Doubles, Floats, ScoreKind
from rerankbench.records import Call, Chat, Prompt

Asked = tuple[str, list[Prompt]]
"""What was asked for in one call, and its inputs."""


class Recorder:
    """Has every capability: embeds every text as the same vector, answers every prompt with nothing, scores everything alike.

    Attributes:
        asked: All calls, in order.
    """

    name: ClassVar[str] = "recorder"
    caveat: ClassVar[str] = "nothing was ranked"

    def __init__(self) -> None:
        self.asked: list[Asked] = []

    @property
    def embedded(self) -> list[list[Prompt]]:
        """The texts of each `embed`."""
        return [inputs for what, inputs in self.asked if what == "embed"]

    @property
    def prompted(self) -> list[Prompt]:
        """All prompts that were to be answered or whose next token was to be scored."""
        return [prompt for what, inputs in self.asked if what in {"generate", "score"} for prompt in inputs]

    def embed(self, texts: Sequence[str]) -> Floats:
        self.asked.append(("embed", list(texts)))
        return np.ones((len(texts), 1), dtype=np.float32)

    def generate(self, prompts: Sequence[Prompt], *, max_tokens: int, stop: Sequence[str] = ()) -> list[Call]:  # noqa: ARG002 the contract
        self.asked.append(("generate", list(prompts)))
        return [Call(0, 0, 0.0) for _ in prompts]

    def generate_pattern(self, prompts: Sequence[Prompt], *, max_tokens: int, patterns: Sequence[str]) -> list[Call]:  # noqa: ARG002 the contract
        return self.generate(prompts, max_tokens=max_tokens)

    def generate_forced(self, prompts: Sequence[Prompt], answers: Sequence[str], *, max_tokens: int) -> list[Call]:  # noqa: ARG002 the contract
        return self.generate(prompts, max_tokens=max_tokens)

    def label_scores(self, prompts: Sequence[Prompt], labels: Sequence[str], *, kind: ScoreKind = "logprob") -> Doubles:  # noqa: ARG002 the contract
        self.asked.append(("score", list(prompts)))
        return np.zeros((len(prompts), len(labels)))

    def score_pairs(self, pairs: Sequence[tuple[str, str]]) -> Doubles:
        self.asked.append(("pair", [f"{query}\n{document}" for query, document in pairs]))
        return np.zeros(len(pairs))

    def pair_tokens(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[int, int]]:
        return [(0, 0) for _ in pairs]

    def generate_fused(self, groups: Sequence[Sequence[str]], *, max_tokens: int) -> list[Call]:  # noqa: ARG002 the contract
        self.asked.append(("text", [text for group in groups for text in group]))
        return [Call(0, 0, 0.0) for _ in groups]

    def score_lists(self, lists: Sequence[tuple[str, Sequence[str]]]) -> list[Doubles]:
        self.asked.append(("list", ["\n".join([query, *documents]) for query, documents in lists]))
        return [np.zeros(len(documents)) for _, documents in lists]

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

    def render_chat(self, chat: Chat) -> str:
        return self._tokens.render_chat(chat)
