"""``rerankbench reproduce``: every table and figure of the paper with what is at hand, and one line that counts the verdicts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rerankbench.cli.mteb import open_mteb, read_mteb
from rerankbench.cli.options import DEFAULT_RUNS, Answers, Data, Json, Runs, open_experiment, open_planner
from rerankbench.cli.output import print_json, print_table
from rerankbench.cli.report import DEFAULT_REPORTS
from rerankbench.errors import MissingExtra, RerankbenchError

if TYPE_CHECKING:
    from rerankbench.config import Experiment
    from rerankbench.experiment import Result
    from rerankbench.plan import Planner
    from rerankbench.report.summary import Counts

INCOMPLETE = 4
"""Exit code while a cell has no number."""


def reproduce(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME...]", help="Of shipped configurations; default: the paper's tables and figures.")
    ] = None,
    data: Data = None,
    runs: Runs = DEFAULT_RUNS,
    cache: Answers = None,
    reports: Annotated[Path, typer.Option("--reports", metavar="DIR", help="Files go to DIR/NAME/.")] = DEFAULT_REPORTS,
    rank: Annotated[bool, typer.Option("--rank/--no-rank", help="Rank what can be ranked here first; or show what is stored.")] = True,
    as_json: Json = False,
) -> None:
    """Rank what can be ranked here, render every table and figure of the paper, and count the verdicts.

    The exit code is 4 while cells are missing.

    Examples:

        rerankbench reproduce --data DIR

        rerankbench reproduce table1 figure1b --data DIR --no-rank --json
    """
    chosen = names or shipped()
    planner = open_planner(data, runs)
    made = [_made(name, planner, runs, reports, cache, rank=rank) for name in chosen]
    if as_json:
        print_json({"tables": [{**asdict(counts), "files": files} for counts, files, _ in made], "summary": asdict(_total(made))})
    else:
        _print(made)
    undrawn = next((problem for _, _, problem in made if problem is not None), None)
    if undrawn is not None:
        raise undrawn
    raise typer.Exit(0 if _total(made).complete else INCOMPLETE)


def shipped() -> list[str]:
    """The configurations of the paper's tables, then of its figures, by number."""
    from rerankbench.config import shipped_configs

    found = [path.stem for path in shipped_configs().glob("*.yaml")]
    tables = [name for name in found if re.fullmatch(r"table\d+", name)]
    figures = [name for name in found if re.fullmatch(r"figure\d+[a-z]?", name)]
    return sorted(tables, key=lambda name: int(name.removeprefix("table"))) + sorted(figures)


Made = tuple["Counts", list[str], MissingExtra | None]
"""What a table counts, its files, and what is missing to draw its figure."""


def _made(name: str, planner: Planner, runs: Path, reports: Path, cache: Path | None, *, rank: bool) -> Made:
    """Rank and render one configuration."""
    from rerankbench.report.summary import counts
    from rerankbench.reporting import figure_of, report_of, write_figure, write_table

    mteb = open_mteb(name, None, "", unused={})
    if mteb is not None:
        report = read_mteb(mteb, str(planner.benchmarks.mirror or "") or None, runs)
        return counts(mteb.name, report.table), [str(path) for path in write_table(report, reports / mteb.name, runs)], None
    experiment = open_experiment(name, None, "", "")
    results = _results(experiment, planner, cache, rank=rank)
    report = report_of(experiment, results, runs)
    folder = reports / experiment.name
    files = write_table(report, folder, runs)
    figure = figure_of(experiment, report.table, results, runs)
    undrawn: MissingExtra | None = None
    try:
        files += write_figure(figure, folder) if figure else []
    except MissingExtra as error:
        undrawn = error  # the tables come first
    return counts(experiment.name, report.table), [str(path) for path in files], undrawn


def _results(experiment: Experiment, planner: Planner, cache: Path | None, *, rank: bool) -> list[Result]:
    from rich.console import Console

    from rerankbench.cli.progress import ProgressDisplay
    from rerankbench.experiment import Laboratory

    if not rank:
        return Laboratory(planner).stored(planner.plan(experiment), experiment)
    for definition, outcome in planner.candidates.build_all(planner.definitions(experiment)):
        if not isinstance(outcome, RerankbenchError) and not outcome.reused:
            typer.echo(f"built the {definition.name} lists of {definition.benchmark}, top {definition.depth}", err=True)
    plan = planner.plan(experiment)
    workable = [planned for planned in plan if planned.state in {"new", "unfinished"}]
    with ProgressDisplay(Console(stderr=True), len(workable)) as progress:
        Laboratory(planner, cache).run(workable, experiment, progress)
    return Laboratory(planner).stored(planner.plan(experiment), experiment)


def _total(made: Sequence[Made]) -> Counts:
    from rerankbench.report.summary import total

    return total([counts for counts, _, _ in made])


def _print(made: Sequence[Made]) -> None:
    from rerankbench.report.summary import SHOWN

    headings = ("cells", *(verdict.value for verdict in SHOWN), "not compared")
    rows = [[counts.name, *map(str, (counts.cells, *counts.verdicts, counts.not_compared)), _folder(files)] for counts, files, _ in made]
    print_table(("", *headings, "written to"), rows, right=headings)
    whole = _total(made)
    typer.echo(f"{len(made)} tables and figures, {whole.cells} cells: {whole.line}")
    if not whole.complete:
        typer.echo(f"{whole.missing} cells have no number here. Each table says why, and how to get it.")


def _folder(files: Sequence[str]) -> str:
    return str(Path(files[0]).parent) if files else ""
