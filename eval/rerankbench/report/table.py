"""A table of cells: rows in groups, columns, averages, and what can be said about the whole. Knows no rendering."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rerankbench.errors import MeasureError
from rerankbench.reference.layout import Emphasis, Unit
from rerankbench.reference.verdict import Verdict, rounded
from rerankbench.report.cells import Cell, Status

INCOMPLETE = 4
"""The exit code of a table with a missing or failed cell."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Attributes:
        name: As the code names the benchmark or average.
        first_stage: Set only where columns of one table differ in it.
        members: Names of the columns that an average is over; empty for others.
        decimals: How many decimals our values are shown with.
    """

    name: str
    label: str
    first_stage: str = ""
    members: tuple[str, ...] = ()
    measure: str = "nDCG@10"
    unit: Unit = "percent"
    decimals: int = 2

    @property
    def key(self) -> str:
        """The name that tells it apart within its table, e.g. ``dl19`` or ``bge-base/dl19``."""
        return f"{self.first_stage}/{self.name}" if self.first_stage else self.name

    @property
    def is_average(self) -> bool:
        return bool(self.members)


@dataclass(frozen=True, slots=True)
class Row:
    """A system, or a variant of one.

    Attributes:
        label: What is printed.
        cells: In the order of the table's columns.
        letter: Stands for the row in other rows' `Cell.letters`; empty in a table without them.
    """

    system: str
    label: str
    cells: tuple[Cell, ...]
    variant: str = ""
    letter: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Rows between two grouping lines, under a heading that may be empty."""

    label: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells, complete or not.

    Attributes:
        id: What it is called in files, e.g. ``"1"`` for the paper's Table 1, or an experiment's name.
        bold, underline: Within what the best and the second best of our values are emphasised.
        context: Lines that say how the numbers came about: first stage, depth, interval, hardware.
        caveats: What must be said about the whole table, e.g. that a stand-in replaces a model.

    Raises:
        MeasureError: a row's cells do not line up with the columns.
    """

    id: str
    title: str
    columns: tuple[Column, ...]
    groups: tuple[Group, ...]
    bold: Emphasis = "none"
    underline: Emphasis = "none"
    context: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        expected = [(c.name, c.first_stage) for c in self.columns]
        for row in self.rows:
            found = [(cell.column, cell.first_stage) for cell in row.cells]
            if found != expected:
                raise MeasureError(f"Table {self.id}, row {row.label!r}: its cells are {found}, the columns {expected}.")

    @property
    def rows(self) -> tuple[Row, ...]:
        return tuple(row for group in self.groups for row in group.rows)

    def cells(self, *, averages: bool = True) -> Iterator[tuple[Row, Column, Cell]]:
        """Every cell, row by row."""
        for row in self.rows:
            for column, cell in zip(self.columns, row.cells, strict=True):
                if averages or not column.is_average:
                    yield row, column, cell

    def missing(self) -> list[Cell]:
        """Cells without a number, averages apart: those follow from their members."""
        return [cell for _, _, cell in self.cells(averages=False) if not cell.done]

    def exit_code(self) -> int:
        """4 when anything is missing, failed or refused, else 0."""
        return INCOMPLETE if any(not cell.done for _, _, cell in self.cells()) else 0

    def verdicts(self, *, averages: bool = False) -> Counter[Verdict | None]:
        """How often each verdict was given, over plain cells or over averages; None counts refused comparisons."""
        return Counter(cell.verdict for _, column, cell in self.cells() if column.is_average == averages and cell.is_compared)

    @property
    def is_compared(self) -> bool:
        """Whether any cell stands beside a number of the paper."""
        return any(cell.printed for _, _, cell in self.cells())

    def emphasis(self) -> Mapping[tuple[int, int], str]:
        """(row, column) positions → ``"bold"`` or ``"underline"``; of equal values, as shown, all are emphasised alike.

        A best value is only known when every cell that competes is there, so an incomplete column of a group has none.
        """
        marks: dict[tuple[int, int], str] = {}
        for place, style in ((1, "underline"), (0, "bold")):
            for rows in self._competitors(self.bold if style == "bold" else self.underline):
                for c, column in enumerate(self.columns):
                    marks.update(dict.fromkeys(self._placed(rows, c, column, place), style))
        return marks

    def _competitors(self, within: Emphasis) -> list[list[int]]:
        if within == "none":
            return []
        if within == "table":
            return [list(range(len(self.rows)))]
        starts = [sum(len(g.rows) for g in self.groups[:i]) for i in range(len(self.groups))]
        return [list(range(start, start + len(group.rows))) for start, group in zip(starts, self.groups, strict=True)]

    def _placed(self, rows: list[int], c: int, column: Column, place: int) -> list[tuple[int, int]]:
        """Positions of the best (place 0) or second best (1) distinct value among these rows."""
        cells = {r: self.rows[r].cells[c] for r in rows}
        if len(rows) < 2 or any(not cell.done for cell in cells.values()):
            return []
        shown = {r: rounded(cell.points, column.decimals) for r, cell in cells.items() if cell.points is not None}
        order = sorted(set(shown.values()), reverse=column.unit == "percent")
        return [(r, c) for r in rows if place < len(order) and shown[r] == order[place]]


def missing_cell(system: str, column: Column, reason: str, hint: str = "", *, variant: str = "") -> Cell:
    """A cell for which no run is at hand."""
    return Cell(
        system, column.name, Status.MISSING, variant=variant, first_stage=column.first_stage, unit=column.unit, reason=reason, hint=hint
    )
