"""Numbers as they are written, and what is said of a machine that was busy while it was measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from limit_runs import peaks
from rerankbench.limits import Rate, about_peaks
from rerankbench.limits.rendering import scaled, seconds


@pytest.mark.parametrize(
    ("value", "said"), [(0.0, "0 "), (999.0, "999 "), (1_234_567.0, "1.23 M"), (8.59e10, "85.9 G"), (1e15, "1 P"), (1.5e18, "1.5e+03 P")]
)
def test_large_numbers_have_three_digits_and_a_prefix(value: float, said: str) -> None:
    assert scaled(value) == said


@pytest.mark.parametrize(
    ("value", "said"), [(12.3456, "12.346"), (0.0501, "0.0501"), (0.00012345, "0.000123"), (-0.25, "-0.2500"), (0.0, "0.000000")]
)
def test_seconds_have_no_powers_of_ten(value: float, said: str) -> None:
    assert seconds(value) == said


@pytest.mark.parametrize(("median", "loud"), [(8.6e8, False), (8.4e8, True)])
def test_a_median_far_below_the_best_is_said(median: float, loud: bool) -> None:
    quiet = Rate("work", best=1e9, median=9.9e8, worst=1e8, repeats=9)
    found = replace(peaks(), products=(quiet,), transfers=(replace(quiet, median=median),))
    assert about_peaks(found).endswith("; the machine was not quiet: it may reach more") is loud
