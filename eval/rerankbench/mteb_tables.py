"""Tables of MTEB scores, from mteb's result files: in the layout of a table of the paper, or task by task. Evaluates nothing.

A mean stands there only where all its tasks do. A score is compared with the paper's where it is the same measure; which mteb made it and
of which revision of the data is said under the table.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from rerankbench.config import MtebSystem, MtebTable, fingerprint
from rerankbench.errors import ConfigError, MissingData, RerankbenchError
from rerankbench.mteb_results import ModelResults, Score, find_results
from rerankbench.reference import mteb
from rerankbench.reference.layout import PaperRow, PaperTable
from rerankbench.reference.noise import floor_of
from rerankbench.reference.paper import load as load_paper
from rerankbench.report.build import paper_table
from rerankbench.report.cells import Cell, Status, average
from rerankbench.report.table import Column, Group, Row, Table

WRITTEN = "mteb_results"
"""Where results that are made here go, below the folder of runs."""


@dataclass(frozen=True)
class Places:
    """Where results may lie.

    Attributes:
        runs: The folder of runs.
        mirror: The local mirror, if any.
    """

    runs: Path
    mirror: Path | None

    def folders(self, asked: MtebTable) -> list[Path]:
        """The folders of results that there are, each once."""
        named = asked.file.results
        candidates = [base / named for base in (Path(), asked.folder, self.runs, self.mirror) if base is not None]
        found = {path.resolve(): path for path in candidates if path.is_dir()}
        return list(found.values())

    def portable(self, text: str) -> str:
        """Without the places of this machine."""
        for place, name in ((self.runs, self.runs.name), (self.mirror, "DATA")):
            if place is not None and str(place) != ".":
                text = text.replace(f"{place}/", f"{name}/")
        return text


def results_folder(asked: MtebTable, runs: Path) -> Path:
    """Where results of systems that are evaluated here go."""
    return runs / asked.file.results


@dataclass(frozen=True)
class _Line:
    """A row of the table: a system, where it stands in the paper's, and its results or why there are none."""

    system: MtebSystem
    row: PaperRow
    results: ModelResults | RerankbenchError
    tasks: Mapping[str, mteb.Task]
    places: Places
    asked: MtebTable

    @cached_property
    def scores(self) -> Mapping[str, Score | RerankbenchError]:
        """Of every task, or why there is none."""
        return {name: self._score(name) for name in self.tasks}

    def _score(self, name: str) -> Score | RerankbenchError:
        if isinstance(self.results, RerankbenchError):
            return self.results
        try:
            return self.results.score(name, self.tasks[name] if self.tasks[name].type else None)
        except RerankbenchError as error:
            return error

    def cell(self, column: str, name: str) -> Cell:
        """The score of a task."""
        score = self.scores[name]
        if isinstance(score, RerankbenchError):
            return self._without(column, score)
        return Cell(
            self.row.system,
            column,
            Status.DONE,
            score.value,
            variant=self.row.variant,
            other_model=self.system.model if self.system.stands_in else "",
            notes=tuple(_drift(score, self.tasks[name])),
            not_judged=self._not_judged(score, self.tasks[name]),
        )

    def mean(self, column: str, names: Sequence[str]) -> Cell:
        """The mean of tasks; where it is not there, with the reason why a task is not."""
        members = [self.cell(name, name) for name in names]
        made = average(self.row.system, column, members, variant=self.row.variant)
        absent = [m for m in members if not m.done]
        if not absent:
            return replace(made, not_judged=next((m.not_judged for m in members if m.not_judged), ""))
        if len(absent) == len(members):
            return replace(absent[0], column=column)
        return replace(made, reason=f"{made.reason} ({absent[0].reason})", hint=absent[0].hint)

    def _without(self, column: str, error: RerankbenchError) -> Cell:
        status = {MissingData: Status.MISSING, ConfigError: Status.REFUSED}.get(type(error), Status.FAILED)
        reason, hint = self.places.portable(error.message), self.places.portable(error.hint)
        if status is Status.MISSING and self.system.model:
            hint = "; then: ".join(filter(None, (hint, self._command())))
        return Cell(self.row.system, column, status, variant=self.row.variant, reason=reason, hint=hint)

    def _command(self) -> str:
        """What makes the results, by mteb's own command line."""
        folder = f"{self.places.runs.name}/{WRITTEN}"
        file = self.asked.file
        what = ["-t", *file.tasks] if file.tasks else ["-b", file.benchmark]
        made = f"pip install mteb; {shlex.join(['mteb', 'run', '-m', self.system.model, *what, '--output-folder', folder])}"
        return made if self.system.has_instructions else f"{made}; or clone embeddings-benchmark/results as {folder}: MTEB publishes many"

    def _not_judged(self, score: Score, task: mteb.Task) -> str:
        instructed = self.results.has_instructions if isinstance(self.results, ModelResults) else None
        if self.system.has_instructions and not instructed:
            said = "made without instructions" if instructed is False else "model_meta.json does not say whether with instructions"
            return f"{said}, by the paper with those of its Table 10"
        if not score.is_papers_measure:
            return f"another main score than {task.main_score}, which it was in mteb {mteb.load().versions.paper}"
        return ""


def mteb_table(asked: MtebTable, places: Places) -> Table:
    """The table that a configuration asks for, from the result files that are at hand.

    Raises:
        ConfigError: a benchmark, a column or a row has no place in it.
    """
    tasks = _tasks(asked)
    paper = load_paper().table(str(asked.file.table)) if asked.file.table is not None else None
    rows = [(system, _row_of(system, paper, asked)) for system in asked.systems]
    lines = [_Line(s, row, _results(s, asked, places), tasks, places, asked) for s, row in rows]
    table = _task_by_task(lines, asked) if paper is None or asked.file.tasks else _in_the_papers_layout(lines, paper, asked)
    return replace(table, context=tuple(_context(lines, asked)), notes=(*table.notes, *filter(None, map(_about, lines))))


def _tasks(asked: MtebTable) -> Mapping[str, mteb.Task]:
    """What is evaluated of each task; of one that no benchmark here has, nothing is known."""
    known = mteb.load()
    try:
        benchmark = known.tasks_of(asked.file.benchmark)
    except ConfigError as error:
        raise ConfigError(f"{asked.place(('benchmark',))}: {error.message}") from error
    unknown = mteb.Task(type="", main_score="", revision="", split="")
    return {name: known.tasks.get(name, unknown) for name in asked.file.tasks} or benchmark


def _results(system: MtebSystem, asked: MtebTable, places: Places) -> ModelResults | RerankbenchError:
    if not system.model:
        return MissingData(f"The weights of {system.name} cannot be had.", hint=system.weights.how)
    try:
        return find_results(places.folders(asked), system.model, system.revision)
    except MissingData as error:
        if system.weights.status == "train":
            return MissingData(f"The weights of {system.name} are not published.", hint=system.weights.how)
        return error
    except RerankbenchError as error:
        return error


def _row_of(system: MtebSystem, paper: PaperTable | None, asked: MtebTable) -> PaperRow:
    """Where a system stands in the paper's table; outside of it a row of its own."""
    row = next((r for r in paper.rows if r.system_of_ours == system.name), None) if paper else None
    if row is None and paper is not None and not asked.file.tasks:
        raise ConfigError(f"{asked.place(('systems',))}: Table {paper.id} of the paper has no row for {system.name!r}")
    return replace(row, label=system.name) if row and asked.file.tasks else row or PaperRow(system.name, system.name)


def _in_the_papers_layout(lines: Sequence[_Line], paper: PaperTable, asked: MtebTable) -> Table:
    names = {column.name for column in paper.columns}
    cells = [
        _cell(line, column.name, asked)
        for line in lines
        for column in paper.columns
        if not (column.members and set(column.members) <= names)  # those are computed where the table is put together
    ]
    floors = {line.row.system: floor_of(line.system.weights.status) for line in lines}
    return paper_table(load_paper(), paper.id, cells, floors=floors, hint=lambda *_: "name it in the configuration, or leave --systems out")


def _cell(line: _Line, column: str, asked: MtebTable) -> Cell:
    """A column of the paper: a task, the mean of a task type, or of all tasks."""
    type_of = {name: type_ for type_, name in mteb.load().columns.items()}
    if column in line.tasks:
        return line.cell(column, column)
    if column in type_of:
        return line.mean(column, [name for name, task in line.tasks.items() if task.type == type_of[column]])
    if column.startswith("mteb-") and column.endswith("-avg"):
        return line.mean(column, list(line.tasks))
    raise ConfigError(
        f"{asked.place(('table',))}: Table {asked.file.table} of the paper has a column {column!r}: no task of {asked.file.benchmark}"
    )


def _task_by_task(lines: Sequence[_Line], asked: MtebTable) -> Table:
    columns = tuple(Column(name, name, measure="main score") for name in asked.file.tasks)
    rows = (Row(line.row.system, line.row.label, tuple(_beside(line, c, asked) for c in columns), line.row.variant) for line in lines)
    return Table(asked.name, asked.file.title, columns, (Group("", tuple(rows)),))


def _beside(line: _Line, column: Column, asked: MtebTable) -> Cell:
    cell = line.cell(column.name, column.name)
    if asked.file.table is None:
        return cell
    printed = load_paper().cell(str(asked.file.table), line.row.system, column.name, line.row.variant)
    return cell if printed is None else cell.judged(printed, floor_of(line.system.weights.status))


def _drift(score: Score, task: mteb.Task) -> Iterator[str]:
    paper = mteb.load().versions.paper
    if not task.mean_of and task.revision and any(r.dataset_revision != task.revision for r in score.results):
        yield f"its data set at another revision than in mteb {paper}"


def _context(lines: Sequence[_Line], asked: MtebTable) -> Iterator[str]:
    if asked.file.tasks:
        yield f"{len(asked.file.tasks)} tasks: main scores, in per cent"
    else:
        yield f"{asked.file.benchmark}, {len(lines[0].tasks)} tasks: main scores, in per cent, and their means, where all members are there"
    scores = [score for line in lines for score in line.scores.values() if isinstance(score, Score)]
    versions = sorted({version for score in scores for version in score.versions})
    made = f"made with mteb {', '.join(versions)}" if versions else "no result is at hand"
    yield f"{made}; the paper's with mteb {mteb.load().versions.paper}"
    if asked.file.table is not None:
        yield "no interval and no repetition of these scores is known: what does not round to the paper's digits counts as different"
    instructed = [line.system.name for line in lines if line.system.has_instructions]
    if instructed:
        yield f"{', '.join(instructed)}: by the paper with instructions (its Table 10), which mteb's own command may not add"


def _about(line: _Line) -> str:
    """Where a row's numbers come from."""
    scores = {name: score for name, score in line.scores.items() if isinstance(score, Score)}
    if not scores or not isinstance(line.results, ModelResults):
        return ""
    by_version: dict[str, list[str]] = {}
    for name, score in scores.items():
        by_version.setdefault(" and ".join(score.versions) or "unsaid", []).append(name)
    fewest = sorted(by_version.items(), key=lambda item: -len(item[1]))
    versions = "; ".join([f"mteb {fewest[0][0]}", *(f"mteb {version}: {', '.join(names)}" for version, names in fewest[1:])])
    results = [result for score in scores.values() for result in score.results]
    revisions = fingerprint({r.task: r.dataset_revision for r in results})[:12]
    hours = sum(r.seconds for r in results if r.seconds is not None) / 3600
    return (
        f"{line.row.label}: {line.results.model} at {line.results.revision[:12]}, {len(scores)} of {len(line.tasks)} tasks; {versions};"
        f" data sets' revisions {revisions}; {hours:.2f} hours of evaluation as recorded"
    )
