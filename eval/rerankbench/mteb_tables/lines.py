"""A row of a table of MTEB scores: its results, or why there are none, and its cells. Knows no layout."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from rerankbench.config import MtebSystem, MtebTable
from rerankbench.config.mteb import INSTRUCTED
from rerankbench.errors import ConfigError, MissingData, MissingError, RerankbenchError
from rerankbench.mteb_results import ModelResults, Score, find_results, revisions_of
from rerankbench.mteb_suite.own_results import OwnResults, ledgers_of, own_results
from rerankbench.mteb_tables.places import Places
from rerankbench.mteb_tables.task_versions import task_versions
from rerankbench.reference import mteb
from rerankbench.reference.layout import PaperRow
from rerankbench.report.cells import Cell, Status, average

WRITTEN = "mteb_results"
"""Where mteb's own command is told to put results, below the folder of runs."""


@dataclass(frozen=True, slots=True)
class Absent:
    """Why a task has no score, and what helps."""

    status: Status
    reason: str
    hint: str


@dataclass(frozen=True)
class Line:
    """A row of the table.

    Attributes:
        row: Where it stands in the paper's table.
        results: Its results, or why there are none.
        own: What was evaluated of it here; None for a row of published results.
        tasks: What is evaluated of each task.
    """

    system: MtebSystem
    row: PaperRow
    results: ModelResults | RerankbenchError
    own: OwnResults | None
    tasks: Mapping[str, mteb.Task]
    places: Places
    asked: MtebTable

    @cached_property
    def scores(self) -> Mapping[str, Score | Absent]:
        """Of every task, or why there is none."""
        return {name: self._score(name) for name in self.tasks}

    @property
    def is_own(self) -> bool:
        """Whether the results were made here."""
        return self.own is not None and self.own.ledger is not None

    @cached_property
    def set_aside(self) -> Sequence[str]:
        """Revisions of its model that others have published and that do not count, for it was evaluated here."""
        if self.own is None or self.own.ledger is None:
            return ()
        folders = self.places.folders(self.asked)
        made_here = {str(ledger["revision"]) for ledger in ledgers_of(self.own.model, folders)}
        return [revision for revision in revisions_of(folders, self.own.model) if revision not in made_here]

    @property
    def has_results(self) -> bool:
        """Whether any task has a score."""
        return any(isinstance(score, Score) for score in self.scores.values())

    def cell(self, column: str, name: str) -> Cell:
        """The score of a task."""
        score = self.scores[name]
        if isinstance(score, Absent):
            task = task_versions(name, self.tasks[name], None)
            return Cell(self.row.system, column, score.status, variant=self.row.variant, reason=score.reason, hint=score.hint, task=task)
        return Cell(
            self.row.system,
            column,
            Status.DONE,
            score.value,
            variant=self.row.variant,
            caveat=str((self.own.ledger or {}).get("caveat", "")) if self.own else "",
            other_model=self.system.model if self.system.stands_in else "",
            notes=tuple(_drift(score, self.tasks[name])),
            not_judged=self._not_judged(score, name),
            task=task_versions(name, self.tasks[name], score),
        )

    def mean(self, column: str, names: Sequence[str]) -> Cell:
        """The mean of tasks; where it is not there, with the reason why a task is not."""
        return self.mean_of(column, [self.cell(name, name) for name in names])

    def mean_of(self, column: str, members: Sequence[Cell]) -> Cell:
        """The mean of cells; where it is not there, with the reason of one that is not, of a failed one first."""
        made = average(self.row.system, column, members, variant=self.row.variant)
        absent = sorted((m for m in members if not m.done), key=lambda m: m.status is not Status.FAILED)
        if not absent:
            return replace(made, not_judged=next((m.not_judged for m in members if m.not_judged), ""))
        if len(absent) == len(members) and all(m.members is None for m in members):
            return replace(absent[0], column=column, task=None)
        return replace(made, reason=f"{made.reason} ({absent[0].reason})", hint=absent[0].hint)

    def _score(self, name: str) -> Score | Absent:
        if isinstance(self.results, RerankbenchError):
            return self._told(name) or self._absent(self.results)
        try:
            score = self.results.score(name, self.tasks[name] if self.tasks[name].type else None)
        except RerankbenchError as error:
            return self._told(name) or self._absent(error)
        return self._outdated(score, name) or score

    def _told(self, name: str) -> Absent | None:
        """What the evaluation says of a task that it could not finish."""
        told: Mapping[str, Any] = ((self.own.ledger if self.own else None) or {}).get("tasks", {}).get(name, {})
        if told.get("status") not in {"failed", "missing"}:
            return None
        status = Status.FAILED if told["status"] == "failed" else Status.MISSING
        reason, hint = self.places.portable(str(told.get("reason", ""))), self.places.portable(str(told.get("hint", "")))
        return Absent(status, reason or "it failed, and nothing more is known", _then(hint, self._command()))

    def _outdated(self, score: Score, name: str) -> Absent | None:
        """A result of ours is of the data that the task has: the next evaluation replaces any other."""
        task = self.tasks[name]
        if not self.is_own or name in mteb.load().tasks or not task.revision or task.mean_of or set(score.revisions) == {task.revision}:
            return None
        reason = (
            f"{name} was evaluated on its data at revision {', '.join(r[:12] for r in score.revisions)}; now it is {task.revision[:12]}."
        )
        return Absent(Status.MISSING, reason, self._command())

    def _absent(self, error: RerankbenchError) -> Absent:
        status = Status.MISSING if isinstance(error, MissingError) else Status.REFUSED if isinstance(error, ConfigError) else Status.FAILED
        reason, hint = self.places.portable(error.message), self.places.portable(error.hint)
        if status is Status.MISSING and (self.system.model or self.system.system):
            hint = _then(hint, self._command())
        return Absent(status, reason, hint)

    def _command(self) -> str:
        """What makes the results: our command where the row says how, else that of mteb itself."""
        if self.system.system is not None:
            return f"rerankbench mteb run {shlex.quote(self.asked.called)} --systems {shlex.quote(self.system.name)}"
        folder = f"{self.places.runs.name}/{WRITTEN}"
        file = self.asked.file
        what = ["-t", *file.tasks] if file.tasks else ["-b", file.benchmark]
        made = f"pip install mteb; {shlex.join(['mteb', 'run', '-m', self.system.model, *what, '--output-folder', folder])}"
        return made if self.system.has_instructions else f"{made}; or clone embeddings-benchmark/results as {folder}: MTEB publishes many"

    def _not_judged(self, score: Score, name: str) -> str:
        """Why a score is not to be compared with the paper's; empty where it may be, or where nothing of the paper stands beside it."""
        if self.asked.file.table is None:
            return ""
        if self.is_own:
            other = self._other_than_the_papers(name)
            if other:
                return other
        instructed = self.results.has_instructions if isinstance(self.results, ModelResults) else None
        if self.system.has_instructions and not instructed:
            said = "made without instructions" if instructed is False else "model_meta.json does not say whether with instructions"
            return f"{said}, by the paper with those of its Table 10"
        if not score.is_papers_measure:
            return f"another main score than {self.tasks[name].main_score}, which it was in mteb {mteb.load().versions.paper}"
        return ""

    def _other_than_the_papers(self, name: str) -> str:
        """In what a row that was evaluated here is another than the paper's of its name."""
        if self.system.reranks:
            return "of a ranker over candidate lists; the paper's is of embeddings"
        if self.system.prompt not in {"", INSTRUCTED} or bool(self.system.prompt) != self.system.has_instructions:
            return f"with the prompt {self.system.prompt}, which is not the paper's"
        if self.system.prompt and name in self.asked.file.task_instructions:
            return "with an instruction of the configuration, not the paper's"
        return ""


def line_of(system: MtebSystem, row: PaperRow, tasks: Mapping[str, mteb.Task], asked: MtebTable, places: Places) -> Line:
    """The row of a system.

    A row that is evaluated here has the results of its own revision where there are any, and those alone. Else it has what is published
    of its model: results that were evaluated here are of another prompt, another engine or other weights, and never stand in.
    """
    own: OwnResults | None = None
    try:
        if system.system is not None and not system.revision:
            own = own_results(system, asked.file.task_instructions, places.folders(asked))
        results: ModelResults | RerankbenchError = _results(system, own, asked, places)
    except RerankbenchError as error:
        results = error
    return Line(system, row, results, own, tasks, places, asked)


def _results(system: MtebSystem, own: OwnResults | None, asked: MtebTable, places: Places) -> ModelResults:
    """Raises: RerankbenchError: there are none, or several and none is named."""
    folders = places.folders(asked)
    if own is not None and own.ledger is not None:
        try:
            return find_results(folders, own.model, own.revision)
        except MissingData:  # no task of it could be finished yet
            return ModelResults(own.model, own.revision, None, {})
    if not system.model and system.system is None:
        raise MissingData(f"The weights of {system.name} cannot be had.", hint=system.weights.how)
    model = own.model if own else system.model
    made_here = {str(ledger["revision"]) for ledger in ledgers_of(model, folders)}
    try:
        return find_results(folders, model, system.revision, without=() if system.revision else made_here)
    except MissingData as error:
        if own is not None and own.lacking is not None:
            raise own.lacking from error
        if system.weights.status == "train":
            raise MissingData(f"The weights of {system.name} are not published.", hint=system.weights.how) from error
        if own is not None:
            raise MissingData(f"{system.name} has not been evaluated here.") from error
        raise


def _drift(score: Score, task: mteb.Task) -> Iterator[str]:
    paper = mteb.load().versions.paper
    if not task.mean_of and not task.is_new and task.revision and any(revision != task.revision for revision in score.revisions):
        yield f"its data set at another revision than in mteb {paper}"


def _then(hint: str, command: str) -> str:
    return "; then: ".join(filter(None, (hint.removesuffix("."), command)))
