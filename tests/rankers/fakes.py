"""Tiny engines whose output is known by hand."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np

from rerankbench.clock import Clock
from rerankbench.protocols import Doubles, Engine, Floats, Parts, ScoreKind
from rerankbench.records import Call, CandidateList, Chat, Document, Finish, Prompt, Qrels, Query

END = "<|endoftext|>"


def candidates(query_id: str, texts: Sequence[str], query: str = "a query") -> CandidateList:
    """Documents d0, d1, … with falling first-stage scores."""
    documents = tuple(Document(f"d{i}", text) for i, text in enumerate(texts))
    return CandidateList(Query(query_id, query), documents, tuple(-float(i) for i in range(len(texts))))


def parts(engine: Engine | None = None, qrels: Qrels | None = None, benchmark: str = "dl19", clock: Clock | None = None) -> Parts:
    judgements: Qrels = qrels or {}
    return Parts(benchmark, engine, lambda: judgements, clock or Clock())


class _Engine:
    name: ClassVar[str] = "fake"
    caveat: ClassVar[str] = ""

    def synchronise(self) -> None: ...

    def close(self) -> None: ...


def vector(text: str, dimensions: int = 8) -> Floats:
    """A unit vector that the text's hash decides."""
    seed = int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big")
    v = np.random.default_rng(seed).standard_normal(dimensions).astype(np.float32)
    unit: Floats = v / np.linalg.norm(v)
    return unit


class HashEmbedder(_Engine):
    """Embeds by hash, or as `known` says; remembers what it was asked."""

    def __init__(self, known: Mapping[str, Sequence[float]] | None = None) -> None:
        self.known = known or {}
        self.asked: list[list[str]] = []

    def embed(self, texts: Sequence[str]) -> Floats:
        self.asked.append(list(texts))
        return np.stack([np.asarray(self.known[t], dtype=np.float32) if t in self.known else vector(t) for t in texts])


class ChatEmbedder(HashEmbedder):
    """An embedder whose class has a chat template; whether its model has one, `has_chat_template` says."""

    has_chat_template = True

    def render_chat(self, chat: Chat) -> str:
        return "".join(f"<{m.role}>{m.content}</{m.role}>" for m in chat.messages) + "<assistant>" + chat.answer


class WordTokens:
    """Counts words and end tokens, and two special tokens on top."""

    token = re.compile(r"<\|endoftext\|>|(?:(?!<\|endoftext\|>)\S)+")
    max_tokens = 41

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(self.token.findall(t)) + 2 for t in texts]

    def truncate(self, text: str, max_tokens: int) -> str:
        ends = [m.end() for m in self.token.finditer(text)]
        kept = max(max_tokens - 2, 0)
        return text if kept >= len(ends) else text[: ends[kept - 1] if kept else 0]


class CountingEmbedder(WordTokens, HashEmbedder): ...


class Writer(_Engine):
    """Generates what `answer` makes of the prompt's text; remembers the prompts of every call, and the last stop texts."""

    def __init__(self, answer: Callable[[str], str]) -> None:
        self.answer = answer
        self.asked: list[list[Prompt]] = []
        self.max_new_tokens: set[int] = set()
        self.stop: tuple[str, ...] = ()

    def generate(self, prompts: Sequence[Prompt], *, max_tokens: int, stop: Sequence[str] = ()) -> list[Call]:
        self.asked.append(list(prompts))
        self.max_new_tokens.add(max_tokens)
        self.stop = tuple(stop)
        return [Call(1, 2, 0.5, len(prompts), text=self.answer(as_text(p)), finish="stop") for p in prompts]


class CountingWriter(WordTokens, Writer): ...


class PatternWriter(Writer):
    """Writes as a writer does, and remembers the forms that it was to hold to."""

    def __init__(self, answer: Callable[[str], str]) -> None:
        super().__init__(answer)
        self.patterns: list[str] = []

    def generate_pattern(self, prompts: Sequence[Prompt], *, max_tokens: int, patterns: Sequence[str]) -> list[Call]:
        self.patterns += patterns
        return self.generate(prompts, max_tokens=max_tokens)


class Forced(_Engine):
    """Writes what it is told, and remembers it."""

    def __init__(self) -> None:
        self.told: list[list[str]] = []
        self.max_new_tokens: set[int] = set()

    def generate_forced(self, prompts: Sequence[Prompt], answers: Sequence[str], *, max_tokens: int) -> list[Call]:
        self.told.append(list(answers))
        self.max_new_tokens.add(max_tokens)
        return [Call(1, 2, 0.5, len(prompts), text=answer, finish="stop") for _, answer in zip(prompts, answers, strict=True)]


class Ended(Writer):
    """A writer whose answers all end for the same reason."""

    def __init__(self, answer: Callable[[str], str], finish: Finish) -> None:
        super().__init__(answer)
        self.finish = finish

    def generate(self, prompts: Sequence[Prompt], *, max_tokens: int, stop: Sequence[str] = ()) -> list[Call]:
        return [replace(c, finish=self.finish) for c in super().generate(prompts, max_tokens=max_tokens, stop=stop)]


class Scorer(_Engine):
    """Scores labels as `score` says for the prompt's text; remembers prompts, labels and kinds."""

    def __init__(self, score: Callable[[str, str], float]) -> None:
        self.score = score
        self.asked: list[list[Prompt]] = []
        self.labels: list[tuple[str, ...]] = []
        self.kinds: list[ScoreKind] = []

    def label_scores(self, prompts: Sequence[Prompt], labels: Sequence[str], *, kind: ScoreKind = "logprob") -> Doubles:
        self.asked.append(list(prompts))
        self.labels.append(tuple(labels))
        self.kinds.append(kind)
        return np.array([[self.score(as_text(p), label) for label in labels] for p in prompts]).reshape(len(prompts), len(labels))


class CountingScorer(WordTokens, Scorer): ...


class Fuser(_Engine):
    """Answers over groups of texts as `answer` says; remembers the groups of every call."""

    def __init__(self, answer: Callable[[Sequence[str]], str]) -> None:
        self.answer = answer
        self.asked: list[list[tuple[str, ...]]] = []
        self.max_new_tokens: set[int] = set()

    def generate_fused(self, groups: Sequence[Sequence[str]], *, max_tokens: int) -> list[Call]:
        self.asked.append([tuple(group) for group in groups])
        self.max_new_tokens.add(max_tokens)
        return [Call(1, 2, 0.5, len(groups), text=self.answer(group), finish="stop") for group in groups]


class CountingFuser(WordTokens, Fuser): ...


def as_text(prompt: Prompt) -> str:
    """What a model would read, all turns one below the other."""
    return prompt if isinstance(prompt, str) else "\n".join(m.content for m in prompt.messages) + prompt.answer
