"""Scores over rank positions, a line a system, a panel a benchmark (and model). Draws what it is given; knows no run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rerankbench.report.frame import absent, frame, labels_of, named_only
from rerankbench.report.marks import Figure, Mark
from rerankbench.report.style import Look, look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawn

HEIGHT_IN = 2.25
MARKED = 8
"""A line of a hundred points has so many of them marked, so that it is known in grey."""
WHOLE, PARTIAL = "mean score", "mean score, some queries"
"""Parts: the mean over all queries, and over those whose lists reach that rank."""


def plot_scores(figure: Figure) -> Drawn:
    """The mean score at each rank with its band; dotted and without a band where not all queries reach the rank."""
    labels = labels_of(figure)
    made = frame(figure, HEIGHT_IN, list(labels.values()), columns=figure.columns, upright=figure.y_label)
    for panel, axis in zip(figure.panels, made.axes, strict=True):
        for i, name in enumerate(figure.series):
            if figure.is_absent(name):
                named_only(axis, labels[name], look(i))
            _draw_series(axis, figure.of(panel, name, WHOLE), figure.of(panel, name, PARTIAL), look(i), i)
        if all(mark.y is None for mark in figure.of(panel)):
            absent(axis)
        else:
            _set_ranks(axis, max(float(mark.x) for mark in figure.of(panel) if mark.x is not None))
    made.legend()
    return made.drawn


def _draw_series(axis: Axes, whole: Sequence[Mark], partial: Sequence[Mark], style: Look, position: int) -> None:
    known = [mark for mark in whole if mark.y is not None]
    if known:
        every = max(1, len(known) // MARKED)
        marked = (position * every // 3 % every, every)  # the shapes of two lines stand at different ranks
        axis.plot(
            [float(m.x or 0) for m in known], [float(m.y or 0) for m in known], color=style.colour, linestyle=style.dash,
            marker=style.marker, markevery=marked, markersize=3.8, label=known[0].series, zorder=3,
        )  # fmt: skip
        banded = [(m, m.interval) for m in known if m.interval is not None]
        xs, lows, highs = [float(m.x or 0) for m, _ in banded], [i[0] for _, i in banded], [i[1] for _, i in banded]
        axis.fill_between(xs, lows, highs, color=style.colour, alpha=0.18, linewidth=0)
    if partial:
        xs, ys = [float(m.x or 0) for m in partial], [float(m.y or 0) for m in partial]
        axis.plot(xs, ys, color=style.colour, linestyle=(0, (1, 2)), linewidth=0.9)


def _set_ranks(axis: Axes, last: float) -> None:
    """Ranks begin with 1, and no tick stands before it."""
    from matplotlib.ticker import MaxNLocator

    inside = [rank for rank in MaxNLocator(5, integer=True).tick_values(1, last) if 1 < rank <= last]
    axis.set_xticks([1, *inside])
    margin = max(last - 1, 1) * 0.03
    axis.set_xlim(1 - margin, last + margin)
