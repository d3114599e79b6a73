"""A text embedder of ours as an encoder of mteb. mteb is not needed to make one, only to evaluate it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from typing import Any

import numpy as np

from rerankbench.errors import EngineError
from rerankbench.mteb_suite.reading import Reading, fitting
from rerankbench.protocols import Floats, TextEmbedder, Tokens

AT_ONCE = 4096
"""Texts that an engine is handed together: enough to sort them by length, few enough to hold."""


class MtebEncoder:
    """Implements mteb's ``EncoderProtocol``. Vectors are of unit length, so that their similarity is a product.

    Attributes:
        mteb_model_meta: What mteb writes beside the results, an ``mteb.ModelMeta``.

    Args:
        embedder: Give it a cache: a text that comes again, in another task or another subset, is then encoded once.
        at_once: Texts that are handed over together; what a task holds of vectors is not ours to bound, what comes on top is.
    """

    def __init__(self, embedder: TextEmbedder, reading: Reading, meta: Any, *, at_once: int = AT_ONCE) -> None:
        self.mteb_model_meta = meta
        self._embedder = embedder
        self._reading = reading
        self._at_once = at_once
        self._counts: Counter[str] = Counter()

    def encode(
        self,
        inputs: Any,
        *,
        task_metadata: Any,
        hf_split: str,  # noqa: ARG002  mteb's interface
        hf_subset: str,
        prompt_type: Any = None,
        **_: object,
    ) -> Floats:
        """
        Args:
            inputs: A loader of batches, each a mapping whose ``text`` is a list of texts: what mteb makes of a task.
            prompt_type: Whose ``value`` is ``"query"`` or ``"document"``; None for texts that are compared with their like.

        Returns:
            Shape (texts, dimensions), in the order of `inputs`, unit norm.

        Raises:
            ConfigError: queries are to bear an instruction, and there is none for this task.
            EngineError: the engine gave another number of vectors than it was given texts.
        """
        side = getattr(prompt_type, "value", None)
        made: Floats | None = None
        filled, total = 0, len(inputs.dataset)
        for texts in self._slices(inputs):
            vectors = self._embed(self._read(texts, side, task_metadata.name, hf_subset))
            if made is None:
                made = np.empty((total, vectors.shape[1]), dtype=np.float32)
            made[filled : filled + len(vectors)] = vectors
            filled += len(vectors)
        if made is None:
            return self._embedder.embed([])
        if filled != total:
            raise EngineError(f"Task {task_metadata.name} said that it has {total} texts, and handed over {filled}.")
        return made

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Cosines of all pairs, a tensor of shape (first, second)."""
        from mteb.similarity_functions import dot_score

        return dot_score(_tensor(embeddings1), _tensor(embeddings2))

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Cosines of the pairs, a tensor of shape (pairs,)."""
        from mteb.similarity_functions import pairwise_dot_score

        return pairwise_dot_score(_tensor(embeddings1), _tensor(embeddings2))

    def account(self) -> Mapping[str, int]:
        """``texts`` that were asked for since the last time, and how many of them were ``cut`` to the engine's length."""
        counts, self._counts = self._counts, Counter()
        return {"texts": counts["texts"], "cut": counts["cut"]}

    def _slices(self, inputs: Any) -> Iterator[list[str]]:
        texts = chain.from_iterable(batch["text"] for batch in inputs)
        while some := list(islice(texts, self._at_once)):
            yield some

    def _read(self, texts: list[str], side: str | None, task: str, subset: str) -> list[str]:
        read = self._reading.documents(texts) if side == "document" else self._reading.queries(texts, task, subset)
        if isinstance(self._embedder, Tokens):
            read, cut = fitting(read, self._reading.end_token, self._embedder)
            self._counts["cut"] += cut
        self._counts["texts"] += len(texts)
        return read

    def _embed(self, texts: list[str]) -> Floats:
        vectors = self._embedder.embed(texts)
        if vectors.ndim != 2 or len(vectors) != len(texts):
            engine = type(self._embedder).__name__
            raise EngineError(f"Engine {engine} was asked to embed {len(texts)} texts and gave an array of shape {vectors.shape}.")
        return vectors


def _tensor(embeddings: Any) -> Any:
    """The same numbers as a tensor, in the same memory: mteb would copy a chunk of 50,000 vectors before it multiplies them."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(embeddings, dtype=np.float32)) if isinstance(embeddings, np.ndarray) else embeddings
