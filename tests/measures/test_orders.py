"""Likeness of two rankings: the paper's example, the definitions, and Kendall's tau of scipy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau  # type: ignore[import-untyped]

from rerankbench.measures.orders import rank_biased_overlap, tau_union, tau_union_by_id

IDS = st.lists(st.sampled_from("abcdefghijkl"), unique=True, max_size=12)


def test_the_union_numbers_documents_as_they_come_up() -> None:
    assert tau_union(["d1", "d2", "d3"], ["d1", "d2", "d4"]) == 1.0  # 1 2 3 and 1 2 4
    # 1 2 3 and 4 1 2: (4, 1) and (4, 2) fall, (1, 2) rises.
    assert tau_union("abc", "xab") == pytest.approx(-1 / 3)


@given(st.permutations(list("abcdefgh")), st.permutations(list("abcdefgh")))
def test_tau_union_is_kendalls_tau_of_the_ranks_where_the_documents_are_the_same(a: list[str], b: list[str]) -> None:
    expected = kendalltau([a.index(d) for d in "abcdefgh"], [b.index(d) for d in "abcdefgh"]).statistic
    assert tau_union(a, b) == pytest.approx(expected)


@given(IDS, IDS)
def test_both_tau_unions_are_kendalls_tau_of_the_numbers_at_the_same_ranks(a: list[str], b: list[str]) -> None:
    for ours, union in ((tau_union(a, b), list(dict.fromkeys(a + b))), (tau_union_by_id(a, b), sorted({*a, *b}))):
        n = min(len(a), len(b))
        if n < 2:
            assert ours is None
        else:
            numbers = [[union.index(doc_id) for doc_id in ranking[:n]] for ranking in (a, b)]
            assert ours == pytest.approx(kendalltau(*numbers).statistic)


def test_the_union_by_id_depends_on_names_and_the_papers_does_not() -> None:
    # The last two of three documents swap: one pair of three, so tau is 1/3. By id, zay and zya are 2 0 1 and 2 1 0: still one;
    # bca and bac are 1 2 0 and 1 0 2: what rises in one falls in the other, three times.
    assert tau_union("zay", "zya") == tau_union("bca", "bac") == pytest.approx(1 / 3)
    assert tau_union_by_id("zay", "zya") == pytest.approx(1 / 3)
    assert tau_union_by_id("bca", "bac") == pytest.approx(-1.0)


def test_overlap_is_weighted_by_rank() -> None:
    # Shared of the first 1, 2, 3 ranks of abc and bax: 0, 2, 2. Weights 1, 1/2, 1/4: (0 + 1/2 + 1/4 × 2/3) / (7/4).
    assert rank_biased_overlap("abc", "bax", 0.5) == pytest.approx((1 / 2 + 1 / 6) / (7 / 4))


@given(IDS, IDS)
def test_overlap_is_even_handed_and_1_for_equal_rankings_alone(a: list[str], b: list[str]) -> None:
    found = rank_biased_overlap(a, b)
    assert found == rank_biased_overlap(b, a)
    assert rank_biased_overlap(a, a) == 1.0
    assert 0.0 <= found <= 1.0
    assert (found == 1.0) == (a == b)
    if not set(a) & set(b) and (a or b):
        assert found == 0.0
