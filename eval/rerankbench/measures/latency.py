"""What one query waited for, from the spans of a run. Knows no run folder and no table.

Latency is the time of one query that is ranked alone. The time of many that are ranked together, divided by their number, is
throughput, and is refused here.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from rerankbench.errors import DataError, MeasureError
from rerankbench.records import Span

WHOLE = "rank"
"""The span of all that is done for a query, which the others lie in."""
OVERALL = "overall-s"
"""The quantity of the whole."""
DOCUMENTS = "encode documents"
"""The span of what need not be done again where the documents' vectors are at hand."""


@dataclass(frozen=True, slots=True)
class QueryTime:
    """One query's seconds.

    Attributes:
        overall: From its texts to their order.
        phases: The named stretches of that, which leave out what lies between them.
    """

    query_id: str
    overall: float
    phases: Mapping[str, float]

    @property
    def documents(self) -> float:
        """Seconds of encoding its documents apart from any prompt; 0 for a ranker that does no such thing."""
        return self.phases.get(DOCUMENTS, 0.0)


QUANTITIES: Mapping[str, Callable[[QueryTime], float]] = MappingProxyType(
    {
        "encode-documents-s": lambda time: time.documents,
        "others-s": lambda time: time.overall - time.documents,
        OVERALL: lambda time: time.overall,
    }
)
"""The quantities of the paper's tables of latency: name → a query's seconds. The last is the sum of those before it."""


def query_times(spans: Sequence[Span], query_ids: Sequence[str]) -> list[QueryTime]:
    """Each query's seconds, warm-up left out.

    Args:
        query_ids: The queries of the run.

    Returns:
        One a query, in their order.

    Raises:
        MeasureError: queries were ranked together.
        DataError: a query was not timed, or twice, or one that is not of the run was.
    """
    counted = [span for span in spans if not span.warmup]
    together = max((len(span.query_ids) for span in counted if span.name == WHOLE), default=0)
    if together > 1:
        raise MeasureError(f"{together} queries at a time: throughput, not latency")
    ranked = Counter(query for span in counted if span.name == WHOLE for query in span.query_ids)
    known = set(query_ids)
    seen = dict.fromkeys([*query_ids, *(query for span in counted for query in span.query_ids)])
    odd = [query for query in seen if ranked[query] != 1 or query not in known]
    if odd:
        raise DataError(f"{len(odd)} queries were not timed exactly once, or are not of this run; the first of them is {odd[0]!r}.")
    phases: dict[str, dict[str, float]] = {query: defaultdict(float) for query in query_ids}
    for span in counted:
        for query in span.query_ids:
            phases[query][span.name] += span.seconds
    return [QueryTime(query, of.pop(WHOLE), of) for query, of in phases.items()]


def seconds_together(spans: Sequence[Span], query_ids: Sequence[str], at_once: int | None = None) -> float:
    """The seconds of all queries, so many ranked at once, warm-up left out.

    Args:
        at_once: None is all of them.

    Raises:
        MeasureError: they were ranked in more parts, or larger ones.
        DataError: they were not timed, or others were.
    """
    counted = [span for span in spans if span.name == WHOLE and not span.warmup]
    size = at_once or max(1, len(query_ids))
    largest = max((len(span.query_ids) for span in counted), default=0)
    if len(counted) > math.ceil(len(query_ids) / size) or largest > size:
        raise MeasureError(f"ranked in {len(counted)} parts: no throughput of {at_once or 'all'} queries at once")
    if sorted(query for span in counted for query in span.query_ids) != sorted(query_ids):
        raise DataError(f"The {len(query_ids)} queries of this run were not timed together.")
    return math.fsum(span.seconds for span in counted)


def percentile(values: Iterable[float], percent: float) -> float:
    """The value that `percent` of them do not exceed, interpolated between the two nearest."""
    return float(np.percentile(list(values), percent))
