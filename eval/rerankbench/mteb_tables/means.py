"""Means by task type, and both means over all: by dataset, where every task counts once, and by type, where every type does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rerankbench.config import MtebTable
from rerankbench.mteb_tables.lines import Line
from rerankbench.mteb_tables.tasks import types_of
from rerankbench.reference import mteb
from rerankbench.reference.layout import PaperTable
from rerankbench.reference.noise import floor_of
from rerankbench.reference.paper import load as load_paper
from rerankbench.report.cells import Cell, Status
from rerankbench.report.table import Column, Group, Row, Table

BY_DATASET, BY_TYPE = "by-dataset", "by-type"
UNTYPED = "of no known type"


def means_table(lines: Sequence[Line], asked: MtebTable, paper: PaperTable | None) -> Table:
    """A column a task type, with the number of its tasks, then both means over all.

    Args:
        lines: At least one; all of the same tasks.
        paper: The paper's table whose means these are, where it prints some; None where nothing is compared.
    """
    types = types_of(lines[0].tasks)
    columns = _columns(types)
    rows = tuple(Row(line.row.system, line.row.label, tuple(_cells(line, types, paper)), line.row.variant) for line in lines)
    return Table(
        f"{asked.name}-means", f"{asked.file.title}: means by task type", columns, (Group("", rows),), context=tuple(_context(types))
    )


def _columns(types: Mapping[str, Sequence[str]]) -> tuple[Column, ...]:
    count = sum(map(len, types.values()))
    named = [Column(type_ or UNTYPED, f"{type_ or UNTYPED} ({len(names)})", measure="main score") for type_, names in types.items()]
    return (
        *named,
        Column(BY_DATASET, f"by dataset ({count})", measure="main score"),
        Column(BY_TYPE, f"by type ({len(types)})", measure="main score"),
    )


def _cells(line: Line, types: Mapping[str, Sequence[str]], paper: PaperTable | None) -> list[Cell]:
    by_type = [line.mean(type_ or UNTYPED, names) for type_, names in types.items()]
    of_types = line.mean_of(BY_TYPE, by_type) if "" not in types else _without_a_type(line, types[""])
    return [_judged(cell, line, paper) for cell in (*by_type, line.mean(BY_DATASET, list(line.tasks)), of_types)]


def _without_a_type(line: Line, names: Sequence[str]) -> Cell:
    reason = f"the type of {', '.join(names)} is not known here, so that a mean by type would leave it out"
    return Cell(line.row.system, BY_TYPE, Status.REFUSED, variant=line.row.variant, reason=reason)


def _judged(cell: Cell, line: Line, paper: PaperTable | None) -> Cell:
    """Beside the paper's number, where its table prints this mean."""
    column = _of_the_paper(cell.column, paper) if paper else ""
    if not paper or not column:
        return cell
    printed = load_paper().cell(paper.id, line.row.system, column, line.row.variant)
    return cell if printed is None else cell.judged(printed, floor_of(line.system.weights.status))


def _of_the_paper(column: str, paper: PaperTable) -> str:
    """The paper's name for a mean: its averages are by dataset."""
    names = [c.name for c in paper.columns]
    if column == BY_DATASET:
        return next((name for name in names if name.startswith("mteb-") and name.endswith("-avg")), "")
    found = mteb.load().columns.get(column, "")
    return found if found in names else ""


def _context(types: Mapping[str, Sequence[str]]) -> list[str]:
    count = sum(map(len, types.values()))
    return [
        f"main scores in per cent; by dataset: the mean of all {count} tasks; by type: the mean of the {len(types)} means by type",
        "a mean stands there only where every one of its tasks does",
    ]
