"""One pass over documents, however many: which are long, empty, repeated, or named in an odd way."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from rerankbench.records import Document

LONG_WORDS = 1_024
"""The words of a document that the paper's rule keeps."""


@dataclass(frozen=True)
class Documents:
    """The documents that can be read, as often as one likes."""

    each: Callable[[], Iterator[Document]]
    described: str


@dataclass(frozen=True)
class Scan:
    """What one pass over the documents tells (two where texts are repeated).

    Memory: 16 bytes a document, and the ids that are named.

    Attributes:
        repeated: Ids of documents whose words, in their order, are another document's too; empty ones are counted apart.
        twice: Ids that stand more than once.
    """

    total: int
    long: list[str]
    empty: list[str]
    repeated: list[str]
    blank: list[str]
    twice: list[str]

    @property
    def ids(self) -> tuple[list[str], list[str], list[str]]:
        return self.long, self.empty, self.repeated

    @classmethod
    def of(cls, documents: Documents) -> Scan:
        long: list[str] = []
        empty: list[str] = []
        blank: list[str] = []
        of_words, of_ids = array("Q"), array("Q")
        for document in documents.each():
            words = document.contents.split()
            of_words.append(_digest(" ".join(words)))
            of_ids.append(_digest(document.id))
            if len(words) > LONG_WORDS:
                long.append(document.id)
            if not words:
                empty.append(document.id)
            if has_blank(document.id):
                blank.append(document.id)
        repeated = _repeated(documents, of_words, but=_digest(""))
        return cls(len(of_words), long, empty, repeated, blank, list(dict.fromkeys(_repeated(documents, of_ids))))


def _repeated(documents: Documents, digests: array[int], but: int | None = None) -> list[str]:
    """Ids of the documents whose digest is another document's too.

    64 bits of a hash: among ten million texts, two that differ are taken for one with a probability of 3e-6.

    Args:
        digests: One a document, in their order.
        but: A digest that does not count.
    """
    values, counts = np.unique(np.asarray(digests, dtype=np.uint64), return_counts=True)
    again = set(values[counts > 1].tolist()) - {but}
    if not again:
        return []
    return [document.id for document, digest in zip(documents.each(), digests, strict=True) if digest in again]


def _digest(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest(), "little")


def has_blank(doc_id: str) -> bool:
    return any(character.isspace() for character in doc_id)
