"""``rerankbench load``: latency while queries come at a rate of their own, and the highest rate that holds a target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rerankbench.cli.latency import device_folder
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
    names,
    open_experiment,
    open_planner,
)
from rerankbench.cli.output import console, print_json
from rerankbench.cli.report import DEFAULT_REPORTS
from rerankbench.errors import UsageError

if TYPE_CHECKING:
    from rerankbench.experiment import Result
    from rerankbench.load import Figures, Loaded, Settings
    from rerankbench.plan import Cell

INCOMPLETE = 4
"""Exit code when a system has no run, no rate holds, or an arrival failed."""
STOPPED = 130
"""Exit code after Control-C, as shells have it."""


def load(
    config: Config,
    data: Data = None,
    runs: Runs = DEFAULT_RUNS,
    assignments: Set = None,
    systems: Systems = "",
    benchmarks: BenchmarkNames = "",
    limit: Limit = None,
    rates: Annotated[str, typer.Option("--rates", metavar="R,R", help="Queries a second to try.")] = "",
    p99_target: Annotated[
        float | None,
        typer.Option(
            "--p99-target", metavar="SECONDS", show_default=False, help="Search for the highest rate whose p99 does not exceed this."
        ),
    ] = None,
    steps: Annotated[
        int, typer.Option("--steps", metavar="N", min=0, max=20, help="Bisections of that search; 0 with --rates searches nothing.")
    ] = 4,
    arrivals: Annotated[int, typer.Option("--arrivals", metavar="N", min=1, help="Arrivals a rate that count; a p99 needs 100.")] = 100,
    seconds: Annotated[
        float | None, typer.Option("--seconds", metavar="S", show_default=False, help="No arrival of a rate later than this.")
    ] = None,
    warmup: Annotated[int, typer.Option("--warmup", metavar="N", min=0, help="Arrivals a rate before those, which do not count.")] = 5,
    pattern: Annotated[str, typer.Option("--pattern", metavar="NAME", help="poisson: drawn gaps; constant: equal ones.")] = "poisson",
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Of the drawn gaps.")] = 0,
    batch: Annotated[
        int, typer.Option("--batch", metavar="N", min=1, help="Waiting queries that an engine in this process ranks together, at most.")
    ] = 1,
    in_flight: Annotated[
        int, typer.Option("--in-flight", metavar="N", min=1, max=1024, help="Queries under way at once against a server.")
    ] = 64,
    drain: Annotated[
        float | None,
        typer.Option(
            "--drain",
            metavar="S",
            show_default=False,
            help="How long answers count after the last arrival; 10, the target, or three times a query alone, whichever is longest.",
        ),
    ] = None,
    reports: Annotated[
        Path, typer.Option("--reports", metavar="DIR", help="Files go to DIR/latency/DEVICE/load-CONFIG/.")
    ] = DEFAULT_REPORTS,
    as_json: Json = False,
) -> None:
    """Put every system of CONFIG under load, print latency against rate, and write tables and a figure into a folder of the device's own.

    Queries come at their rate whether or not those before them are done, and wait from when they were due. Runs that are complete are
    not made again. The exit code is 4 when a system has no run, no rate holds, or a query failed.

    Examples:

        rerankbench load latency-cpu --p99-target 2

        rerankbench load latency-cpu --rates 0.5,1,2 --batch 8 --systems E2Rank-tiny --set engines.tiny.tokenizer=DIR

        rerankbench load mine.yaml --rates 1,2,4,8 --p99-target 1 --seconds 60 --arrivals 1000 --in-flight 32
    """
    from rerankbench.load import LoadLaboratory, Settings, load_figure, load_tables, loaded_runs
    from rerankbench.reporting import Report, write

    experiment = open_experiment(config, assignments, systems, benchmarks)
    settings = Settings(
        rates=_numbers(rates),
        target_s=p99_target,
        pattern=_pattern(pattern),
        arrivals=arrivals,
        seconds=seconds,
        warmup=warmup,
        drain_s=drain,
        steps=steps,
        seed=seed,
    )
    laboratory = LoadLaboratory(open_planner(data, runs, experiment), runs, settings, _Lines(settings), in_flight=in_flight, batch=batch)
    try:
        results = laboratory.run(experiment, limit)
    except KeyboardInterrupt:
        typer.echo("\nstopped. What is complete is kept; a system that was under load begins again with the same command.", err=True)
        raise typer.Exit(STOPPED) from None
    loaded = loaded_runs(results, experiment, runs)
    tables = load_tables(experiment, loaded)
    report = Report(tables.pop("table"), "paper", tables)
    folder = reports / "latency" / device_folder(results) / f"load-{experiment.name}"
    written = write(report, load_figure(experiment, loaded), folder, runs)
    if as_json:
        print_json({**_data(report.tables, loaded), "files": [str(path) for path in written.files]})
    else:
        _print(report, folder, written.files)
    if written.undrawn is not None:
        raise written.undrawn
    raise typer.Exit(exit_code(results, loaded, report.exit_code()))


def exit_code(results: Sequence[Result], loaded: Sequence[Loaded], of_tables: int) -> int:
    """4 where a system has no run, a table lacks a number, or an arrival failed; 0 else."""
    failed = any(result.manifest is None for result in results) or any(of.failed for of in loaded)
    return max(of_tables, INCOMPLETE if failed else 0)


class _Lines:
    """A line a rate on standard error, as it is done."""

    def __init__(self, settings: Settings) -> None:
        self._target_s = settings.target_s

    def rate_done(self, cell: Cell, figures: Figures) -> None:
        said = [f"{cell.system.name}, {figures.rate:g}/s"]
        if figures.p50 is not None and figures.p99 is not None:
            said += [f"p50 {figures.p50.seconds:.3f} s", f"p99 {figures.p99.seconds:.3f} s{' or more' if figures.p99.is_bound else ''}"]
        said += [f"busy {100 * figures.busy:.0f} %", f"{figures.unfinished} unfinished, {figures.failed} failed of {figures.arrivals}"]
        verdict = (
            "holds" if figures.holds(self._target_s) else "is sustained, and does not hold" if figures.is_sustained else "not sustained"
        )
        typer.echo(", ".join([*said, verdict if self._target_s else verdict.replace("holds", "sustained")]), err=True)


def _print(report: Any, folder: Path, files: Sequence[Path]) -> None:
    from rerankbench.report import render_terminal

    for table in report.tables.values():
        console().print(render_terminal(table, report.shape))
    typer.echo(f"Written to {folder}: {', '.join(path.name for path in files)}")


def _data(tables: Mapping[str, Any], loaded: Sequence[Loaded]) -> dict[str, Any]:
    from dataclasses import asdict

    from rerankbench.report import to_json

    systems = [
        {
            "system": of.name,
            "benchmark": of.result.cell.benchmark,
            "first_stage": of.result.cell.first_stage,
            "depth": of.result.cell.depth,
            "run": of.cell.run,
            "p99_target_s": of.target_s,
            "highest_rate": of.highest.rate if of.highest else None,
            "lowest_rate_that_does_not_hold": of.bracket[1],
            "reason": of.cell.reason if not of.figures else None,
            "rates": [{**asdict(f), "is_sustained": f.is_sustained, "holds": f.holds(of.target_s)} for f in of.figures],
        }
        for of in loaded
    ]
    return {"systems": systems, "tables": {name: to_json(table) for name, table in tables.items()}}


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(name) for name in names(text))
    except ValueError:
        raise UsageError(f"--rates: expected numbers with commas between them, got {text!r}.") from None


def _pattern(name: str) -> Any:
    from rerankbench.errors import nearest

    if name not in {"poisson", "constant"}:
        raise UsageError(f"--pattern: there is no pattern {name!r}. {nearest(name, ('poisson', 'constant'))}")
    return name
