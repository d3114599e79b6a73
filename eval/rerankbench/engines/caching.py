"""Wrap an engine so that each distinct text is embedded once, as long as its vector is held in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import ClassVar

import numpy as np

from rerankbench.errors import EngineError
from rerankbench.protocols import Engine, Floats, TextEmbedder

_CAPABILITIES = (
    ("max_tokens", "count_tokens", "truncate"),
    ("has_chat_template", "render_chat"),
    ("generate",),
    ("label_logprobs",),
    ("score_pairs",),
)
"""The members of Tokens, ChatTemplate, TextGenerator, TokenScorer and PairScorer."""


class CachedEmbedder:
    """An engine's vectors, kept by the text that they belong to. What the inner engine can do besides, this can do too.

    Vectors belong to one loaded engine and die with it: nothing is kept across runs, so no stale vector can come back.

    Attributes:
        inner: The engine that does the work.
        asked: Texts asked for so far.
        embedded: Texts that the inner engine has embedded.

    Args:
        inner: An engine that embeds.
        max_bytes: What the vectors may take. The least recently used go first; a batch larger than that is still answered.

    Raises:
        EngineError: the engine does not embed.
    """

    name: ClassVar[str] = "cached"
    caveat: ClassVar[str] = ""

    def __init__(self, inner: Engine, *, max_bytes: int = 2 << 30) -> None:
        if not isinstance(inner, TextEmbedder):
            raise EngineError(f"Engine {inner.name!r} does not embed texts: there is nothing to cache.")
        self.inner = inner
        self.asked = 0
        self.embedded = 0
        self._embedder: TextEmbedder = inner
        self._max_bytes = max_bytes
        self._bytes = 0
        self._rows: OrderedDict[bytes, Floats] = OrderedDict()
        self._preloaded: set[bytes] = set()
        # Set on the instance, not found through __getattr__: since Python 3.12 isinstance() of a runtime protocol looks attributes up
        # statically, and would deny a delegated capability.
        self.__dict__.update(name=inner.name, caveat=inner.caveat)
        for members in _CAPABILITIES:
            if all(hasattr(inner, member) for member in members):
                self.__dict__.update({member: getattr(inner, member) for member in members})

    def embed(self, texts: Sequence[str]) -> Floats:
        if not texts:
            return self._embedder.embed(texts)
        keys = [_key(text) for text in texts]
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._rows}
        fresh = dict(zip(missing, self._embedder.embed(list(missing.values())), strict=True)) if missing else {}
        self.asked += len(keys)
        self.embedded += len(fresh)
        vectors = self._gather(keys, fresh)  # before anything is dropped to make room for the fresh ones
        self._keep(fresh)
        return vectors

    def preload(self, texts: Sequence[str], vectors: Floats) -> None:
        """Keep vectors that were made elsewhere: shape (texts, dimensions), nearly as this engine would make them."""
        rows = {_key(text): vector for text, vector in zip(texts, vectors, strict=True)}
        self._preloaded |= rows.keys()
        self._keep(rows)

    def forget_preloaded(self) -> None:
        """Drop what was not embedded here: such vectors may be rounded, and are not for everybody who asks for the text."""
        for key in self._preloaded & self._rows.keys():
            self._bytes -= self._rows.pop(key).nbytes
        self._preloaded.clear()

    def synchronise(self) -> None:
        self.inner.synchronise()

    def close(self) -> None:
        self._rows.clear()
        self._preloaded.clear()
        self._bytes = 0
        self.inner.close()

    def _gather(self, keys: Sequence[bytes], fresh: Mapping[bytes, Floats]) -> Floats:
        rows = [fresh[key] if key in fresh else self._touched(key) for key in keys]
        vectors = np.empty((len(rows), len(rows[0])), dtype=np.float32)
        for position, row in enumerate(rows):
            vectors[position] = row
        return vectors

    def _touched(self, key: bytes) -> Floats:
        self._rows.move_to_end(key)
        return self._rows[key]

    def _keep(self, fresh: Mapping[bytes, Floats]) -> None:
        for key, vector in fresh.items():
            held = self._rows.get(key)
            self._rows[key] = np.array(vector, dtype=np.float32)  # a view would hold the whole batch in memory
            self._bytes += self._rows[key].nbytes - (0 if held is None else held.nbytes)
        while self._bytes > self._max_bytes:
            _, dropped = self._rows.popitem(last=False)
            self._bytes -= dropped.nbytes


def _key(text: str) -> bytes:
    """128 bits: a collision among a billion texts has a chance of 1e-21."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
