"""Effectiveness over seconds on an axis of powers, a panel a device. Draws what it is given; knows no run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle, pairwise
from typing import TYPE_CHECKING, Any

from rerankbench.report.beside import Box, place_beside
from rerankbench.report.frame import absent, frame
from rerankbench.report.marks import Figure, Mark
from rerankbench.report.style import COLOURS, DASHES, LEVELS, MARKERS, QUIET, SMALL, width_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawn

HEIGHT_IN = 2.9
FRONT, LEVEL = "Pareto front", "level"
"""Parts: a corner of a timing's front, which follows behind a comma; a first stage, which takes no time. Every other part is a timing."""
Place = tuple[float, float]
"""Seconds and value."""
MARK_POINTS = 4.0
"""Half the room of a mark."""
ROOM = 2.2
"""How many times faster than the fastest and slower than the slowest the axis reaches at least; else `SHARE` of all that lies between."""
SHARE = 0.22


def plot_tradeoff(figure: Figure) -> Drawn:
    """A mark a system, filled where it was measured here and hollow where the paper prints it, with its name beside it."""
    parts = dict.fromkeys(mark.part for mark in figure.marks if mark.panel and mark.part != LEVEL)
    timings = [part for part in parts if not part.startswith(FRONT)]
    levels = list(dict.fromkeys(mark.series for mark in figure.marks if mark.part == LEVEL))
    names = [*timings, *(f"{FRONT}, {timing}" for timing in timings), *levels]
    made = frame(figure, HEIGHT_IN, names, columns=min(2, len(figure.panels)), upright=figure.y_label)
    for panel, axis in zip(figure.panels, made.axes, strict=True):
        _draw_panel(axis, figure, panel, timings)
    made.legend()
    made.drawn.draw_without_rendering()  # the panels get their places: where a name has room is known only then
    for panel, axis in zip(figure.panels, made.axes, strict=True):
        _name(axis, figure, panel)
    return made.drawn


def _points(figure: Figure, panel: str) -> list[Mark]:
    return [m for m in figure.of(panel) if m.x is not None and m.y is not None and not m.part.startswith(FRONT)]


def _front(figure: Figure, panel: str, timing: str) -> list[tuple[float, float]]:
    """Its corners, from the fastest system on."""
    corners = [m for m in figure.of(panel, part=f"{FRONT}, {timing}") if m.x is not None and m.y is not None]
    return [(float(m.x or 0), float(m.y or 0)) for m in corners]


def _draw_panel(axis: Axes, figure: Figure, panel: str, timings: Sequence[str]) -> None:
    points = _points(figure, panel)
    levels = [m for m in figure.of(panel, part=LEVEL) if m.y is not None]
    for level, dash in zip(levels, cycle(LEVELS), strict=False):
        axis.axhline(float(level.y or 0), color=QUIET, linestyle=dash, linewidth=1.1, label=level.series, zorder=1)
    for mark in points:
        _draw_mark(axis, mark, timings.index(mark.part))
    for i, timing in enumerate(timings):
        front = _front(figure, panel, timing)
        if len(front) > 1:
            style: dict[str, Any] = {"color": COLOURS[i % len(COLOURS)], "linestyle": DASHES[i % len(DASHES)], "marker": "none"}
            axis.step(*zip(*front, strict=True), where="post", linewidth=1.0, label=f"{FRONT}, {timing}", zorder=2, **style)
    if points:
        _set_axes(axis, points)
    else:
        absent(axis)


def _draw_mark(axis: Axes, mark: Mark, timing: int) -> None:
    colour = COLOURS[timing % len(COLOURS)]
    x, y = float(mark.x or 0), float(mark.y or 0)
    if mark.interval is not None:
        axis.vlines([x], [mark.interval[0]], [mark.interval[1]], color=colour, linewidth=0.9, alpha=0.6, zorder=3)
    face = "white" if mark.source == "paper" else colour
    style: dict[str, Any] = {"color": colour, "markerfacecolor": face, "linestyle": "none"}
    axis.plot([x], [y], marker=MARKERS[timing % len(MARKERS)], label=mark.part, zorder=4, **style)


def _set_axes(axis: Axes, points: Sequence[Mark]) -> None:
    """Powers of ten as plain numbers, with room for names at both ends."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    xs = [float(mark.x or 0) for mark in points]
    axis.set_xscale("log")
    room = max(ROOM, (max(xs) / min(xs)) ** SHARE)
    axis.set_xlim(min(xs) / room, max(xs) * room)
    near = max(xs) / min(xs) * room**2 < 100  # less than two decades: tenths alone would leave one number or none
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if near else (1,), numticks=12))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.margins(y=0.12)


def _name(axis: Axes, figure: Figure, panel: str) -> None:
    """Each system's name where nothing else is; with a line to its mark where that is further off."""
    points, per_point = _points(figure, panel), axis.figure.get_dpi() / 72
    bounds = axis.get_window_extent()
    whole = Box(*(side / per_point for side in (bounds.x0, bounds.y0, bounds.x1, bounds.y1)))
    places = [tuple(axis.transData.transform((float(m.x or 0), float(m.y or 0))) / per_point) for m in points]
    lines = list(_lines(figure, panel, axis.get_xlim()))
    drawn = [_box((axis.transData.transform(line) / per_point).tolist()) for line in lines]
    sizes = [(width_of(mark.series, SMALL) * 72, SMALL * 1.2) for mark in points]
    for mark, (dx, dy, far) in zip(points, place_beside(places, sizes, whole, drawn, MARK_POINTS), strict=True):
        line: Any = {"arrowstyle": "-", "color": QUIET, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 3} if far else None
        at = (float(mark.x or 0), float(mark.y or 0))
        named = axis.annotate(
            mark.series, at, (dx, dy), textcoords="offset points", fontsize=SMALL, ha="left", va="bottom", arrowprops=line, zorder=5
        )
        named.set_in_layout(False)  # else the panel would give way, and the place would be another


def _lines(figure: Figure, panel: str, reach: tuple[float, float]) -> Iterator[tuple[Place, Place]]:
    """All that is drawn besides marks, as upright and level stretches: intervals, levels, the steps of the fronts."""
    for mark in figure.of(panel):
        x, y = float(mark.x or 0), float(mark.y or 0)
        if mark.part == LEVEL:
            yield (reach[0], y), (reach[1], y)
        elif mark.interval is not None:
            yield (x, mark.interval[0]), (x, mark.interval[1])
    for timing in dict.fromkeys(mark.part for mark in _points(figure, panel)):
        for (x, y), (to_x, to_y) in pairwise(_front(figure, panel, timing)):
            yield (x, y), (to_x, y)
            yield (to_x, y), (to_x, to_y)


def _box(ends: Sequence[Sequence[float]]) -> Box:
    """A line with a point of room on each side."""
    (x, y), (to_x, to_y) = ends
    return Box(min(x, to_x) - 1, min(y, to_y) - 1, max(x, to_x) + 1, max(y, to_y) + 1)
