"""Scores are sorted, averaged rank by rank over the queries that reach the rank, and summed up query by query."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerankbench.errors import MeasureError
from rerankbench.measures.interval import bootstrap_interval
from rerankbench.measures.score_curve import score_curve

FINITE = st.floats(-1e6, 1e6)


def test_two_queries_by_hand() -> None:
    # Sorted: 0.9 0.5 0.1 and 0.7 0.3 0.2. Means 0.8 0.4 0.15.
    curve = score_curve([[0.1, 0.9, 0.5], [0.7, 0.2, 0.3]])
    assert [at.rank for at in curve.ranks] == [1, 2, 3]
    assert [at.mean for at in curve.ranks] == pytest.approx([0.8, 0.4, 0.15])
    assert [at.queries for at in curve.ranks] == [2, 2, 2]
    # A resample of two is (a, a), (a, b) or (b, b): the 2.5 and 97.5 % points are the values themselves.
    assert [(at.low, at.high) for at in curve.ranks] == [pytest.approx(pair) for pair in ((0.7, 0.9), (0.3, 0.5), (0.1, 0.2))]


def test_summaries_by_hand() -> None:
    summaries = {s.name: s for s in score_curve([[0.1, 0.9, 0.5], [0.7, 0.2, 0.3]]).summaries}
    assert summaries["first"].mean == pytest.approx(0.8)
    assert summaries["last"].mean == pytest.approx(0.15)
    assert summaries["spread"].mean == pytest.approx((0.8 + 0.5) / 2)
    # Least squares over ranks 1, 2, 3 is (last - first) / 2: -0.4 and -0.25.
    assert summaries["slope"].mean == pytest.approx(-0.325)
    assert "contrast" not in summaries  # no list is longer than ten


def test_the_contrast_is_of_the_first_ten_and_the_rest() -> None:
    (contrast,) = [s for s in score_curve([[1.0] * 10 + [0.25, 0.75], [5.0]]).summaries if s.name == "contrast"]
    assert contrast.mean == pytest.approx(0.5)  # 1 - mean(0.25, 0.75)
    assert contrast.queries == 1


def test_lists_of_different_lengths_are_averaged_over_those_that_reach_the_rank() -> None:
    curve = score_curve([[0.4], [1.0, 0.8, 0.6], [0.9, 0.7]])
    assert [at.queries for at in curve.ranks] == [3, 2, 1]
    # All three at rank 1, two of them at rank 2, one at rank 3.
    assert [at.mean for at in curve.ranks] == pytest.approx([2.3 / 3, 0.75, 0.6])
    assert (curve.ranks[2].low, curve.ranks[2].high) == (0.6, 0.6)
    assert curve.queries == 3


def test_a_query_without_documents_reaches_no_rank() -> None:
    assert score_curve([[], [0.5]]).queries == 1


@pytest.mark.parametrize("scores", [[], [[]], [[0.5, float("nan")]], [[float("inf")]]])
def test_what_has_no_curve_is_refused(scores: list[list[float]]) -> None:
    with pytest.raises(MeasureError, match="at least one score, and finite ones"):
        score_curve(scores)


def test_intervals_are_those_of_the_bootstrap_of_every_rank() -> None:
    scores = [[0.1 * i + 0.01 * j * i for j in range(4)] for i in range(1, 9)]
    curve = score_curve(scores)
    for rank, at in enumerate(curve.ranks):
        values = [sorted(of, reverse=True)[rank] for of in scores]
        assert (at.low, at.high) == pytest.approx(bootstrap_interval(values), abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5).flatmap(lambda n: st.lists(st.lists(FINITE, min_size=n, max_size=n), min_size=1, max_size=4)))
def test_means_never_rise_where_all_lists_are_equally_long(scores: list[list[float]]) -> None:
    means = [at.mean for at in score_curve(scores).ranks]
    assert all(later <= earlier + 1e-9 * max(1, abs(earlier)) for earlier, later in pairwise(means))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.lists(FINITE, min_size=2, max_size=6), min_size=1, max_size=3), st.randoms())
def test_the_order_in_which_scores_and_queries_come_changes_nothing(scores: list[list[float]], random: object) -> None:
    shuffled = [sorted(of, key=lambda _: random.random()) for of in scores]  # type: ignore[attr-defined]
    assert [at.mean for at in score_curve(shuffled).ranks] == [at.mean for at in score_curve(scores).ranks]
    assert [at.mean for at in score_curve(scores[::-1]).ranks] == pytest.approx([at.mean for at in score_curve(scores).ranks])
