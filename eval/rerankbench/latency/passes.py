"""Several runs over the same queries as one row: each query's mean over the passes, and how far the passes lie apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from rerankbench.config import Experiment
from rerankbench.errors import ConfigError
from rerankbench.latency.ratios import short
from rerankbench.latency.runs import Timed
from rerankbench.measures.latency import OVERALL, QueryTime
from rerankbench.reference.verdict import mean
from rerankbench.report.cells import Repeat, Status

Row = tuple[tuple[str, str, int], str, str, str]
"""Lists, timing, system and variant."""


def rows_of(timed: Sequence[Timed], experiment: Experiment) -> list[Timed]:
    """One a row, in the order of the first passes.

    Raises:
        ConfigError: several runs of one pass would share a row, whose seconds would be those of different hosts, say.
    """
    rows: dict[Row, list[Timed]] = {}
    for t in timed:
        of = rows.setdefault((t.place, t.timing, t.cell.system, t.cell.variant), [])
        if any(other.result.cell.number == t.result.cell.number for other in of):
            raise ConfigError(f"{experiment.place(('layout',))}: 'latency' shows one run of a system, and here are several of {t.name!r}")
        of.append(t)
    return [of[0] if len(of) == 1 else _together(of) for of in rows.values()]


def spread(timed: Timed) -> str:
    """How many passes a row is of, and the lowest and the highest of their means; empty for a single one. Numbers by `short`."""
    means = means_of(timed, OVERALL) if timed.times else [one.together for one in timed.passes if one.together is not None]
    return f"{len(means)} passes, {short(min(means))}–{short(max(means))} s each" if len(means) > 1 else ""


def means_of(timed: Timed, quantity: str) -> list[float]:
    """The mean over queries of every pass."""
    return [mean(one.seconds(quantity)) for one in timed.each]


def repeats(timed: Timed, values: Sequence[float]) -> tuple[Repeat, ...]:
    """A value a pass, for a cell to show how far they lie apart; none where there is one pass."""
    return tuple(Repeat(f"pass {one.result.cell.number}", value, one.cell.run) for one, value in zip(timed.passes, values, strict=False))


def _together(passes: Sequence[Timed]) -> Timed:
    """Their mean, query by query. Without times as soon as one has none, or was timed in another setting: nothing is averaged over that."""
    first = passes[0]
    lacking = [t for t in passes if not t.cell.done]
    if lacking:
        return _without(first, lacking[0], _lacking(lacking, len(passes)))
    settings = list(dict.fromkeys(t.cell.notes[:1] for t in passes))
    if len(settings) > 1:
        said = f"passes of different settings have no mean: {'; '.join(note for notes in settings for note in notes)}"
        return _without(first, first, said, Status.REFUSED)
    seconds = [t.cell.seconds for t in passes if t.cell.seconds is not None]
    cell = replace(
        first.cell,
        seconds=mean(seconds) if len(seconds) == len(passes) else None,
        notes=tuple(dict.fromkeys(note for t in passes for note in t.cell.notes)),
        not_judged=next(filter(None, (t.cell.not_judged for t in passes)), ""),
    )
    together = [t.together for t in passes if t.together is not None]
    return replace(
        first,
        cell=cell,
        times=tuple(_mean_times(passes)),
        together=mean(together) if together else None,
        warmed_up=all(t.warmed_up for t in passes),
        flaws=tuple(dict.fromkeys(flaw for t in passes for flaw in t.flaws)),
        passes=tuple(passes),
    )


def _lacking(lacking: Sequence[Timed], passes: int) -> str:
    reasons = {t.cell.reason for t in lacking}
    first = lacking[0]
    if len(lacking) == passes and len(reasons) == 1:
        return first.cell.reason
    return f"{passes - len(lacking)} of {passes} passes are there; pass {first.result.cell.number}: {first.cell.reason}"


def _without(first: Timed, lacking: Timed, reason: str, status: Status | None = None) -> Timed:
    cell = replace(lacking.cell, status=status or lacking.cell.status, value=None, interval=None, reason=reason, notes=(), not_judged="")
    return replace(first, cell=cell, times=(), together=None, ranked=())


def _mean_times(passes: Sequence[Timed]) -> Iterator[QueryTime]:
    """A phase that a query has in some passes alone takes no time in the others."""
    for times in zip(*(t.times for t in passes), strict=True):
        phases = dict.fromkeys(phase for time in times for phase in time.phases)
        shares = {phase: mean([time.phases.get(phase, 0.0) for time in times]) for phase in phases}
        yield QueryTime(times[0].query_id, mean([time.overall for time in times]), shares)
