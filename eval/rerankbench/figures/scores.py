"""Native scores by rank position, from the journals of stored runs: the paper's Figure 3."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from rerankbench.config import Experiment
from rerankbench.config.schema import ScoresChoice
from rerankbench.experiment import Result
from rerankbench.measures.score_curve import ScoreCurve, score_curve
from rerankbench.reference.verdict import exact
from rerankbench.report import Cell
from rerankbench.report.marks import Figure, Mark, mark_of
from rerankbench.report.score_figure import PARTIAL, WHOLE
from rerankbench.store import read_rankings
from rerankbench.tables import cell_of, title_of

COLUMNS = 3
"""The most panels beside each other: a row a benchmark, where its systems fit."""
CAPTION = (
    "Native scores of each query sorted from high to low, then averaged over the queries rank by rank. Bands: 95 % bootstrap interval of"
    " that mean, over queries."
)


def scores_of(choice: ScoresChoice, experiment: Experiment, results: Sequence[Result], runs: Path) -> Figure:
    """A line a system, a panel a benchmark, or a benchmark and a system with its variants as lines.

    Raises:
        StoreError: a run's journal is damaged.
    """
    in_rows = sorted(results, key=lambda result: experiment.benchmarks.index(result.cell.benchmark))
    marks = [mark for result in in_rows for mark in _marks(choice, experiment, result, runs)]
    marks = _told_apart(marks)
    columns = len({result.cell.system.family for result in results}) if choice.panels == "system" else 0
    caption = " ".join(filter(None, (CAPTION if any(mark.y is not None for mark in marks) else "", _lengths(marks), choice.note)))
    return Figure(
        "scores", experiment.file.title, caption, "rank", "native score", tuple(marks), columns=columns if 1 < columns <= COLUMNS else None
    )


def _marks(choice: ScoresChoice, experiment: Experiment, result: Result, runs: Path) -> Iterator[Mark]:
    cell = cell_of(result, experiment, runs)
    panel, series = _place(choice, experiment, cell, result)
    place = replace(mark_of(cell, panel, series, WHOLE), verdict=None, unit="score")
    if place.y is None or result.folder is None:
        yield place
        return
    scores = [ranked.ranking.scores for ranked in read_rankings(result.folder)]
    known = [of for of in scores if of is not None and all(map(math.isfinite, of))]
    if len(known) < len(scores) or not any(known):
        yield replace(place, y=None, low=None, high=None, reason="its rankings hold no finite native scores: it gives an order alone")
        return
    yield from _curve(place, score_curve(known))


def _place(choice: ScoresChoice, experiment: Experiment, cell: Cell, result: Result) -> tuple[str, str]:
    """Panel and series."""
    swept = {**dict(result.cell.system.variant), **({"depth": result.cell.depth} if len(experiment.depths) > 1 else {})}
    said = ", ".join(f"{key.rpartition('.')[2].replace('_', ' ')} {value}" for key, value in swept.items())
    panel = title_of(cell.column, experiment) + (f", {cell.first_stage}" if cell.first_stage else "")
    if choice.panels == "system":
        return f"{cell.system}, {panel}", said or cell.system
    return panel, f"{cell.system}: {said}" if said else cell.system


def _told_apart(marks: Sequence[Mark]) -> list[Mark]:
    """Runs that share a place, repeats of one system, as lines of their own."""
    runs: dict[tuple[str, str], list[str]] = {}
    for mark in marks:
        known = runs.setdefault((mark.panel, mark.series), [])
        if mark.run not in known:
            known.append(mark.run)
    numbers = {(*place, run): i for place, known in runs.items() for i, run in enumerate(known, start=1) if len(known) > 1}
    found = ((mark, numbers.get((mark.panel, mark.series, mark.run))) for mark in marks)
    return [replace(mark, series=f"{mark.series}, run {number}") if number else mark for mark, number in found]


def _curve(place: Mark, curve: ScoreCurve) -> Iterator[Mark]:
    for at in curve.ranks:
        part = WHOLE if at.queries == curve.queries else PARTIAL
        rank = Decimal(at.rank)
        yield replace(place, part=part, x=rank, y=exact(at.mean), low=exact(at.low), high=exact(at.high), queries=at.queries)
    for of in curve.summaries:
        yield replace(place, part=of.name, x=None, y=exact(of.mean), low=exact(of.low), high=exact(of.high), queries=of.queries)


def _lengths(marks: Sequence[Mark]) -> str:
    """What must be said where lists differ in length."""
    partial = [mark for mark in marks if mark.part == PARTIAL]
    if not partial:
        return ""
    first = min(partial, key=lambda mark: mark.x or 0)
    return (
        f"Dotted, from rank {first.x} on: not all lists are that long, so the mean is over fewer, other queries (figure.csv counts them)."
    )
