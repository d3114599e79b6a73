"""Seconds a query: what the paper's Tables 12 and 13 print, and our own cells in seconds, each on its own hardware."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from rerankbench.config import Experiment
from rerankbench.config.schema import LatencyChoice
from rerankbench.reference.paper import load as load_paper
from rerankbench.report import Cell, Table
from rerankbench.report.latency_figure import OVERALL, SPEED_UP
from rerankbench.report.marks import Figure, Mark, mark_of

PAPER_HARDWARE = "NVIDIA A100 80G"
"""The paper's section 4.4: "a single NVIDIA A100 80G GPU"."""
PAPER_PANEL = f"the paper, {PAPER_HARDWARE}"
UNMEASURED = "its latency was not measured here: a run is timed as a whole, not query by query"
CAPTION = (
    "The paper's seconds are those of its Tables {}, as printed, on its own hardware; times of different hardware stand in panels of their"
    " own and are not to be compared. The speed-up is the ratio of a pair's overall times on one device."
)


def latency_of(choice: LatencyChoice, experiment: Experiment, table: Table) -> Figure:
    """A panel for the paper and one for each device of ours; a cell counts as latency when its unit is seconds.

    Raises:
        ConfigError: the paper has no such table.
    """
    marks = [*_paper(choice), *_ours(choice, table)]
    marks += [
        faster for panel in dict.fromkeys(m.panel for m in marks) for faster in _speed_ups(choice, [m for m in marks if m.panel == panel])
    ]
    groups = tuple(("", pair) for pair in choice.pairs)
    caption = f"{CAPTION.format(' and '.join(map(str, choice.tables)))} {choice.note}".strip()
    return Figure("latency", experiment.file.title, caption, "seconds a query", "system", tuple(marks), groups)


def _paper(choice: LatencyChoice) -> Iterator[Mark]:
    paper = load_paper()
    systems = [system for pair in choice.pairs for system in pair]
    for system in systems:
        for table in map(str, choice.tables):
            for column in paper.columns(table):
                cell = paper.cell(table, system, column.name)
                if cell is not None and cell.number is not None:
                    yield Mark(PAPER_PANEL, system, cell.number, column.name, unit="seconds", source="paper", hardware=PAPER_HARDWARE)


def _ours(choice: LatencyChoice, table: Table) -> Iterator[Mark]:
    paper = load_paper()
    printed = {(row.system, column.name) for t in map(str, choice.tables) for row in paper.rows(t) for column in paper.columns(t)}
    # What the paper times of a system, so that the same parts stand beside each other: RankQwen3 encodes no documents, for one.
    shown = ((row.system, column.name, cell) for row, column, cell in table.cells() if cell.unit == "seconds")
    cells = {(system, name): cell for system, name, cell in shown if (system, name) in printed}
    for system in (system for pair in choice.pairs for system in pair):
        own = {name: cell for (of, name), cell in cells.items() if of == system and cell.done}
        if own:
            yield from (mark_of(cell, _panel(cell), system, name) for name, cell in own.items())
        else:
            lacking = next((cell for (of, _), cell in cells.items() if of == system), None)
            reason, hint = (lacking.reason, lacking.hint) if lacking else (UNMEASURED, "")
            yield Mark("", system, None, OVERALL, unit="seconds", reason=reason, hint=hint)


def _panel(cell: Cell) -> str:
    return f"here, {cell.hardware or 'hardware not known'}"


def _speed_ups(choice: LatencyChoice, marks: Sequence[Mark]) -> Iterator[Mark]:
    """Of the first of each pair, over the second one on the same device."""
    overall = {m.series: m for m in marks if m.part == OVERALL and m.y is not None}
    for faster, slower in choice.pairs:
        if {faster, slower} <= overall.keys() and overall[faster].y:
            of, to = overall[faster], overall[slower]
            ratio = (to.y or Decimal(0)) / (of.y or Decimal(1))
            yield Mark(of.panel, faster, ratio, SPEED_UP, unit=f"times {slower}", source=of.source, hardware=of.hardware)
