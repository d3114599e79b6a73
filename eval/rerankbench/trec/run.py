"""A run in memory, and the one rule that orders it. Knows no measure."""

from __future__ import annotations

import io
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from rerankbench.errors import DataError
from rerankbench.protocols import Doubles
from rerankbench.records import Ranking
from rerankbench.trec.columns import Columns, Keys, Offsets, columns
from rerankbench.trec.text import Text, as_text, load
from rerankbench.trec.writing import write_run

_Scalar = TypeVar("_Scalar", bound=np.generic)
_MIX = np.uint64(0xD6E8FEB86659FD93)


def trec_order(scores: Doubles, doc_id: Callable[[int], bytes], depth: int | None = None) -> list[int]:
    """Order documents as trec_eval does: by falling score in single precision, equal scores by falling document id.

    The rank column plays no part. 1.000000001 and 1.0 are equal scores here; ids compare as their UTF-8 bytes do (which is
    how their code points do).

    Args:
        scores: Shape (documents,), finite.
        doc_id: The UTF-8 id at a position; asked only where scores are equal.
        depth: How many documents are wanted; all by default.

    Returns:
        Positions, best first.
    """
    with np.errstate(over="ignore"):  # beyond the range of single precision scores are infinite, and equal
        single = scores.astype(np.float32)
    order = np.argsort(-single, kind="stable")
    ranked = single[order]
    bounds = np.concatenate(([0], np.flatnonzero(ranked[1:] != ranked[:-1]) + 1, [len(order)]))
    positions: list[int] = order.tolist()
    wanted = len(positions) if depth is None else depth
    for tie in np.flatnonzero(np.diff(bounds) > 1):
        first, stop = bounds[tie : tie + 2].tolist()
        if first >= wanted:
            break
        positions[first:stop] = sorted(positions[first:stop], key=doc_id, reverse=True)
    return positions[:wanted]


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """The scored documents of every query, as columns: some 30 bytes a document besides the file's own text.

    Made by `read_run` or `Run.of`; the rows of a query lie together, in the order of the file.
    """

    _text: Text
    _starts: Offsets
    _ends: Offsets
    _scores: Doubles
    _rows: Mapping[str, tuple[int, int]]

    @classmethod
    def of(cls, rankings: Iterable[Ranking]) -> Self:
        """The run that reading the written rankings would give.

        Raises:
            DataError: `write_run` refuses them.
        """
        file = io.BytesIO()
        write_run(file, rankings, tag="run")
        return cls.from_text(as_text("<rankings>", file.getvalue()))

    @classmethod
    def from_text(cls, text: Text) -> Self:
        """Parse a loaded file; see `read_run`."""
        parts = [part for start, stop in text.blocks() if (part := columns(text, start, stop)) is not None]
        rows, order = _grouped(parts)
        starts, ends, keys = (_joined([getattr(p, name) for p in parts], order) for name in ("starts", "ends", "keys"))
        run = cls(text, starts, ends, _joined([p.scores for p in parts], order), rows)
        run._refuse_repeated(keys)
        return run

    @property
    def query_ids(self) -> tuple[str, ...]:
        """In the order of their first lines."""
        return tuple(self._rows)

    def __contains__(self, query_id: object) -> bool:
        return query_id in self._rows

    def __len__(self) -> int:
        """Number of documents over all queries, which is the number of lines."""
        return len(self._scores)

    def depth(self, query_id: str) -> int:
        """Number of documents of one query.

        Raises:
            DataError: the run has no such query.
        """
        first, stop = self._span(query_id)
        return stop - first

    def ranking(self, query_id: str, depth: int | None = None) -> tuple[str, ...]:
        """The document ids of one query, best first, ordered by `trec_order`.

        Args:
            depth: How many at most; all by default.

        Raises:
            DataError: the run has no such query.
        """
        return tuple(self._doc_id(row).decode() for row in self._ranked_rows(query_id, depth))

    def scores(self, query_id: str) -> tuple[float, ...]:
        """The scores of one query as the file has them, in the order of `ranking`.

        Raises:
            DataError: the run has no such query.
        """
        return tuple(self._scores[self._ranked_rows(query_id, None)].tolist())

    def _span(self, query_id: str) -> tuple[int, int]:
        try:
            return self._rows[query_id]
        except KeyError:
            raise DataError(f"{self._text.name} has no ranking of query {query_id!r}.") from None

    def _ranked_rows(self, query_id: str, depth: int | None) -> list[int]:
        first, stop = self._span(query_id)
        return [first + p for p in trec_order(self._scores[first:stop], lambda p: self._doc_id(first + p), depth)]

    def _doc_id(self, row: int) -> bytes:
        return self._text.data[self._starts[row] : self._ends[row]]

    def _refuse_repeated(self, keys: Keys) -> None:
        """Raise for a document that occurs twice in one query; equal keys say where to look."""
        spans = list(self._rows.values())
        number = np.repeat(np.arange(len(spans), dtype=np.uint64), [stop - first for first, stop in spans])
        keys = np.sort(keys + number * _MIX)
        if (keys[1:] != keys[:-1]).all():
            return
        for query_id, (first, stop) in self._rows.items():
            seen: dict[bytes, int] = {}
            for row in range(first, stop):
                doc_id = self._doc_id(row)
                if doc_id in seen:
                    line = self._text.line(int(self._starts[seen[doc_id]]))
                    problem = f"document {doc_id.decode()!r} of query {query_id!r} stands already on line {line}."
                    raise self._text.error(int(self._starts[row]), problem)
                seen[doc_id] = row


def read_run(path: str | os.PathLike[str]) -> Run:
    """Read a run file, compressed by gzip or not.

    The lines of a query need not lie together. The rank column and the tag are not used.

    Raises:
        MissingData: there is no such file.
        TrecFormatError: the file is empty or not UTF-8, a line has not six columns, a score is not a finite number, or a
            document occurs twice in one query.
    """
    return Run.from_text(load(path))


def _grouped(parts: Iterable[Columns]) -> tuple[dict[str, tuple[int, int]], Offsets | None]:
    """Bring the rows of each query together.

    Returns:
        Query id → its first row and the row behind its last one; and the old row of each new one, None where nothing moves.
    """
    stretches: dict[bytes, list[tuple[int, int]]] = defaultdict(list)
    row = 0
    for part in parts:
        for query_id, lines in part.stretches:
            stretches[query_id].append((row, row + lines))
            row += lines
    spans = [span for those in stretches.values() for span in those]
    bounds = np.cumsum([0, *(sum(stop - first for first, stop in those) for those in stretches.values())]).tolist()
    rows = {query_id.decode(): span for query_id, span in zip(stretches, pairwise(bounds), strict=True)}
    if all(before[1] == after[0] for before, after in pairwise(spans)):
        return rows, None
    return rows, np.concatenate([np.arange(first, stop) for first, stop in spans])


def _joined(parts: list[NDArray[_Scalar]], order: Offsets | None) -> NDArray[_Scalar]:
    joined = np.concatenate(parts)
    joined = joined if order is None else joined[order]
    joined.setflags(write=False)
    return joined
