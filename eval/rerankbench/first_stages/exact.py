"""The best documents of each query, exactly: a float32 search proposes, float64 decides. Knows neither disks nor models.

A matrix product may round equal rows differently by their place in the matrix, so that documents of equal vectors would come in an order
of accident that changes with block size and number of threads. Therefore faiss proposes a few more documents than are asked for, their
scores are computed again row by row in float64, and whatever float32's rounding error could have hidden is looked for. The result is that
of computing every score in float64 and sorting by falling score, equal scores in the corpus's order; tests hold it to that.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from rerankbench.errors import MissingExtra
from rerankbench.protocols import Doubles, Floats

Positions = NDArray[np.int64]

SPARE = 32
"""Documents proposed beyond the depth, so that near ties at its end seldom need a closer look."""
_CLOSE_LOOK_ROWS = 4096


class Best:
    """The best documents of each query among those offered so far: by falling score, equal scores by position in the corpus.

    Attributes:
        threshold: Per query, the score that a further document has to reach; minus infinity while there are fewer than `depth`.
        last: Per query, the position of the document with that score: of equal ones, only one that stands before it is better.
    """

    def __init__(self, queries: int, depth: int) -> None:
        self.depth = depth
        self.threshold: Doubles = np.full(queries, -np.inf)
        self.last: Positions = np.zeros(queries, np.int64)
        self._scores: list[Doubles] = [np.empty(0)] * queries
        self._positions: list[Positions] = [np.empty(0, np.int64)] * queries

    def offer(self, query: int, positions: Positions, scores: Doubles) -> None:
        """Add documents that were not offered before."""
        scores = np.concatenate([self._scores[query], scores])
        positions = np.concatenate([self._positions[query], positions])
        order = np.lexsort((positions, -scores))[: self.depth]
        self._scores[query], self._positions[query] = scores[order], positions[order]
        if len(order) == self.depth:
            self.threshold[query], self.last[query] = scores[order[-1]], positions[order[-1]]

    def of(self, query: int) -> tuple[list[int], list[float]]:
        """Positions in the corpus and scores, best first."""
        return self._positions[query].tolist(), self._scores[query].tolist()


def search(blocks: Iterable[tuple[int, Floats]], queries: Floats, depth: int) -> Best:
    """Search a corpus block by block.

    Args:
        blocks: (position of the first row, rows), all rows of unit length or zero.
        queries: Shape (queries, dimensions), of unit length or zero.

    Raises:
        MissingExtra: faiss is not installed.
    """
    best = Best(len(queries), depth)
    for first, rows in blocks:
        _search_block(best, first, rows, queries)
    return best


def _search_block(best: Best, first: int, rows: Floats, queries: Floats) -> None:
    proposed = min(best.depth + SPARE, len(rows))
    near, at = _propose(queries, rows, proposed)
    error = rounding_error(queries.shape[1])
    for query in np.flatnonzero(near[:, 0] >= best.threshold - error).tolist():
        worth = at[query][near[query] >= best.threshold[query] - error]
        best.offer(query, first + worth, _scores(rows[worth], queries[query]))
        # A row that was not proposed is at most `error` better than float32 says, and so is the last one that was.
        if proposed < len(rows) and near[query, -1] >= best.threshold[query] - 2 * error:
            unknown = np.ones(len(rows), bool)
            unknown[worth] = False
            for start in range(0, len(rows), _CLOSE_LOOK_ROWS):
                part = slice(start, start + _CLOSE_LOOK_ROWS)
                _look_closely(best, query, first + start, rows[part], unknown[part], queries[query])


def _look_closely(best: Best, query: int, first: int, rows: Floats, unknown: NDArray[np.bool_], vector: Floats) -> None:  # noqa: PLR0917
    """Score every row that rounding could have kept out of the proposal: many near ties, e.g. a query without any match."""
    error, threshold = rounding_error(len(vector)), best.threshold[query]
    near = rows @ vector
    at = np.flatnonzero((near >= threshold - error) & unknown)
    if len(at):
        # The same bound, of each row its own: nothing is rounded where no dimension is shared, as with counts of words.
        most = near[at].astype(np.float64) + error * (np.abs(rows[at]) @ np.abs(vector)).astype(np.float64)
        at = at[(most > threshold) | ((most == threshold) & (first + at < best.last[query]))]
        best.offer(query, first + at, _scores(rows[at], vector))


def _scores(rows: Floats, vector: Floats) -> Doubles:
    """One dot product a row, in float64: equal rows get equal scores, wherever they stand."""
    scores: Doubles = np.vecdot(rows.astype(np.float64), vector.astype(np.float64))
    return scores


def rounding_error(dims: int) -> float:
    """The most that a dot product of two unit vectors in float32 can be off, in whatever order it is summed.

    n u / (1 - n u) with u = 2^-24, times the dot product of the absolute values, which is 1 at most (Higham, Accuracy and Stability
    of Numerical Algorithms, section 3.1); and a little for vectors that are not quite of unit length, and for that product's rounding.
    """
    nu = dims * 2.0**-24
    return 1.03 * (1.0 + nu) * nu / (1.0 - nu)


def _propose(queries: Floats, rows: Floats, count: int) -> tuple[Floats, Positions]:
    try:
        import faiss
    except ImportError as error:
        raise MissingExtra("dense first stage", "retrieval", str(error)) from error
    near, at = faiss.knn(queries, rows, count, metric=faiss.METRIC_INNER_PRODUCT)
    return near, at
