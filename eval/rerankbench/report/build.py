"""Puts cells into tables: in the layout of a table of the paper, or systems under each other for an experiment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from rerankbench.errors import MeasureError
from rerankbench.reference.layout import PaperColumn, PaperRow, PaperTable
from rerankbench.reference.paper import PaperNumbers
from rerankbench.report.cells import Cell, average
from rerankbench.report.table import Column, Group, Row, Table, missing_cell

Key = tuple[str, str, str, str]
"""system, variant, first stage, column"""

NOT_RUN = "not run"


def key_of(cell: Cell) -> Key:
    """What finds a cell: one system on one benchmark over one first stage."""
    return cell.system, cell.variant, cell.first_stage, cell.column


def paper_table(
    paper: PaperNumbers,
    table: str,
    ours: Iterable[Cell],
    *,
    floors: Mapping[str, float] | None = None,
    hint: Callable[[PaperRow, PaperColumn], str] | None = None,
    letters: Mapping[tuple[str, str], str] | None = None,
    context: Sequence[str] = (),
    caveats: Sequence[str] = (),
) -> Table:
    """Our cells in the layout of a table of the paper, every one beside the paper's number.

    Args:
        ours: Cells of benchmarks; averages are taken as given where they are, and else computed here when their members are columns of
            the table. `first_stage` is set only where the table's columns differ in it (Table 21).
        floors: System → the noise that repeated runs of its kind were measured to have, in percent points.
        hint: The command that fills a cell for which there is none of ours.
        letters: System and variant → the letter of its row, in a table whose cells bear letters.

    Raises:
        ConfigError: the paper has no such table.
        MeasureError: a cell belongs nowhere in the table, or two claim one place.
    """
    layout = paper.table(table)
    columns = tuple(_column(c, layout) for c in layout.columns)
    found = _by_key(ours)
    left_over = found.keys() - {(r.system, r.variant, c.first_stage, c.name) for r in layout.rows for c in columns}
    if left_over:
        raise MeasureError(f"Table {table} of the paper has no place for {' / '.join(filter(None, min(left_over)))}.")

    def row(entry: PaperRow) -> Row:
        plain = {
            c.key: found.get((entry.system, entry.variant, c.first_stage, c.name))
            or missing_cell(entry.system, c, NOT_RUN, hint(entry, p) if hint else "", variant=entry.variant)
            for c, p in zip(columns, layout.columns, strict=True)
            if not c.is_average
        }
        given = {c.name: cell for c in columns if c.is_average and (cell := found.get((entry.system, entry.variant, "", c.name)))}
        cells = _with_averages(entry.system, entry.variant, columns, plain, given)
        floor = (floors or {}).get(entry.system, 0.0)
        judged = (cell.judged(paper.cell(table, entry.system, cell.column, entry.variant, cell.first_stage), floor) for cell in cells)
        letter = (letters or {}).get((entry.system, entry.variant), "")
        return Row(entry.system, entry.label, tuple(judged), entry.variant, letter)

    groups = tuple(Group(g.label, tuple(row(r) for r in g.rows)) for g in layout.groups)
    title = f"Table {table} of the paper: {layout.title}"
    return Table(table, title, columns, groups, layout.bold, layout.underline, tuple(context), tuple(caveats), layout.notes)


def experiment_table(
    id_: str,
    title: str,
    columns: Sequence[Column],
    ours: Iterable[Cell],
    *,
    labels: Mapping[str, str] | None = None,
    letters: Mapping[tuple[str, str], str] | None = None,
    context: Sequence[str] = (),
    caveats: Sequence[str] = (),
) -> Table:
    """Systems or sweep variants under each other, in the order in which they first come.

    Args:
        ours: One cell a system and column; a cell that is not there is shown as not run. A verdict that it bears stays.
        labels: System → what is printed for it; default: its name.
        letters: System and variant → the letter of its row, in a table whose cells bear letters.

    Raises:
        MeasureError: a cell is in no column, or two claim one place.
    """
    found = _by_key(ours)
    known = {(c.first_stage, c.name) for c in columns}
    left_over = [key for key in found if key[2:] not in known]
    if left_over:
        raise MeasureError(f"Table {id_} has no column for {' / '.join(filter(None, left_over[0]))}.")
    rows = []
    for system, variant in dict.fromkeys(key[:2] for key in found):
        plain = {
            c.key: found.get((system, variant, c.first_stage, c.name)) or missing_cell(system, c, NOT_RUN, variant=variant)
            for c in columns
            if not c.is_average
        }
        label = (labels or {}).get(system, system)
        cells = _with_averages(system, variant, columns, plain)
        letter = (letters or {}).get((system, variant), "")
        rows.append(Row(system, f"{label} ({variant})" if variant else label, tuple(cells), variant, letter))
    return Table(id_, title, tuple(columns), (Group("", tuple(rows)),), context=tuple(context), caveats=tuple(caveats))


def _by_key(cells: Iterable[Cell]) -> dict[Key, Cell]:
    found: dict[Key, Cell] = {}
    for cell in cells:
        if key_of(cell) in found:
            raise MeasureError(f"Two cells claim the place {' / '.join(filter(None, key_of(cell)))}.")
        found[key_of(cell)] = cell
    return found


def _column(column: PaperColumn, layout: PaperTable) -> Column:
    """A column of the paper; an average only where all that it is over stands in the same table."""
    names = {c.name for c in layout.columns}
    members = column.members if set(column.members) <= names else ()
    return Column(column.name, column.label, column.first_stage, members, column.measure, column.unit, layout.decimals)


def _with_averages(
    system: str, variant: str, columns: Sequence[Column], plain: Mapping[str, Cell], given: Mapping[str, Cell] = MappingProxyType({})
) -> list[Cell]:
    """All cells of a row in the order of its columns; an average that is not given is computed."""
    cells = []
    for column in columns:
        if column.is_average:
            made = given.get(column.name) or average(system, column.name, [plain[name] for name in column.members], variant=variant)
            cells.append(replace(made, unit=column.unit))
        else:
            cells.append(plain[column.key])
    return cells
