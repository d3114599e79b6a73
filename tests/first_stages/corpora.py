"""Small corpora for first stages' tests."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence

from rerankbench.records import Document


class ListedCorpus:
    """Documents in memory; `read` counts how many were handed out."""

    def __init__(self, documents: Sequence[Document], name: str = "listed") -> None:
        self.name = name
        self.read = 0
        self._documents = documents

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(repr([(d.id, d.title, d.text) for d in self._documents]).encode()).hexdigest()

    def __len__(self) -> int:
        return len(self._documents)

    def documents(self) -> Iterator[Document]:
        for document in self._documents:
            self.read += 1
            yield document

    def subset(self, ids: Collection[str]) -> dict[str, Document]:
        return {d.id: d for d in self._documents if d.id in ids}


def numbered(count: int) -> ListedCorpus:
    """Documents ``d0``, ``d1`` … of different words."""
    return ListedCorpus([Document(f"d{i}", f"word{i} also{i % 7} again{i % 3}", f"title{i}" if i % 2 else "") for i in range(count)])
