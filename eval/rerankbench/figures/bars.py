"""One column of a table as bars: our value and the paper's for every system, missing ones too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal

from rerankbench.config import Experiment
from rerankbench.config.schema import BarsChoice
from rerankbench.errors import ConfigError, nearest
from rerankbench.report import Cell, Column, Table
from rerankbench.report.cells import LOST
from rerankbench.report.marks import Figure, Mark, mark_of
from rerankbench.report.text import LEGEND, MARKS, column_label

INTERVALS = "Error bars: 95 % bootstrap interval over queries."
AVERAGES = "Error bars: 95 % interval of the average, its members taken as independent."


def bars_of(choice: BarsChoice, experiment: Experiment, table: Table) -> Figure:
    """Two bars a system where the table stands beside the paper's, else one, in the table's order or by value.

    Raises:
        ConfigError: the table has no such column.
    """
    position = _position(choice, experiment, table)
    column = table.columns[position]
    names = _names(table)
    marks = tuple(mark for row in table.rows for mark in _marks(names[id(row)], row.cells[position], column, table))
    groups = tuple((group.label, tuple(names[id(row)] for row in group.rows)) for group in table.groups)
    if choice.order == "value":
        groups = (("", _by_value(marks)),)
    cells = [row.cells[position] for row in table.rows]
    said = (_source(table, column), _intervals(marks, cells), _signs(marks), choice.note)
    label = column.measure if column_label(column) in {"", column.measure} else f"{column.measure}, {column_label(column)}"
    return Figure("bars", experiment.file.title, " ".join(filter(None, said)), label, "system", marks, groups)


def _position(choice: BarsChoice, experiment: Experiment, table: Table) -> int:
    keys = [column.key for column in table.columns]
    if choice.column not in keys:
        raise ConfigError(
            f"{experiment.place(('figure', 'column'))}: the table has no column {choice.column!r}. {nearest(choice.column, keys)}"
        )
    return keys.index(choice.column)


def _names(table: Table) -> dict[int, str]:
    """Row → what is printed for it, with its variant where two would read alike."""
    times = Counter(row.label for row in table.rows)
    return {id(row): row.label if times[row.label] == 1 else f"{row.label} ({row.variant or row.system})" for row in table.rows}


def _marks(name: str, cell: Cell, column: Column, table: Table) -> Iterator[Mark]:
    yield mark_of(cell, "", name, column.key)
    if table.is_compared:
        printed = Decimal(cell.printed) if cell.printed else None
        reason = "" if printed is not None else cell.not_judged if cell.not_judged == LOST else "the paper prints none"
        yield Mark("", name, printed, column.key, unit=cell.unit, source="paper", reason=reason)


def _by_value(marks: Sequence[Mark]) -> tuple[str, ...]:
    """The best first, by our value, else by the paper's; what has neither comes last."""
    best: dict[str, Decimal] = {}
    for mark in marks:  # of each system, ours comes before the paper's
        if mark.y is not None:
            best.setdefault(mark.series, mark.y)
    names = dict.fromkeys(mark.series for mark in marks)
    return tuple(sorted(names, key=lambda name: best.get(name, Decimal("-Infinity")), reverse=True))


def _source(table: Table, column: Column) -> str:
    """Where the paper prints its values; empty where it prints none."""
    return f"The paper's values: its Table {table.id}, column {column_label(column).rstrip('.')}." if table.is_compared else ""


def _intervals(marks: Sequence[Mark], cells: Sequence[Cell]) -> str:
    if not any(mark.interval for mark in marks):
        return ""
    return AVERAGES if any(cell.members for cell in cells) else INTERVALS


def _signs(marks: Sequence[Mark]) -> str:
    used = {MARKS[mark.verdict] for mark in marks if mark.verdict and mark.y is not None}
    return "; ".join(f"{sign} {meaning}" for sign, meaning in LEGEND if sign in used).join(("", "." if used else ""))
