"""How a system is put under load. Checked once; part of a load run's identity."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from rerankbench.errors import UsageError

DRAIN_S = 10.0
DRAIN_QUERIES = 3
Pattern = Literal["poisson", "constant"]


@dataclass(frozen=True, slots=True)
class Settings:
    """
    Attributes:
        rates: Arrivals a second that are tried before any search, in this order.
        target_s: Seconds that 99 % of the arrivals must not exceed; the highest rate that holds this is searched for. None: no search.
        pattern: ``poisson``: gaps are drawn, as of many users who know nothing of each other; ``constant``: all gaps are equal.
        arrivals: Counted arrivals a rate.
        seconds: No arrival of a rate is due later than this; None: only their number bounds them.
        warmup: Arrivals a rate that come before those, and do not count.
        workers: Ranker calls under way at once.
        batch: Waiting queries that one call takes at the most.
        drain_s: How long after the last arrival answers still count; what is not there then is unfinished. None: `DRAIN_S`, the target, or
            `DRAIN_QUERIES` times what a query takes alone, whichever is longest.
        steps: Bisections of the search, after the rate was doubled or halved into a bracket.
        seed: Of the pattern.
    """

    rates: tuple[float, ...] = ()
    target_s: float | None = None
    pattern: Pattern = "poisson"
    arrivals: int = 100
    seconds: float | None = None
    warmup: int = 5
    workers: int = 1
    batch: int = 1
    drain_s: float | None = None
    steps: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises: UsageError: nothing to do, a number out of its range, or the search could not tell what holds its target."""
        if not self.rates and self.target_s is None:
            raise UsageError(
                "There is no rate to try.", hint="--rates 1,2,4, or --p99-target SECONDS to search for the highest that holds it"
            )
        numbers = {"--rates": self.rates, "--p99-target": (self.target_s,), "--seconds": (self.seconds,), "--drain": (self.drain_s,)}
        for option, values in numbers.items():
            for value in values:
                if value is not None and not (math.isfinite(value) and value > 0):
                    raise UsageError(f"{option}: expected numbers above 0, got {value:g}.")
        if len(set(self.rates)) < len(self.rates):
            raise UsageError("--rates names a rate twice.")
        if self.target_s is not None and self.drain_s is not None and self.drain_s < self.target_s:
            raise UsageError(
                f"--drain is {self.drain_s:g} s, less than --p99-target, {self.target_s:g} s: whether a late answer holds the target would"
                " not be known."
            )

    @property
    def searches(self) -> bool:
        """Whether rates are tried beyond those that are named."""
        return self.target_s is not None and (self.steps > 0 or not self.rates)

    def drained(self, seconds_alone: float) -> float:
        """How long answers count, of a system that takes so long for one query alone.

        Raises:
            UsageError: that is longer than `drain_s`: the last arrival would never be answered in time, whatever the rate.
        """
        if self.drain_s is None:
            return max(DRAIN_S, self.target_s or 0.0, DRAIN_QUERIES * seconds_alone)
        if self.drain_s < seconds_alone:
            raise UsageError(f"--drain is {self.drain_s:g} s, and a query that is ranked alone takes {seconds_alone:.3g} s.")
        return self.drain_s

    def as_data(self) -> Mapping[str, Any]:
        """JSON-able."""
        return {**asdict(self), "rates": list(self.rates)}
