"""From the arrivals of one rate to what they waited for. Knows no run folder and no table.

Nothing is dropped: what was not answered in time counts with what it had waited at the end, which is a lower bound, and said to be one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from rerankbench.errors import MeasureError
from rerankbench.load.arrivals import Served
from rerankbench.measures.latency import percentile

NEEDED = 100
"""Arrivals that a 99th percentile needs: of fewer it is the slowest of them, or nearly."""
BEYOND = 10
"""Arrivals that must lie beyond a percentile before it gets an interval: of fewer, a resample shows little but their luck."""
TOLERATED = 0.1
"""Share of the arrivals that may be behind when the last one comes: of a sustained rate the queue does not grow with their number."""
IDLE = 0.02
"""Of the seconds of ranking, what the wait before it may be where latency is not a matter of the rate."""
BLOCKS = 20
RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Latency:
    """A mean or percentile of seconds.

    Attributes:
        is_bound: Whether it is a lower bound, because arrivals that it depends on were not answered in time.
        interval: 95 %, None where there are too few arrivals for one, or they do not all have a latency.
    """

    seconds: float
    is_bound: bool = False
    interval: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """One rate, warm-up left out.

    Attributes:
        arrivals: How many count.
        offered, achieved: Arrivals that came, and answers that were there, a second, from the first arrival's due to the last one's.
        busy: Share of that time in which at least one arrival was being ranked.
        under_way: How many were, mean over that time.
        behind: Arrivals before the last one that had no order yet when it was due.
        at_once: How many of those may be under way without any queue.
        unfinished: Not answered at the end, and not failed before.
        errors: Reason → how many arrivals have no order because of it. They are in no latency.
        mean, p50, p90, p99: Of latency from due to order; None where every arrival failed.
        wait, service: Mean seconds before and in the ranker call, of what was answered in time; None where nothing was.
    """

    rate: float
    arrivals: int
    offered: float
    achieved: float
    busy: float
    under_way: float
    behind: int
    at_once: float
    unfinished: int
    errors: dict[str, int]
    mean: Latency | None
    p50: Latency | None
    p90: Latency | None
    p99: Latency | None
    wait: float | None
    service: float | None

    @property
    def failed(self) -> int:
        return sum(self.errors.values())

    @property
    def is_sustained(self) -> bool:
        """Whether all was answered in time, and no queue was left that grows with the number of arrivals."""
        return not self.unfinished and not self.errors and self.behind <= TOLERATED * self.arrivals + self.at_once

    @property
    def is_idle(self) -> bool:
        """Whether hardly anything had to wait, so that a lower rate would be as slow."""
        return not self.unfinished and self.wait is not None and self.service is not None and self.wait <= IDLE * self.service

    def holds(self, target_s: float | None) -> bool:
        """Whether it is sustained, and its 99th percentile does not exceed the target, where there is one."""
        if not self.is_sustained or self.p99 is None or self.p99.is_bound:
            return False
        return target_s is None or self.p99.seconds <= target_s


def figures_of(served: Sequence[Served], *, drain_s: float, batch: int = 1, seconds_alone: float = 0.0) -> Figures:
    """
    Args:
        served: All arrivals of one rate, in the order of their dues.
        batch: How many a worker takes together at the most.
        seconds_alone: What a query takes that is ranked alone: of a server that ranks many beside each other, so long ones overlap.
        drain_s: How long after the last of them answers count.

    Raises:
        MeasureError: not one of them counts.
    """
    counted = [s for s in served if not s.arrival.warmup]
    if not counted:
        raise MeasureError("No arrival counts: all that came are warm-up.", hint="--seconds longer, --warmup less, or higher rates")
    rate, first, last = counted[0].arrival.rate, counted[0].arrival.due_s, counted[-1].arrival.due_s
    window = (first, max(last, first + 1 / rate))  # of one arrival: its own gap
    end_s = last + drain_s
    failed = [s for s in counted if _failed(s, end_s)]
    answered = [s for s in counted if not s.error and _by(s, end_s)]
    unfinished = [s for s in counted if not _by(s, end_s)]
    latencies = [s.latency_s for s in answered if s.latency_s is not None]
    bounds = [end_s - s.arrival.due_s for s in unfinished]
    intervals = _intervals(latencies) if not unfinished else {}
    return Figures(
        rate=rate,
        arrivals=len(counted),
        offered=(len(counted) - 1) / (last - first) if len(counted) > 1 else rate,
        achieved=_answers(served, window),
        busy=_busy(served, window),
        under_way=sum(_overlap(s, window) for s in served) / (window[1] - window[0]),
        behind=sum(not _by(s, last) for s in counted[:-1]),
        at_once=max(batch, rate * seconds_alone),
        unfinished=len(unfinished),
        errors=_reasons(failed),
        mean=_mean(latencies, bounds, intervals.get(None)),
        p50=_percentile(latencies, bounds, 50.0, intervals.get(50.0)),
        p90=_percentile(latencies, bounds, 90.0, intervals.get(90.0)),
        p99=_percentile(latencies, bounds, 99.0, intervals.get(99.0)),
        wait=_plain_mean([s.wait_s for s in answered if s.wait_s is not None]),
        service=_plain_mean([s.service_s for s in answered if s.service_s is not None]),
    )


def _by(served: Served, end_s: float) -> bool:
    return served.finished_s is not None and served.finished_s <= end_s


def _failed(served: Served, end_s: float) -> bool:
    return bool(served.error) and _by(served, end_s)


def _reasons(failed: Sequence[Served]) -> dict[str, int]:
    reasons = [s.error for s in failed]
    return {reason: reasons.count(reason) for reason in dict.fromkeys(reasons)}


def _answers(served: Sequence[Served], window: tuple[float, float]) -> float:
    """A second, those of the warm-up that come so late among them."""
    there = sum(s.finished_s is not None and window[0] < s.finished_s <= window[1] for s in served if not s.error)
    return there / (window[1] - window[0])


def _busy(served: Sequence[Served], window: tuple[float, float]) -> float:
    """Intervals are put together: arrivals that are ranked at the same time make nothing busier than busy."""
    busy, until = 0.0, window[0]
    for s in sorted((s for s in served if s.started_s is not None), key=lambda s: s.started_s or 0.0):
        if s.started_s is not None and s.finished_s is not None:
            busy += max(0.0, min(s.finished_s, window[1]) - max(s.started_s, until))
            until = max(until, s.finished_s)
    return busy / (window[1] - window[0])


def _overlap(served: Served, window: tuple[float, float]) -> float:
    """Seconds of the window in which it was being ranked."""
    if served.started_s is None or served.finished_s is None:
        return 0.0
    return max(0.0, min(served.finished_s, window[1]) - max(served.started_s, window[0]))


def _mean(latencies: Sequence[float], bounds: Sequence[float], interval: tuple[float, float] | None) -> Latency | None:
    known = [*latencies, *bounds]
    return Latency(math.fsum(known) / len(known), bool(bounds), interval) if known else None


def _percentile(latencies: Sequence[float], bounds: Sequence[float], q: float, interval: tuple[float, float] | None) -> Latency | None:
    """Exact where it is the same whatever becomes of the unanswered: at best they come at once, at worst never."""
    if not latencies and not bounds:
        return None
    best = percentile([*latencies, *bounds], q)
    position, ranked = q / 100 * (len(latencies) + len(bounds) - 1), sorted(latencies)
    if math.ceil(position) >= len(ranked):
        return Latency(best, bool(bounds), interval)
    worst = percentile([*latencies, *[ranked[-1]] * len(bounds)], q)  # the unanswered lie beyond its position, wherever that is
    return Latency(best, bool(bounds) and not math.isclose(best, worst), interval)


def _intervals(latencies: Sequence[float]) -> dict[float | None, tuple[float, float]]:
    """Percentile bootstrap over blocks of neighbours: arrivals that stood in one queue are not independent of each other.

    Returns:
        Of the mean (None), and of each percentile that enough arrivals lie beyond; nothing of fewer than `NEEDED`.
    """
    if len(latencies) < NEEDED:
        return {}
    asked = [q for q in (50.0, 90.0, 99.0) if len(latencies) * (100 - q) / 100 >= BEYOND]
    edges = np.linspace(0, len(latencies), BLOCKS + 1).astype(int)
    blocks = [np.asarray(latencies[start:end]) for start, end in pairwise(edges)]
    drawn = np.random.default_rng(0).integers(BLOCKS, size=(RESAMPLES, BLOCKS))
    resamples = [np.concatenate([blocks[b] for b in row]) for row in drawn]
    found: dict[float | None, list[float]] = {None: [float(r.mean()) for r in resamples]}
    quantiles = np.array([np.percentile(r, asked) for r in resamples])
    found |= {q: quantiles[:, i].tolist() for i, q in enumerate(asked)}
    return {name: (percentile(values, 2.5), percentile(values, 97.5)) for name, values in found.items()}


def _plain_mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None
