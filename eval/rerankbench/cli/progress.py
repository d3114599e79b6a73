"""How far a run is: a live display in a terminal, plain lines elsewhere. Writes to standard error only."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from rerankbench.errors import MissingError
from rerankbench.experiment import Result
from rerankbench.plan import Planned, counted

LINE_EVERY_S = 10.0
"""Without a terminal, a line at most so often."""


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f} queries/s" if task.speed else "", style="progress.data.speed")


class ProgressDisplay:
    """An `Observer` for people. Use as a context manager around the run.

    Args:
        cells: How many cells will be run.
    """

    def __init__(self, console: Console, cells: int) -> None:
        self._console = console
        self._cells = cells
        self._number = 0
        self._planned: Planned | None = None
        self._done = 0
        self._started = self._last_line = time.monotonic()
        self._progress = Progress(
            TextColumn("{task.description}", style="bold", markup=False),  # a variant's name holds brackets
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()

    def cell_started(self, planned: Planned) -> None:
        self._number += 1
        self._planned, self._done = planned, 0
        self._started = self._last_line = time.monotonic()
        if planned.state in {"new", "unfinished"}:
            self._progress.add_task(f"{self._prefix}{planned.cell}", total=planned.queries)
            if planned.done:
                self._line(f"{planned.cell}: going on after {planned.done} of {counted(planned.queries)}")

    def queries_done(self, count: int) -> None:
        self._done += count
        for task in self._progress.task_ids:
            self._progress.advance(task, count)
        if not self._console.is_terminal and time.monotonic() - self._last_line > LINE_EVERY_S:
            self._last_line = time.monotonic()
            self._line(self._how_far())

    def cell_finished(self, result: Result) -> None:
        for task in self._progress.task_ids:
            self._progress.remove_task(task)
        # A cell for which something is missing is counted at the end and explained by the report: a line for each would hide the others.
        if not isinstance(result.problem, MissingError):
            self._line(f"{result.cell}: {_outcome(result)}")

    @property
    def _prefix(self) -> str:
        return f"[{self._number}/{self._cells}] "

    def _how_far(self) -> str:
        total = self._planned.queries if self._planned else 0
        before = self._planned.done if self._planned else 0
        rate = (self._done - before) / max(time.monotonic() - self._started, 1e-9)
        left = (total - self._done) / rate if rate else 0.0
        name = self._planned.cell if self._planned else ""
        return f"{name}: {self._done} of {counted(total)}, {rate:.1f} queries/s, about {left:.0f} s left"

    def _line(self, text: str) -> None:
        self._console.print(f"{self._prefix}{text}", markup=False, highlight=False, soft_wrap=True)


def _outcome(result: Result) -> str:
    if result.problem is not None:
        return f"FAILED: {result.problem.message}" + (f" Try: {result.problem.hint}" if result.problem.hint else "")
    queries = result.manifest["queries"] if result.manifest else 0
    return f"{counted(queries)}, complete before" if result.reused else f"{counted(queries)} done"
