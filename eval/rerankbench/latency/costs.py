"""What a query costs besides its time: tokens, calls, the device's memory, energy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rerankbench.config import Experiment
from rerankbench.latency.runs import Timed, heading
from rerankbench.reference.verdict import mean
from rerankbench.report.table import Column, Group, Row, Table

COLUMNS = (
    Column("tokens-in", "tokens in", measure="mean per query", unit="number", decimals=0),
    Column("tokens-out", "tokens out", measure="mean per query", unit="number", decimals=0),
    Column("calls", "calls", measure="mean per query", unit="number", decimals=1),
    Column("peak-memory-mib", "peak memory, MiB", measure="of all queries", unit="number", decimals=0),
    Column("energy-j", "energy, J", measure="mean per query", unit="number", decimals=1),
)


def costs_table(experiment: Experiment, timed: Sequence[Timed]) -> Table:
    """A row a run. A column that not every run has a number for is left out, and a note says why."""
    measured = [t for t in timed if t.times]
    columns = tuple(column for column in COLUMNS if all(_value(t, column.name) is not None for t in measured))
    headings = list(dict.fromkeys(heading(t, timed, experiment) for t in measured))
    groups = [Group(of, tuple(_row(t, columns) for t in measured if heading(t, timed, experiment) == of)) for of in headings]
    title = f"{experiment.file.title}: what a query costs besides time"
    return Table(
        f"{experiment.name}-costs", title, columns, tuple(groups), context=tuple(_context(measured)), notes=tuple(_absent(measured))
    )


def _row(timed: Timed, columns: Sequence[Column]) -> Row:
    cell = replace(timed.cell, unit="number", interval=None, not_judged="")
    cells = tuple(replace(cell, column=column.name, value=_value(timed, column.name)) for column in columns)
    return Row(timed.cell.system, timed.name, cells, timed.cell.variant)


def _value(timed: Timed, name: str) -> float | None:
    """Of a run; of several passes the mean, of memory the most, and nothing where a pass has none."""
    values = [value for one in timed.each if (value := _VALUES[name](one)) is not None]
    if len(values) < len(timed.each):
        return None
    return max(values) if name == "peak-memory-mib" else mean(values)


def _tokens(timed: Timed, place: int) -> float | None:
    return timed.tokens[place] / len(timed.times) if any(timed.tokens) else None


def _resource(timed: Timed, name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (timed.result.manifest or {}).get("resources", {}).get(name, {})
    return found


def _peak_mib(timed: Timed) -> float | None:
    peak = _resource(timed, "peak_memory").get("bytes")
    return None if peak is None else peak / 2**20


def _energy(timed: Timed) -> float | None:
    """Joules a query, of the queries that were ranked since the last start: earlier ones were metered by a process that is gone."""
    joules, manifest = _resource(timed, "energy").get("joules"), timed.result.manifest or {}
    queries = manifest.get("queries", 0) - manifest.get("queries_before_last_start", 0)
    return None if joules is None or not queries else joules / queries


_VALUES: Mapping[str, Callable[[Timed], float | None]] = {
    "tokens-in": lambda timed: _tokens(timed, 0),
    "tokens-out": lambda timed: _tokens(timed, 1),
    "calls": lambda timed: sum(len(ranked.calls) for ranked in timed.ranked) / len(timed.times),
    "peak-memory-mib": _peak_mib,
    "energy-j": _energy,
}


def _context(measured: Sequence[Timed]) -> Iterator[str]:
    yield "means over queries that were ranked one at a time; documents at hand are not counted as tokens in, nor is the warm-up"
    meters = dict.fromkeys(_resource(t, name).get("of", "") for name in ("peak_memory", "energy") for t in measured)
    yield from (f"metered of {meter}" for meter in meters if meter)
    if any(t.passes for t in measured):
        yield "means of all passes; of memory the most that any took"


def _absent(measured: Sequence[Timed]) -> Iterator[str]:
    """Why a column is not there."""
    uncounted, unmetered = ([t for t in measured if _value(t, name) is None] for name in ("tokens-in", "peak-memory-mib"))
    if uncounted:
        yield f"no tokens: the engine of {_names(uncounted)} does not count them"
    if unmetered:
        yield f"no peak memory: not metered in the runs of {_names(unmetered)}"
    reasons: dict[str, list[Timed]] = {}
    for t in (one for several in measured for one in several.each):
        if _energy(t) is None:
            reasons.setdefault(_resource(t, "energy").get("absent", "not metered"), []).append(t)
    yield from (f"no energy: {reason} ({_names(of)})" for reason, of in reasons.items())


def _names(timed: Sequence[Timed]) -> str:
    return ", ".join(dict.fromkeys(t.name for t in timed))
