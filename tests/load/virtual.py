"""A clock without seconds, and servers that take time on it: queueing theory says what must come out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from rerankbench.errors import EngineError
from rerankbench.load.arrivals import Arrival, Served, schedule
from rerankbench.load.loop import Serve, offer
from rerankbench.load.measure import Figures, figures_of
from rerankbench.load.settings import Settings

QUERIES = ("q0", "q1", "q2")


class VirtualPace:
    """Time that passes only while somebody waits for it. For one worker, in one thread."""

    def __init__(self) -> None:
        self.time = 1000.0  # no clock begins at 0

    def now(self) -> float:
        return self.time

    def wait_until(self, moment: float) -> None:
        self.time = max(self.time, moment)


class SharedPace:
    """The same for several workers: time goes to the next moment that anybody waits for, once all of them wait."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._time = 1000.0
        self._waiting: dict[int, float] = {}

    def now(self) -> float:
        with self._changed:
            return self._time

    def wait_until(self, moment: float) -> None:
        me = threading.get_ident()
        with self._changed:
            while self._time < moment:
                self._waiting[me] = moment
                working = {t.ident for t in threading.enumerate() if t.name.startswith("load-")}
                if working <= self._waiting.keys():
                    self._time = min(self._waiting.values())
                    self._waiting = {who: until for who, until in self._waiting.items() if until > self._time}
                    self._changed.notify_all()
                else:
                    self._changed.wait(0.001)  # a worker that has ended tells nobody
            self._waiting.pop(me, None)


Seconds = Callable[[Sequence[Arrival]], float]
"""How long a call takes."""


def constant(seconds: float) -> Seconds:
    return lambda _: seconds


def server(pace: VirtualPace | SharedPace, seconds: Seconds, fails: Callable[[Arrival], bool] = lambda _: False) -> Serve:
    """Takes its time, and fails where it is told to."""

    def serve(arrivals: Sequence[Arrival]) -> None:
        pace.wait_until(pace.now() + seconds(arrivals))
        if any(map(fails, arrivals)):
            raise EngineError("the device is on fire")

    return serve


def served(
    rate: float, seconds: Seconds, settings: Settings, fails: Callable[[Arrival], bool] = lambda _: False, arrivals: Sequence[Arrival] = ()
) -> list[Served]:
    """One rate on a virtual clock, by as many workers as the settings have."""
    pace = VirtualPace() if settings.workers == 1 else SharedPace()
    due = list(arrivals) or schedule(rate, QUERIES, settings)
    serves = [server(pace, seconds, fails) for _ in range(settings.workers)]
    return offer(due, serves, pace, end_s=due[-1].due_s + settings.drained(0.0), batch=settings.batch)


def figures(rate: float, seconds: Seconds, settings: Settings, fails: Callable[[Arrival], bool] = lambda _: False) -> Figures:
    return figures_of(served(rate, seconds, settings, fails), drain_s=settings.drained(0.0), batch=settings.batch)
