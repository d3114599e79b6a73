"""Latency against rate: the marks of a figure, from complete load runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from rerankbench.config import Experiment
from rerankbench.load.measure import Figures, Latency
from rerankbench.load.tables import Loaded
from rerankbench.reference.verdict import exact
from rerankbench.report.load_figure import HELD, LEVEL, UNSUSTAINED
from rerankbench.report.marks import Figure, Mark, mark_of
from rerankbench.tables import title_of

CAPTION = "Seconds from when a query was due to its order, over the rate at which queries come, open loop."
OPEN = (
    "Open marks: not sustained, the queue grows or arrivals were left unanswered, whose seconds are then a lower bound, or arrivals failed,"
    " which have none."
)
RINGED = "Ringed: the highest rate that"


def load_figure(experiment: Experiment, loaded: Sequence[Loaded]) -> Figure:
    """A panel a candidate list, two lines a system: its p50 and its p99."""
    targets = dict.fromkeys(of.target_s for of in loaded if of.target_s is not None)
    marks = [mark for of in loaded for mark in _marks(of, _panel(of, loaded, experiment))]
    panels = dict.fromkeys(mark.panel for mark in marks)
    marks += [Mark(panel, f"p99 target, {t:g} s", exact(t), LEVEL, unit="seconds") for panel in panels for t in targets]
    said = [CAPTION, OPEN if any(mark.part.endswith(UNSUSTAINED) for mark in marks) else ""]
    if any(mark.part == HELD for mark in marks):
        said.append(f"{RINGED} holds the target." if targets else f"{RINGED} is sustained.")
    caption = " ".join(filter(None, said))
    return Figure("load", f"{experiment.file.title}: under load", caption, "queries a second", "seconds", tuple(marks))


def _panel(of: Loaded, among: Sequence[Loaded], experiment: Experiment) -> str:
    cell = of.result.cell
    several = len({(o.result.cell.benchmark, o.result.cell.first_stage, o.result.cell.depth) for o in among}) > 1
    return f"{title_of(cell.benchmark, experiment)}, {cell.first_stage} top {cell.depth}" if several else ""


def _marks(of: Loaded, panel: str) -> Iterator[Mark]:
    if not of.figures:
        yield replace(mark_of(of.cell, panel, of.name, "p99"), unit="seconds")
    for figures in of.figures:
        yield from (_mark(of, panel, figures, name, latency) for name, latency in (("p50", figures.p50), ("p99", figures.p99)))
    if of.highest is not None and of.highest.p99 is not None:
        yield replace(_mark(of, panel, of.highest, "p99", of.highest.p99), part=HELD)


def _mark(of: Loaded, panel: str, figures: Figures, name: str, latency: Latency | None) -> Mark:
    place = replace(mark_of(of.cell, panel, of.name, name), x=exact(figures.rate), unit="seconds", queries=figures.arrivals)
    if latency is None:
        return replace(place, reason="every arrival failed", hint="")
    low, high = latency.interval or (None, None)
    return replace(
        place,
        y=exact(latency.seconds),
        low=None if low is None else exact(low),
        high=None if high is None else exact(high),
        part=name if figures.is_sustained else name + UNSUSTAINED,
        reason="",
        hint="",
        remarks=of.cell.remarks,
    )
