"""The first stages of an experiment beside each other: what each scores, what it leaves to gain, and what each reranker gains.

From results to a table and a figure; runs nothing and renders nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rerankbench.config import Experiment
from rerankbench.errors import ConfigError
from rerankbench.experiment import Result
from rerankbench.measures.interval import bootstrap_interval
from rerankbench.measures.quality import check_measure
from rerankbench.reference.paper import PaperCell
from rerankbench.reference.paper import load as load_paper
from rerankbench.reference.verdict import mean
from rerankbench.report.cells import Cell, Status
from rerankbench.report.marks import Figure, Mark, mark_of
from rerankbench.report.stage_figure import CEILING as HIGHEST
from rerankbench.report.stage_figure import ITSELF as FIRST_STAGE
from rerankbench.report.table import Column, Group, Row, Table
from rerankbench.tables import PAPER_DEPTH, cell_of, context_of, other_question, title_of

PRINTED = {"bm25": (("1", "BM25"), ("22", "BM25")), "reasonir": (("3", "ReasonIR"),)}
"""First stage → table and row in which the paper prints it; every other one is a column of Table 21."""
CEILING = "oracle"
ITSELF = "identity"


@dataclass(frozen=True)
class _Stage:
    """One first stage on one benchmark at one depth: its results by system."""

    benchmark: str
    first_stage: str
    depth: int
    results: tuple[Result, ...]

    def of_ranker(self, kind: str) -> Result | None:
        return next((r for r in self.results if r.cell.system.ranker.kind == kind), None)


def stages_table(experiment: Experiment, results: Sequence[Result], runs: Path) -> Table:
    """A row a first stage, grouped by benchmark: its measures, the ceiling of its candidates, each reranker's gain.

    A gain is the difference of means in the first measure; its interval is a bootstrap over the queries' own differences.

    Raises:
        ConfigError: not one system keeps the first stage's order, or several are the ceiling.
    """
    _check_systems(experiment)
    stages = list(_stages(experiment, results))
    groups = []
    for benchmark in experiment.benchmarks:
        rows = [_row(stage, experiment, runs) for stage in stages if stage.benchmark == benchmark]
        groups.append(Group(title_of(benchmark, experiment), tuple(rows)))
    context = [*context_of(experiment, results), "ceiling: the candidates in their ideal order; gains: difference to the first stage"]
    notes = ("Measures of binary relevance count every grade above 0 unless the measure says otherwise, e.g. R(rel=2)@100.",)
    return Table(experiment.name, experiment.file.title, tuple(_columns(experiment)), tuple(groups), context=tuple(context), notes=notes)


def stages_figure(experiment: Experiment, results: Sequence[Result], runs: Path) -> Figure:
    """A mark for the score of every first stage, for its ceiling, and for each reranker's; what has no value says why."""
    marks = [mark for stage in _stages(experiment, results) for mark in _stage_marks(stage, experiment, runs)]
    shown = check_measure(experiment.file.measures[0])
    return Figure("stages", experiment.file.title, "", shown, "first stage", tuple(marks))


def _stage_marks(stage: _Stage, experiment: Experiment, runs: Path) -> Iterator[Mark]:
    panel, label = title_of(stage.benchmark, experiment), _label(stage, experiment)
    if len(experiment.first_stages) * len(experiment.depths) == 1:  # benchmarks under each other in one panel, not one row in each
        panel, label = label, panel
    parts = {ITSELF: FIRST_STAGE, CEILING: HIGHEST}
    for result in sorted(stage.results, key=lambda r: r.cell.system.ranker.kind != ITSELF):
        cell = replace(cell_of(result, experiment, runs), not_judged="")
        yield mark_of(cell, panel, label, parts.get(result.cell.system.ranker.kind, result.cell.system.name))


def _check_systems(experiment: Experiment) -> None:
    kinds = [system.ranker.kind for system in experiment.systems]
    if kinds.count(ITSELF) != 1 or kinds.count(CEILING) > 1:
        raise ConfigError(
            f"{experiment.place(('layout',))}: 'first-stages' needs one system with the ranker {ITSELF!r}, e.g. BM25, and at most one"
            f" with {CEILING!r}; here are {kinds.count(ITSELF)} and {kinds.count(CEILING)}"
        )


def _stages(experiment: Experiment, results: Sequence[Result]) -> Iterator[_Stage]:
    for benchmark in experiment.benchmarks:
        for first_stage in experiment.first_stages:
            for depth in experiment.depths:
                place = (benchmark, first_stage, depth)
                found = tuple(r for r in results if (r.cell.benchmark, r.cell.first_stage, r.cell.depth) == place)
                yield _Stage(benchmark, first_stage, depth, found)


def _columns(experiment: Experiment) -> Iterator[Column]:
    shown = check_measure(experiment.file.measures[0])
    yield from (Column(name, name, measure=name) for name in map(check_measure, experiment.file.measures))
    for system in experiment.systems:
        if system.ranker.kind == CEILING:
            yield Column("ceiling", "ceiling", measure=shown)
        elif system.ranker.kind != ITSELF:
            yield Column(f"gain of {system.name}", f"{system.name} +", measure=shown)


def _label(stage: _Stage, experiment: Experiment) -> str:
    return f"{stage.first_stage} top {stage.depth}" if len(experiment.depths) > 1 else stage.first_stage


def _row(stage: _Stage, experiment: Experiment, runs: Path) -> Row:
    label = _label(stage, experiment)
    cells: list[Cell] = []
    for result in sorted(stage.results, key=lambda r: r.cell.system.ranker.kind != ITSELF):
        cell = replace(cell_of(result, experiment, runs), first_stage="", system=label, variant=stage.benchmark)
        kind = result.cell.system.ranker.kind
        if kind == ITSELF:
            cells += _measured(cell, result, stage, experiment)
        elif kind == CEILING:
            cells.append(replace(cell, column="ceiling"))
        else:
            cells.append(_gain(cell, result, stage.of_ranker(ITSELF), experiment))
    return Row(label, label, tuple(cells), stage.benchmark)


def _measured(cell: Cell, result: Result, stage: _Stage, experiment: Experiment) -> Iterator[Cell]:
    """The first stage's own measures; the first one beside the paper's number, where it prints one."""
    for i, name in enumerate(map(check_measure, experiment.file.measures)):
        measured = replace(cell, column=name)
        if cell.done:
            values = [m.value for m in result.measurements if m.measure == name]
            measured = replace(measured, value=mean(values), interval=bootstrap_interval(values))
        printed = _printed(stage) if i == 0 and name == "nDCG@10" and stage.depth == PAPER_DEPTH else None
        yield replace(measured, not_judged=other_question(result, experiment)).judged(printed) if printed else measured


def _gain(cell: Cell, result: Result, itself: Result | None, experiment: Experiment) -> Cell:
    column = f"gain of {result.cell.system.name}"
    ours, theirs = _values(result, experiment), _values(itself, experiment) if itself else {}
    if not cell.done or not theirs:
        reason = cell.reason or "the first stage itself has no value"
        return replace(
            cell, column=column, status=cell.status if not cell.done else Status.MISSING, value=None, interval=None, reason=reason
        )
    differences = [ours[query] - theirs[query] for query in ours]
    return replace(cell, column=column, value=mean(differences), interval=bootstrap_interval(differences))


def _values(result: Result, experiment: Experiment) -> Mapping[str, float]:
    shown = check_measure(experiment.file.measures[0])
    return {m.query_id: m.value for m in result.measurements if m.measure == shown}


def _printed(stage: _Stage) -> PaperCell | None:
    paper = load_paper()
    for table, system in PRINTED.get(stage.first_stage, ()):
        found = paper.cell(table, system, stage.benchmark)
        if found is not None:
            return found
    return paper.cell("21", "First-stage Retrieval", stage.benchmark, first_stage=stage.first_stage)
