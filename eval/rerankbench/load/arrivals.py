"""When queries come, and what became of each. Times are seconds since the first moment of a rate; knows no clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice

import numpy as np

from rerankbench.load.settings import Settings
from rerankbench.protocols import Doubles


@dataclass(frozen=True, slots=True)
class Arrival:
    """One query that comes, with its whole candidate list.

    Attributes:
        number: From 0, in the order of coming.
        warmup: Whether it comes before those that count.
    """

    rate: float
    number: int
    query_id: str
    due_s: float
    warmup: bool = False


@dataclass(frozen=True, slots=True)
class Served:
    """An arrival and what became of it.

    Attributes:
        started_s, finished_s: When its ranker call began, and when its order was there, or its error; None where it was never begun.
        worker: Who ranked it. Arrivals of one worker that started together were ranked together.
        error: Why it has no order; empty where it has one, or was never begun.
    """

    arrival: Arrival
    started_s: float | None = None
    finished_s: float | None = None
    worker: int | None = None
    error: str = ""

    @property
    def latency_s(self) -> float | None:
        """From when it was due, not from when it was begun: what waited in front of a busy system has waited."""
        return None if self.finished_s is None else self.finished_s - self.arrival.due_s

    @property
    def wait_s(self) -> float | None:
        return None if self.started_s is None else self.started_s - self.arrival.due_s

    @property
    def service_s(self) -> float | None:
        return None if self.finished_s is None or self.started_s is None else self.finished_s - self.started_s


def schedule(rate: float, query_ids: Sequence[str], settings: Settings) -> list[Arrival]:
    """What comes at this rate: the same pattern for every system, and, drawn out or pressed together, for every rate.

    Queries come in the order of `query_ids`, over and over again. Drawn gaps are those of a Poisson process of which it is known how many
    arrive: they are scaled so that those that count come at the rate itself, and not by chance at a tenth less.

    Returns:
        Warm-up first. Where `settings.seconds` ends it, fewer arrivals, perhaps none that counts.
    """
    dues = np.cumsum(_gaps(settings)) / rate
    within = dues if settings.seconds is None else dues[dues <= settings.seconds]
    queries = islice(cycle(query_ids), len(within))
    return [
        Arrival(rate, number, query_id, float(due), number < settings.warmup)
        for number, (query_id, due) in enumerate(zip(queries, within, strict=True))
    ]


def _gaps(settings: Settings) -> Doubles:
    """Gaps before each arrival; those between arrivals that count are 1 in the mean."""
    count = settings.warmup + settings.arrivals
    if settings.pattern == "constant":
        return np.ones(count)
    drawn = np.random.default_rng(settings.seed).standard_exponential(count)
    between = drawn[settings.warmup + 1 :]
    return drawn / between.mean() if between.size else drawn
