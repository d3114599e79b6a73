"""Spans, with a clock that the test turns by hand."""

from __future__ import annotations

import pytest

from rerankbench.clock import Clock
from rerankbench.records import Span


class Hand:
    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


def test_a_span_counts_from_the_clocks_birth() -> None:
    hand = Hand()
    clock = Clock(hand)
    hand.time += 2
    with clock.span("rank", query_ids=["a"], warmup=True):
        hand.time += 3
    assert clock.drain() == [Span("rank", 2.0, 3.0, ("a",), warmup=True)]
    assert clock.drain() == []


def test_a_device_that_finishes_after_the_call_is_waited_for() -> None:
    hand = Hand()
    owed = [0.0]

    def synchronise() -> None:
        hand.time += owed[0]
        owed[0] = 0.0

    clock = Clock(hand, synchronise)
    owed[0] = 7.0  # work from before the span must not be counted in it
    with clock.span("encode"):
        owed[0] = 5.0  # the call returns at once; the device is busy for 5 seconds more
    assert clock.spans[0].seconds == 5.0


def test_work_that_raises_is_no_measurement() -> None:
    clock = Clock(Hand())
    with pytest.raises(ValueError, match="broken"), clock.span("rank"):
        raise ValueError("broken")
    assert clock.spans == []


def test_an_inner_span_ends_before_the_outer_one() -> None:
    clock = Clock(Hand())
    with clock.span("outer"), clock.span("inner"):
        pass
    assert [span.name for span in clock.spans] == ["inner", "outer"]
