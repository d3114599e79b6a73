"""Many queries at once: how many a second, and how many times as many as one at a time. No latency: many share what one waits for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from rerankbench.config import Experiment
from rerankbench.latency.passes import repeats
from rerankbench.latency.runs import Timed, heading
from rerankbench.measures.latency import OVERALL
from rerankbench.plan import counted
from rerankbench.report.cells import Cell, Status
from rerankbench.report.table import Column, Group, Row, Table

COLUMNS = (
    Column("queries-per-s", "queries/s", measure="throughput", unit="number", decimals=3),
    Column("documents-per-s", "documents/s", measure="throughput", unit="number", decimals=1),
    Column("together-s", "all queries, s", measure="throughput", unit="seconds", decimals=2),
)
RATIO = Column("to-one-at-a-time", "× one at a time", measure="throughput", unit="number", decimals=2)
CONTEXT = (
    "throughput: a ranker gets so many queries at once, and what the engine makes of them is its own; nothing is kept from earlier",
    "one measurement of the whole, so that there is no interval; never to be compared with seconds of one query",
)
AGAINST = (
    "× one at a time: the seconds of the cold run of the same system, all its queries one after the other, over the seconds of all of them"
    " here; without an interval, for what is divided by is one measurement"
)
PASSES = "of several passes: queries of all passes over their seconds together; repeats: the lowest and the highest pass"


def throughput_table(experiment: Experiment, timed: Sequence[Timed], alone: Sequence[Timed] = ()) -> Table:
    """A row a run.

    Args:
        alone: Runs of one query at a time, for the ratio to them; without any there is no such column.
    """
    cold = {_key(t): t for t in alone if t.timing == "cold"}
    columns = (*COLUMNS, *([RATIO] if cold else []))
    headings = list(dict.fromkeys(heading(t, timed, experiment) for t in timed))
    groups = [Group(of, tuple(_row(t, cold) for t in timed if heading(t, timed, experiment) == of)) for of in headings]
    said = (*CONTEXT, *([AGAINST] if cold else []), *([PASSES] if experiment.passes > 1 else []))
    title = f"{experiment.file.title}: throughput"
    return Table(f"{experiment.name}-throughput", title, columns, tuple(groups), context=(*said, *_warm_up(timed, experiment)))


def _key(timed: Timed) -> tuple[object, ...]:
    """What a run and the one of one query at a time have in common."""
    return timed.place, timed.name


def _warm_up(timed: Sequence[Timed], experiment: Experiment) -> Iterator[str]:
    if any(t.together for t in timed):
        warm = all(t.warmed_up for t in timed if t.together)
        yield f"warm-up is left out: the first {counted(experiment.file.warmup)}, as many at once" if warm else "no warm-up"


def _row(timed: Timed, cold: Mapping[tuple[object, ...], Timed]) -> Row:
    cells = [_cell(timed, column) for column in COLUMNS]
    if cold:
        cells.append(_against(timed, cold.get(_key(timed))))
    return Row(timed.cell.system, timed.name, tuple(cells), timed.cell.variant)


def _cell(timed: Timed, column: Column) -> Cell:
    cell = replace(timed.cell, column=column.name, unit=column.unit, interval=None)
    if timed.together is None:
        return cell
    value, single = _VALUES[column.name], [(one, one.together) for one in timed.passes]
    apart = repeats(timed, [value(one, seconds) for one, seconds in single if seconds is not None])
    return replace(cell, value=value(timed, timed.together), repeats=apart)


_VALUES: Mapping[str, Callable[[Timed, float], float]] = {
    "queries-per-s": lambda timed, seconds: len(timed.ranked) / seconds,
    "documents-per-s": lambda timed, seconds: sum(len(ranked.ranking.doc_ids) for ranked in timed.ranked) / seconds,
    "together-s": lambda _, seconds: seconds,
}


def _against(timed: Timed, alone: Timed | None) -> Cell:
    """How many times as fast as its queries one after the other: a ratio of two runs of one setting, else the reason why there is none."""
    cell = replace(timed.cell, column=RATIO.name, unit=RATIO.unit, interval=None)
    if timed.together is None:
        return cell
    if alone is None or not alone.times:
        return _without(cell, "its queries were not timed one at a time", "timings: [cold, throughput]")
    if alone.cell.notes[:1] != timed.cell.notes[:1]:
        return _without(cell, "its queries were timed one at a time in another setting", "")
    pairs = zip(alone.each, timed.each, strict=False) if len(alone.each) == len(timed.each) else ()
    apart = repeats(timed, [sum(one.seconds(OVERALL)) / many.together for one, many in pairs if many.together])
    return replace(cell, value=sum(alone.seconds(OVERALL)) / timed.together, repeats=apart)


def _without(cell: Cell, reason: str, hint: str) -> Cell:
    return replace(cell, status=Status.REFUSED, value=None, reason=reason, hint=hint, notes=(), not_judged="")
