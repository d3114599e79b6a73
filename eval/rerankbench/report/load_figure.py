"""Latency over the rate at which queries come: p50 and p99 of each system. Draws what it is given; knows no run."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

from rerankbench.report.frame import absent, frame, named_only
from rerankbench.report.marks import Figure, Mark
from rerankbench.report.style import DASHES, INK, LEVELS, QUIET, Look, look
from rerankbench.report.sweep_figure import set_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawn

HEIGHT_IN = 2.6
PARTS = ("p99", "p50")
UNSUSTAINED = ", not sustained"
"""Behind a part: the rate is not sustained."""
HELD, LEVEL = "highest", "level"
"""Parts: the p99 of the highest rate that holds, and a target."""


def plot_load(figure: Figure) -> Drawn:
    """A solid line for the p99 of a system, a dotted one for its p50, hollow where the rate is not sustained; both axes are logarithmic."""
    names = [label for name in figure.series for label in _labels(figure, name)]
    levels = list(dict.fromkeys(mark.series for mark in figure.marks if mark.part == LEVEL))
    made = frame(figure, HEIGHT_IN, [*names, *levels], upright=figure.y_label)
    for panel, axis in zip(figure.panels, made.axes, strict=True):
        _draw_panel(figure, panel, axis, made.panel_in)
    made.legend()
    return made.drawn


def _labels(figure: Figure, series: str) -> list[str]:
    if figure.is_absent(series):
        return [f"{series}: not measured here"]
    return [f"{series}, {part}" for part in PARTS]


def _draw_panel(figure: Figure, panel: str, axis: Axes, width_in: float) -> None:
    rates = sorted({float(m.x) for m in figure.marks if m.x is not None and m.y is not None})
    known = [m for m in figure.of(panel) if m.y is not None and m.part != LEVEL]
    for i, name in enumerate(figure.series):
        if figure.is_absent(name):
            named_only(axis, _labels(figure, name)[0], look(i))
        for part in PARTS:
            _draw_line(axis, [m for m in known if m.series == name and m.part.removesuffix(UNSUSTAINED) == part], f"{name}, {part}", i)
        held = [m for m in known if m.series == name and m.part == HELD]
        ring: dict[str, Any] = {"markersize": 9, "markeredgewidth": 0.9, "markerfacecolor": "none"}
        axis.plot([float(m.x or 0) for m in held], [float(m.y or 0) for m in held], "o", color=INK, zorder=5, **ring)
    if not known:
        absent(axis)
        return
    axis.set_yscale("log")
    for level, dash in zip(figure.of(panel, part=LEVEL), cycle(LEVELS), strict=False):
        axis.axhline(float(level.y or 0), color=QUIET, linestyle=dash, linewidth=1.1, label=level.series)
    set_ticks(axis, rates, width_in)
    _plain_seconds(axis)


def _draw_line(axis: Axes, marks: Sequence[Mark], label: str, position: int) -> None:
    points = sorted(marks, key=lambda m: m.x or 0)
    if not points:
        return
    xs, ys = [float(p.x or 0) for p in points], [float(p.y or 0) for p in points]
    style = _look(position, label)
    axis.plot(xs, ys, color=style.colour, linestyle=style.dash, marker=style.marker, label=label, zorder=3)
    hollow = [(x, y) for x, y, p in zip(xs, ys, points, strict=True) if p.part.endswith(UNSUSTAINED)]
    if hollow:
        axis.plot(*zip(*hollow, strict=True), style.marker, color=style.colour, markerfacecolor="white", zorder=4)
    known = [(float(p.x or 0), *p.interval) for p in points if p.interval is not None]
    axis.vlines([k[0] for k in known], [k[1] for k in known], [k[2] for k in known], color=style.colour, linewidth=0.9, alpha=0.7, zorder=2)


def _look(position: int, label: str) -> Look:
    """One colour and marker a system; its p50 is dotted."""
    own = look(position)
    return Look(own.colour, own.marker, DASHES[0] if label.endswith("p99") else DASHES[2])


def _plain_seconds(axis: Axes) -> None:
    """Numbers as one says them, not powers of ten; two or three a decade where there are few decades."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axis.get_ylim()
    subs = (1.0, 2.0, 5.0) if high / low < 3000 else (1.0,)
    axis.yaxis.set_major_locator(LogLocator(base=10, subs=subs, numticks=12))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.yaxis.set_minor_formatter(NullFormatter())
