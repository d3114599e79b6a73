"""The tables that a configuration of MTEB scores asks for: the main one, and those beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from rerankbench.config import MtebSystem, MtebTable
from rerankbench.errors import ConfigError
from rerankbench.mteb_tables.about import about_line, context_of
from rerankbench.mteb_tables.lines import Line, line_of
from rerankbench.mteb_tables.means import means_table
from rerankbench.mteb_tables.places import Places
from rerankbench.mteb_tables.task_by_task import task_table
from rerankbench.mteb_tables.tasks import tasks_of
from rerankbench.mteb_tables.versions import versions_listing
from rerankbench.reference import mteb
from rerankbench.reference.layout import PaperRow, PaperTable
from rerankbench.reference.noise import floor_of
from rerankbench.reference.paper import load as load_paper
from rerankbench.report.build import paper_table
from rerankbench.report.cells import Cell
from rerankbench.report.listing import Listing
from rerankbench.report.table import Column, Group, Row, Table, missing_cell

NOT_NOTED = "which tasks {} has is written down by the first evaluation of this configuration"


def mteb_table(asked: MtebTable, places: Places) -> Table:
    """The main table alone. Raises: as `mteb_tables`."""
    return mteb_tables(asked, places)[0]


def mteb_tables(asked: MtebTable, places: Places) -> tuple[Table, Mapping[str, Table | Listing]]:
    """From the result files that are at hand.

    Returns:
        The table that the configuration asks for: in the paper's layout, else task by task. Beside it, by the names of their files:
        ``means`` by task type and over all, ``tasks`` where the main table is of types, and ``versions`` of mteb and of the data.

    Raises:
        ConfigError: a benchmark, a column or a row has no place in it.
        StoreError: what the evaluation has written down of the tasks is damaged.
    """
    tasks = tasks_of(asked, places)
    paper = load_paper().table(str(asked.file.table)) if asked.file.table is not None else None
    lines = [line_of(system, _row_of(system, paper, asked), tasks, asked, places) for system in asked.systems]
    if not tasks:
        return _without_tasks(lines, asked), {}
    by_task = task_table(lines, asked)
    is_by_task = paper is None or asked.file.is_narrowed
    main = (
        _in_the_papers_layout(lines, paper, asked) if paper and not is_by_task else replace(by_task, id=asked.name, title=asked.file.title)
    )
    notes = tuple(filter(None, map(about_line, lines)))
    more: dict[str, Table | Listing] = {"means": means_table(lines, asked, None if asked.file.is_narrowed else paper)}
    if not any(column.name in tasks for column in main.columns):
        more["tasks"] = replace(by_task, context=tuple(context_of(lines, asked)))
    more["versions"] = versions_listing(lines, asked)
    return replace(main, context=tuple(context_of(lines, asked)), notes=(*main.notes, *notes)), more


def _without_tasks(lines: Sequence[Line], asked: MtebTable) -> Table:
    """A table of a benchmark that is not known here, before anything was evaluated: every row lacks all of it."""
    column = Column("tasks", f"tasks of {asked.file.benchmark}", measure="main score")
    hint = f"rerankbench mteb run {asked.called}"
    cells = [missing_cell(line.row.system, column, NOT_NOTED.format(asked.file.benchmark), hint) for line in lines]
    rows = [Row(line.row.system, line.row.label, (cell,)) for line, cell in zip(lines, cells, strict=True)]
    return Table(asked.name, asked.file.title, (column,), (Group("", tuple(rows)),))


def _row_of(system: MtebSystem, paper: PaperTable | None, asked: MtebTable) -> PaperRow:
    """Where a system stands in the paper's table; outside of it a row of its own."""
    row = next((r for r in paper.rows if r.system_of_ours == system.name), None) if paper else None
    if row is None and paper is not None and not asked.file.is_narrowed:
        raise ConfigError(f"{asked.place(('systems',))}: Table {paper.id} of the paper has no row for {system.name!r}")
    return replace(row, label=system.name) if row and asked.file.is_narrowed else row or PaperRow(system.name, system.name)


def _in_the_papers_layout(lines: Sequence[Line], paper: PaperTable, asked: MtebTable) -> Table:
    # The average too, though it could be computed where the table is put together: here it says why it is not there, and what helps.
    cells = [_cell(line, column.name, asked) for line in lines for column in paper.columns]
    floors = {line.row.system: floor_of(line.system.weights.status) for line in lines}
    return paper_table(load_paper(), paper.id, cells, floors=floors, hint=lambda *_: "name it in the configuration, or leave --systems out")


def _cell(line: Line, column: str, asked: MtebTable) -> Cell:
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
