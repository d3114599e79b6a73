"""What a configuration asks to be shown, and the files that show it. The one place that knows every layout and every figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rerankbench.config import Experiment
from rerankbench.experiment import Result
from rerankbench.report import SUFFIXES, Shape, Table, render
from rerankbench.report.html import base_of
from rerankbench.stages import stages_figure, stages_table
from rerankbench.tables import sweep_figure_of, table_of

FILE_FORMATS = ("markdown", "csv", "latex", "html")
"""The formats that a table is written in."""


@dataclass(frozen=True, slots=True)
class Report:
    """A table, and the shape that it is shown in."""

    table: Table
    shape: Shape


def report_of(experiment: Experiment, results: Sequence[Result], runs: Path) -> Report:
    """The table of an experiment, in the layout that its configuration names.

    Raises:
        ConfigError, MeasureError: the configuration does not fit its layout or its table of the paper.
    """
    if experiment.file.layout == "first-stages":
        return Report(stages_table(experiment, results, runs), "paper")
    return Report(table_of(experiment, results, runs), "experiment" if experiment.file.table is None else "paper")


def write_table(report: Report, folder: Path, runs: Path | None = None) -> list[Path]:
    """Write ``table.md`` and so on into a folder, which is made.

    Args:
        runs: Where run folders lie, for formats with links; None links nothing.
    """
    base = base_of(runs, folder) if runs else None
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for format_ in FILE_FORMATS:
        path = folder / f"table{SUFFIXES[format_]}"
        path.write_text(render(report.table, format_, report.shape, base=base), encoding="utf-8")
        paths.append(path)
    return paths


def write_figure(experiment: Experiment, results: Sequence[Result], runs: Path, folder: Path) -> list[Path]:
    """Draw the figure that the configuration asks for into a folder; nothing where it asks for none.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    if experiment.file.layout == "first-stages":
        from rerankbench.report.stage_figure import draw_stages

        return draw_stages(stages_figure(experiment, results, runs), folder)
    if experiment.file.figure:
        from rerankbench.report.figure import draw

        return draw(sweep_figure_of(experiment, results, runs), folder)
    return []
