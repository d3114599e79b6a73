"""Every number that the E2Rank paper prints (`paper.csv`), as printed.

Columns are labelled by the table's printed header, also where a row seems to have been printed in another column order:
finding such rows is the audit's work, not this file's.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from rerankbench.errors import ConfigError, DataError, nearest
from rerankbench.reference.layout import PaperColumn, PaperRow, PaperTable, read_layout
from rerankbench.reference.verdict import printed_number

TOTAL = 2048
"""Cells of all tables together, counted in the extraction of the paper's text."""

_HEADER = ("table", "system", "variant", "first_stage", "column", "value", "absent")

Absent = Literal["", "lost", "dash"]
"""Why a cell holds no number: it does; the text extraction lost it; the paper prints a dash."""

Key = tuple[str, str, str, str, str]
"""table, system, variant, first stage, column"""


@dataclass(frozen=True, slots=True)
class PaperCell:
    """One cell of one table.

    Attributes:
        variant: Tells rows of one system apart, e.g. ``"w/o Stage I"``; empty where the system's name is enough.
        first_stage: Set only in a table whose columns differ in their first stage (Table 21).
        measure: What was measured, e.g. ``"nDCG@10"``.
        value: As printed, trailing zeros kept, in percent (or seconds, as the column says); empty when `absent` says why.
    """

    table: str
    system: str
    variant: str
    first_stage: str
    column: str
    measure: str
    value: str
    absent: Absent = ""

    @property
    def number(self) -> Decimal | None:
        """The value, with as many decimals as were printed."""
        return Decimal(self.value) if self.value else None


@dataclass(frozen=True, slots=True)
class PaperNumbers:
    """All tables of the paper.

    Attributes:
        tables: Table id → layout, in the paper's order.
        cells: Key → cell, in the paper's order.
    """

    tables: Mapping[str, PaperTable]
    cells: Mapping[Key, PaperCell]

    def table(self, table: str) -> PaperTable:
        """The layout of a table.

        Raises:
            ConfigError: the paper has no such table of numbers.
        """
        if table not in self.tables:
            raise ConfigError(f"The paper has no table {table!r} of numbers. {nearest(table, self.tables)}")
        return self.tables[table]

    def cell(self, table: str, system: str, column: str, variant: str = "", first_stage: str = "") -> PaperCell | None:
        """One cell, or None where this table has no such row or column.

        Raises:
            ConfigError: the paper has no such table.
        """
        return self.cells.get((self.table(table).id, system, variant, first_stage, column))

    def rows(self, table: str) -> tuple[PaperRow, ...]:
        """The rows of a table in printed order.

        Raises:
            ConfigError: the paper has no such table.
        """
        return self.table(table).rows

    def columns(self, table: str) -> tuple[PaperColumn, ...]:
        """The columns of a table in printed order.

        Raises:
            ConfigError: the paper has no such table.
        """
        return self.table(table).columns


@functools.cache
def load() -> PaperNumbers:
    """The numbers that come with the package; read once a process, and never changed.

    Raises:
        DataError: a file of the package is damaged.
    """
    folder = Path(__file__).parent
    return read(folder / "paper.csv", folder / "tables.yaml")


def read(numbers: Path, layout: Path) -> PaperNumbers:
    """Read and check: every cell of every table is there once, parses, and bears names that the layout knows.

    Raises:
        DataError: anything else, with the file and its line.
    """
    tables = read_layout(layout)
    cells: dict[Key, PaperCell] = {}
    for line, cell in _parse(numbers, tables):
        key = (cell.table, cell.system, cell.variant, cell.first_stage, cell.column)
        if key in cells:
            raise DataError(f"{numbers}:{line}: the cell {' / '.join(filter(None, key))} stands here a second time")
        cells[key] = cell
    _check_complete(numbers, tables, cells)
    return PaperNumbers(MappingProxyType(tables), MappingProxyType(cells))


def _parse(path: Path, tables: Mapping[str, PaperTable]) -> Iterator[tuple[int, PaperCell]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    reader = csv.reader(text.splitlines(), strict=True)
    try:
        header = tuple(next(reader, []))
        if header != _HEADER:
            raise DataError(f"{path}:1: expected the header {','.join(_HEADER)!r}, found {','.join(header)!r}")
        for fields in reader:
            yield reader.line_num, _cell(fields, tables, f"{path}:{reader.line_num}")
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: not a line of CSV: {error}") from error


def _cell(fields: list[str], tables: Mapping[str, PaperTable], where: str) -> PaperCell:
    if len(fields) != len(_HEADER):
        raise DataError(f"{where}: expected {len(_HEADER)} fields ({','.join(_HEADER)}), found {len(fields)}")
    table, system, variant, first_stage, column, value, absent = fields
    if table not in tables:
        raise DataError(f"{where}: unknown table {table!r}. {nearest(table, tables)}")
    rows = {(r.system, r.variant) for r in tables[table].rows}
    if (system, variant) not in rows:
        known = nearest(f"{system} {variant}".strip(), (" ".join(r).strip() for r in rows))
        raise DataError(f"{where}: unknown system {system!r} with variant {variant!r} in table {table}. {known}")
    columns = {(c.first_stage, c.name): c for c in tables[table].columns}
    if (first_stage, column) not in columns:
        known = nearest(f"{first_stage} {column}".strip(), (" ".join(c).strip() for c in columns))
        raise DataError(f"{where}: unknown column {column!r} with first stage {first_stage!r} in table {table}. {known}")
    measure = columns[first_stage, column].measure
    return PaperCell(table, system, variant, first_stage, column, measure, value, _absent(value, absent, where))


def _absent(value: str, absent: str, where: str) -> Absent:
    """Check that exactly one of the two is given, and that the value is a number."""
    if value:
        printed_number(value, where)
        if absent:
            raise DataError(f"{where}: a cell with the value {value!r} cannot be {absent!r} as well")
        return ""
    reasons: dict[str, Absent] = {"lost": "lost", "dash": "dash"}
    if absent in reasons:
        return reasons[absent]
    raise DataError(f"{where}: a cell without a value must say why: 'lost' or 'dash', found {absent!r}")


def _check_complete(path: Path, tables: Mapping[str, PaperTable], cells: Mapping[Key, PaperCell]) -> None:
    for id_, table in tables.items():
        expected = {(id_, r.system, r.variant, c.first_stage, c.name) for r in table.rows for c in table.columns}
        missing = sorted(expected - cells.keys())
        if missing:
            raise DataError(f"{path}: {len(missing)} cells of table {id_} are missing, first {' / '.join(filter(None, missing[0]))}")
        if len(expected) != table.cells:
            raise DataError(f"{path}: table {id_} has {len(expected)} cells by its rows and columns, expected {table.cells}")
    if len(cells) != TOTAL:
        raise DataError(f"{path}: {len(cells)} cells in all, expected {TOTAL}")
