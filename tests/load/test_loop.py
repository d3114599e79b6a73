"""The open loop on a clock without seconds: what queueing theory says comes out, and nothing that waited is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from load.virtual import SharedPace, constant, figures, served, server
from rerankbench.load.arrivals import Arrival
from rerankbench.load.loop import offer
from rerankbench.load.measure import figures_of
from rerankbench.load.settings import Settings

STEADY = Settings(rates=(1.0,), pattern="constant", arrivals=200, warmup=0)


@pytest.mark.parametrize("busy", [0.5, 0.8])
def test_poisson_arrivals_at_a_constant_server_wait_as_pollaczek_and_khinchine_say(busy: float) -> None:
    # M/D/1 with service s = 1: mean wait = rho s / (2 (1 - rho)): 0.5 at rho = 0.5, and 2 at rho = 0.8.
    settings = Settings(rates=(busy,), arrivals=100_000, warmup=1000, drain_s=1e6)
    waits = [s.wait_s or 0.0 for s in served(busy, constant(1.0), settings) if not s.arrival.warmup]
    blocks = [sum(waits[start : start + 5000]) / 5000 for start in range(0, 100_000, 5000)]
    mean = sum(blocks) / 20
    error = (sum((b - mean) ** 2 for b in blocks) / 19 / 20) ** 0.5
    assert error < 0.1 * mean
    assert mean == pytest.approx(busy / (2 * (1 - busy)), abs=4 * error)


def test_busy_is_the_load_and_latency_is_wait_and_service() -> None:
    found = figures(0.8, constant(1.0), Settings(rates=(0.8,), arrivals=5000, warmup=100))
    assert found.busy == found.under_way == pytest.approx(0.8, abs=0.005)
    assert found.offered == pytest.approx(0.8)
    assert found.achieved == pytest.approx(0.8, abs=0.005)
    assert found.service == pytest.approx(1.0)
    assert found.mean is not None
    assert found.wait is not None
    assert found.mean.seconds == pytest.approx(found.wait + 1.0)
    assert found.is_sustained


def test_constant_arrivals_below_capacity_never_wait() -> None:
    found = figures(0.999, constant(1.0), STEADY)
    assert found.wait == pytest.approx(0.0)
    assert found.p50 is not None
    assert found.p99 is not None
    assert (found.p50.seconds, found.p99.seconds) == pytest.approx((1.0, 1.0))
    assert found.is_sustained
    assert found.is_idle
    assert found.behind == 0


def test_above_capacity_the_queue_grows_and_the_rate_is_not_sustained() -> None:
    # D/D/1 at 2 a second, service 1 s: arrival n (from 0) is due n / 2 after the first and begun n after it, so it waits n / 2.
    found = figures(2.0, constant(1.0), replace(STEADY, drain_s=1000.0))
    assert found.unfinished == 0
    assert found.wait == pytest.approx(sum(n / 2 for n in range(200)) / 200)
    # The last one is due 99.5 s after the first. By then 0 … 98 were done; of the 100 others before the last none.
    assert found.behind == 100
    assert found.achieved == pytest.approx(99 / 99.5)
    assert found.busy == pytest.approx(1.0)
    assert not found.is_sustained
    assert not found.holds(None)


def test_a_stall_delays_all_that_are_due_meanwhile() -> None:
    # Every 10 ms one arrival; ranking takes 1 ms, but the first takes 1 s (coordinated omission would count that one alone).
    # While it lasts 99 more come, 10 … 990 ms after it: n = 1 … 99 is begun when the stall and the n - 1 before it are done, after
    # 1000 + (n - 1) ms, so it waits 1000 + n - 1 - 10 n = 999 - 9 n. So does every later one until that is 0: n = 111 waits none.
    def stalls(arrivals: Sequence[Arrival]) -> float:
        return 1.0 if arrivals[0].number == 0 else 0.001

    found = served(100.0, stalls, replace(STEADY, arrivals=300))
    waits = [s.wait_s or 0.0 for s in found]
    assert waits[0] == pytest.approx(0.0)
    assert waits[1:111] == pytest.approx([(999 - 9 * n) / 1000 for n in range(1, 111)])
    assert waits[111:] == pytest.approx([0.0] * 189)
    latencies = [s.latency_s or 0.0 for s in found]
    mean = (1.0 + sum((999 - 9 * n + 1) / 1000 for n in range(1, 111)) + 189 * 0.001) / 300
    assert sum(latencies) / 300 == pytest.approx(mean)
    by_sending = 1.0 / 300 + 299 * 0.001 / 300
    assert mean > 40 * by_sending


def test_a_worker_takes_what_waits_together_and_never_waits_for_more() -> None:
    calls: list[list[int]] = []

    def noted(arrivals: Sequence[Arrival]) -> float:
        calls.append([a.number for a in arrivals])
        return 1.0

    found = served(4.0, noted, replace(STEADY, arrivals=12, batch=3))
    # Due at 0.25, 0.5, … 3: the first goes alone; at 1.25 four wait, of which three go; at 2.25 again three of what came; and so on.
    assert calls == [[0], [1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11]]
    assert [s.started_s for s in found] == pytest.approx([0.25] + [1.25] * 3 + [2.25] * 3 + [3.25] * 3 + [4.25] * 2)
    counted = figures_of(found, drain_s=10.0)
    # From the first's due, 0.25, to the last's, 3: one at a time for a second, three for 1.75 s; calls that several share are busy once.
    assert counted.busy == pytest.approx(1.0)
    assert counted.under_way == pytest.approx((1 * 1 + 3 * 1.75) / 2.75)


def test_batches_pay_where_the_server_takes_as_long_for_many() -> None:
    settings = Settings(rates=(3.0,), arrivals=2000, warmup=50)
    assert not figures(3.0, constant(1.0), settings).is_sustained
    assert figures(3.0, constant(1.0), replace(settings, batch=8)).is_sustained


def test_two_workers_carry_twice_the_rate() -> None:
    # D/D/2, service 1 s, 1.9 a second: each takes every other arrival, 1.053 s after its last one.
    found = figures(1.9, constant(1.0), replace(STEADY, workers=2, arrivals=100))
    assert found.wait == pytest.approx(0.0)
    assert found.under_way == pytest.approx(1.9, abs=0.02)  # Little's law: arrivals a second times seconds of each
    assert found.busy == pytest.approx(1.0)  # between two of one worker the other is at work
    assert found.is_sustained
    assert not figures(1.9, constant(1.0), replace(STEADY, arrivals=100)).is_sustained


def test_what_is_not_done_at_the_end_is_counted_with_what_it_waited() -> None:
    # Due at 1, 2, … 10, each takes 4 s, answers count until 10 + 3: done at 5, 9, 13; the fourth is begun at 13, which is the end.
    found = served(1.0, constant(4.0), replace(STEADY, arrivals=10, drain_s=3.0))
    assert [s.finished_s for s in found[:3]] == pytest.approx([5.0, 9.0, 13.0])
    assert [s.started_s for s in found[3:]] == [None] * 7
    counted = figures_of(found, drain_s=3.0)
    assert counted.arrivals == 10
    assert counted.unfinished == 7
    assert not counted.is_sustained
    assert counted.mean is not None
    # Latencies 4, 7, 10, then at least 13 - n for n = 4 … 10.
    assert counted.mean.seconds == pytest.approx((4 + 7 + 10 + sum(13 - n for n in range(4, 11))) / 10)
    assert counted.mean.is_bound
    assert counted.p99 is not None
    assert counted.p99.is_bound


def test_an_answer_after_the_end_is_unfinished_and_waited_for() -> None:
    found = served(1.0, constant(20.0), replace(STEADY, arrivals=2, drain_s=3.0))
    assert [s.finished_s for s in found] == [pytest.approx(21.0), None]
    assert figures_of(found, drain_s=3.0).unfinished == 2


def test_an_error_is_counted_with_its_reason_and_the_others_go_on() -> None:
    found = figures(0.5, constant(1.0), STEADY, fails=lambda arrival: arrival.number == 7)
    assert found.errors == {"the device is on fire": 1}
    assert (found.arrivals, found.failed, found.unfinished) == (200, 1, 0)
    assert found.mean is not None
    assert found.mean.seconds == pytest.approx(1.0)
    assert not found.holds(None)


def test_where_every_arrival_fails_there_is_no_latency() -> None:
    found = figures(0.5, constant(1.0), STEADY, fails=lambda _: True)
    assert found.failed == 200
    assert (found.mean, found.p99, found.wait) == (None, None, None)
    assert not found.holds(1e9)


def test_warm_up_arrivals_are_ranked_and_do_not_count() -> None:
    def slow_first(arrivals: Sequence[Arrival]) -> float:
        return 5.0 if arrivals[0].warmup else 0.1

    settings = replace(STEADY, warmup=3, arrivals=100)
    found = served(0.1, slow_first, settings)
    assert [s.service_s for s in found][:4] == pytest.approx([5.0, 5.0, 5.0, 0.1])
    assert [s.arrival.warmup for s in found][:4] == [True, True, True, False]
    counted = figures_of(found, drain_s=10.0)
    assert counted.arrivals == 100
    assert counted.service == pytest.approx(0.1)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_mistake_in_the_program_ends_the_rate(workers: int) -> None:
    pace = SharedPace()

    def broken(_: Sequence[Arrival]) -> None:
        raise ZeroDivisionError

    due = [Arrival(1.0, n, "q0", float(n)) for n in range(20)]
    with pytest.raises(ZeroDivisionError):
        offer(due, [broken, *[server(pace, constant(0.1))] * (workers - 1)], pace, end_s=30.0)
