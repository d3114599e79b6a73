"""From configurations to what the site shows: their tables, and every complete run behind them, once. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from shlex import quote
from typing import Any

from rerankbench.config import Experiment, MtebTable, fingerprint, shipped_configs
from rerankbench.experiment import Laboratory, Result
from rerankbench.manifest import environment
from rerankbench.mteb_tables import Places
from rerankbench.plan import Cell, Planner
from rerankbench.report import Cell as TableCell
from rerankbench.report import Listing, Row, Table
from rerankbench.reporting import Report, figure_of, mteb_report_of, report_of
from rerankbench.site.model import Contents, ShownList, ShownRun, ShownTable
from rerankbench.site.names import Names, portable, portable_data
from rerankbench.tables import title_of


@dataclass
class _Run:
    """A run while its tables are gathered."""

    result: Result
    command: str
    values: dict[str, dict[str, float]] = field(default_factory=dict)
    tables: list[str] = field(default_factory=list)


@dataclass
class _List:
    """Candidate lists while their runs are gathered."""

    cell: Cell
    title: str
    planner: Planner
    shown: ShownList
    runs: dict[str, _Run] = field(default_factory=dict)


def collect(sources: Iterable[tuple[Experiment | MtebTable, Planner]], runs: Path) -> Contents:
    """Read what is complete of every configuration.

    Args:
        sources: Configurations with their planners; a planner may serve several.
        runs: The folder of runs.

    Raises:
        ConfigError, MeasureError: a configuration does not fit its layout or its table of the paper.
        StoreError: a run folder is damaged.
    """
    tables: list[ShownTable] = []
    lists: dict[str, _List] = {}
    pages = Names()
    for asked, planner in sources:
        name = pages.of(asked.name)
        page = f"tables/{name}.html"
        if isinstance(asked, MtebTable):
            report = mteb_report_of(asked, Places(runs, planner.benchmarks.mirror))
            tables.append(_table(asked, page, report))
            continue
        results = Laboratory(planner).stored(planner.plan(asked), asked)
        report = report_of(asked, results, runs, mirror=planner.benchmarks.mirror)
        figure = figure_of(asked, report.table, results, runs)
        tables.append(replace(_table(asked, page, report), figure=figure, drawn=f"figures/{name}" if figure else ""))
        for result in results:
            if result.manifest is not None:
                _gather(lists, result, asked, planner, page)
    return Contents(tuple(tables), tuple(_shown(lists, runs)), portable_data(environment()))


def _table(asked: Experiment | MtebTable, page: str, report: Report) -> ShownTable:
    more = {name: table if isinstance(table, Listing) else _portable_table(table) for name, table in report.more.items()}
    about = asked.file.description.strip()
    return ShownTable(asked.name, _called(asked), about, page, _portable_table(report.table), report.shape, more=more)


def _gather(lists: dict[str, _List], result: Result, experiment: Experiment, planner: Planner, page: str) -> None:
    """Put a complete run to its lists."""
    manifest: Mapping[str, Any] = result.manifest or {}
    identity = manifest["identity"]
    key = fingerprint([identity["benchmark"], identity["candidates"], identity.get("exclusions")])
    if key not in lists:
        lists[key] = _List(result.cell, title_of(result.cell.benchmark, experiment), planner, _of_cell(result.cell, experiment, planner))
    system, benchmark = result.cell.system.name, result.cell.benchmark
    command = f"rerankbench run {_called(experiment)} --systems {quote(system)} --benchmarks {quote(benchmark)}"
    run = lists[key].runs.setdefault(manifest["id"], _Run(result, command))
    for measurement in result.measurements:
        run.values.setdefault(measurement.measure, {})[measurement.query_id] = measurement.value
    if page not in run.tables:
        run.tables.append(page)


def _called(experiment: Experiment | MtebTable) -> str:
    """What a command line calls the configuration: a shipped one by its name, one's own by its file."""
    name = experiment.name if experiment.folder.resolve().is_relative_to(shipped_configs().resolve()) else f"{experiment.name}.yaml"
    return quote(name)


def _of_cell(cell: Cell, experiment: Experiment, planner: Planner) -> ShownList:
    """The lists of a cell, read while its experiment is the planner's; without runs and places."""
    benchmark = planner.benchmarks.open(cell.benchmark)
    title = title_of(cell.benchmark, experiment)
    lists, qrels, excluded = planner.lists(cell), benchmark.qrels(), planner.excluded(cell)
    return ShownList(benchmark, title, benchmark.licence, cell.first_stage, cell.depth, "", lists, {}, qrels, excluded, ())


def _shown(lists: Mapping[str, _List], runs: Path) -> Iterable[ShownList]:
    """The lists by benchmark, with the places of all pages."""
    folders, run_pages = Names(), Names()
    benchmarks = list(dict.fromkeys(entry.cell.benchmark for entry in lists.values()))
    for entry in sorted(lists.values(), key=lambda entry: benchmarks.index(entry.cell.benchmark)):
        cell = entry.cell
        folder = f"lists/{folders.of(f'{cell.benchmark}.{cell.first_stage}-top{cell.depth}')}"
        names = Names()
        queries = {c.query.id: f"{folder}/queries/{names.of(c.query.id)}.html" for c in entry.shown.lists}
        shown_runs = tuple(_run(run, runs, run_pages) for run in entry.runs.values())
        yield replace(entry.shown, folder=folder, queries=queries, runs=shown_runs)


def _run(run: _Run, runs: Path, pages: Names) -> ShownRun:
    result = run.result
    if result.folder is None or result.manifest is None:
        raise ValueError("A run without a folder was gathered.")
    name, path = result.folder.name, result.folder.relative_to(runs).as_posix()
    page = f"runs/{pages.of(path.replace('/', '.'))}.html"
    manifest = portable_data(result.manifest)
    label = result.cell.system.name
    return ShownRun(name, path, page, label, result.cell.system, manifest, run.values, tuple(run.tables), portable(run.command))


def _portable_table(table: Table) -> Table:
    """The table without places of this machine in what it says about missing cells."""
    groups = tuple(replace(group, rows=tuple(map(_portable_row, group.rows))) for group in table.groups)
    return replace(table, groups=groups, context=tuple(map(portable, table.context)), notes=tuple(map(portable, table.notes)))


def _portable_row(row: Row) -> Row:
    return replace(row, cells=tuple(map(_portable_cell, row.cells)))


def _portable_cell(cell: TableCell) -> TableCell:
    return replace(
        cell,
        reason=portable(cell.reason),
        hint=portable(cell.hint),
        caveat=portable(cell.caveat),
        other_model=portable(cell.other_model),
        not_judged=portable(cell.not_judged),
        notes=tuple(map(portable, cell.notes)),
    )
