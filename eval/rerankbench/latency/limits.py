"""How near each run came to what its device could do, by phase: the limit, what was measured, and where the rest went."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rerankbench.config import Experiment
from rerankbench.errors import MissingError, RerankbenchError
from rerankbench.latency.peaks import DevicePeaks
from rerankbench.latency.runs import Timed, heading
from rerankbench.limits import METHOD, OVERALL, Phase, RunLimits, about_model, about_peaks, dtype_of_run, limits_of_run, shape_of_run
from rerankbench.report.cells import Cell, Status
from rerankbench.report.table import Column, Group, Row, Table

LIMIT, MEASURED, REACHED, BEYOND, OF_ALL = "limit-s", "measured-s", "reached", "beyond-s", "of-all"
MEASURE = "limit of the device"
BOUNDS = {"": "", "both": "compute and memory", "compute": "compute", "memory": "memory"}


@dataclass(frozen=True, slots=True)
class Found:
    """A run, and its limits or why there are none."""

    timed: Timed
    limits: RunLimits | RerankbenchError


def limits_table(experiment: Experiment, timed: Sequence[Timed], peaks: DevicePeaks) -> Table:
    """A group a run: its phases in the order of the ranker, parts of a phase where they were timed, what lies between them, the whole.

    A run whose limits are not known has one row, whose cells say why.
    """
    found = [Found(t, _limits(t, peaks)) for t in timed if t.times]
    groups = [Group(_title(one.timed, timed, experiment), tuple(_rows(one))) for one in found]
    known = [one for one in found if isinstance(one.limits, RunLimits)]
    return Table(
        f"{experiment.name}-limits",
        f"{experiment.file.title}: the limit of the device",
        _columns([one.timed for one in found]),
        tuple(groups),
        context=tuple(_context([one.limits for one in known if isinstance(one.limits, RunLimits)])),
        notes=tuple(_notes(known, timed, experiment)),
    )


def _limits(timed: Timed, peaks: DevicePeaks) -> RunLimits | RerankbenchError:
    folder, manifest = timed.result.folder, timed.result.manifest
    if folder is None or manifest is None:
        return MissingError("the run is not stored")
    try:
        shape = shape_of_run(manifest)
        return limits_of_run(folder, shape, peaks.of_run(manifest, dtype_of_run(manifest, shape)))
    except RerankbenchError as error:
        return error


def _columns(measured: Sequence[Timed]) -> tuple[Column, ...]:
    shortest = min(math.fsum(time.overall for time in t.times) / len(t.times) for t in measured)
    decimals = 4 if shortest >= 0.1 else 6
    return (
        Column(LIMIT, "limit, s", measure=MEASURE, unit="seconds", decimals=decimals),
        Column(MEASURED, "measured, s", measure=MEASURE, unit="seconds", decimals=decimals),
        Column(REACHED, "reached, %", measure=MEASURE, decimals=1),
        Column(BEYOND, "beyond, s", measure=MEASURE, unit="seconds", decimals=decimals),
        Column(OF_ALL, "of all time, %", measure=MEASURE, decimals=1),
    )


def _title(timed: Timed, among: Sequence[Timed], experiment: Experiment) -> str:
    return ", ".join(filter(None, [timed.name, heading(timed, among, experiment)]))


def _rows(found: Found) -> Iterator[Row]:
    if isinstance(found.limits, RerankbenchError):
        yield _unknown(found.timed, found.limits)
        return
    whole = found.limits.phases[-1].measured_s or 0.0
    for phase in found.limits.phases:
        if phase.measured_s is not None:
            yield _row(found.timed, phase, phase.measured_s, whole)


def _row(timed: Timed, phase: Phase, measured_s: float, whole: float) -> Row:
    beyond = measured_s - phase.limit_s
    values = {
        LIMIT: phase.limit_s,
        MEASURED: measured_s,
        REACHED: phase.share or 0.0,
        BEYOND: beyond,
        OF_ALL: beyond / whole if whole else 0.0,
    }
    cell = _cell(timed, phase.name)
    label = f"· {phase.name}" if phase.part else phase.name
    bound = f" ({BOUNDS[phase.bound]})" if phase.bound else ""
    return Row(timed.cell.system, f"{label}{bound}", tuple(_with(cell, name, value) for name, value in values.items()), cell.variant)


def _unknown(timed: Timed, error: RerankbenchError) -> Row:
    """What was measured stands there all the same."""
    cell = _cell(timed, OVERALL)
    status = Status.MISSING if isinstance(error, MissingError) else Status.REFUSED
    reason = error.message.removesuffix(".")
    gap = replace(cell, status=status, value=None, reason=f"no limit: {reason}", hint=error.hint, notes=(), caveat="")
    cells = [replace(gap, column=name, unit=unit) for name, unit in _UNITS.items()]
    cells[1] = _with(cell, MEASURED, math.fsum(time.overall for time in timed.times) / len(timed.times))
    return Row(timed.cell.system, OVERALL, tuple(cells), cell.variant)


_UNITS: Mapping[str, Literal["percent", "seconds"]] = {
    LIMIT: "seconds",
    MEASURED: "seconds",
    REACHED: "percent",
    BEYOND: "seconds",
    OF_ALL: "percent",
}


def _cell(timed: Timed, phase: str) -> Cell:
    variant = ", ".join(filter(None, [timed.cell.variant, phase]))
    return replace(timed.cell, variant=variant, interval=None, not_judged="")


def _with(cell: Cell, name: str, value: float) -> Cell:
    return replace(cell, column=name, unit=_UNITS[name], value=value)


def _context(limits: Sequence[RunLimits]) -> Iterator[str]:
    yield "means over queries, one at a time; behind a phase: what its limit is made of, products (compute) or transfers (memory)"
    yield from METHOD
    yield from dict.fromkeys(about_peaks(of.peaks) for of in limits)


def _notes(known: Sequence[Found], among: Sequence[Timed], experiment: Experiment) -> Iterator[str]:
    """What a run's rows leave out."""
    for one in known:
        if isinstance(one.limits, RunLimits):
            parts = [f"{p.name} {p.limit_s:.4f} s ({BOUNDS[p.bound]})" for p in one.limits.phases if p.part and p.measured_s is None]
            said = [about_model(one.limits), *([f"of the limit: {', '.join(parts)}"] if parts else []), *one.limits.notes]
            yield f"{_title(one.timed, among, experiment)}: {'; '.join(said)}"
