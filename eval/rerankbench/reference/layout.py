"""How the paper's tables are laid out (`tables.yaml`): titles, columns, rows with their printed labels, grouping lines.

Knows no number: those stand in `paper.csv`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeVar

from rerankbench.config import Options, read_yaml, validate
from rerankbench.errors import ConfigError, DataError, nearest

Emphasis = Literal["none", "group", "table"]
"""Within what the best value of a column is emphasised: nothing, its group of rows, or the whole table."""
Unit = Literal["percent", "seconds", "number"]


@dataclass(frozen=True, slots=True)
class PaperColumn:
    """A column of one table.

    Attributes:
        name: A benchmark or average, as the code names it everywhere.
        first_stage: Set only in a table whose columns differ in their first stage.
        members: Names of the columns whose plain mean this one is; empty for others.
    """

    name: str
    label: str
    first_stage: str = ""
    measure: str = "nDCG@10"
    unit: Unit = "percent"
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PaperRow:
    """A row: `system` and `variant` find its numbers, `label` is what is printed.

    Attributes:
        ours: The name in `systems.yaml`, where the paper's row is called otherwise: a variant that is another checkpoint, say.
    """

    system: str
    label: str
    variant: str = ""
    ours: str = ""

    @property
    def system_of_ours(self) -> str:
        return self.ours or self.system


@dataclass(frozen=True, slots=True)
class PaperGroup:
    """Rows between two grouping lines; `label` is the heading above them, empty where none is printed."""

    label: str
    rows: tuple[PaperRow, ...]


@dataclass(frozen=True, slots=True)
class PaperTable:
    """One table.

    Attributes:
        id: Its number in the paper, as text.
        cells: How many cells the extraction of the paper's text counts; loading compares.
        first_stage: The first stage of all its rows; empty where they differ or none was used.
        decimals: Decimals that its values are printed with (a few cells of Table 20 have lost a trailing zero).
        bold, underline: Within what the best and the second best value of a column are emphasised.
    """

    id: str
    title: str
    columns: tuple[PaperColumn, ...]
    groups: tuple[PaperGroup, ...]
    cells: int
    first_stage: str = ""
    decimals: int = 2
    bold: Emphasis = "none"
    underline: Emphasis = "none"
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> tuple[PaperRow, ...]:
        return tuple(row for group in self.groups for row in group.rows)


Entry = TypeVar("Entry")


class _ColumnEntry(Options):
    label: str = ""
    measure: str = "nDCG@10"
    unit: Unit = "percent"
    mean_of: str = ""


class _RowEntry(Options):
    system: str
    variant: str = ""
    label: str = ""
    ours: str = ""


class _GroupEntry(Options):
    label: str = ""
    rows: tuple[str | _RowEntry, ...]


class _TableEntry(Options):
    title: str
    columns: tuple[str, ...]
    labels: Mapping[str, str] = {}
    groups: tuple[_GroupEntry, ...]
    cells: int
    first_stage: str = ""
    decimals: int = 2
    bold: Emphasis = "none"
    underline: Emphasis = "none"
    notes: tuple[str, ...] = ()


class _File(Options):
    columns: Mapping[str, _ColumnEntry]
    sets: Mapping[str, tuple[str, ...]]
    tables: Mapping[str, _TableEntry]


def read_layout(path: Path) -> dict[str, PaperTable]:
    """The tables by id, in the paper's order.

    Raises:
        DataError: the file is damaged: an unknown key, column or set, or a column or row that stands twice.
    """
    try:
        file = read_yaml(path)
        checked = validate(_File, file.data, file.place)
    except ConfigError as error:
        raise DataError(f"The layout of the paper's tables cannot be read. {error}") from error
    tables = {}
    for id_, entry in checked.tables.items():
        where = file.place(("tables", id_))
        groups = tuple(PaperGroup(g.label, tuple(_row(r) for r in g.rows)) for g in entry.groups)
        rest = entry.model_dump(include={"title", "cells", "first_stage", "decimals", "bold", "underline", "notes"})
        columns = tuple(replace(c, label=entry.labels.get(c.name, c.label)) for c in _columns(entry.columns, checked, where))
        tables[id_] = PaperTable(id=id_, columns=columns, groups=groups, **rest)
        for name in entry.labels:
            _known(name, {c.name: c for c in columns}, "column", where)
        _refuse_twice([(c.name, c.first_stage) for c in tables[id_].columns], "column", where)
        _refuse_twice([(r.system, r.variant) for r in tables[id_].rows], "row", where)
    return tables


def _row(entry: str | _RowEntry) -> PaperRow:
    if isinstance(entry, str):
        return PaperRow(entry, entry)
    return PaperRow(entry.system, entry.label or entry.system, entry.variant, entry.ours)


def _columns(names: Sequence[str], file: _File, where: str) -> Iterator[PaperColumn]:
    for written in names:
        first_stage, _, name = written.rpartition("/")
        for column in file.sets.get(name, (name,)):
            entry = _known(column, file.columns, "column", where)
            members = _known(entry.mean_of, file.sets, "set", where) if entry.mean_of else ()
            yield PaperColumn(column, entry.label or column, first_stage, entry.measure, entry.unit, members)


def _known(name: str, valid: Mapping[str, Entry], what: str, where: str) -> Entry:
    if name not in valid:
        raise DataError(f"{where}: there is no {what} {name!r}. {nearest(name, valid)}")
    return valid[name]


def _refuse_twice(keys: Sequence[tuple[str, str]], what: str, where: str) -> None:
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise DataError(f"{where}: the {what} {' '.join(twice[0]).strip()!r} stands there twice")
