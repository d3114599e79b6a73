"""What mteb hands over, without mteb: loaders, task metadata, data sets with columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from rerankbench.protocols import Floats

QUERY, DOCUMENT = SimpleNamespace(value="query"), SimpleNamespace(value="document")


class Loader:
    """Batches of texts, as mteb's loaders give them."""

    def __init__(self, texts: Sequence[str], batch: int = 3, claims: int | None = None) -> None:
        self.dataset = range(len(texts) if claims is None else claims)
        self._texts = texts
        self._batch = batch

    def __iter__(self) -> Iterator[dict[str, list[str]]]:
        for start in range(0, len(self._texts), self._batch):
            yield {"text": list(self._texts[start : start + self._batch])}


class Columns:
    """A data set: columns by name."""

    def __init__(self, **columns: Sequence[Any]) -> None:
        self._columns: Mapping[str, Sequence[Any]] = columns
        self.column_names = list(columns)

    def __getitem__(self, name: str) -> Sequence[Any]:
        return self._columns[name]


def task(name: str = "SciFact", type_: str = "Retrieval") -> Any:
    return SimpleNamespace(name=name, type=type_)


class LetterEmbedder:
    """The vector of a text is at the axis of its first letter; remembers what it was asked, and in which portions."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.portions: list[int] = []

    def embed(self, texts: Sequence[str]) -> Floats:
        self.asked += texts
        self.portions.append(len(texts))
        vectors = np.zeros((len(texts), 26), dtype=np.float32)
        for row, text in enumerate(texts):
            vectors[row, (ord(text[:1].lower() or "a") - ord("a")) % 26] = 1.0
        return vectors


@dataclass
class WordTokens:
    """A token a word."""

    max_tokens: int

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    def truncate(self, text: str, max_tokens: int) -> str:
        return " ".join(text.split()[:max_tokens])
