"""The tables of a latency experiment: seconds a query, beside the paper's where it prints some, then by phase, costs, throughput."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rerankbench.config import Experiment
from rerankbench.errors import ConfigError
from rerankbench.experiment import Result
from rerankbench.latency.costs import costs_table
from rerankbench.latency.limits import limits_table
from rerankbench.latency.passes import means_of, repeats, rows_of, spread
from rerankbench.latency.peaks import DevicePeaks
from rerankbench.latency.phases import phases_of, phases_table
from rerankbench.latency.ratios import ratios, short
from rerankbench.latency.runs import PAPER_SETTING, Timed, heading, timed_run
from rerankbench.latency.throughput import throughput_table
from rerankbench.measures.interval import bootstrap_interval
from rerankbench.measures.latency import OVERALL, QUANTITIES, percentile
from rerankbench.plan import counted
from rerankbench.reference.paper import load as load_paper
from rerankbench.reference.verdict import mean
from rerankbench.report.build import paper_table
from rerankbench.report.cells import Cell
from rerankbench.report.table import Column, Group, Row, Table
from rerankbench.tables import title_of

PERCENTILES = {"overall-p50-s": 50.0, "overall-p90-s": 90.0, "overall-p99-s": 99.0}
"""Columns beside the paper's quantities where the table is not the paper's: what so many per cent of the queries do not exceed."""
LIMITS = "limits"
"""The table whose gaps are no gaps of the experiment: what cannot be counted was measured all the same."""
NO_DOCUMENTS = "it encodes no document apart from its prompts"
LABELS = {
    "encode-documents-s": "encoding documents",
    "others-s": "others",
    OVERALL: "overall",
    "overall-p50-s": "p50",
    "overall-p90-s": "p90",
    "overall-p99-s": "p99",
}


def latency_tables(experiment: Experiment, results: Sequence[Result], runs: Path, peaks: DevicePeaks | None = None) -> dict[str, Table]:
    """Every table by the name of its files, the main one (``table``) first.

    Args:
        peaks: What the devices reach; without them there is no table of limits.

    Raises:
        ConfigError: the paper's table shows no seconds, the experiment ranks more than one kind of candidate lists for it, or several
            runs would share a row and are no passes.
        MeasureError: a system of the experiment has no place in the paper's table.
    """
    timed = timed_rows(experiment, results, runs)
    alone = [t for t in timed if t.timing != "throughput"]
    at_once = [t for t in timed if t.timing == "throughput"]
    made: dict[str, Table] = {} if at_once and not alone else {"table": _seconds_table(experiment, alone)}
    if any(t.times for t in alone):
        made |= {"phases": phases_table(experiment, alone), "costs": costs_table(experiment, alone)}
        made |= {} if peaks is None else {LIMITS: limits_table(experiment, alone, peaks)}
    if at_once:
        made["throughput" if alone else "table"] = throughput_table(experiment, at_once, alone)
    caveats = tuple(synthetic_caveats(experiment))
    return {name: replace(of, caveats=(*of.caveats, *caveats)) for name, of in made.items()}


def timed_rows(experiment: Experiment, results: Sequence[Result], runs: Path) -> list[Timed]:
    """What the queries of each row took, the mean of its passes. Raises: ConfigError: several runs would share a row and are no passes."""
    return rows_of([timed_run(result, experiment, runs) for result in results], experiment)


def synthetic_caveats(experiment: Experiment) -> Iterator[str]:
    for name in experiment.file.synthetic:
        if name in experiment.benchmarks:
            title = title_of(name, experiment)
            yield f"{title} is synthetic: words drawn at random, with the lengths of abstracts. Its seconds are of no real text."


def latency_table(experiment: Experiment, results: Sequence[Result], runs: Path) -> Table:
    """The main one: seconds a query, in the layout of the paper's table that the experiment names, else all quantities by their state.

    Raises: as `latency_tables`.
    """
    return latency_tables(experiment, results, runs)["table"]


def _seconds_table(experiment: Experiment, timed: Sequence[Timed]) -> Table:
    context, notes = tuple(_context(timed, experiment)), tuple(_about(timed, experiment))
    if experiment.file.table is not None:
        table = _in_the_papers_layout(timed, experiment)
        return replace(table, context=context, notes=(*table.notes, *notes))
    columns = _columns(timed, experiment)
    headings = list(dict.fromkeys(heading(t, timed, experiment) for t in timed))
    groups = [Group(of, tuple(_row(t, columns) for t in timed if heading(t, timed, experiment) == of)) for of in headings]
    return Table(experiment.name, experiment.file.title, columns, tuple(groups), context=context, notes=notes)


def _in_the_papers_layout(timed: Sequence[Timed], experiment: Experiment) -> Table:
    paper, id_, names = load_paper(), str(experiment.file.table), _shown(experiment)
    other = [name for name in names if name not in QUANTITIES]
    if other:
        raise ConfigError(f"{experiment.place(('table',))}: Table {id_} of the paper has a column {other[0]!r}, which shows no seconds.")
    if len({t.place for t in timed}) > 1:
        raise ConfigError(f"{experiment.place(('table',))}: Table {id_} of the paper is of one benchmark, one first stage and one depth.")
    cells = [_cell(t, name) for t in timed for name in names]
    return paper_table(paper, id_, cells, hint=lambda *_: "name it in the configuration, or leave --systems out")


def _shown(experiment: Experiment) -> list[str]:
    """Names of the columns."""
    if experiment.file.table is None:
        return [*QUANTITIES, *PERCENTILES]
    return [column.name for column in load_paper().table(str(experiment.file.table)).columns]


def _columns(timed: Sequence[Timed], experiment: Experiment) -> tuple[Column, ...]:
    shortest = min((mean(t.seconds(OVERALL)) for t in timed if t.times), default=1.0)
    decimals = 2 if shortest >= 0.1 else 4
    return tuple(Column(name, LABELS[name], measure="latency per query", unit="seconds", decimals=decimals) for name in _shown(experiment))


def _row(timed: Timed, columns: Sequence[Column]) -> Row:
    return Row(timed.cell.system, timed.name, tuple(_cell(timed, c.name) for c in columns), timed.cell.variant)


def _cell(timed: Timed, name: str) -> Cell:
    cell = replace(timed.cell, column=name)
    if not timed.times:
        return cell
    if name in PERCENTILES:
        return replace(cell, value=percentile(timed.every(OVERALL), PERCENTILES[name]), interval=None)
    values = timed.seconds(name)
    notes = (*cell.notes, NO_DOCUMENTS) if name == "encode-documents-s" and not any(values) else cell.notes
    apart = repeats(timed, means_of(timed, name))
    return replace(cell, value=mean(values), interval=bootstrap_interval(values), repeats=apart, notes=notes)


def _context(timed: Sequence[Timed], experiment: Experiment) -> Iterator[str]:
    yield "seconds a query, one query at a time: wall time from its texts to their order, mean over queries; nothing is kept between them"
    if "encode-documents-s" in _shown(experiment):
        yield "encoding documents: the engine's call for all documents of the list; others: the rest, checks of lengths included"
    if any(t.timing == "documents-warm" for t in timed):
        yield (
            "documents at hand: every document's vector was in memory, and its length known, before the clock counted; encoding"
            " documents is to find them; rankers that encode none apart from their prompts have cold seconds alone"
        )
    if len({t.place for t in timed}) == 1:
        benchmark, first_stage, depth = timed[0].place
        by_the_paper = f"; by the paper on {PAPER_SETTING}" if experiment.file.table is not None else ""
        yield f"the lists: {title_of(benchmark, experiment)}, {first_stage} top {depth}{by_the_paper}"
    yield "95 % intervals: percentile bootstrap over queries, 10,000 resamples, seed 0"
    if experiment.passes > 1:
        yield (
            f"{experiment.passes} passes: every query was timed {experiment.passes} times, and counts with the mean of its times; repeats:"
            " the lowest and the highest mean of a pass; p50, p90, p99: of all single times together, for a mean hides a slow one"
        )
    if any(t.times for t in timed):
        yield _warm_up(timed, experiment)
    yield from ratios(timed, experiment)


def _warm_up(timed: Sequence[Timed], experiment: Experiment) -> str:
    if not all(t.warmed_up for t in timed if t.times):
        return "no warm-up: the first query counts like any other"
    return f"warm-up is left out: {counted(experiment.file.warmup)}, ranked before the clock counted, after every start"


def _about(timed: Sequence[Timed], experiment: Experiment) -> Iterator[str]:
    """What a row's columns leave out."""
    for t in timed:
        if not t.times:
            continue
        overall, single = t.seconds(OVERALL), t.every(OVERALL)
        low, high = bootstrap_interval(overall)
        slowest = max((time for one in t.each for time in one.times), key=lambda time: time.overall)
        sure = "; ".join(filter(None, [f"{short(low)}–{short(high)}", spread(t)]))
        where = heading(t, timed, experiment)
        yield (
            f"{t.name}{f' ({where})' if where else ''}: {short(mean(overall))} s ({sure}),"
            f" p50 {short(percentile(single, 50))}, p90 {short(percentile(single, 90))}, p99 {short(percentile(single, 99))},"
            f" slowest (query {slowest.query_id}) {short(slowest.overall)}; mean by phase: {_by_phase(t)}"
            + (f"; {t.tokens[0] / len(t.times):,.0f} tokens in and {t.tokens[1] / len(t.times):,.0f} out" if any(t.tokens) else "")
        )


def _by_phase(timed: Timed) -> str:
    phases: Mapping[str, Sequence[float]] = phases_of(timed.times)
    return ", ".join(f"{phase} {short(math.fsum(seconds) / len(seconds))}" for phase, seconds in phases.items())
