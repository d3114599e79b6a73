"""The highest rate that holds is found between doublings and bisections."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load.virtual import constant, figures
from rerankbench.load.runs import try_all
from rerankbench.load.search import DOUBLINGS, bracket, search
from rerankbench.load.settings import Settings


def up_to(capacity: float) -> Callable[[float], bool]:
    return lambda rate: rate <= capacity


def test_doubling_then_bisection_in_the_order_of_trying() -> None:
    # 1, 2, 4, 8 fails; then (4 + 8) / 2 = 6 holds, 7 fails, 6.5 holds.
    assert search(up_to(6.8), 1.0, steps=3) == {1: True, 2: True, 4: True, 8: False, 6: True, 7: False, 6.5: True}


def test_halving_where_the_first_one_fails() -> None:
    assert list(search(up_to(0.3), 1.0, steps=1)) == [1.0, 0.5, 0.25, 0.375]


@given(st.floats(0.01, 1000), st.floats(0.01, 1000), st.integers(0, 8))
def test_the_capacity_lies_in_the_bracket_that_each_step_halves(capacity: float, start: float, steps: int) -> None:
    low, high = bracket(search(up_to(capacity), float(f"{start:.3g}"), steps=steps))
    if low is not None and high is not None:
        assert low <= capacity < high
        # A bracket of doubling is as wide as its lower end, halved with every step; rates are rounded to three figures.
        assert high - low <= low / 2**steps * 1.05 + 0.02 * high
    else:
        # The first of the attempts is the start itself; every rounding moves a rate by half a percent at most.
        reach = 2 ** (DOUBLINGS - 1)
        assert not start / reach * 1.07 < capacity < start * reach * 0.93


def test_rates_that_are_known_are_not_tried_again() -> None:
    asked: list[float] = []

    def holds(rate: float) -> bool:
        asked.append(rate)
        return rate <= 6.8

    search(holds, 1.0, steps=1, tried={4.0: True, 8.0: False})
    assert asked == [6.0]


def test_luck_above_a_rate_that_fails_does_not_count() -> None:
    assert bracket({1.0: True, 2.0: False, 4.0: True}) == (1.0, 2.0)
    assert bracket({}) == (None, None)


def test_halving_ends_where_a_lower_rate_is_as_slow() -> None:
    assert list(search(up_to(0.0), 8.0, steps=4, is_hopeless=lambda: False))[:3] == [8.0, 4.0, 2.0]
    assert list(search(up_to(0.0), 8.0, steps=4, is_hopeless=lambda: True)) == [8.0]


@pytest.mark.parametrize(("target", "capacity"), [(1.5, 1.0), (50.0, 1.0)])
def test_the_capacity_of_a_constant_server_is_found(target: float, capacity: float) -> None:
    # D/D/1 with service 1 s: up to 1 a second nothing waits. Beyond, at rate r, arrival n waits n (1 - 1/r), so that with 2000 of them a
    # p99 of 50 s allows n = 1980 to wait 49 s, r = 1.0254; and one of 1.5 s even less.
    settings = Settings(target_s=target, pattern="constant", arrivals=2000, warmup=0, drain_s=100.0, steps=8)
    tried: dict[float, bool] = {}

    def attempt(rate: float) -> bool:
        tried[rate] = figures(rate, constant(1.0), settings).holds(target)
        return tried[rate]

    try_all(attempt, settings, start=0.3)
    low, high = bracket(tried)
    assert low is not None
    assert high is not None
    assert capacity * 0.99 <= low < high <= capacity * 1.03


def test_named_rates_come_first_and_without_steps_they_are_all() -> None:
    named = Settings(rates=(4.0, 1.0), target_s=1.0, steps=0)
    asked: list[float] = []

    def attempt(rate: float) -> bool:
        asked.append(rate)
        return rate < 3

    try_all(attempt, named, start=100.0)
    assert asked == [4.0, 1.0]
    try_all(attempt, Settings(rates=(4.0, 1.0), target_s=1.0, steps=2), start=100.0)
    assert asked[2:] == [4.0, 1.0, 2.5, 3.25]
