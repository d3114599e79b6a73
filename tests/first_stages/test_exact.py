"""The exact search is a search in float64 with ties in the corpus's order, whatever the blocks."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rerankbench.errors import MissingExtra
from rerankbench.first_stages import exact
from rerankbench.first_stages.exact import Best, rounding_error, search
from rerankbench.protocols import Floats

pytest.importorskip("faiss")


def _unit(rows: Floats) -> Floats:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(lengths == 0, 1, lengths)).astype(np.float32)


def _blocks(rows: Floats, size: int) -> Iterator[tuple[int, Floats]]:
    for first in range(0, len(rows), size):
        yield first, rows[first : first + size].copy()


def _plain(rows: Floats, query: Floats, depth: int) -> list[int]:
    """Python's own sums of float64 products, one row after the other, and Python's stable sort."""
    scores = [float(np.dot(row.astype(np.float64), query.astype(np.float64))) for row in rows]
    return sorted(range(len(rows)), key=lambda p: -scores[p])[:depth]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 300),
    distinct=st.integers(1, 40),
    queries=st.integers(1, 25),
    depth=st.integers(1, 350),
    size=st.integers(1, 350),
    dims=st.sampled_from([1, 3, 37, 384]),
)
def test_the_order_is_that_of_scoring_every_row(
    seed: int, rows: int, distinct: int, queries: int, depth: int, size: int, dims: int
) -> None:
    dice = np.random.default_rng(seed)
    kinds = _unit(dice.standard_normal((distinct, dims)).astype(np.float32))
    kinds[0] = 0  # an empty document
    corpus = kinds[dice.integers(0, distinct, rows)]  # many equal rows
    asked = _unit(np.concatenate([kinds[:1], dice.standard_normal((queries, dims)).astype(np.float32)]))
    best = search(_blocks(corpus, size), asked, depth)
    for number, query in enumerate(asked):
        positions, scores = best.of(number)
        assert positions == _plain(corpus, query, depth)
        assert scores == sorted(scores, reverse=True)


def test_near_ties_beyond_the_proposal_are_looked_at() -> None:
    """500 rows that float32 cannot tell apart: their order in float64 is known by construction."""
    dice = np.random.default_rng(3)
    base = dice.standard_normal(64)
    rows = _unit((base + 1e-6 * dice.standard_normal((500, 64))).astype(np.float32))
    query = _unit(base[None].astype(np.float32))
    exact = [float(np.dot(r.astype(np.float64), query[0].astype(np.float64))) for r in rows]
    assert max(exact) - min(exact) < rounding_error(64)
    assert search(_blocks(rows, 500), query, 10).of(0)[0] == _plain(rows, query[0], 10)
    assert search(_blocks(rows, 77), query, 10).of(0)[0] == _plain(rows, query[0], 10)


def test_equal_rows_keep_the_corpus_order_and_a_query_without_content_takes_the_first() -> None:
    rows = np.tile(_unit(np.random.default_rng(0).standard_normal((1, 96)).astype(np.float32)), (400, 1))
    queries = np.concatenate([rows[:1], np.zeros((1, 96), np.float32)])
    best = search(_blocks(rows, 90), queries, 5)
    assert best.of(0)[0] == best.of(1)[0] == [0, 1, 2, 3, 4]
    assert len(set(best.of(0)[1])) == 1
    assert best.of(1)[1] == [0.0] * 5


def _propose_the_last(queries: Floats, rows: Floats, count: int) -> tuple[Floats, NDArray[np.int64]]:
    """As right as what faiss proposes: of equal scores it may be any, here it is the last."""
    scores = queries @ rows.T
    at = np.stack([np.lexsort((-np.arange(len(rows)), -row))[:count] for row in scores])
    return np.take_along_axis(scores, at, axis=1), at


@pytest.mark.parametrize("adverse", [False, True])
@pytest.mark.parametrize("depth", [5, 150])
def test_a_query_that_shares_no_dimension_takes_the_first_documents(depth: int, adverse: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if adverse:
        monkeypatch.setattr(exact, "_propose", _propose_the_last)
    rows = np.zeros((6000, 16), np.float32)
    rows[np.arange(6000), np.arange(6000) % 15] = 1
    queries = np.zeros((25, 16), np.float32)
    queries[:24, 15] = 1
    best = search(_blocks(rows, 6000), queries, depth)
    assert all(best.of(number) == (list(range(depth)), [0.0] * depth) for number in range(25))


def test_the_rounding_error_is_never_exceeded() -> None:
    dice = np.random.default_rng(1)
    for dims in (8, 384, 4096):
        rows, queries = (_unit(dice.standard_normal((n, dims)).astype(np.float32)) for n in (200, 20))
        off = np.abs((rows @ queries.T) - rows.astype(np.float64) @ queries.T.astype(np.float64))
        assert off.max() < rounding_error(dims)


def test_best_keeps_the_earlier_of_equal_scores_whatever_the_order_of_offers() -> None:
    best = Best(1, 2)
    assert best.threshold[0] == -np.inf
    best.offer(0, np.array([7, 3]), np.array([0.5, 0.5]))
    assert best.threshold[0] == 0.5
    best.offer(0, np.array([1, 9]), np.array([0.5, 0.5]))
    assert best.of(0) == ([1, 3], [0.5, 0.5])


def test_without_faiss_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtra, match=r"rerankbench\[retrieval\]"):
        search([(0, np.ones((1, 1), np.float32))], np.ones((1, 1), np.float32), 1)
