"""Seconds a query by what they went into: a row a phase, as the rankers name them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from rerankbench.config import Experiment
from rerankbench.latency.passes import repeats
from rerankbench.latency.runs import Timed, heading
from rerankbench.measures.interval import bootstrap_interval
from rerankbench.measures.latency import QueryTime, percentile
from rerankbench.reference.verdict import mean
from rerankbench.report.table import Column, Group, Row, Table

REST = "the rest"
"""What lies between the phases."""
WHOLE = "overall"
PERCENTILES = {"p50-s": 50.0, "p90-s": 90.0, "p99-s": 99.0}
CONTEXT = (
    "seconds a query by phase, one query at a time; a phase that comes several times in a query is its sum",
    "mean with its 95 % interval (percentile bootstrap over queries), then what so many per cent of the queries do not exceed",
)
GENERATE = "generate"
"""The span in which answers are written."""
READING, WRITING = f"{GENERATE}: reading the prompts", f"{GENERATE}: writing the answers"
TOLD = "generate: reading the prompts lasts from the start of a call to the engine until its first token; writing is the rest of it"
UNTOLD = "reading a prompt and decoding its answer are not told apart where the engine does not say when an answer's first token was there"

PASSES = "of several passes: the mean of each query's mean, percentiles of all single times; repeats: the lowest and the highest pass"


def phases_table(experiment: Experiment, timed: Sequence[Timed]) -> Table:
    """A group a run: its phases in the order of the ranker, what lies between them, the whole, and single calls where there are several."""
    measured = [t for t in timed if t.times]
    shortest = min(math.fsum(time.overall for time in t.times) / len(t.times) for t in measured)
    decimals = 4 if shortest >= 0.1 else 6
    columns = tuple(
        Column(name, name.removesuffix("-s"), measure="latency per query", unit="seconds", decimals=decimals)
        for name in ("mean-s", *PERCENTILES)
    )
    groups = [Group(_title(t, timed, experiment), tuple(_rows(t))) for t in measured]
    context = (*CONTEXT, *_about_calls(measured), *([PASSES] if experiment.passes > 1 else []))
    return Table(f"{experiment.name}-phases", f"{experiment.file.title}: by phase", columns, tuple(groups), context=context)


def phases_of(times: Sequence[QueryTime]) -> dict[str, list[float]]:
    """Phase → its seconds of each query, 0 where a query has none; then `REST`."""
    names = dict.fromkeys(phase for time in times for phase in time.phases)
    phases = {name: [time.phases.get(name, 0.0) for time in times] for name in names}
    return {**phases, REST: [time.overall - math.fsum(time.phases.values()) for time in times]}


def reading_and_writing(timed: Timed) -> dict[str, list[float]]:
    """The two parts of `GENERATE`: row → its seconds of each query; empty where a call does not tell when its first token was there.

    Calls of several prompts at once do not tell either: their prompts are read and their answers written at the same time.
    """
    phases = {phase for time in timed.times for phase in time.phases}
    calls = [[call for call in ranked.calls if call.phase not in phases] for ranked in timed.ranked]
    told = [call.first_token_s > 0 and call.batch_size == 1 for of in calls for call in of]
    if GENERATE not in phases or not told or not all(told):
        return {}
    reading = [math.fsum(call.first_token_s for call in of) for of in calls]
    generating = [time.phases.get(GENERATE, 0.0) for time in timed.times]
    return {READING: reading, WRITING: [whole - read for whole, read in zip(generating, reading, strict=True)]}


def calls_of(timed: Timed) -> Mapping[str, list[float]]:
    """Name of a call → its seconds of each query, for calls that are no phase of their own: the windows of a listwise ranker."""
    phases = {phase for time in timed.times for phase in time.phases}
    alone = [[call for call in ranked.calls if call.phase not in phases and call.batch_size == 1] for ranked in timed.ranked]
    names = dict.fromkeys(call.phase for calls in alone for call in calls if call.phase)
    return {name: [math.fsum(c.seconds for c in calls if c.phase == name) for calls in alone] for name in names}


def _about_calls(measured: Sequence[Timed]) -> Iterator[str]:
    """Of runs that generate."""
    told = [bool(reading_and_writing(t)) for t in measured if any(GENERATE in time.phases for time in t.times)]
    if any(calls_of(t) for t in measured):
        yield "calls: single calls to the engine, within the phases above them"
    if any(told):
        yield TOLD
    if not all(told):
        yield UNTOLD


def _title(timed: Timed, among: Sequence[Timed], experiment: Experiment) -> str:
    return ", ".join(filter(None, [timed.name, heading(timed, among, experiment)]))


def _seconds_of(run: Timed) -> dict[str, list[float]]:
    """Label of a row → seconds of each query of a single run."""
    rows: dict[str, list[float]] = {}
    for phase, seconds in phases_of(run.times).items():
        rows |= {phase: seconds, **(reading_and_writing(run) if phase == GENERATE else {})}
    rows[WHOLE] = [time.overall for time in run.times]
    return rows | {f"call: {name}": seconds for name, seconds in calls_of(run).items()}


def _rows(timed: Timed) -> Iterator[Row]:
    each = [_seconds_of(one) for one in timed.each]
    for phase in dict.fromkeys(phase for rows in each for phase in rows):
        passes = [rows.get(phase, [0.0] * len(timed.times)) for rows in each]
        means, single = [mean(of) for of in zip(*passes, strict=True)], [seconds for of in passes for seconds in of]
        variant = ", ".join(filter(None, [timed.cell.variant, phase]))
        cell = replace(timed.cell, variant=variant, not_judged="")
        values = {name: percentile(single, percent) for name, percent in PERCENTILES.items()}
        apart = repeats(timed, [mean(of) for of in passes])
        first = replace(cell, column="mean-s", value=mean(means), interval=bootstrap_interval(means), repeats=apart)
        others = [replace(cell, column=name, value=value, interval=None) for name, value in values.items()]
        yield Row(timed.cell.system, phase, (first, *others), variant)
