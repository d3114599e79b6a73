"""A measure over one swept number, a panel a benchmark; unswept systems as levels. Draws what it is given; knows no run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any, cast

from rerankbench.report.frame import absent, frame, labels_of, named_only
from rerankbench.report.marks import Figure, Mark
from rerankbench.report.style import INK, LEVELS, QUIET, SMALL, Look, look, width_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawn
    from matplotlib.figure import SubFigure
    from matplotlib.transforms import Transform

HEIGHT_IN = 2.35
DODGE_POINTS = 2.4
"""How far the error bars of two series at one place stand apart."""


def plot_sweep(figure: Figure) -> Drawn:
    """Lines over the swept number. A filled point differs significantly from the default, a hollow one does not, a ringed one is it.

    One series has a band, several have error bars: bands would cover each other.
    """
    levels = list(dict.fromkeys(mark.series for mark in figure.marks if mark.part == "level"))
    names = [*(labels_of(figure).values()), *levels]
    made = frame(figure, HEIGHT_IN, names, columns=figure.columns, upright=figure.y_label)
    for panel, axis in zip(figure.panels, made.axes, strict=True):
        _draw_panel(figure, panel, axis, made.panel_in)
    made.legend()
    return made.drawn


def _draw_panel(figure: Figure, panel: str, axis: Axes, width_in: float) -> None:
    middle, labels = (len(figure.series) - 1) / 2, labels_of(figure)
    for i, name in enumerate(figure.series):
        points = sorted((m for m in figure.of(panel, name, "point") if m.y is not None), key=_place)
        if points:
            _draw_series(axis, points, labels[name], look(i), None if middle == 0 else (i - middle) * DODGE_POINTS)
        elif figure.is_absent(name):
            named_only(axis, labels[name], look(i))
    levels = [m for m in figure.of(panel, part="level") if m.y is not None]
    for level, dash in zip(levels, cycle(LEVELS), strict=False):
        axis.axhline(float(level.y or 0), color=QUIET, linestyle=dash, linewidth=1.1, label=level.series)
    if any(m.y is not None for m in figure.of(panel)):
        set_ticks(axis, sorted({_place(m) for m in figure.marks if m.x is not None}), width_in)
    else:
        absent(axis)


def _draw_series(axis: Axes, points: Sequence[Mark], label: str, style: Look, dodge: float | None) -> None:
    """One line. `dodge` moves what is drawn, in points, and no number: the data on the axes are the marks' own."""
    xs, ys = [_place(p) for p in points], [float(p.y or 0) for p in points]
    moved: dict[str, Any] = {"transform": _aside(axis, dodge or 0)}
    axis.plot(xs, ys, color=style.colour, linestyle=style.dash, marker=style.marker, label=label, zorder=3, **moved)
    # Over the line, so that a hollow point hides it.
    hollow = [(x, y) for x, y, p in zip(xs, ys, points, strict=True) if p.against is not None and not p.against.is_significant]
    if hollow:
        axis.plot(*zip(*hollow, strict=True), style.marker, color=style.colour, markerfacecolor="white", zorder=4, **moved)
    rings = [(x, y) for x, y, p in zip(xs, ys, points, strict=True) if p.is_default]
    if rings:
        ring: dict[str, Any] = {"markersize": 9, "markeredgewidth": 0.9, "markerfacecolor": "none"}
        axis.plot(*zip(*rings, strict=True), "o", color=INK, zorder=5, **ring, **moved)
    _draw_intervals(axis, points, style, moved, banded=dodge is None)
    axis.update_datalim([*zip(xs, ys, strict=True)])  # what is moved does not count by itself
    axis.autoscale_view()


def _draw_intervals(axis: Axes, points: Sequence[Mark], style: Look, moved: Mapping[str, Any], *, banded: bool) -> None:
    known = [(_place(p), *p.interval) for p in points if p.interval is not None]
    xs, lows, highs = [k[0] for k in known], [k[1] for k in known], [k[2] for k in known]
    if banded and len(known) > 1:
        axis.fill_between(xs, lows, highs, color=style.colour, alpha=0.15, linewidth=0)
    elif known:
        axis.vlines(xs, lows, highs, color=style.colour, linewidth=0.9, alpha=0.7, zorder=2, **moved)
    axis.update_datalim([*zip(xs, lows, strict=True), *zip(xs, highs, strict=True)])


def _aside(axis: Axes, points: float) -> Transform:
    from matplotlib.transforms import ScaledTranslation

    return axis.transData + ScaledTranslation(points / 72, 0, cast("SubFigure", axis.get_figure()).dpi_scale_trans)


def _place(mark: Mark) -> float:
    return float(mark.x or 0)


def set_ticks(axis: Axes, ticks: Sequence[float], width_in: float) -> None:
    """A tick a value; its number only where it does not run into the one before."""
    if not ticks:
        return
    if min(ticks) > 0 and max(ticks) >= 8 * min(ticks):
        axis.set_xscale("log")
        axis.minorticks_off()
    axis.set_xticks(ticks, _spaced(axis, ticks, width_in))
    if len(ticks) > 1:  # the whole axis, also where some of its values are missing
        axis.update_datalim([(ticks[0], axis.dataLim.y0), (ticks[-1], axis.dataLim.y0)])
        axis.autoscale_view()


def _spaced(axis: Axes, ticks: Sequence[float], width_in: float) -> list[str]:
    """The numbers of the ticks; empty for one that would run into the one before, or into the last."""
    spans = axis.transScale.transform([(tick, 1) for tick in ticks])[:, 0]
    reach = max(spans[-1] - spans[0], 1e-9)
    places = [(span - spans[0]) / reach * width_in * 0.75 for span in spans]
    halves = [width_of(f"{tick:g}", SMALL) / 2 + 0.015 for tick in ticks]
    labels, end, last = [], -1.0, places[-1] - halves[-1]
    for i, (tick, place, half) in enumerate(zip(ticks, places, halves, strict=True)):
        fits = place - half >= end and (place + half <= last or i == len(ticks) - 1)
        labels.append(f"{tick:g}" if fits else "")
        end = place + half if fits else end
    return labels
