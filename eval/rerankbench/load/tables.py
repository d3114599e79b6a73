"""From complete load runs to tables: every rate that was tried, and the highest that holds. Runs nothing and renders nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rerankbench.config import Experiment
from rerankbench.errors import MeasureError, StoreError
from rerankbench.experiment import Result
from rerankbench.latency.runs import setting
from rerankbench.latency.tables import synthetic_caveats
from rerankbench.load.measure import BEYOND, BLOCKS, NEEDED, TOLERATED, Figures, Latency, figures_of
from rerankbench.load.runs import served_arrivals
from rerankbench.load.search import bracket
from rerankbench.load.serving import is_served
from rerankbench.plan import counted
from rerankbench.report.cells import Cell, Status
from rerankbench.report.table import Column, Group, Row, Table
from rerankbench.tables import cell_of, title_of

LATENCIES = ("mean-s", "p50-s", "p90-s", "p99-s")
COLUMNS = (
    Column("arrivals", "arrivals", measure="arrivals that count", unit="number", decimals=0),
    Column("offered-per-s", "offered/s", measure="arrivals a second", unit="number", decimals=3),
    Column("achieved-per-s", "achieved/s", measure="answers a second", unit="number", decimals=3),
    Column("busy", "busy, %", measure="share of the time", unit="percent", decimals=0),
    Column("under-way", "under way", measure="queries, mean", unit="number", decimals=2),
    *(Column(name, name.removesuffix("-s"), measure="latency under load", unit="seconds", decimals=3) for name in LATENCIES),
    Column("wait-s", "wait", measure="mean, of what was answered", unit="seconds", decimals=3),
    Column("service-s", "service", measure="mean, of what was answered", unit="seconds", decimals=3),
    Column("unfinished", "unfinished", measure="arrivals", unit="number", decimals=0),
    Column("errors", "errors", measure="arrivals", unit="number", decimals=0),
)
HIGHEST = (
    Column("highest-per-s", "highest rate that holds, /s", measure="arrivals a second", unit="number", decimals=3),
    Column("p99-s", "p99 there, s", measure="latency under load", unit="seconds", decimals=3),
    Column("busy", "busy there, %", measure="share of the time", unit="percent", decimals=0),
)
COUNTS = frozenset({"arrivals", "offered-per-s", "unfinished", "errors"})
NO_LATENCY = "every arrival failed"


@dataclass(frozen=True)
class Loaded:
    """A system's load run.

    Attributes:
        cell: Its place in a table, with what must be said of it; without a value.
        figures: One a rate, the lowest first; empty where `cell` says why there are none.
        settings: As `Settings.as_data`.
    """

    result: Result
    cell: Cell
    figures: tuple[Figures, ...] = ()
    settings: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        """Of the system."""
        return self.result.cell.system.name

    @property
    def target_s(self) -> float | None:
        return (self.settings or {}).get("target_s")

    @property
    def bracket(self) -> tuple[float | None, float | None]:
        """The highest rate that holds, the lowest that does not."""
        return bracket({f.rate: f.holds(self.target_s) for f in self.figures})

    @property
    def highest(self) -> Figures | None:
        """Of the highest rate that holds."""
        return next((f for f in self.figures if f.rate == self.bracket[0]), None)

    @property
    def failed(self) -> int:
        """Arrivals that have no order, of all rates."""
        return sum(f.failed for f in self.figures)


def loaded_runs(results: Sequence[Result], experiment: Experiment, runs: Path) -> list[Loaded]:
    """What came of each run, from what it stored.

    Raises:
        StoreError: a run's arrivals are damaged.
    """
    return [_loaded(result, experiment, runs) for result in results]


def _loaded(result: Result, experiment: Experiment, runs: Path) -> Loaded:
    absent = cell_of(replace(result, manifest=None), experiment, runs)
    manifest, folder = result.manifest, result.folder
    if manifest is None or folder is None:
        return Loaded(result, absent)
    settings = manifest["settings"]
    try:
        made_with = {"drain_s": settings["drain_s"], "batch": settings["batch"], "seconds_alone": manifest["seconds_alone"]}
        rates = [figures_of(served, **made_with) for served in served_arrivals(folder)]
    except MeasureError as error:
        raise StoreError(f"{folder}: {error.message}", hint=f"Delete {folder} and run again.") from error
    hardware = manifest["environment"]["hardware"]
    cell = replace(
        absent,
        hardware=", ".join(hardware["gpus"]) or f"{hardware['cpu']}, {hardware['cores']} cores",
        caveat=manifest["caveat"],
        limit=result.cell.limit,
        run=folder.relative_to(runs).as_posix(),
    )
    return Loaded(result, cell, tuple(sorted(rates, key=lambda f: f.rate)), settings)


def load_tables(experiment: Experiment, loaded: Sequence[Loaded]) -> dict[str, Table]:
    """``table``, a group a system and a row a rate, and ``highest``, a row a system."""
    return {"table": _rates_table(experiment, loaded), "highest": _highest_table(experiment, loaded)}


def _rates_table(experiment: Experiment, loaded: Sequence[Loaded]) -> Table:
    groups = tuple(Group(_heading(of, loaded, experiment), tuple(_rows(of))) for of in loaded)
    notes = (*_reasons(loaded), *_judged(loaded))
    title, context, caveats = f"{experiment.file.title}: under load", tuple(_context(loaded)), tuple(synthetic_caveats(experiment))
    return Table(f"{experiment.name}-load", title, COLUMNS, groups, context=context, caveats=caveats, notes=notes)


def _highest_table(experiment: Experiment, loaded: Sequence[Loaded]) -> Table:
    rows = tuple(Row(of.cell.system, _heading(of, loaded, experiment), tuple(_highest_cells(of)), of.cell.variant) for of in loaded)
    title = f"{experiment.file.title}: the highest rate that holds"
    return Table(f"{experiment.name}-load-highest", title, HIGHEST, (Group("", rows),), context=tuple(_held(loaded)))


def _heading(of: Loaded, among: Sequence[Loaded], experiment: Experiment) -> str:
    """The system, with its lists where they differ."""
    cell = of.result.cell
    places = {(o.result.cell.benchmark, o.result.cell.first_stage, o.result.cell.depth) for o in among}
    return f"{of.name}, {title_of(cell.benchmark, experiment)}, {cell.first_stage} top {cell.depth}" if len(places) > 1 else of.name


def _rows(of: Loaded) -> Iterator[Row]:
    if not of.figures:
        yield Row(of.cell.system, of.name, tuple(replace(of.cell, column=c.name, unit=c.unit) for c in COLUMNS), of.cell.variant)
    for figures in of.figures:
        variant = ", ".join(filter(None, [of.cell.variant, f"{figures.rate:g}/s"]))
        label = f"{figures.rate:g}/s" if figures.is_sustained else f"{figures.rate:g}/s (not sustained)"
        yield Row(of.cell.system, label, tuple(_cell(of, figures, column, variant) for column in COLUMNS), variant)


def _cell(of: Loaded, figures: Figures, column: Column, variant: str) -> Cell:
    place = replace(of.cell, column=column.name, unit=column.unit, variant=variant, queries=figures.arrivals)
    if column.name in COUNTS:
        place = replace(place, caveat="")  # whatever the engine is, so many came
    if column is not COLUMNS[0]:
        place = replace(place, run="")  # named once a row
    if column.name in LATENCIES:
        latency = latency_of(figures, column.name)
        return replace(place, status=Status.FAILED, reason=NO_LATENCY) if latency is None else _of_latency(place, latency, figures)
    values: Mapping[str, float | None] = {
        "arrivals": figures.arrivals,
        "offered-per-s": figures.offered,
        "achieved-per-s": figures.achieved,
        "busy": figures.busy,
        "under-way": figures.under_way,
        "wait-s": figures.wait,
        "service-s": figures.service,
        "unfinished": figures.unfinished,
        "errors": figures.failed,
    }
    value = values[column.name]
    if value is None:
        return replace(place, status=Status.FAILED, reason=NO_LATENCY if figures.failed else "nothing was answered in time")
    return _done(place, value)


def latency_of(figures: Figures, column: str) -> Latency | None:
    """The mean or percentile of a column."""
    by_name = {"mean-s": figures.mean, "p50-s": figures.p50, "p90-s": figures.p90, "p99-s": figures.p99}
    return by_name[column]


def _of_latency(place: Cell, latency: Latency, figures: Figures) -> Cell:
    notes = [f"a lower bound: {figures.unfinished} of {figures.arrivals} arrivals were not answered at the end"] if latency.is_bound else []
    if place.column == "p99-s" and figures.arrivals < NEEDED:
        notes.append(f"p99 of {figures.arrivals} arrivals: a p99 needs {NEEDED} at least")
    return replace(_done(place, latency.seconds), interval=latency.interval, notes=(*place.notes, *notes))


def _done(place: Cell, value: float) -> Cell:
    return replace(place, status=Status.DONE, value=float(value), reason="", hint="")


def _highest_cells(of: Loaded) -> Iterator[Cell]:
    for column in HIGHEST:
        place = replace(of.cell, column=column.name, unit=column.unit, run=of.cell.run if column is HIGHEST[0] else "")
        found = of.highest
        if not of.figures:
            yield place
        elif found is None or found.p99 is None:
            reason = f"no rate that was tried {_what_holding_is(of)}; the lowest was {of.figures[0].rate:g}/s"
            longer = "" if of.target_s is None else ", or a longer --p99-target"
            yield replace(place, status=Status.MISSING, reason=reason, hint=f"the same command with lower --rates{longer}")
        elif column.name == "p99-s":
            yield _of_latency(replace(place, queries=found.arrivals), found.p99, found)
        else:
            yield _done(replace(place, queries=found.arrivals), found.rate if column.name == "highest-per-s" else found.busy)


def _what_holding_is(of: Loaded) -> str:
    return "is sustained" if of.target_s is None else f"holds a p99 of {of.target_s:g} s"


def _context(loaded: Sequence[Loaded]) -> Iterator[str]:
    """How arrivals came, and what the columns are."""
    for settings in _distinct(loaded):
        pattern = "gaps are drawn (Poisson)" if settings["pattern"] == "poisson" else "gaps are equal"
        until = "" if settings["seconds"] is None else f", none later than {settings['seconds']:g} s"
        yield (
            f"open loop: queries come at a rate of their own, each with its whole list; {pattern}, seed {settings['seed']}, the same"
            f" pattern for every system; {settings['arrivals']} arrivals a rate{until}, after {settings['warmup']} that do not count"
        )
    yield "latency: seconds from when an arrival was due to its order, so that waiting counts; wait and service are its two parts"
    yield "busy: share of the time in which a query was being ranked; under way: how many were, in the mean"
    if not any(of.settings for of in loaded):
        return
    yield (
        f"unfinished: not answered {', '.join(f'{d:.3g} s' for d in _drains(loaded))} after the last arrival; not sustained: any are"
        f" unfinished or failed, or more than {100 * TOLERATED:.0f} % of all are without their order when the last one comes, besides those"
        " that may be under way without a queue"
    )
    yield (
        f"95 % intervals: percentile bootstrap over {BLOCKS} blocks of neighbours, of {NEEDED} answered arrivals or more, and of"
        f" percentiles with {BEYOND} or more beyond"
    )
    yield from dict.fromkeys(_work(of) for of in loaded if of.settings)


def _distinct(loaded: Sequence[Loaded]) -> list[Mapping[str, Any]]:
    keys = ("pattern", "seconds", "seed", "arrivals", "warmup")
    return list({tuple(of.settings[key] for key in keys): of.settings for of in loaded if of.settings}.values())


def _drains(loaded: Sequence[Loaded]) -> list[float]:
    return list(dict.fromkeys(of.settings["drain_s"] for of in loaded if of.settings))


def _work(of: Loaded) -> str:
    """Engine and hardware, and how many queries it has at once."""
    settings, made_with = of.settings or {}, setting(of.result.manifest or {}, of.cell.hardware)
    if is_served(of.result.cell.system):
        workers = counted(settings["workers"])
        return f"{of.name}: {made_with}, which is the client; up to {workers} under way at once"
    batch = f"up to {settings['batch']} waiting queries" if settings["batch"] > 1 else "one query"
    return f"{of.name}: {made_with}; {batch} at a time"


def _held(loaded: Sequence[Loaded]) -> Iterator[str]:
    for target in dict.fromkeys(of.target_s for of in loaded if of.settings):
        if target is None:
            yield "holds: is sustained"
        else:
            yield f"holds: is sustained, and 99 % of the arrivals have their order within {target:g} s of when they were due"


def _judged(loaded: Sequence[Loaded]) -> Iterator[str]:
    """What the search found of each system."""
    for of in loaded:
        if not of.figures:
            continue
        low, high = of.bracket
        holding = _what_holding_is(of)
        found = f"{low:g}/s {holding}" if low is not None else f"no rate that was tried {holding}"
        not_ = "is not" if of.target_s is None else "does not"
        above = "" if low is None else f", {high:g}/s {not_}" if high is not None else ", the highest that was tried"
        lucky = [f"{f.rate:g}/s" for f in of.figures if high is not None and f.rate > high and f.holds(of.target_s)]
        luck = f"; {', '.join(lucky)} did too, above one that did not, and does not count" if lucky else ""
        yield f"{of.name}: {found}{above}{luck}"


def _reasons(loaded: Sequence[Loaded]) -> Iterator[str]:
    """Every reason for which arrivals have no order."""
    for of in loaded:
        for figures in of.figures:
            for reason, count in figures.errors.items():
                yield f"{of.name} at {figures.rate:g}/s: {count} of {figures.arrivals} arrivals failed, and are in no latency: {reason}"
