"""Models of mteb whose scores can be told beforehand: vectors from a rule, and a reranker that leaves lists as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np


def meta(name: str) -> Any:
    from mteb.models import ModelMeta

    return ModelMeta.create_empty({"name": f"rerankbench/{name}", "revision": "1"})


def encoder(vector_of: Callable[[str], Any], name: str = "scripted") -> Any:
    """An encoder whose vectors are a function of the text."""
    from mteb.models.abs_encoder import AbsEncoder

    class Scripted(AbsEncoder):  # type: ignore[misc, unused-ignore]
        mteb_model_meta = meta(name)

        def __init__(self) -> None:
            self.texts: list[str] = []

        def encode(self, inputs: Any, **_: object) -> Any:
            texts = [text for batch in inputs for text in batch["text"]]
            self.texts += texts
            return np.stack([np.asarray(vector_of(text), dtype=np.float32) for text in texts])

    return Scripted()


def constant() -> Any:
    """All texts are the same to it."""
    return encoder(lambda _: [1.0, 0.0, 0.0], "constant")


def axes(labels: Mapping[str, int]) -> Any:
    """Each label at an axis of its own."""
    width = max(labels.values()) + 1
    return encoder(lambda text: np.eye(width)[labels[text]], "axes")


class Lists:
    """A reranker that ranks each candidate list by a rule of query id, document id and position."""

    def __init__(self, score: Callable[[str, str, int], float]) -> None:
        self.mteb_model_meta = meta("lists")
        self._score = score

    def index(self, corpus: Any, **_: object) -> None: ...

    def search(self, queries: Any, *, top_ranked: Any = None, **_: object) -> dict[str, dict[str, float]]:
        return {q: {d: self._score(q, d, n) for n, d in enumerate(top_ranked[q])} for q in queries["id"]}
