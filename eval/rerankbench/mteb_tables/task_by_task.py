"""Every task's score, a column a task, beside the paper's where any of its tables prints it."""

from __future__ import annotations

from collections.abc import Sequence

from rerankbench.config import MtebTable
from rerankbench.mteb_tables.lines import Line
from rerankbench.mteb_tables.tasks import PRINTED, in_the_papers_order
from rerankbench.reference.noise import floor_of
from rerankbench.reference.paper import PaperCell
from rerankbench.reference.paper import load as load_paper
from rerankbench.report.cells import Cell
from rerankbench.report.table import Column, Group, Row, Table


def task_table(lines: Sequence[Line], asked: MtebTable) -> Table:
    """Rows as they stand in the configuration; columns in the order that it names, else in the paper's, then the benchmark's."""
    names = in_the_papers_order(lines[0].tasks, asked)
    columns = tuple(Column(name, name, measure=lines[0].tasks[name].main_score_now or "main score") for name in names)
    rows = (Row(line.row.system, line.row.label, tuple(_beside(line, c, asked) for c in columns), line.row.variant) for line in lines)
    return Table(f"{asked.name}-tasks", f"{asked.file.title}: task by task", columns, (Group("", tuple(rows)),))


def _beside(line: Line, column: Column, asked: MtebTable) -> Cell:
    cell = line.cell(column.name, column.name)
    if asked.file.table is None:
        return cell
    printed = _printed(line, column.name, asked.file.table)
    return cell if printed is None else cell.judged(printed, floor_of(line.system.weights.status))


def _printed(line: Line, column: str, table: int) -> PaperCell | None:
    """What the paper prints for this system and task: in the table that the configuration names, else in one of single tasks."""
    paper = load_paper()
    for id_ in dict.fromkeys((str(table), *PRINTED)):
        rows = [row for row in paper.table(id_).rows if row.system_of_ours == line.system.name]
        found = (paper.cell(id_, row.system, column, row.variant) for row in rows)
        cell = next((cell for cell in found if cell is not None), None)
        if cell is not None:
            return cell
    return None
