"""Spans of measured time. Knows no ranker and no device: synchronising is a function that an engine gives."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rerankbench.records import Span


def _nothing() -> None:
    """A device that is never behind."""


class Clock:
    """Collects spans in the order in which they end.

    Args:
        now: Seconds from any fixed point, never going back.
        synchronise: Waits until the device has finished; called at both ends of every span, because work on an
            accelerator goes on after the call that started it has returned.
    """

    def __init__(self, now: Callable[[], float] = time.perf_counter, synchronise: Callable[[], None] = _nothing) -> None:
        self._now = now
        self._synchronise = synchronise
        self._origin = now()
        self._warming_up = False
        self.spans: list[Span] = []

    @contextmanager
    def span(self, name: str, *, query_ids: Sequence[str] = (), warmup: bool = False) -> Iterator[None]:
        """Time the body. A body that raises leaves no span: unfinished work is no measurement."""
        self._synchronise()
        start = self._now()
        yield
        self._synchronise()
        self.spans.append(Span(name, start - self._origin, self._now() - start, tuple(query_ids), warmup or self._warming_up))

    @contextmanager
    def warming_up(self) -> Iterator[None]:
        """Every span of the body is of the warm-up, whoever times it: a ranker does not know that it is not counted yet."""
        self._warming_up = True
        try:
            yield
        finally:
            self._warming_up = False

    def drain(self) -> list[Span]:
        """Return the spans so far and forget them."""
        spans, self.spans = self.spans, []
        return spans
