"""What is done before the clock counts, with a clock that the test turns by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from rerankbench.clock import Clock
from rerankbench.config import Timing
from rerankbench.engines.caching import CachedEngine
from rerankbench.engines.recorder import Recorder
from rerankbench.errors import ConfigError
from rerankbench.measures.latency import percentile, query_times
from rerankbench.protocols import Floats
from rerankbench.records import CandidateList, Document, Query, Ranked, Ranking
from rerankbench.timing import forget, prepared, queries_at_once


class Hand:
    """A clock's hand, and a device that may owe work that a call has only begun."""

    def __init__(self) -> None:
        self.time = 0.0
        self.owed = 0.0

    def __call__(self) -> float:
        return self.time

    def synchronise(self) -> None:
        self.time += self.owed
        self.owed = 0.0


class Slow:
    """Takes the seconds of `takes`, one list after the other, of which encoding is all but a tenth; then 1 second each.

    Args:
        is_late: The device works on after the call that encodes has returned.
    """

    name = "slow"

    def __init__(self, hand: Hand, clock: Clock, takes: Sequence[float] = (), *, is_late: bool = False) -> None:
        self._hand, self._clock, self._takes, self._is_late = hand, clock, list(takes), is_late
        self.batches: list[list[str]] = []

    def rank(self, batch: Sequence[CandidateList]) -> list[Ranked]:
        ids = [c.query.id for c in batch]
        self.batches.append(ids)
        seconds = sum(self._takes.pop(0) if self._takes else 1.0 for _ in batch)
        with self._clock.span("encode documents", query_ids=ids):
            if self._is_late:
                self._hand.owed += 0.9 * seconds
            else:
                self._hand.time += 0.9 * seconds
        with self._clock.span("score", query_ids=ids):
            self._hand.time += 0.1 * seconds
        return [Ranked(Ranking(c.query.id, tuple(d.id for d in c.documents))) for c in batch]


def _lists(count: int, *, shared: bool = False) -> list[CandidateList]:
    texts = ("shared", "own") if shared else ("own",)
    return [
        CandidateList(
            Query(f"q{n}", f"query {n}"), tuple(Document(t, t if t == "shared" else f"{t} {n}") for t in texts), (0.0,) * len(texts)
        )
        for n in range(count)
    ]


def _timed(clock: Clock, ranker: Slow, lists: Sequence[CandidateList]) -> list[float]:
    for candidates in lists:
        with clock.span("rank", query_ids=[candidates.query.id]):
            ranker.rank([candidates])
    return [time.overall for time in query_times(clock.drain(), [c.query.id for c in lists])]


def test_a_slow_warm_up_is_recorded_and_in_no_figure() -> None:
    hand, lists = Hand(), _lists(5)
    clock = Clock(hand)
    ranker = Slow(hand, clock, [60.0, 7.0, 3.0])  # a kernel is compiled, memory is asked for
    spans = prepared(ranker, None, clock, lists, timing="cold", warmup=3)
    assert [(s.name, s.query_ids, round(s.seconds, 6)) for s in spans if s.name == "rank"] == [
        ("rank", ("q0",), 60.0),
        ("rank", ("q1",), 7.0),
        ("rank", ("q2",), 3.0),
    ]
    assert all(span.warmup for span in spans)
    assert {span.name for span in spans} == {"encode documents", "score", "rank"}
    assert _timed(clock, ranker, lists) == pytest.approx([1.0] * 5)
    # Together in one file, as a run folder has them.
    assert [t.overall for t in query_times([*spans], [])] == []


def test_spans_after_the_warm_up_count_again() -> None:
    hand = Hand()
    clock = Clock(hand)
    prepared(Slow(hand, clock), None, clock, _lists(1), timing="cold", warmup=1)
    with clock.span("rank"):
        pass
    assert [span.warmup for span in clock.drain()] == [False]


@pytest.mark.parametrize(
    ("timing", "warmup", "expected"),
    [
        ("cold", 0, []),
        ("cold", 2, [["q0"], ["q1"]]),
        ("cold", 5, [["q0"], ["q1"], ["q2"], ["q0"], ["q1"]]),  # of three lists: over again
        ("throughput", 2, [["q0", "q1"]]),
    ],
)
def test_as_many_lists_as_are_asked_for_warm_up_in_the_way_of_the_timing(timing: str, warmup: int, expected: list[list[str]]) -> None:
    hand = Hand()
    clock = Clock(hand)
    ranker = Slow(hand, clock)
    prepared(ranker, None, clock, _lists(3), timing=timing, warmup=warmup)  # type: ignore[arg-type]  # the parameters are of the type
    assert ranker.batches == expected


def test_nothing_is_prepared_where_nothing_is_left_to_time() -> None:
    hand = Hand()
    clock = Clock(hand)
    ranker = Slow(hand, clock)
    assert prepared(ranker, None, clock, [], timing="cold", warmup=3) == []
    assert ranker.batches == []


def test_a_device_that_finishes_after_the_call_is_waited_for_in_the_phase_that_gave_it_the_work() -> None:
    hand, lists = Hand(), _lists(2)
    clock = Clock(hand, hand.synchronise)
    ranker = Slow(hand, clock, [10.0, 20.0], is_late=True)
    for candidates in lists:
        with clock.span("rank", query_ids=[candidates.query.id]):
            ranker.rank([candidates])
    first, second = query_times(clock.drain(), ["q0", "q1"])
    assert first.overall == pytest.approx(10.0)
    assert dict(first.phases) == pytest.approx({"encode documents": 9.0, "score": 1.0})
    assert second.phases["encode documents"] == pytest.approx(18.0)


def test_an_outlier_moves_the_last_percentile_and_not_the_middle() -> None:
    hand, lists = Hand(), _lists(50)
    clock = Clock(hand)
    seconds = _timed(clock, Slow(hand, clock, [1.0] * 20 + [51.0]), lists)
    assert percentile(seconds, 50) == pytest.approx(1.0)
    assert percentile(seconds, 90) == pytest.approx(1.0)
    # The 99th of 50 lies at position 0.99 × 49 = 48.51, so 1 + 0.51 × 50.
    assert percentile(seconds, 99) == pytest.approx(26.5)


class Embeds(Recorder):
    """Counts what it embeds."""

    def embed(self, texts: Sequence[str]) -> Floats:
        super().embed(texts)
        return np.ones((len(texts), 1), dtype=np.float32)


class Encoding(Slow):
    """Embeds its documents in one call and its query in another."""

    def __init__(self, hand: Hand, clock: Clock, engine: CachedEngine) -> None:
        super().__init__(hand, clock)
        self._engine = engine

    def document_inputs(self, batch: Sequence[CandidateList]) -> list[str]:
        return [f"{d.text}." for c in batch for d in c.documents]

    def rank(self, batch: Sequence[CandidateList]) -> list[Ranked]:
        self._engine.embed(self.document_inputs(batch))  # type: ignore[attr-defined]  # delegated
        self._engine.embed([c.query.text for c in batch])  # type: ignore[attr-defined]  # delegated
        return super().rank(batch)


def test_documents_at_hand_are_embedded_once_before_and_queries_every_time() -> None:
    hand, lists, inner = Hand(), _lists(2, shared=True), Embeds()
    clock, engine = Clock(hand), CachedEngine(inner, max_bytes=0)
    ranker = Encoding(hand, clock, engine)
    prepared(ranker, engine, clock, lists, timing="documents-warm", warmup=1)
    assert inner.embedded == [["shared.", "own 0."], ["own 1."], ["query 0"]]  # the shared one once; the last is the warm-up
    before = engine.counts()
    for candidates in lists:
        ranker.rank([candidates])
    assert inner.embedded[3:] == [["query 0"], ["query 1"]]
    assert engine.counts(since=before)["embed"] == {"asked": 6, "preloaded": 4, "memory": 0, "disk": 0, "computed": 2}


def test_documents_can_be_at_hand_of_rankers_alone_that_encode_them() -> None:
    hand = Hand()
    clock = Clock(hand)
    with pytest.raises(ConfigError, match="'slow' encodes no documents apart from its prompts"):
        prepared(Slow(hand, clock), None, clock, _lists(1), timing="documents-warm", warmup=0)


class Forgetful(Recorder):
    """Counts how often it was told to forget."""

    forgot = 0

    def forget_inputs(self) -> None:
        self.forgot += 1


class Known(Encoding):
    """Counts how often its documents were looked at."""

    looked = 0

    def document_inputs(self, batch: Sequence[CandidateList]) -> list[str]:
        self.looked += 1
        return super().document_inputs(batch)


@pytest.mark.parametrize(("timing", "looked"), [("cold", 0), ("documents-warm", 1), ("throughput", 0)])
def test_an_engine_that_keeps_inputs_is_told_to_forget_them_but_lengths_of_documents_at_hand_are_known(timing: Timing, looked: int) -> None:
    inner, hand = Forgetful(), Hand()
    engine = CachedEngine(inner, max_bytes=0)
    ranker = Known(hand, Clock(hand), engine)
    forget(ranker, engine, _lists(1), timing)
    assert (inner.forgot, ranker.looked) == (1, looked)
    assert (inner.asked, hand.time) == ([], 0.0)


def test_an_engine_that_keeps_nothing_is_left_alone() -> None:
    inner, hand = Recorder(), Hand()
    for engine in (CachedEngine(inner, max_bytes=0), None):
        forget(Slow(hand, Clock(hand)), engine, _lists(1), "documents-warm")
    assert inner.asked == []


def test_each_timing_says_how_many_queries_it_hands_over() -> None:
    lists = _lists(3)
    assert [queries_at_once(timing, lists) for timing in ("cold", "documents-warm", "throughput", None)] == [1, 1, 3, None]
