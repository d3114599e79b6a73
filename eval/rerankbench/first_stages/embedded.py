"""A corpus's vectors on disk, written as they come and read block by block. Knows neither models nor queries.

Sizes: MS MARCO's 8,841,823 passages in 1,024 dimensions take 8,841,823 x 1,024 x 2 bytes = 18.1 GB on disk in float16 (36.2 GB in
float32). In memory are, while they are made, the texts and vectors of one call of the encoder (1,024 x 1,024 x 4 bytes = 4 MB) and the
ids of one shard (50,000: 5 MB); while they are searched, one block of 64 MB in float32 and as it was read (32 MB), and for each query its
best documents so far: 16 bytes x depth (6,980 queries x 1,000: 112 MB). None of these grows with the corpus, so that what a 24 GiB
machine has to hold besides is the model, the candidate lists with their texts, and what the corpus itself needs to know its ids.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any, Literal, Self

import numpy as np

from rerankbench.errors import DataError, EngineError, StoreError
from rerankbench.first_stages.shards import CALL_DOCUMENTS, Progress, ShardFolder, no_progress, warn, writing
from rerankbench.protocols import Corpus, Floats
from rerankbench.records import Document

BLOCK_BYTES = 64 << 20

Dtype = Literal["float16", "float32"]
Encode = Callable[[Sequence[Document]], tuple[Floats, Mapping[str, int]]]
"""Vectors of some documents, float32 of unit length (or zero), and what had to be done to their texts, by name and number."""


class EmbeddedCorpus:
    """A corpus's vectors on disk; float16 or float32 there, float32 here. Row order is the corpus's order."""

    def __init__(self, shards: ShardFolder) -> None:
        self._shards = shards
        with shards.file(0, "npy").open("rb") as file:
            self.dims, self.dtype = _read_header(file)

    @classmethod
    def make(
        cls,
        shards: ShardFolder,
        corpus: Corpus,
        encode: Encode,
        dtype: Dtype,
        *,
        progress: Progress = no_progress,
        say: Callable[[str], None] = warn,
    ) -> Self:
        """Encode what is missing, and open the whole. `encode` is not called when nothing is missing.

        Raises:
            StoreError: see `ShardFolder.fill`.
            EngineError: a vector is neither of unit length nor zero.
        """

        def write(documents: Iterator[Document], create: Callable[[str], Path]) -> Counter[str]:
            counts: Counter[str] = Counter()
            with _RowsFile(create("npy"), dtype) as rows:
                while batch := list(islice(documents, CALL_DOCUMENTS)):
                    vectors, noted = encode(batch)
                    check_vectors(vectors, [f"document {d.id!r}" for d in batch])
                    rows.add(vectors)
                    counts.update(noted)
            return counts

        shards.fill(corpus, write, progress=progress, say=say)
        return cls(shards)

    def __len__(self) -> int:
        return self._shards.documents

    @property
    def manifest(self) -> dict[str, Any]:
        """What is encoded here, and under ``counts`` what had to be done to the texts."""
        return self._shards.manifest()

    def blocks(self, block_bytes: int = BLOCK_BYTES) -> Iterator[tuple[int, Floats]]:
        """All rows in order, as (position of the first row, rows), each block at most `block_bytes` in float32 (but one row at least)."""
        size = max(1, block_bytes // (4 * self.dims))
        for number in range(len(self._shards)):
            at, end = self._shards.first(number), self._shards.first(number + 1)
            with self._shards.file(number, "npy").open("rb") as file:
                self._check_header(number, file)
                while at < end:
                    rows = np.fromfile(file, self.dtype, min(size, end - at) * self.dims).reshape(-1, self.dims)
                    yield at, rows.astype(np.float32, copy=False)
                    at += len(rows)

    def ids_at(self, positions: Sequence[int]) -> dict[int, str]:
        """Ids of the documents at these positions of the corpus."""
        return self._shards.ids_at(positions)

    def vectors(self, ids: Sequence[str]) -> Floats:
        """Vectors of some documents, as they are on disk: shape (ids, dims), float32. Reads all ids once, and only the rows asked for.

        Raises:
            DataError: the corpus has no document of this id.
        """
        wanted, found = set(ids), dict[str, Floats]()
        for number in range(len(self._shards)):
            at = {doc_id: row for row, doc_id in enumerate(self._shards.ids(number)) if doc_id in wanted}
            if at:
                rows = np.load(self._shards.file(number, "npy"), mmap_mode="r")[list(at.values())].astype(np.float32)
                found.update(zip(at, rows, strict=True))
        missing = wanted - found.keys()
        if missing:
            raise DataError(f"{len(missing)} of {len(wanted)} documents are not in the embedded corpus, e.g. {min(missing)!r}.")
        return np.stack([found[doc_id] for doc_id in ids]) if ids else np.empty((0, self.dims), np.float32)

    def _check_header(self, number: int, file: IO[bytes]) -> None:
        if _read_header(file) != (self.dims, self.dtype):
            raise StoreError(
                f"{file.name}: the vectors of shard {number} have another length or type than those of shard 0.",
                hint=f"Delete {self._shards.path}.",
            )


class _RowsFile:
    """An ``.npy`` file that grows: the number of its rows is written when it is closed."""

    def __init__(self, path: Path, dtype: Dtype) -> None:
        self._path = path
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._rows = self._dims = 0
        with writing(path.parent):
            self._file = path.open("wb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        with self._file, writing(self._path.parent):
            if kind is None:
                self._file.seek(0)
                self._write_header()

    def add(self, rows: Floats) -> None:
        with writing(self._path.parent):
            if not self._rows:
                self._dims = rows.shape[1]
                self._write_header()
            self._file.write(np.ascontiguousarray(rows, self._dtype).data)
        self._rows += len(rows)

    def _write_header(self) -> None:
        # NumPy leaves room in the header for the first number of the shape to grow.
        header = {"descr": self._dtype.str, "fortran_order": False, "shape": (self._rows, self._dims)}
        np.lib.format.write_array_header_1_0(self._file, header)


def _read_header(file: IO[bytes]) -> tuple[int, np.dtype[Any]]:
    np.lib.format.read_magic(file)
    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    return shape[1], dtype


def check_vectors(vectors: Floats, names: Sequence[str]) -> None:
    """
    Args:
        names: What each row stands for, e.g. ``document 'd1'``.

    Raises:
        EngineError: not one row a name, or a row whose length is neither 1 nor 0.
    """
    if vectors.ndim != 2 or len(vectors) != len(names):
        raise EngineError(f"The engine was asked to embed {len(names)} texts and gave an array of shape {vectors.shape}.")
    lengths = np.linalg.norm(vectors, axis=1)
    bad = np.flatnonzero(~((np.abs(lengths - 1) < 0.01) | (lengths == 0)))
    if len(bad):
        raise EngineError(f"The engine's vector of {names[bad[0]]} has length {lengths[bad[0]]:g}; expected 1, or 0 for an empty text.")
