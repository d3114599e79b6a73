"""``rerankbench report``: the table of what is complete, in the terminal and as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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

DEFAULT_REPORTS = Path("reports")


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
    """Print the table of CONFIG, beside the paper's numbers where it has one, and write it as Markdown, CSV, LaTeX and HTML.

    Nothing is ranked here. A cell without a run says why and how to get it, and makes the exit code 4.

    Examples:

        rerankbench report demo

        rerankbench report configs/table1.yaml --data DIR --reports reports
    """
    from rerankbench.experiment import Laboratory
    from rerankbench.report import render_terminal, to_json
    from rerankbench.reporting import report_of, write_figure, write_table

    experiment = open_experiment(config, assignments, systems, benchmarks)
    planner = open_planner(data, runs, experiment)
    plan = planner.plan(experiment, limit)
    results = Laboratory(planner).stored(plan, experiment)
    made = report_of(experiment, results, runs)
    folder = reports / experiment.name
    written = write_table(made, folder, runs)
    undrawn: MissingExtra | None = None
    try:
        written += write_figure(experiment, results, runs, folder)
    except MissingExtra as error:
        undrawn = error  # the table comes first
    if as_json:
        print_json({**to_json(made.table), "files": [str(path) for path in written]})
    else:
        console().print(render_terminal(made.table, made.shape))
        typer.echo(f"Written to {folder}: {', '.join(path.name for path in written)}")
    if undrawn is not None:
        raise undrawn
    raise typer.Exit(made.table.exit_code())
