"""First stages beside each other: score, ceiling, and what rerankers make of them. Draws what it is given; knows no run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

from rerankbench.report.figure import COLOURS, FORMATS, MARKERS, STYLE, matplotlib, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE_WIDTH = 88
"""Characters of a line of the title: what the figure's width holds."""


@dataclass(frozen=True, slots=True)
class StageRow:
    """One first stage on one benchmark, in percent points.

    Attributes:
        score, ceiling: Of its candidates as they stand, and in their ideal order (None: not at hand).
        reranked: System → what it makes of them.
    """

    panel: str
    label: str
    score: float
    ceiling: float | None
    reranked: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class StageFigure:
    title: str
    x_label: str
    rows: tuple[StageRow, ...]


def draw_stages(figure: StageFigure, folder: Path) -> list[Path]:
    """Write ``figure.svg`` and ``figure.png``: a line a first stage, from its score to its ceiling, rerankers marked between.

    A figure without rows writes nothing.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    if not figure.rows:
        return []
    mpl, new_figure = matplotlib()
    panels = list(dict.fromkeys(row.panel for row in figure.rows))
    counts = [sum(row.panel == panel for row in figure.rows) for panel in panels]
    with mpl.rc_context(STYLE):
        drawn = new_figure(figsize=(7.2, 1.5 + 0.34 * len(figure.rows) + 0.5 * len(panels)), layout="constrained")
        axes = drawn.subplots(len(panels), 1, squeeze=False, sharex=True, height_ratios=counts)[:, 0]
        systems = list(dict.fromkeys(name for row in figure.rows for name in row.reranked))
        for panel, axis in zip(panels, axes, strict=True):
            _draw_stages(axis, panel, [row for row in figure.rows if row.panel == panel], systems)
        axes[-1].set_xlabel(figure.x_label)
        drawn.suptitle(fill(figure.title, TITLE_WIDTH), fontsize=10)
        handles = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
        drawn.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4)
        return [save(drawn, folder / f"figure.{format_}", format_) for format_ in FORMATS]


def _draw_stages(axis: Axes, panel: str, rows: Sequence[StageRow], systems: Sequence[str]) -> None:
    for height, row in enumerate(reversed(rows)):
        if row.ceiling is not None:
            axis.plot([row.score, row.ceiling], [height, height], color="0.75", linewidth=3, solid_capstyle="round", zorder=1)
            axis.plot(row.ceiling, height, "|", color="0.3", markersize=10, label="ceiling")
        axis.plot(row.score, height, "o", color="black", markersize=5.5, label="first stage", zorder=3)
        for name, colour, marker in zip(systems, cycle(COLOURS), cycle(MARKERS[1:]), strict=False):
            if name in row.reranked:
                axis.plot(row.reranked[name], height, marker, color=colour, markersize=5.5, label=name, zorder=4)
    axis.set_yticks(range(len(rows)), [row.label for row in reversed(rows)])
    axis.set_ylim(-0.6, len(rows) - 0.4)
    axis.set_title(panel, fontsize=9.5, loc="left")
