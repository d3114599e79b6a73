"""The experiment shape: one sheet a benchmark, one line a system with everything about its run. Knows no markup."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from rerankbench.report.appendix import Appendix
from rerankbench.report.cells import Cell
from rerankbench.report.table import Column, Table
from rerankbench.report.text import Words, against_text, interval_text, queries_text, row_label, seconds_text, spread_text, words

_COLUMNS = ("95 % interval", "repeats", "to the default", "paper", "queries", "defects", "seconds")


@dataclass(frozen=True, slots=True)
class Line:
    """One system: its number in words, and the parts that stand behind it, in the order of the sheet's columns."""

    label: str
    said: Words
    parts: tuple[str, ...]
    cell: Cell


@dataclass(frozen=True, slots=True)
class Sheet:
    """One benchmark: its name, what was measured, the headings of the parts, and a line a system."""

    heading: str
    measure: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]


def experiment_sheets(table: Table, under: Appendix) -> Iterator[Sheet]:
    """The sheets of a table, in the order of its columns. A column that would be empty from top to bottom is left out."""
    for c, column in enumerate(table.columns):
        all_parts = [_parts(row.cells[c], column) for row in table.rows]
        kept = [i for i in range(len(_COLUMNS)) if any(parts[i] for parts in all_parts)]
        lines = tuple(
            # No flag for defects: they are counted in a column of their own.
            Line(row_label(row), replace(words(row.cells[c], column, under), flags=""), tuple(parts[i] for i in kept), row.cells[c])
            for row, parts in zip(table.rows, all_parts, strict=True)
        )
        heading = f"Average of {', '.join(column.members)}" if column.is_average else column.key
        measure = f"{column.measure} (s)" if column.unit == "seconds" else column.measure
        yield Sheet(heading, measure, tuple(_COLUMNS[i] for i in kept), lines)


def _parts(cell: Cell, column: Column) -> tuple[str, ...]:
    defects = str(sum(cell.defects.values())) if cell.done else ""
    spread, against = spread_text(cell, column), against_text(cell, column)
    return interval_text(cell, column), spread, against, cell.printed or "", queries_text(cell), defects, seconds_text(cell)
