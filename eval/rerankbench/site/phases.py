"""Where the time of a run went, from its raw spans. Knows no page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from rerankbench.records import Span

WHOLE = "rank"
"""The span that holds a whole batch, and all phases of it."""


@dataclass(frozen=True, slots=True)
class Phase:
    """All spans of one name, warm-ups left out; seconds are a span's, that is a batch's.

    Attributes:
        smallest, largest: Queries that were worked on together in one span.
        share: Of the time of all batches; None for the batches themselves.
        warmups: How many spans were left out.
    """

    name: str
    spans: int
    smallest: int
    largest: int
    p50: float
    p90: float
    mean: float
    total: float
    share: float | None
    warmups: int

    @property
    def queries(self) -> str:
        """``32``, or ``11–32``."""
        return str(self.largest) if self.smallest == self.largest else f"{self.smallest}–{self.largest}"


def phases(spans: Iterable[Span]) -> list[Phase]:
    """The batches first, then their phases in the order in which they first ended."""
    found: dict[str, list[Span]] = {WHOLE: []}
    warmups: dict[str, int] = {}
    for span in spans:
        if span.warmup:
            warmups[span.name] = warmups.get(span.name, 0) + 1
        else:
            found.setdefault(span.name, []).append(span)
    whole = sum(span.seconds for span in found[WHOLE])
    return [_phase(name, of, whole, warmups.get(name, 0)) for name, of in found.items() if of]


def _phase(name: str, spans: list[Span], whole: float, warmups: int) -> Phase:
    seconds = np.array([span.seconds for span in spans])
    sizes = [len(span.query_ids) for span in spans]
    p50, p90 = (float(p) for p in np.percentile(seconds, (50, 90)))
    total = float(seconds.sum())
    share = None if name == WHOLE or not whole else total / whole
    return Phase(name, len(spans), min(sizes), max(sizes), p50, p90, float(seconds.mean()), total, share, warmups)
