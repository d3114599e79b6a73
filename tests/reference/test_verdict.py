"""Verdicts and rounding, at the edges."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerankbench.errors import DataError, MeasureError
from rerankbench.reference.verdict import Verdict, as_printed, half_unit, judge, mean, model_noise, percent, refusal


@pytest.mark.parametrize(
    ("ours", "printed", "verdict"),
    [
        (50.579, "50.58", Verdict.MATCH),  # rounds to 50.58
        (50.575, "50.58", Verdict.MATCH),  # a tie goes away from zero
        (50.5749, "50.58", Verdict.CLOSE),  # rounds to 50.57, off by 0.0051
        (50.585, "50.58", Verdict.CLOSE),  # a tie that rounds to 50.59, off by 0.005
        (50.60, "50.58", Verdict.CLOSE),  # off by exactly the noise
        (50.601, "50.58", Verdict.DIFFERENT),
        (50.56, "50.58", Verdict.CLOSE),
        (50.559, "50.58", Verdict.DIFFERENT),
        (81.64, "81.6", Verdict.MATCH),  # one printed decimal: one decimal counts
        (33.4, "33", Verdict.MATCH),
    ],
)
def test_a_number_is_judged_at_the_printed_decimals_and_both_ways(ours: float, printed: str, verdict: Verdict) -> None:
    assert judge(ours, printed, 0.02) is verdict


def test_a_number_that_the_paper_does_not_print_has_no_other_verdict() -> None:
    assert judge(50.0, None, 0) is Verdict.NOT_IN_PAPER
    assert judge(None, "", 0) is Verdict.NOT_IN_PAPER
    assert judge(None, "50.58", 0) is Verdict.MISSING


@pytest.mark.parametrize("printed", ["n/a", "50,58", "-1.0", "5e1", "nan", " 50.58", "50."])
def test_a_printed_value_that_is_no_number_is_refused(printed: str) -> None:
    with pytest.raises(DataError, match="not a number as the paper prints them"):
        judge(50.58, printed, 0)


@pytest.mark.parametrize(("ours", "noise"), [(float("nan"), 0.1), (float("inf"), 0.1), (50.58, float("nan")), (50.58, -0.1)])
def test_what_is_no_number_or_no_noise_is_refused_even_where_it_would_match(ours: float, noise: float) -> None:
    with pytest.raises(MeasureError):
        judge(ours, "50.58", noise)


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (50.575, 2, "50.58"),  # the binary float is 50.57500000000000284, its repr a tie
        (2.675, 2, "2.68"),  # the binary float is 2.67499999999999982; Python's round gives 2.67
        (0.125, 2, "0.13"),  # an exact binary tie; Python's round gives 0.12
        (1.005, 2, "1.01"),
        (-0.125, 2, "-0.13"),
        (-0.001, 2, "0.00"),
        (31.8, 2, "31.80"),
        (1e-7, 2, "0.00"),
        (12.0, 0, "12"),
    ],
)
def test_rounding_is_decimal_and_ties_go_away_from_zero(value: float, decimals: int, text: str) -> None:
    assert as_printed(value, decimals) == text


def test_the_papers_own_averages_of_table_1_are_ties_that_were_rounded_up() -> None:
    # Printed members of BM25, RankQwen3-0.6B and E2Rank-8B: their means are 43.425, 48.025 and 54.345.
    bm25 = [59.47, 30.75, 44.22, 31.80, 67.89, 33.05, 39.52, 40.70]
    rankqwen3 = [78.35, 36.41, 37.54, 39.19, 71.01, 30.96, 44.43, 46.31]
    e2rank = [84.09, 39.08, 42.06, 43.44, 77.49, 34.01, 54.25, 60.34]
    assert [mean(values) for values in (bm25, rankqwen3, e2rank)] == [43.425, 48.025, 54.345]
    assert [as_printed(mean(values), 2) for values in (bm25, rankqwen3, e2rank)] == ["43.43", "48.03", "54.35"]


def test_a_difference_bears_its_sign() -> None:
    assert [as_printed(x, 2, sign=True) for x in (1.43, -1.15, 0.0)] == ["+1.43", "-1.15", "+0.00"]


def test_a_fraction_becomes_percent_without_the_error_of_a_float_product() -> None:
    assert 0.07 * 100 != 7  # the trap
    assert percent(0.07) == 7
    assert percent(0.50575) == Decimal("50.575")


@given(st.decimals(min_value=0, max_value=1, places=6, allow_nan=False))
def test_percent_shifts_the_point_and_nothing_else(fraction: Decimal) -> None:
    assert percent(float(fraction)) == fraction * 100


@given(st.floats(min_value=0, max_value=100, allow_nan=False), st.integers(min_value=0, max_value=4))
def test_a_number_matches_its_own_printing_and_is_within_half_a_unit_of_it(value: float, decimals: int) -> None:
    printed = as_printed(value, decimals)
    assert judge(value, printed, 0) is Verdict.MATCH
    assert abs(Decimal(repr(value)) - Decimal(printed)) <= half_unit(printed)


def test_the_noise_of_something_deterministic_is_half_of_the_last_printed_digit() -> None:
    assert half_unit("50.58") == Decimal("0.005")
    assert half_unit("43.5") == Decimal("0.05")
    assert half_unit("43") == Decimal("0.5")


def test_the_noise_of_a_model_is_the_larger_of_half_width_and_floor() -> None:
    assert model_noise((66.0, 75.0), 2.01) == Decimal("4.5")
    assert model_noise((70.0, 71.0), 2.01) == Decimal("2.01")
    assert model_noise(None, 0.3) == Decimal("0.3")


def test_limited_partial_and_stand_in_results_are_not_compared() -> None:
    assert refusal(queries=43, expected_queries=43) == ""
    assert refusal(limit=5, queries=5, expected_queries=43) == "first 5 queries only"
    assert refusal(queries=300, expected_queries=323) == "mean over 300 queries, not over all 323"
    assert refusal(caveat="not a language model") == "not a language model"
    assert refusal(other_model="all-MiniLM-L6-v2") == "another model than the paper's: all-MiniLM-L6-v2"
