"""``rerankbench latency``: time what a configuration asks for on this machine, and write its tables under the device's name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rerankbench.cli.options import DEFAULT_RUNS, BenchmarkNames, Data, Json, Limit, Runs, Set, Systems, open_experiment, open_planner
from rerankbench.cli.output import print_json, print_report, table_json
from rerankbench.cli.ranking import ranked
from rerankbench.cli.report import DEFAULT_REPORTS
from rerankbench.errors import UsageError

if TYPE_CHECKING:
    from rerankbench.experiment import Result
    from rerankbench.latency import DevicePeaks


def latency(
    config: Annotated[
        str, typer.Argument(metavar="[CONFIG]", help="A configuration with layout: latency, or a shipped one's name.")
    ] = "latency",
    data: Data = None,
    runs: Runs = DEFAULT_RUNS,
    assignments: Set = None,
    systems: Systems = "",
    benchmarks: BenchmarkNames = "",
    limit: Limit = None,
    with_limits: Annotated[
        bool, typer.Option("--limits/--no-limits", help="Measure what the device reaches, once, and say how near each run comes to it.")
    ] = True,
    reports: Annotated[Path, typer.Option("--reports", metavar="DIR", help="Files go to DIR/latency/DEVICE/CONFIG/.")] = DEFAULT_REPORTS,
    as_json: Json = False,
) -> None:
    """Time every cell of CONFIG that can be ranked here, print the tables, and write them into a folder of the device's own.

    Runs that are complete are not timed again. The exit code is 4 while a cell has no number.

    Examples:

        rerankbench latency latency-cpu

        rerankbench latency --benchmarks synthetic-350 --systems E2Rank-0.6B --set engines.e2rank-0.6b.kind=transformers
    """
    from rerankbench.latency import DevicePeaks
    from rerankbench.reporting import figure_of, report_of, write

    experiment = open_experiment(config, assignments, systems, benchmarks)
    if not experiment.times_queries:
        raise UsageError(f"{experiment.name} times no queries.", hint="Say layout: latency in it, or: rerankbench run, rerankbench report")
    results = ranked(experiment, open_planner(data, runs, experiment), limit=limit)
    device = device_folder(results)
    peaks = DevicePeaks(reports / "latency", measures=True)
    made = report_of(experiment, results, runs, peaks if with_limits else None)
    figure = figure_of(experiment, made.table, results, runs)
    folder = reports / "latency" / device / experiment.name
    written = write(made, figure, folder, runs)
    page = _device_page(device, peaks)
    if as_json:
        tables = {name: table_json(table) for name, table in made.tables.items()}
        print_json({"tables": tables, "files": [str(path) for path in (*written.files, *page)]})
    else:
        print_report(made)
        typer.echo(f"Written to {folder}: {', '.join(path.name for path in written.files)}")
        about = ", ".join(path.name for path in page)
        typer.echo(f"Written to {folder.parent}: {about}" if page else "The runs are of another device, whose page is written there.")
    if written.undrawn is not None:
        raise written.undrawn
    raise typer.Exit(max(made.exit_code(), figure.exit_code() if figure else 0))


def _device_page(device: str, peaks: DevicePeaks) -> list[Path]:
    """Of this machine, with its kept peaks; none where the runs were timed on another one, whose page is not ours to write."""
    from rerankbench.device import device_sections
    from rerankbench.latency import folder_name, this_device, write_device_page

    label = this_device()
    if folder_name(label) != device:
        return []
    kept, damaged = peaks.kept(device)
    return write_device_page(peaks.folder / device, label, device_sections(), kept, [error.message for error in damaged])


def device_folder(results: Sequence[Result]) -> str:
    """A folder's name for the one device that the runs were timed on: its GPUs, else its processor; this machine's where none was.

    Raises:
        UsageError: they were timed on several, whose seconds are not to stand in one table.
    """
    from rerankbench.latency import device_label, folder_name, this_device

    found = list(dict.fromkeys(device_label(r.manifest["environment"]["hardware"]) for r in results if r.manifest))
    if len(found) > 1:
        raise UsageError(
            f"These runs were timed on several devices: {'; '.join(found)}.",
            hint="Give each device a folder of runs of its own: --runs DIR",
        )
    return folder_name(found[0] if found else this_device())
