"""``rerankbench report``: the table of what is complete, in the terminal and as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rerankbench.cli.options import (
    DEFAULT_RUNS,
    BenchmarkNames,
    Config,
    Data,
    Json,
    Limit,
    Runs,
    Set,
    Systems,
    open_experiment,
    open_planner,
)
from rerankbench.cli.output import console, print_json
from rerankbench.errors import MissingExtra

if TYPE_CHECKING:
    from rerankbench.config import Experiment
    from rerankbench.experiment import Result
    from rerankbench.report import Shape, Table

DEFAULT_REPORTS = Path("reports")
FILE_FORMATS = ("markdown", "csv", "latex")


def report(
    config: Config,
    data: Data = None,
    runs: Runs = DEFAULT_RUNS,
    assignments: Set = None,
    systems: Systems = "",
    benchmarks: BenchmarkNames = "",
    limit: Limit = None,
    reports: Annotated[Path, typer.Option("--reports", metavar="DIR", help="Files go to DIR/CONFIG/.")] = DEFAULT_REPORTS,
    as_json: Json = False,
) -> None:
    """Print the table of CONFIG, beside the paper's numbers where it has one, and write it as Markdown, CSV and LaTeX.

    Nothing is ranked here. A cell without a run says why and how to get it, and makes the exit code 4.

    Examples:

        rerankbench report demo

        rerankbench report configs/table1.yaml --data DIR --reports reports
    """
    from rerankbench.experiment import Laboratory
    from rerankbench.report import render_terminal, to_json
    from rerankbench.stages import stages_table
    from rerankbench.tables import table_of

    experiment = open_experiment(config, assignments, systems, benchmarks)
    planner = open_planner(data, runs, experiment)
    plan = planner.plan(experiment, limit)
    results = Laboratory(planner).stored(plan, experiment)
    by_stage = experiment.file.layout == "first-stages"
    table = (stages_table if by_stage else table_of)(experiment, results, runs)
    shape: Shape = "paper" if by_stage or experiment.file.table is not None else "experiment"
    written = _write(table, shape, experiment, reports)
    undrawn: MissingExtra | None = None
    try:
        written += _draw(experiment, results, runs, reports / experiment.name)
    except MissingExtra as error:
        undrawn = error  # the table comes first
    if as_json:
        print_json({**to_json(table), "files": [str(path) for path in written]})
    else:
        console().print(render_terminal(table, shape))
        typer.echo(f"Written to {written[0].parent}: {', '.join(path.name for path in written)}")
    if undrawn is not None:
        raise undrawn
    raise typer.Exit(table.exit_code())


def _write(table: Table, shape: Shape, experiment: Experiment, reports: Path) -> list[Path]:
    from rerankbench.report import SUFFIXES, render

    folder = reports / experiment.name
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for format_ in FILE_FORMATS:
        path = folder / f"table{SUFFIXES[format_]}"
        path.write_text(render(table, format_, shape), encoding="utf-8")
        written.append(path)
    return written


def _draw(experiment: Experiment, results: Sequence[Result], runs: Path, folder: Path) -> list[Path]:
    """The experiment's figure, where it asks for one."""
    if experiment.file.layout == "first-stages":
        from rerankbench.report.stage_figure import draw_stages
        from rerankbench.stages import stages_figure

        return draw_stages(stages_figure(experiment, results, runs), folder)
    if experiment.file.figure:
        from rerankbench.report.figure import draw
        from rerankbench.tables import sweep_figure_of

        return draw(sweep_figure_of(experiment, results, runs), folder)
    return []
