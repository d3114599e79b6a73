"""``rerankbench reproduce``: every table and figure of the paper with what is at hand, and one line that counts the verdicts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rerankbench.cli.mteb import open_mteb, read_mteb
from rerankbench.cli.options import DEFAULT_RUNS, Answers, Data, Json, Runs, open_experiment, open_planner
from rerankbench.cli.output import print_json, print_table
from rerankbench.cli.ranking import ranked
from rerankbench.cli.report import DEFAULT_REPORTS

if TYPE_CHECKING:
    from rerankbench.config import Experiment
    from rerankbench.errors import MissingExtra
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
    planner = open_planner(data, runs)
    made = [_made(name, planner, runs, reports, cache, rank=rank) for name in names or shipped()]
    if as_json:
        print_json({"made": [one.data() for one in made], "summary": asdict(_total(made)), "complete": _complete(made)})
    else:
        _print(made)
    undrawn = next((one.undrawn for one in made if one.undrawn is not None), None)
    if undrawn is not None:
        raise undrawn
    raise typer.Exit(0 if _complete(made) else INCOMPLETE)


def shipped() -> list[str]:
    """The configurations of the paper's tables, then of its figures, by number."""
    from rerankbench.config import shipped_configs

    found = [path.stem for path in shipped_configs().glob("*.yaml")]
    tables = [name for name in found if re.fullmatch(r"table\d+", name)]
    figures = [name for name in found if re.fullmatch(r"figure\d+[a-z]?", name)]
    return sorted(tables, key=lambda name: int(name.removeprefix("table"))) + sorted(figures)


@dataclass(frozen=True)
class Made:
    """What came of one configuration.

    Attributes:
        counts: Of its table.
        is_figure: Whether it is there for its figure; its table then repeats cells of others, and counts in no sum.
        absent_marks: Marks of the figure without a value of ours.
        undrawn: What is missing to draw the figure.
    """

    counts: Counts
    files: tuple[Path, ...]
    is_figure: bool = False
    absent_marks: int = 0
    undrawn: MissingExtra | None = None

    def data(self) -> dict[str, object]:
        """For programs."""
        files = [str(path) for path in self.files]
        return {**asdict(self.counts), "is_figure": self.is_figure, "absent_marks": self.absent_marks, "files": files}


def _made(name: str, planner: Planner, runs: Path, reports: Path, cache: Path | None, *, rank: bool) -> Made:
    """Rank and render one configuration."""
    from rerankbench.report.summary import counts
    from rerankbench.reporting import figure_of, report_of, write, write_table

    mteb = open_mteb(name, None, "", unused={})
    if mteb is not None:
        report = read_mteb(mteb, str(planner.benchmarks.mirror or "") or None, runs)
        return Made(counts(mteb.name, report.table), tuple(write_table(report, reports / mteb.name, runs)))
    experiment = open_experiment(name, None, "", "")
    results = _results(experiment, planner, cache, rank=rank)
    report = report_of(experiment, results, runs, mirror=planner.benchmarks.mirror)
    figure = figure_of(experiment, report.table, results, runs)
    written = write(report, figure, reports / experiment.name, runs)
    absent = len(figure.missing()) if figure else 0
    return Made(counts(experiment.name, report.table), written.files, figure is not None, absent, written.undrawn)


def _results(experiment: Experiment, planner: Planner, cache: Path | None, *, rank: bool) -> list[Result]:
    from rerankbench.experiment import Laboratory

    return ranked(experiment, planner, cache) if rank else Laboratory(planner).stored(planner.plan(experiment), experiment)


def _total(made: Sequence[Made]) -> Counts:
    """Of the tables: a figure's cells are theirs."""
    from rerankbench.report.summary import total

    return total([one.counts for one in made if not one.is_figure])


def _complete(made: Sequence[Made]) -> bool:
    return all(one.counts.complete and not one.absent_marks for one in made)


def _print(made: Sequence[Made]) -> None:
    from rerankbench.report.summary import SHOWN

    headings = ("cells", *(verdict.value for verdict in SHOWN), "not compared")
    rows = [[one.counts.name, *_numbers(one), str(one.files[0].parent)] for one in made]
    print_table(("", *headings, "written to"), rows, right=headings)
    whole, figures = _total(made), sum(one.is_figure for one in made)
    tables = f"{len(made) - figures} {'table' if len(made) - figures == 1 else 'tables'}"
    drawn = f" and {figures} {'figure' if figures == 1 else 'figures'}" if figures else ""
    typer.echo(f"{tables}{drawn}, {whole.cells} cells: {whole.line}")
    if not _complete(made):
        typer.echo(f"{whole.missing} cells have no number here. Each table says why, and how to get it.")


def _numbers(one: Made) -> list[str]:
    """What a row says; of a figure only how many of its marks are missing, for its cells are counted with the tables."""
    if one.is_figure:
        return ["", "", "", "", str(one.absent_marks), ""]
    counts = one.counts
    return [str(number) for number in (counts.cells, *counts.verdicts, counts.not_compared)]
