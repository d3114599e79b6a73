"""A table's cells over the swept number that its experiment names, with how sure each difference to the default is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from rerankbench.config import Experiment
from rerankbench.config.schema import SweepChoice
from rerankbench.report import Table
from rerankbench.report.marks import Figure, Mark, mark_of
from rerankbench.tables import title_of, variant_of

INTERVALS = (
    "{} 95 % bootstrap interval over queries. All points share their queries, so differences are surer than these intervals suggest."
)
SIGNIFICANCE = (
    "Ringed: the default. Filled: differs from it significantly (paired randomisation test over queries, p ≤ .05 after Holm's correction);"
    " hollow: no such difference was found."
)
Swept = Mapping[tuple[str, str], Mapping[str, Any]]
"""System and variant, as a table has them → the swept keys and their values."""


def sweep_of(choice: SweepChoice, experiment: Experiment, table: Table) -> Figure:
    """A point for every cell of a swept system, a level for every cell of another one."""
    swept = _swept(experiment)
    marks = tuple(_marks(choice.key, swept, experiment, table))
    points = [mark for mark in marks if mark.part == "point"]
    bars = "Bands:" if len({mark.series for mark in points}) == 1 else "Error bars:"
    caption = [INTERVALS.format(bars) if any(mark.interval for mark in points) else ""]
    caption += [SIGNIFICANCE if any(mark.against for mark in points) else "", choice.note]
    x_label = choice.key.rpartition(".")[2].replace("_", " ")
    return Figure("sweep", experiment.file.title, " ".join(filter(None, caption)), x_label, experiment.file.measures[0], marks)


def _swept(experiment: Experiment) -> Swept:
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for system in experiment.systems:
        for depth in experiment.depths:
            values = dict(system.variant) | ({"depth": depth} if len(experiment.depths) > 1 else {})
            found[system.family, variant_of(system, depth, experiment)] = values
    return found


def _marks(key: str, swept: Swept, experiment: Experiment, table: Table) -> Iterator[Mark]:
    defaults = {(cell.against.reference, column.key) for _, column, cell in table.cells() if cell.against is not None}
    for row, column, cell in table.cells(averages=False):
        values = swept.get((row.system, row.variant), {})
        panel = title_of(cell.column, experiment) + (f", {column.first_stage}" if column.first_stage else "")
        if key not in values:
            yield mark_of(cell, panel, row.label, "level")
            continue
        rest = ", ".join(f"{name.rpartition('.')[2]} {value}" for name, value in values.items() if name != key)
        mark = mark_of(cell, panel, f"{row.system}: {rest}" if rest else row.system, x=Decimal(str(values[key])))
        yield replace(mark, is_default=cell.done and (row.label, column.key) in defaults)
