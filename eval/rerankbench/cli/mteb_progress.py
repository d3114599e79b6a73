"""How far an evaluation on mteb's tasks is: a live display in a terminal, a line a task elsewhere. Writes to standard error only."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from rerankbench.mteb_suite.evaluation import Outcome
from rerankbench.reference.verdict import as_printed, percent


class MtebProgress:
    """An `Observer` for people. Use as a context manager around the evaluation. Why a system has no score is told once.

    Args:
        total: Tasks of all systems together.
    """

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._total = total
        self._done = 0
        self._worked_s = 0.0
        self._worked = 0
        self._told: set[tuple[str, str]] = set()
        self._progress = Progress(
            TextColumn("{task.description}", style="bold", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=False),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._bar = self._progress.add_task("tasks", total=total)
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()

    def task_started(self, system: str, task: str) -> None:
        self._started = time.monotonic()
        self._progress.update(self._bar, description=f"{system}: {task}")

    def task_finished(self, outcome: Outcome) -> None:
        self._done += 1
        if outcome.status == "done":
            self._worked += 1
            self._worked_s += time.monotonic() - self._started
        self._progress.advance(self._bar)
        told = (outcome.system, outcome.reason)
        if outcome.status != "reused" and told not in self._told:
            if outcome.reason:
                self._told.add(told)
            left = f", about {self._left_s():.0f} s left" if self._worked and self._done < self._total else ""
            said = (
                f"{as_printed(percent(outcome.score), 2)} in {outcome.seconds:.1f} s"
                if outcome.score is not None
                else f"{outcome.status}: {outcome.reason}"
            )
            line = f"[{self._done}/{self._total}] {outcome.system} on {outcome.task}: {said}{left}"
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _left_s(self) -> float:
        """As if every task that is left took as long as the mean of those that were evaluated."""
        return (self._total - self._done) * self._worked_s / self._worked
