"""Columns of MTEB in a table of rerankers: the very cells that the table of MTEB scores shows, found by system."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rerankbench.config import Experiment, MtebTable
from rerankbench.errors import ConfigError
from rerankbench.mteb_tables.build import mteb_table
from rerankbench.mteb_tables.places import Places
from rerankbench.reference.paper import load as load_paper
from rerankbench.report.cells import LOST, Cell, Status
from rerankbench.report.table import Table


@dataclass(frozen=True, slots=True)
class FilledColumn:
    """A column of an experiment's table that MTEB's scores fill.

    Attributes:
        source: The table of MTEB scores.
        cells: One a system of the experiment, in its order; each bears our name of the system, and no verdict yet.
        context, notes: What stands above and under that table about these systems; each line begins with the column's label.
    """

    column: str
    source: MtebTable
    cells: tuple[Cell, ...]
    context: tuple[str, ...]
    notes: tuple[str, ...]


def filled_columns(experiment: Experiment, places: Places) -> list[FilledColumn]:
    """From the result files that are at hand, in the order of the configuration; evaluates nothing.

    Raises:
        ConfigError: a table of MTEB scores does not fit its benchmark or its table of the paper.
        StoreError: what an evaluation has written down of the tasks is damaged.
    """
    systems = list(dict.fromkeys(system.family for system in experiment.systems))
    return [_filled(column, experiment, asked, systems, places) for column, asked in experiment.mteb_columns.items()]


def _filled(column: str, experiment: Experiment, asked: MtebTable, systems: Sequence[str], places: Places) -> FilledColumn:
    there = [system.name for system in asked.systems if system.name in systems]
    if not there:
        return FilledColumn(column, asked, tuple(_no_row(name, column, asked) for name in systems), (), ())
    table = mteb_table(asked.only(there), places)
    found = _by_system(table, column, asked)
    cells = tuple(_own(name, found[name]) if name in there else _no_row(name, column, asked) for name in systems)
    label = next(c.label for c in load_paper().columns(str(experiment.file.table)) if c.name == column)
    about = (f"as rerankbench report {asked.called} shows it", *table.context)
    return FilledColumn(column, asked, cells, _headed(label, about), _headed(label, table.notes))


def _by_system(table: Table, column: str, asked: MtebTable) -> dict[str, Cell]:
    """Our name of a system → its cell in the column."""
    if column not in {c.name for c in table.columns}:
        raise ConfigError(f"{asked.place(('benchmark',))}: which tasks {asked.file.benchmark} has is not known, and so no {column}")
    names = {(row.system, row.variant): row.system_of_ours for row in load_paper().rows(str(asked.file.table))}
    return {names[row.system, row.variant]: cell for row, at, cell in table.cells() if at.name == column}


def _own(system: str, cell: Cell) -> Cell:
    """The cell without its place in the table of MTEB scores, and without the number that the paper prints there."""
    lost = cell.not_judged == LOST  # said of that place's number, not of ours
    return replace(cell, system=system, variant="", printed=None, verdict=None, not_judged="" if lost else cell.not_judged)


def _no_row(system: str, column: str, asked: MtebTable) -> Cell:
    reason = f"{asked.called} is not about {system}"
    return Cell(system, column, Status.MISSING, reason=reason, hint=f"name {system} among the systems of {asked.called}")


def _headed(label: str, lines: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{label}: {line}" for line in lines)
