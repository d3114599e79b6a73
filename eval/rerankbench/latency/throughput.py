"""All queries at once: how many a second. No latency: what one query waits for is not told by what many share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from rerankbench.config import Experiment
from rerankbench.latency.runs import Timed, heading
from rerankbench.report.cells import Cell
from rerankbench.report.table import Column, Group, Row, Table

COLUMNS = (
    Column("queries-per-s", "queries/s", measure="throughput", unit="number", decimals=3),
    Column("documents-per-s", "documents/s", measure="throughput", unit="number", decimals=1),
    Column("together-s", "all queries, s", measure="throughput", unit="seconds", decimals=2),
)
CONTEXT = (
    "throughput: all queries are handed to the ranker at once, and what the engine makes of it is its own; nothing is kept from earlier",
    "one measurement of the whole, so that there is no interval; never to be compared with seconds of one query",
)


def throughput_table(experiment: Experiment, timed: Sequence[Timed]) -> Table:
    """A row a run."""
    headings = list(dict.fromkeys(heading(t, timed, experiment) for t in timed))
    groups = [Group(of, tuple(_row(t) for t in timed if heading(t, timed, experiment) == of)) for of in headings]
    return Table(
        f"{experiment.name}-throughput",
        f"{experiment.file.title}: throughput",
        COLUMNS,
        tuple(groups),
        context=(*CONTEXT, *_warm_up(timed, experiment)),
    )


def _warm_up(timed: Sequence[Timed], experiment: Experiment) -> Iterator[str]:
    if any(t.together for t in timed):
        warm = all(t.warmed_up for t in timed if t.together)
        yield f"warm-up is left out: the first {experiment.file.warmup} queries at once" if warm else "no warm-up"


def _row(timed: Timed) -> Row:
    return Row(timed.cell.system, timed.name, tuple(_cell(timed, column) for column in COLUMNS), timed.cell.variant)


def _cell(timed: Timed, column: Column) -> Cell:
    cell = replace(timed.cell, column=column.name, unit=column.unit, interval=None)
    return cell if timed.together is None else replace(cell, value=_VALUES[column.name](timed, timed.together))


_VALUES: Mapping[str, Callable[[Timed, float], float]] = {
    "queries-per-s": lambda timed, seconds: len(timed.ranked) / seconds,
    "documents-per-s": lambda timed, seconds: sum(len(ranked.ranking.doc_ids) for ranked in timed.ranked) / seconds,
    "together-s": lambda _, seconds: seconds,
}
