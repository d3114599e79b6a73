"""The bootstrap interval of a mean over queries."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]

from rerankbench.errors import MeasureError
from rerankbench.measures import bootstrap_interval, interval
from rerankbench.measures.interval import bootstrap_ratio_interval


@pytest.mark.parametrize("confidence", [0.95, 0.8])
def test_the_interval_agrees_with_that_of_scipy(confidence: float) -> None:
    values = np.random.default_rng(7).beta(0.6, 0.9, size=120)
    theirs = stats.bootstrap((values,), np.mean, confidence_level=confidence, n_resamples=40_000, method="percentile", rng=1)
    lower, upper = bootstrap_interval(values.tolist(), confidence=confidence, resamples=40_000)
    # The mean's standard error is about 0.03 here; a quantile of 40,000 resamples is sure to some 2 % of that.
    assert (lower, upper) == pytest.approx(tuple(theirs.confidence_interval), abs=0.002)
    assert upper - lower > 0.05


def test_two_values_give_the_three_means_that_can_be_drawn() -> None:
    # Resamples of (0, 1) have the means 0, 1/2, 1 with probabilities 1/4, 1/2, 1/4.
    assert bootstrap_interval([0.0, 1.0], confidence=0.8) == (0.0, 1.0)
    assert bootstrap_interval([0.0, 1.0], confidence=0.4) == (0.5, 0.5)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    values = np.random.default_rng(1).random(50).tolist()
    assert bootstrap_interval(values, seed=3) == bootstrap_interval(values, seed=3)
    assert bootstrap_interval(values, seed=3) != bootstrap_interval(values, seed=4)


def test_the_interval_does_not_depend_on_how_many_are_drawn_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).random(33).tolist()
    at_once = bootstrap_interval(values)
    monkeypatch.setattr(interval, "_DRAWN", 100)  # three resamples at a time
    interval._kept.cache_clear()
    assert bootstrap_interval(values) == at_once
    monkeypatch.setattr(interval, "_LARGEST_KEPT", 0)
    assert bootstrap_interval(values) == at_once


def test_the_bounds_are_quantiles_of_the_means_that_numpys_generator_draws() -> None:
    values = np.random.default_rng(1).random(300)
    drawn = np.random.default_rng(5).integers(300, size=(10_000, 300))
    expected = np.quantile(values[drawn].mean(axis=1), [0.025, 0.975])
    assert bootstrap_interval(values.tolist(), seed=5) == tuple(expected)


def test_equal_values_leave_no_doubt() -> None:
    assert bootstrap_interval([0.25] * 9) == (0.25, 0.25)
    assert bootstrap_interval([0.5]) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("values", "confidence", "resamples"), [([], 0.95, 10), ([0.5, float("nan")], 0.95, 10), ([0.5], 1.0, 10), ([0.5], 0.95, 0)]
)
def test_what_has_no_interval_is_refused(values: list[float], confidence: float, resamples: int) -> None:
    with pytest.raises(MeasureError):
        bootstrap_interval(values, confidence=confidence, resamples=resamples)


def test_the_interval_of_a_ratio_draws_queries_in_pairs() -> None:
    # Every query takes three times as long: no resample has another ratio, however much the queries differ.
    below = [0.1, 5.0, 2.0, 0.7]
    assert bootstrap_ratio_interval([3 * b for b in below], below) == pytest.approx((3.0, 3.0))
    # One query of ratio 1 and one of ratio 3, both with the denominator 1: resamples are (1, 1), (1, 3) or (3, 3).
    assert bootstrap_ratio_interval([1.0, 3.0], [1.0, 1.0]) == pytest.approx((1.0, 3.0))


@pytest.mark.parametrize(("above", "below"), [([1.0], [1.0, 2.0]), ([], []), ([1.0], [0.0]), ([float("nan")], [1.0])])
def test_a_ratio_that_is_none_is_refused(above: list[float], below: list[float]) -> None:
    with pytest.raises(MeasureError, match="A ratio needs"):
        bootstrap_ratio_interval(above, below)
