"""The open loop: arrivals are due whether or not earlier ones are done. Knows no ranker: whoever calls says how arrivals are served.

There is no thread that hands out work and could come late itself: workers take the next arrival from the schedule, and wait for its
moment where that is still to come. What they come too late for has waited, and counts from when it was due (no coordinated omission).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from threading import Barrier, Lock, Thread
from typing import Protocol

from rerankbench.errors import RerankbenchError
from rerankbench.load.arrivals import Arrival, Served

Serve = Callable[[Sequence[Arrival]], None]
"""Ranks arrivals together, and returns when the last of them has its order. Raises: RerankbenchError: none of them has one."""


class Pace(Protocol):
    """A clock that can be waited for."""

    def now(self) -> float:
        """Seconds from any fixed point, never going back."""
        ...

    def wait_until(self, moment: float) -> None:
        """Return when `now` has reached the moment, at once where it has."""
        ...


class WallPace:
    """The clock on the wall."""

    def now(self) -> float:
        return time.perf_counter()

    def wait_until(self, moment: float) -> None:
        while (left := moment - time.perf_counter()) > 0:
            time.sleep(left)


def offer(arrivals: Sequence[Arrival], serves: Sequence[Serve], pace: Pace, *, end_s: float, batch: int = 1) -> list[Served]:
    """Let arrivals come, first come, first served.

    Args:
        arrivals: In the order of their dues.
        serves: One a worker; each is called by one thread alone, a single one by the caller's.
        end_s: From here on nothing is begun any more. What is under way is waited for: the next rate must find an idle system.
        batch: Arrivals that wait already which a worker takes together at the most. It never waits for more to come.

    Returns:
        One an arrival, same order. What was not begun has no times.
    """
    loop = _Loop(arrivals, pace, end_s, batch, workers=len(serves))
    if len(serves) == 1:
        loop.work(0, serves[0])
    else:
        loop.work_together(serves)
    return [loop.served.get(arrival.number, Served(arrival)) for arrival in arrivals]


class _Loop:
    """One rate. `served` is by arrival number."""

    def __init__(self, arrivals: Sequence[Arrival], pace: Pace, end_s: float, batch: int, workers: int) -> None:
        self.served: dict[int, Served] = {}
        self._arrivals, self._pace, self._end_s, self._batch = arrivals, pace, end_s, batch
        self._lock, self._ready = Lock(), Barrier(workers, action=self._start)
        self._next, self._origin, self._stopped = 0, 0.0, False
        self._failure: BaseException | None = None

    def work_together(self, serves: Sequence[Serve]) -> None:
        """A thread a worker; what none of them should raise ends all, and is raised here."""
        threads = [Thread(target=self._work_or_stop, args=(n, serve), name=f"load-{n}", daemon=True) for n, serve in enumerate(serves)]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            self._stopped = True  # Control-C comes to this thread alone
        if self._failure is not None:
            raise self._failure

    def _work_or_stop(self, worker: int, serve: Serve) -> None:
        try:
            self.work(worker, serve)
        except BaseException as failure:  # noqa: BLE001 raised again by the thread that waits
            self._failure, self._stopped = failure, True

    def work(self, worker: int, serve: Serve) -> None:
        self._ready.wait()  # else the first worker would be alone for as long as it takes to start the others
        while taken := self._take():
            started, error = self._now(), ""
            try:
                serve(taken)
            except RerankbenchError as problem:
                error = problem.message
            finished = self._now()
            self.served.update({a.number: Served(a, started, finished, worker, error) for a in taken})

    def _start(self) -> None:
        self._origin = self._pace.now()

    def _now(self) -> float:
        return self._pace.now() - self._origin

    def _take(self) -> list[Arrival]:
        """The next arrival when it is due, and with it what waits behind it; nothing when all are taken, or the end has come."""
        with self._lock:
            first = self._claim()
        if first is None:
            return []
        self._pace.wait_until(self._origin + first.due_s)
        now, taken = self._now(), [first]
        if now >= self._end_s or self._stopped:
            return []
        with self._lock:
            while len(taken) < self._batch and (more := self._claim(due_by=now)) is not None:
                taken.append(more)
        return taken

    def _claim(self, due_by: float | None = None) -> Arrival | None:
        if self._stopped or self._next >= len(self._arrivals):
            return None
        arrival = self._arrivals[self._next]
        if due_by is not None and arrival.due_s > due_by:
            return None
        self._next += 1
        return arrival
