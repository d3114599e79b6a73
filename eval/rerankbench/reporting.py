"""What a configuration asks to be shown, and the files that show it. The one place that knows every layout and every figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rerankbench.config import Experiment, MtebTable
from rerankbench.errors import MissingExtra, UsageError
from rerankbench.experiment import Result
from rerankbench.figures import figure_of as chosen_figure
from rerankbench.latency import LIMITS, DevicePeaks, latency_tables
from rerankbench.mteb_tables import Places, filled_columns, mteb_tables
from rerankbench.report import SUFFIXES, Listing, Shape, Table, render
from rerankbench.report.figure import draw
from rerankbench.report.html import base_of
from rerankbench.report.marks import Figure
from rerankbench.stages import stages_figure, stages_table
from rerankbench.tables import table_of

FILE_FORMATS = ("markdown", "csv", "latex", "html")
"""The formats that a table is written in."""


@dataclass(frozen=True, slots=True)
class Report:
    """A table, and the shape that it is shown in.

    Attributes:
        more: Further tables, by the name of their files; some may be of words.
        aside: Names of tables whose gaps do not count: what cannot be said about a result does not make it incomplete.
    """

    table: Table
    shape: Shape
    more: Mapping[str, Table | Listing] = field(default_factory=dict)
    aside: frozenset[str] = frozenset()

    @property
    def tables(self) -> dict[str, Table | Listing]:
        """All tables by the name of their files, the main one first."""
        return {"table": self.table, **self.more}

    def exit_code(self) -> int:
        """4 when anything is missing, failed or refused in any table that counts, else 0."""
        return max(table.exit_code() for name, table in self.tables.items() if name not in self.aside)


def report_of(
    experiment: Experiment, results: Sequence[Result], runs: Path, peaks: DevicePeaks | None = None, *, mirror: Path | None = None
) -> Report:
    """The table of an experiment, in the layout that its configuration names.

    Args:
        peaks: What devices reach, for the table of limits in the layout of latency; None leaves it out.
        mirror: The local mirror, where mteb's result files for columns of MTEB may lie besides the folder of runs; None: there is none.

    Raises:
        ConfigError, MeasureError: the configuration does not fit its layout or its table of the paper.
        UsageError: repeats of other hosts in a layout that has no place for them.
    """
    if experiment.file.layout != "systems" and any(result.runs is not None for result in results):
        raise UsageError(f"Runs of several folders are shown in the layout 'systems', not in {experiment.file.layout!r}.")
    if experiment.file.layout == "first-stages":
        return Report(stages_table(experiment, results, runs), "paper")
    if experiment.file.layout == "latency":
        tables = latency_tables(experiment, results, runs, peaks)
        return Report(tables.pop("table"), "paper", tables, frozenset({LIMITS}))
    table = _with_mteb(experiment, results, runs, mirror)
    return Report(table, "experiment" if experiment.file.table is None else "paper")


def _with_mteb(experiment: Experiment, results: Sequence[Result], runs: Path, mirror: Path | None) -> Table:
    """The table of the results, with the columns that MTEB's scores fill and what is to be said of those."""
    filled = filled_columns(experiment, Places(runs, mirror))
    table = table_of(experiment, results, runs, [cell for column in filled for cell in column.cells])
    context = [line for column in filled for line in column.context]
    notes = [line for column in filled for line in column.notes]
    return replace(table, context=(*table.context, *context), notes=(*table.notes, *notes))


def mteb_report_of(asked: MtebTable, places: Places) -> Report:
    """The tables of MTEB scores that a configuration asks for.

    Raises:
        ConfigError: the configuration does not fit its benchmark or its table of the paper.
    """
    table, more = mteb_tables(asked, places)
    return Report(table, "paper", more)


@dataclass(frozen=True, slots=True)
class Written:
    """The files of a table and its figure.

    Attributes:
        undrawn: What is missing to draw the figure; None where it is there, or none was asked for.
    """

    files: tuple[Path, ...]
    undrawn: MissingExtra | None = None


def write(report: Report, figure: Figure | None, folder: Path, runs: Path | None = None) -> Written:
    """Write a table in every format, then its figure; a figure that cannot be drawn keeps no table back. Arguments as `write_table`."""
    files = write_table(report, folder, runs)
    try:
        return Written((*files, *(write_figure(figure, folder) if figure else ())))
    except MissingExtra as error:
        return Written(tuple(files), error)


def write_table(report: Report, folder: Path, runs: Path | None = None) -> list[Path]:
    """Write ``table.md`` and so on, and further tables by their names, into a folder, which is made.

    Args:
        runs: Where run folders lie, for formats with links; None links nothing.
    """
    base = base_of(runs, folder) if runs else None
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, table in report.tables.items():
        for format_ in FILE_FORMATS:
            path = folder / f"{name}{SUFFIXES[format_]}"
            path.write_text(render(table, format_, report.shape, base=base), encoding="utf-8")
            paths.append(path)
    return paths


def figure_of(experiment: Experiment, table: Table, results: Sequence[Result], runs: Path) -> Figure | None:
    """The figure that the configuration asks for; None where it asks for none.

    Args:
        table: Of `report_of`, from the same results.

    Raises:
        ConfigError: the configuration does not fit its figure.
        StoreError: a run's journal is damaged.
    """
    if experiment.file.layout == "first-stages":
        return stages_figure(experiment, results, runs)
    return chosen_figure(experiment, table, results, runs)


def write_figure(figure: Figure, folder: Path) -> list[Path]:
    """Write ``figure.svg``, ``.pdf``, ``.png`` and the data as ``figure.csv`` into a folder, which is made.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return draw(figure, folder)
