"""``rerankbench report``: the table of what is complete, in the terminal and as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rerankbench.cli.mteb import open_mteb, report_mteb
from rerankbench.cli.options import (
    DEFAULT_RUNS,
    BenchmarkNames,
    Config,
    Data,
    Elsewhere,
    Json,
    Limit,
    Runs,
    Set,
    Systems,
    open_experiment,
    open_planner,
)
from rerankbench.cli.output import print_json, print_report, report_json

if TYPE_CHECKING:
    from rerankbench.report import Table
    from rerankbench.report.marks import Figure

DEFAULT_REPORTS = Path("reports")


def report(
    config: Config,
    data: Data = None,
    runs: Runs = DEFAULT_RUNS,
    assignments: Set = None,
    systems: Systems = "",
    benchmarks: BenchmarkNames = "",
    limit: Limit = None,
    elsewhere: Elsewhere = None,
    reports: Annotated[Path, typer.Option("--reports", metavar="DIR", help="Files go to DIR/CONFIG/.")] = DEFAULT_REPORTS,
    as_json: Json = False,
) -> None:
    """Print the table of CONFIG, beside the paper's numbers where it has one, and write it as Markdown, CSV, LaTeX and HTML.

    A figure that CONFIG asks for is written as SVG, PDF and PNG, and its data as figure.csv.

    Nothing is ranked here. A cell without a run says why and how to get it, and makes the exit code 4.

    Examples:

        rerankbench report demo

        rerankbench report configs/table1.yaml --data DIR --reports reports
    """
    from rerankbench.experiment import Laboratory
    from rerankbench.latency import DevicePeaks
    from rerankbench.reporting import figure_of, report_of, write

    mteb = open_mteb(config, assignments, systems, unused={"--benchmarks": benchmarks, "--limit": limit})
    if mteb is not None:
        report_mteb(mteb, data, runs, reports, as_json)
    experiment = open_experiment(config, assignments, systems, benchmarks)
    planner = open_planner(data, runs, experiment)
    plan = planner.plan(experiment, limit)
    results = Laboratory(planner).stored(plan, experiment, elsewhere or ())
    made = report_of(experiment, results, runs, DevicePeaks(reports / "latency"), mirror=planner.benchmarks.mirror)
    folder = reports / experiment.name
    figure = figure_of(experiment, made.table, results, runs)
    written = write(made, figure, folder, runs)
    if as_json:
        print_json({**report_json(made), "files": [str(path) for path in written.files]})
    else:
        print_report(made)
        _say_missing(figure, made.table)
        typer.echo(f"Written to {folder}: {', '.join(path.name for path in written.files)}")
    if written.undrawn is not None:
        raise written.undrawn
    raise typer.Exit(max(made.exit_code(), figure.exit_code() if figure else 0))


def _say_missing(figure: Figure | None, table: Table) -> None:
    """What the figure lacks for a reason that the table has not told already."""
    told = {cell.reason for cell in table.missing()}
    lacking: dict[tuple[str, str], dict[str, None]] = {}
    for mark in figure.missing() if figure else ():
        if mark.reason not in told:
            lacking.setdefault((mark.reason, mark.hint), {})[mark.series] = None
    for (reason, hint), series in lacking.items():
        typer.echo(f"Not in the figure: {', '.join(series)}: {reason}")
        if hint:
            typer.echo(f"      to get it: {hint}")
