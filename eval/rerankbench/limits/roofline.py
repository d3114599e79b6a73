"""From work and peaks to the time that nothing goes below, and how near a measured one comes to it. Knows no run.

Williams, Waterman and Patterson, "Roofline" (2009): a piece of work takes at least its operations by the rate of products, and at
least its bytes by the rate of transfers; both may go on at once, so that the larger is the limit. Pieces follow each other: their
limits add up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from rerankbench.limits.peaks import Peaks
from rerankbench.limits.work import Work, total

Bound = Literal["compute", "memory", "both", ""]
"""What a limit is made of; ``both``: pieces of the one and of the other make a hundredth of it each, or more; empty: there is no work."""

REST = "the rest"
OVERALL = "overall"


@dataclass(frozen=True, slots=True)
class Limit:
    """Of pieces that follow each other.

    Attributes:
        seconds: The sum of each piece's larger time.
        compute_s, memory_s: What of that is due to pieces that the rate of products limits, and that the rate of transfers does.
    """

    compute_s: float = 0.0
    memory_s: float = 0.0

    @property
    def seconds(self) -> float:
        return self.compute_s + self.memory_s

    @property
    def bound(self) -> Bound:
        if not self.seconds:
            return ""
        if min(self.compute_s, self.memory_s) >= 0.01 * self.seconds:
            return "both"
        return "compute" if self.compute_s > self.memory_s else "memory"


@dataclass(frozen=True, slots=True)
class Phase:
    """One stretch of a query's time, a mean over queries.

    Attributes:
        limit_s: 0 for work that needs no device: rendering, counting, parsing.
        measured_s: None for a part of a phase that was not timed by itself.
        part: Whether it lies in the phase above it.
    """

    name: str
    flops: float
    bytes: float
    limit_s: float
    bound: Bound
    measured_s: float | None
    part: bool = False

    @property
    def share(self) -> float | None:
        """Limit by measured time, 1 at the limit; None where the one is 0 or the other unknown."""
        return self.limit_s / self.measured_s if self.limit_s and self.measured_s else None

    @property
    def gap_s(self) -> float | None:
        """What was taken beyond the limit."""
        return None if self.measured_s is None else self.measured_s - self.limit_s


def limit_of(pieces: Iterable[Work], peaks: Peaks) -> Limit:
    """Each piece for itself: a step that waits for memory does not make up for one that waits for the arithmetic."""
    compute, memory = [], []
    for work in pieces:
        by_products, by_transfers = work.flops / peaks.flops_per_s, work.bytes / peaks.bytes_per_s
        compute.append(by_products if by_products >= by_transfers else 0.0)
        memory.append(by_transfers if by_transfers > by_products else 0.0)
    return Limit(math.fsum(compute), math.fsum(memory))


def phases_of(
    pieces: Mapping[str, Mapping[str, Sequence[Work]]],
    measured: Mapping[str, float],
    queries: int,
    peaks: Peaks,
    parts_s: Mapping[str, float] = MappingProxyType({}),
) -> list[Phase]:
    """A row a phase, with its parts below it where there are several; then what lies between the phases, and the whole.

    Args:
        pieces: Phase → part → the pieces of all queries.
        measured: Phase → its seconds, in the order in which they are shown, and `OVERALL` → all of it; of all queries together.
        parts_s: Part → its seconds, of all queries together, where they are known.

    Returns:
        Means over `queries`.
    """
    found: list[Phase] = []
    for name, seconds in measured.items():
        if name != OVERALL:
            parts = pieces.get(name, {})
            found.append(_phase(name, [work for part in parts.values() for work in part], seconds, queries, peaks))
            if len(parts) > 1:
                found += [replace(_phase(part, works, parts_s.get(part), queries, peaks), part=True) for part, works in parts.items()]
    every = [work for parts in pieces.values() for part in parts.values() for work in part]
    between = measured[OVERALL] - math.fsum(seconds for name, seconds in measured.items() if name != OVERALL)
    return [*found, _phase(REST, [], between, queries, peaks), _phase(OVERALL, every, measured[OVERALL], queries, peaks)]


def _phase(name: str, works: Sequence[Work], seconds: float | None, queries: int, peaks: Peaks) -> Phase:
    work, limit = total(works), limit_of(works, peaks)
    mean_s = None if seconds is None else seconds / queries
    return Phase(name, work.flops / queries, work.bytes / queries, limit.seconds / queries, limit.bound, mean_s)
