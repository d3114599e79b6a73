"""What a rate's arrivals waited for, and how sure that is."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerankbench.errors import MeasureError
from rerankbench.load.arrivals import Arrival, Served
from rerankbench.load.measure import Figures, figures_of


def answered(latencies: list[float], *, rate: float = 1.0, unanswered: int = 0) -> list[Served]:
    """Arrivals one gap apart; each is begun when it is due. After them come some that nobody began."""
    due = [Arrival(rate, n, f"q{n}", n / rate) for n in range(len(latencies) + unanswered)]
    done = [Served(a, a.due_s, a.due_s + latency, 0) for a, latency in zip(due, latencies, strict=False)]
    return [*done, *(Served(a) for a in due[len(latencies) :])]


def of(served: list[Served], drain_s: float = 100.0) -> Figures:
    return figures_of(served, drain_s=drain_s)


@given(st.lists(st.floats(0.001, 50), min_size=1, max_size=60))
def test_percentiles_are_those_of_numpy(latencies: list[float]) -> None:
    found = of(answered(latencies))
    for q, latency in ((50, found.p50), (90, found.p90), (99, found.p99)):
        assert latency is not None
        assert latency.seconds == pytest.approx(np.percentile(latencies, q))
        assert not latency.is_bound


@given(
    st.lists(st.floats(0.001, 50), min_size=1, max_size=30), st.integers(1, 10), st.lists(st.floats(100, 1000), min_size=10, max_size=10)
)
def test_a_percentile_is_a_bound_unless_it_stays_whatever_the_unanswered_take(
    latencies: list[float], count: int, taken: list[float]
) -> None:
    found = of(answered(latencies, unanswered=count), drain_s=60.0)
    late = [60.0 + count - 1 - n + more for n, more in zip(range(count), taken, strict=False)]  # each takes longer than it was waited for
    for q, latency in ((50, found.p50), (90, found.p90), (99, found.p99)):
        assert latency is not None
        truth = float(np.percentile([*latencies, *late], q))
        assert latency.seconds <= truth or math.isclose(latency.seconds, truth)
        if not latency.is_bound:
            assert latency.seconds == pytest.approx(truth)
    assert found.unfinished == count


def test_the_median_of_what_was_mostly_answered_is_exact() -> None:
    found = of(answered([1.0] * 90, unanswered=10), drain_s=60.0)
    assert found.p50 is not None
    assert found.p99 is not None
    assert (found.p50.seconds, found.p50.is_bound) == (1.0, False)
    assert found.p99.is_bound


def test_intervals_are_given_where_enough_lies_beyond() -> None:
    few, hundred, thousand = (of(answered([1.0 + n % 7 for n in range(count)])) for count in (99, 100, 1000))
    assert [f is not None and f.interval is not None for f in (few.mean, few.p50, few.p90, few.p99)] == [False] * 4
    assert [f is not None and f.interval is not None for f in (hundred.mean, hundred.p50, hundred.p90, hundred.p99)] == [
        True,
        True,
        True,
        False,
    ]
    assert thousand.p99 is not None
    assert thousand.p99.interval is not None


def test_an_interval_over_blocks_is_wider_where_neighbours_are_alike() -> None:
    # The same thousand values, in waves of 100 alike and shuffled: an interval over single arrivals would not tell them apart.
    waves = [1.0 + (n // 100) % 2 for n in range(1000)]
    shuffled = np.random.default_rng(0).permutation(waves).tolist()
    widths = []
    for values in (waves, shuffled):
        mean = of(answered(values)).mean
        assert mean is not None
        assert mean.interval is not None
        assert mean.interval[0] <= 1.5 <= mean.interval[1]
        widths.append(mean.interval[1] - mean.interval[0])
    # 20 blocks of 50 of which half are 1 and half are 2: standard error 0.5 / sqrt(20), so a width of about 0.44.
    assert widths[0] == pytest.approx(2 * 1.96 * 0.5 / 20**0.5, rel=0.1)
    assert widths[1] < widths[0] / 4


def test_no_interval_of_a_lower_bound() -> None:
    found = of(answered([1.0] * 500, unanswered=1), drain_s=1.0)
    assert found.mean is not None
    assert (found.mean.is_bound, found.mean.interval) == (True, None)


def test_warm_up_alone_is_no_measurement() -> None:
    with pytest.raises(MeasureError, match="No arrival counts"):
        of([Served(Arrival(1.0, 0, "q", 0.0, warmup=True), 0.0, 1.0, 0)])


def test_one_arrival_is_a_rate_too() -> None:
    found = of(answered([0.5], rate=2.0))
    assert (found.offered, found.busy, found.behind) == (2.0, 1.0, 0)
    assert found.is_sustained


def test_a_queue_of_more_than_a_tenth_is_not_sustained() -> None:
    def last_waiting(count: int) -> Figures:
        due = [Arrival(1.0, n, "q", float(n)) for n in range(100)]
        begun = [Served(a, a.due_s if a.number < 99 - count else 200.0, 201.0 if a.number >= 99 - count else a.due_s + 0.1, 0) for a in due]
        return of(begun, drain_s=500.0)

    # A tenth, and the one that may be under way.
    assert (last_waiting(11).behind, last_waiting(11).is_sustained) == (11, True)
    assert (last_waiting(12).behind, last_waiting(12).is_sustained) == (12, False)


def test_long_queries_that_a_server_ranks_beside_each_other_are_no_queue() -> None:
    # 10 a second, 3 s each: 30 are always under way, of which 29 before the last, due when the first 70 of 100 are done.
    served = answered([3.0] * 100, rate=10.0)
    beside, one_by_one = figures_of(served, drain_s=10.0, seconds_alone=3.0), figures_of(served, drain_s=10.0, seconds_alone=0.1)
    assert beside.behind == one_by_one.behind == 29
    assert beside.is_sustained
    assert not one_by_one.is_sustained
