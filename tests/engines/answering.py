"""An engine with every capability, whose answers follow from the question alone, and a record of all that it was asked."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, ClassVar

import numpy as np

from rerankbench.protocols import Doubles, Floats, ScoreKind
from rerankbench.records import Call, Chat, Prompt


def drawn(*asked: object) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(sha256(repr(asked).encode()).digest()[:8], "big"))


class Answering:
    name: ClassVar[str] = "answering"
    caveat: ClassVar[str] = "answering is made up"
    max_tokens = 7
    has_chat_template = True

    def __init__(self, dims: int = 4) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.events: list[str] = []
        self._dims = dims

    def embed(self, texts: Sequence[str]) -> Floats:
        self.asked += [("embed", text) for text in texts]
        return np.array([drawn(t).standard_normal(self._dims) for t in texts], dtype=np.float32).reshape(-1, self._dims)

    def generate(self, prompts: Sequence[Prompt], *, max_tokens: int, stop: Sequence[str] = ()) -> list[Call]:
        self.asked += [("generate", prompt) for prompt in prompts]
        return [self._call(len(prompts), prompt, max_tokens, tuple(stop)) for prompt in prompts]

    def generate_pattern(self, prompts: Sequence[Prompt], *, max_tokens: int, patterns: Sequence[str]) -> list[Call]:
        self.asked += [("generate_pattern", prompt) for prompt in prompts]
        return [self._call(len(prompts), p, max_tokens, pattern) for p, pattern in zip(prompts, patterns, strict=True)]

    def generate_fused(self, groups: Sequence[Sequence[str]], *, max_tokens: int) -> list[Call]:
        self.asked += [("generate_fused", tuple(group)) for group in groups]
        return [self._call(len(groups), tuple(group), max_tokens) for group in groups]

    def label_scores(self, prompts: Sequence[Prompt], labels: Sequence[str], *, kind: ScoreKind = "logprob") -> Doubles:
        self.asked += [("label_scores", prompt) for prompt in prompts]
        scores = [[drawn(p, label, kind).standard_normal() for label in labels] for p in prompts]
        return np.array(scores, dtype=np.float64).reshape(len(prompts), len(labels))

    def score_pairs(self, pairs: Sequence[tuple[str, str]]) -> Doubles:
        self.asked += [("score_pairs", pair) for pair in pairs]
        return np.array([drawn(*pair).standard_normal() for pair in pairs], dtype=np.float64)

    def pair_tokens(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[int, int]]:
        return [(len(query) + len(document), 0) for query, document in pairs]

    def score_lists(self, lists: Sequence[tuple[str, Sequence[str]]]) -> list[Doubles]:
        self.asked += [("score_lists", query) for query, _ in lists]
        return [drawn(query, tuple(documents)).standard_normal(len(documents)) for query, documents in lists]

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(t) for t in texts]

    def truncate(self, text: str, max_tokens: int) -> str:
        return text[:max_tokens]

    def render_chat(self, chat: Chat) -> str:
        return "|".join(message.content for message in chat.messages)

    def synchronise(self) -> None:
        self.events.append("synchronise")

    def close(self) -> None:
        self.events.append("close")

    @staticmethod
    def _call(batch_size: int, *asked: object) -> Call:
        draws = drawn(*asked)
        return Call(int(draws.integers(1, 99)), int(draws.integers(1, 99)), 1.5, batch_size, f"answer to {asked!r}", finish="stop")
