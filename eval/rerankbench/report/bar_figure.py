"""One value a system as bars from zero: ours solid, the paper's hatched, the missing ones marked as missing. Knows no run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rerankbench.reference.verdict import as_printed
from rerankbench.report.frame import absent, frame
from rerankbench.report.marks import Figure, Mark, Source
from rerankbench.report.style import COLOURS, COLUMN_IN, INK, PAPER_HATCH, QUIET, SMALL, wrapped
from rerankbench.report.text import MARKS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawn

WIDTH_IN = COLUMN_IN
BAR_IN = 0.125
"""Thickness of a bar."""
NAME_IN = 1.0
"""Room for a system's name."""
NAMES: Mapping[Source, str] = {"ours": "measured here", "paper": "the paper's, as printed"}
ABSENT: Mapping[Source, str] = {"ours": "no value here", "paper": "no number in the paper"}
FILL: Mapping[Source, Any] = {
    "ours": {"facecolor": COLOURS[0], "edgecolor": COLOURS[0]},
    "paper": {"facecolor": "white", "edgecolor": QUIET, "hatch": PAPER_HATCH},
}


def plot_bars(figure: Figure) -> Drawn:
    """Bars under each other in the order of the groups, with our interval as error bar, each with its number."""
    sources = _sources(figure)
    rows = list(_rows(figure, len(sources)))
    places = sum(height for _, _, height in rows)
    made = frame(figure, 0.5 + BAR_IN * places, [*NAMES.values(), *ABSENT.values()], columns=1, width_in=WIDTH_IN, beside_in=NAME_IN)
    (axis,) = made.axes
    at, ticks = 0.0, {}
    for heading, name, size in rows:
        if heading:
            said = wrapped(heading, WIDTH_IN - NAME_IN - 0.5, SMALL, lines=1)
            axis.text(0.01, at + size * 0.62, said, transform=axis.get_yaxis_transform(), fontsize=SMALL, weight="bold", va="center")
        if name:
            ticks[name] = at + len(sources) / 2
            for i, source in enumerate(sources):
                _draw_bar(axis, figure.of("", name, source=source), source, at + i + 0.5)
        at += size
    axis.set_yticks(list(ticks.values()), [wrapped(name, NAME_IN, SMALL, lines=2) for name in ticks])
    _finish(axis, figure, at)
    made.legend()
    return made.drawn


def _sources(figure: Figure) -> list[Source]:
    found = {mark.source for mark in figure.marks}
    return [source for source in NAMES if source in found]


def _rows(figure: Figure, bars: int) -> Iterator[tuple[str, str, float]]:
    """Heading or name of every row from the top, and its height in bars: a gap is a part of it."""
    for heading, names in figure.groups or (("", tuple(figure.series)),):
        if heading:
            yield heading, "", 1.6
        for name in names:
            yield "", name, bars + 0.7
        if not heading:
            yield "", "", 0.3


def _draw_bar(axis: Axes, marks: Sequence[Mark], source: Source, at: float) -> None:
    """One bar with its interval and number, or the cross in its place."""
    (mark,) = marks
    if mark.y is None:
        colour = QUIET if source == "paper" else INK
        axis.plot([0], [at], "x", color=colour, markersize=4, clip_on=False, zorder=4, label=ABSENT[source])
        return
    axis.barh([at], [float(mark.y)], height=0.9, linewidth=0.8, zorder=2, label=NAMES[source], **FILL[source])
    end = float(mark.y)
    if mark.interval is not None:
        low, high = mark.interval
        axis.hlines([at], [low], [high], color=INK, linewidth=0.9, zorder=3)
        end = max(end, high)
    text = as_printed(mark.y, 2) if source == "ours" else f"{mark.y}"
    sign = MARKS[mark.verdict] if mark.verdict else ""
    axis.annotate(f"{text}{sign}", (end, at), (2.5, 0), textcoords="offset points", fontsize=SMALL, va="center")


def _finish(axis: Axes, figure: Figure, bottom: float) -> None:
    known = [value for mark in figure.marks for value in (mark.y, mark.high) if value is not None]
    axis.set_xlim(0, float(max(known, default=1)) * 1.17 or 1)  # room for the number behind the longest bar
    axis.set_ylim(max(bottom, 1), 0)
    axis.grid(visible=False, axis="y")
    axis.tick_params(axis="y", length=0)
    if not figure.marks:
        absent(axis)
