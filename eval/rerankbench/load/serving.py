"""From a planned cell to what ranks its queries under load: an engine in this process behind one ranker, or a server behind many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import cycle, islice
from typing import cast

from rerankbench.clock import Clock
from rerankbench.config import System
from rerankbench.engines.openai_http import OpenAIEngine
from rerankbench.errors import RankingError, RerankbenchError
from rerankbench.load.arrivals import Arrival
from rerankbench.load.loop import Serve
from rerankbench.load.settings import Settings
from rerankbench.measures.latency import WHOLE
from rerankbench.plan import Cell, Planner, engine_class, ranker_class
from rerankbench.protocols import Accounts, Engine, Parts, Ranker
from rerankbench.records import CandidateList, Span
from rerankbench.timing import prepared

PROBES = 3
"""Queries that are ranked alone after the warm-up."""


@dataclass(frozen=True)
class Serving:
    """A loaded system that was warmed up.

    Attributes:
        serves: One a worker.
        seconds_alone: The least that a query took which was ranked alone, after the warm-up.
        engine: None for a ranker that works without.
    """

    serves: tuple[Serve, ...]
    seconds_alone: float
    engine: Engine | None

    def account(self) -> dict[str, object]:
        """What the engine says of its work so far."""
        return dict(self.engine.account()) if isinstance(self.engine, Accounts) else {}


def is_served(system: System) -> bool:
    """Whether its model answers over HTTP, so that many ranker calls may be under way."""
    found = engine_class(system)
    return found is not None and issubclass(found, OpenAIEngine)


def settings_for(system: System, settings: Settings, *, in_flight: int, batch: int) -> Settings:
    """A server gets `in_flight` workers that rank a query each; an engine in this process one, which takes `batch` waiting queries."""
    return replace(settings, workers=in_flight, batch=1) if is_served(system) else replace(settings, workers=1, batch=batch)


@contextmanager
def serving(planner: Planner, cell: Cell, lists: Sequence[CandidateList], settings: Settings, *, warmup: int) -> Iterator[Serving]:
    """Load the cell's engine, without any cache, rank some queries alone, and close it at the end.

    Args:
        warmup: How many queries; some more are ranked alone, to know where a search begins.

    Raises:
        RerankbenchError: the engine cannot be loaded, or not one query of the warm-up be ranked.
    """
    engine = _engine(cell.system)
    try:
        rankers = [_ranker(planner, cell, engine) for _ in range(settings.workers)]
        alone = _ranked_alone(rankers[0], lists, warmup + PROBES)[-PROBES:]
        by_id = {candidates.query.id: candidates for candidates in lists}
        yield Serving(tuple(_serve(*pair, by_id) for pair in rankers), min(alone), engine)
    finally:
        if engine is not None:
            engine.close()


def _engine(system: System) -> Engine | None:
    found = engine_class(system)
    if found is None or system.engine is None:
        return None
    return cast("Engine", found(system.engine.options))  # type: ignore[call-arg]  # see BuildsEngine


def _ranker(planner: Planner, cell: Cell, engine: Engine | None) -> tuple[Ranker, Clock]:
    """A ranker and a clock of its own: neither is made for two threads."""
    clock = Clock(synchronise=engine.synchronise) if engine else Clock()
    parts = Parts(cell.benchmark, engine, planner.benchmarks.open(cell.benchmark).qrels, clock)
    return cast("Ranker", ranker_class(cell.system).build(planner.ranker_options(cell.system), parts)), clock


def _ranked_alone(ranker: tuple[Ranker, Clock], lists: Sequence[CandidateList], count: int) -> list[float]:
    """Seconds of each of so many queries, of those that can be ranked: one that cannot is a matter of the arrivals, where it is counted."""
    problem: RerankbenchError | None = None
    spans: list[Span] = []
    for candidates in islice(cycle(lists), count):
        try:
            spans += prepared(ranker[0], None, ranker[1], [candidates], timing="cold", warmup=1)
        except RerankbenchError as error:
            problem = error
            ranker[1].drain()
    if not spans and problem is not None:
        raise problem
    return [span.seconds for span in spans if span.name == WHOLE]


def _serve(ranker: Ranker, clock: Clock, by_id: Mapping[str, CandidateList]) -> Serve:
    def serve(arrivals: Sequence[Arrival]) -> None:
        batch = [by_id[arrival.query_id] for arrival in arrivals]
        try:
            with clock.span(WHOLE):  # waits for the device, which may work on after the call
                ranked = ranker.rank(batch)
        finally:
            clock.drain()
        asked = [(c.query.id, sorted(d.id for d in c.documents)) for c in batch]
        if [(r.ranking.query_id, sorted(r.ranking.doc_ids)) for r in ranked] != asked:
            raise RankingError(f"Ranker {ranker.name!r}: what it returned are not permutations of the lists that it was given.")

    return serve
