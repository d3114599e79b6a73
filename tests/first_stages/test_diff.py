"""How far two lists agree, by hand, by scipy and by the definitions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau  # type: ignore[import-untyped]

from rerankbench.errors import DataError
from rerankbench.first_stages.diff import diff, diff_orders, kendall_tau, overlap, rank_biased_overlap, read_orders
from rerankbench.records import CandidateList, Document, Query

IDS = st.lists(st.sampled_from("abcdefghijkl"), unique=True, max_size=12)


def _list(query_id: str, *documents: str | Document) -> CandidateList:
    found = tuple(d if isinstance(d, Document) else Document(d, f"text of {d}") for d in documents)
    return CandidateList(Query(query_id, "q"), found, tuple(float(-i) for i in range(len(found))))


@pytest.mark.parametrize(
    ("a", "b", "k", "expected"),
    [
        ("abcd", "bxay", 2, 1 / 2),  # ab and bx share b
        ("abcd", "bxay", 4, 2 / 4),
        ("abc", "cab", 10, 1.0),  # both are shorter: divided by three
        ("ab", "abcd", 4, 2 / 4),
        ("ab", "", 2, 0.0),
        ("", "", 2, 1.0),
    ],
)
def test_overlap_is_the_share_of_documents_that_both_have_above_the_cutoff(a: str, b: str, k: int, expected: float) -> None:
    assert overlap(a, b, k) == overlap(b, a, k) == expected


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("xy", "xy", 1.0),
        ("xy", "ab", 0.0),
        # Agreement at depth 1 is 0, at depth 2 it is 2/2: (0.1/0.9) · 0.9² + 0.9² = 0.09 + 0.81
        ("xy", "yx", 0.9),
        # s = 1, l = 2, X = 1, 1: (0.1/0.9) · (0.9 + 1/2 · 0.81 + 1 · (2-1)/(1·2) · 0.81) + ((1-1)/2 + 1/1) · 0.81 = 0.19 + 0.81
        ("x", "xy", 1.0),
        # s = 1, l = 2, X = 0, 1: (0.1/0.9) · (0 + 1/2 · 0.81 + 0) + ((1-0)/2 + 0) · 0.81 = 0.045 + 0.405
        ("x", "yx", 0.45),
        ("x", "", 0.0),
        ("", "", 1.0),
    ],
)
def test_rank_biased_overlap_is_that_of_the_paper(a: str, b: str, expected: float) -> None:
    assert rank_biased_overlap(a, b) == pytest.approx(expected)
    assert rank_biased_overlap(b, a) == pytest.approx(expected)


@given(IDS, IDS, st.floats(0.1, 0.99))
def test_rank_biased_overlap_of_equally_long_lists_is_equation_30(a: Sequence[str], b: Sequence[str], p: float) -> None:
    k = min(len(a), len(b))
    if not k:
        return
    shared = [len(set(a[:d]) & set(b[:d])) for d in range(k + 1)]
    expected = shared[k] / k * p**k + (1 - p) / p * sum(shared[d] / d * p**d for d in range(1, k + 1))
    assert rank_biased_overlap(a[:k], b[:k], p) == pytest.approx(expected)


@given(IDS, IDS)
def test_kendalls_tau_is_scipys_over_the_shared_documents(a: Sequence[str], b: Sequence[str]) -> None:
    shared = [d for d in a if d in b]
    tau = kendall_tau(a, b)
    if len(shared) < 2:
        assert tau is None
    else:
        assert tau == pytest.approx(kendalltau(range(len(shared)), [b.index(d) for d in shared]).statistic)


@given(IDS, IDS)
def test_every_figure_is_the_same_in_both_directions_and_in_its_range(a: Sequence[str], b: Sequence[str]) -> None:
    assert rank_biased_overlap(a, b) == pytest.approx(rank_biased_overlap(b, a))
    assert -1e-12 <= rank_biased_overlap(a, b) <= 1 + 1e-12
    assert kendall_tau(a, b) == (None if kendall_tau(b, a) is None else pytest.approx(kendall_tau(b, a)))
    assert rank_biased_overlap(a, a) == pytest.approx(1)


def test_means_are_over_the_queries_that_both_have() -> None:
    a = [_list("1", "a", "b"), _list("2", "a", "b"), _list("only a", "a")]
    b = [_list("2", "x", "y"), _list("1", "b", "a"), _list("only b", "a")]
    found = diff(a, b, ks=(1, 2))
    assert [q.query_id for q in found.queries] == ["1", "2"]
    assert (found.only_a, found.only_b) == (("only a",), ("only b",))
    assert (found.mean_overlap(1), found.mean_overlap(2)) == (0.0, 1 / 2)
    assert found.mean_rbo == pytest.approx(0.9 / 2)
    assert found.mean_tau == -1.0  # query 2 shares nothing and has none
    assert [q.query_id for q in found.most_different(1)] == ["2"]
    assert [q.shared for q in found.queries] == [2, 0]


def test_texts_that_differ_under_one_id_are_named_once() -> None:
    a = [
        _list("1", Document("same", "x", "t"), Document("other", "x", "t"), Document("bare", None), "a"),
        _list("2", Document("other", "x", "t")),
    ]
    b = [_list("1", Document("same", "t x"), Document("other", "x"), Document("bare", "x"), "b"), _list("2", "b")]
    found = diff(a, b)
    assert found.other_texts == ("other",)  # "same" has the same words, whether its title stands apart or not
    assert found.compared_texts == 2


def test_lists_that_share_no_query_or_have_one_twice_are_refused() -> None:
    with pytest.raises(DataError, match="share no query: one has '1', the other '2'"):
        diff([_list("1", "a")], [_list("2", "a")])
    with pytest.raises(DataError, match="share no query: one has none"):
        diff([], [_list("2", "a")])
    with pytest.raises(DataError, match="Query '1' has two candidate lists"):
        diff([_list("1", "a"), _list("1", "b")], [_list("1", "a")])


def test_a_run_and_the_lists_that_it_was_made_from_are_the_same(data_dir: Path) -> None:
    lists = read_orders(data_dir / "retrieval_results" / "bm25" / "dl19_top100.jsonl")
    found = diff_orders(lists, read_orders(data_dir / "runs" / "rank_llm" / "BM25.trec_results_dl19.txt"))
    assert len(found.queries) == 43
    assert (found.mean_overlap(10), found.mean_overlap(100), found.mean_tau) == (1.0, 1.0, 1.0)
    assert found.mean_rbo == pytest.approx(1.0)


def test_bm25_and_splade_share_a_third_of_their_documents(data_dir: Path) -> None:
    paths = [data_dir / "retrieval_results" / name / "dl19_top100.jsonl" for name in ("bm25", "splade++ed")]
    found = diff_orders(read_orders(paths[0]), read_orders(paths[1]))
    # Counted apart: sums over the 43 queries of the documents that stand among the first 10 and 100 of both.
    ids = [{line_query: [d.id for d in docs] for line_query, docs in read_orders(path).items()} for path in paths]
    for k in (10, 100):
        counted = sum(len({*ids[0][q][:k]} & {*ids[1][q][:k]}) for q in ids[0])
        assert found.mean_overlap(k) == pytest.approx(counted / (43 * k))
    assert found.other_texts == ()
