"""First stages beside each other: score, ceiling, and what rerankers make of them. Draws what it is given; knows no run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rerankbench.report.frame import frame
from rerankbench.report.marks import Figure
from rerankbench.report.style import INK, PAGE_IN, QUIET, SMALL, look, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawn

ITSELF, CEILING = "first stage", "ceiling"
"""Parts of a row; every other part is a reranker's name."""
ROW_IN = 0.24
NAME_IN = 1.3


def plot_stages(figure: Figure) -> Drawn:
    """A line a first stage, from its score to its ceiling, rerankers marked on it."""
    rerankers = [part for part in dict.fromkeys(mark.part for mark in figure.marks) if part not in {ITSELF, CEILING}]
    counts = [_rows_of(figure, panel) for panel in figure.panels]
    heights = [ROW_IN * len(rows) + 0.1 for rows in counts]
    height = sum(heights) / len(heights) + 0.3 + 0.3 / len(heights)
    made = frame(figure, height, [ITSELF, *rerankers, CEILING], columns=1, width_in=PAGE_IN, heights=heights, beside_in=NAME_IN)
    for panel, axis, rows in zip(figure.panels, made.axes, counts, strict=True):
        _draw_stages(axis, figure, panel, rows, rerankers)
    made.legend()
    return made.drawn


def _rows_of(figure: Figure, panel: str) -> list[str]:
    return list(dict.fromkeys(mark.series for mark in figure.of(panel)))


def _draw_stages(axis: Axes, figure: Figure, panel: str, rows: Sequence[str], rerankers: Sequence[str]) -> None:
    for height, row in enumerate(reversed(rows)):
        values = {m.part: float(m.y) for m in figure.of(panel, row) if m.y is not None}
        if ITSELF in values and CEILING in values:
            axis.plot([values[ITSELF], values[CEILING]], [height, height], color="0.78", linewidth=3, solid_capstyle="butt", zorder=1)
        if CEILING in values:
            axis.plot(values[CEILING], height, "|", color=QUIET, markersize=8, markeredgewidth=1.4, label=CEILING)
        if ITSELF in values:
            axis.plot(values[ITSELF], height, "o", color=INK, label=ITSELF, zorder=3)
        for i, name in enumerate(rerankers, start=1):
            if name in values:
                axis.plot(
                    values[name],
                    height,
                    look(i).marker,
                    color=look(i).colour,
                    markeredgecolor=INK,
                    markeredgewidth=0.5,
                    label=name,
                    zorder=4,
                )
        if not values:
            axis.text(0.01, height, "nothing at hand", transform=axis.get_yaxis_transform(), fontsize=SMALL, style="italic", va="center")
    axis.set_yticks(range(len(rows)), [wrapped(row, NAME_IN, SMALL, lines=2) for row in reversed(rows)])
    axis.set_ylim(-0.6, len(rows) - 0.4)
