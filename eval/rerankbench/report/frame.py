"""The frame of a figure: title, panels, one legend and the caption, each with the room that its text needs.

Heights are added up here from measured text, so that nothing overlaps and nothing is cut off. Knows no data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, cast

from rerankbench.report.marks import Figure
from rerankbench.report.style import COLUMN_IN, PAGE_IN, SMALL, TEXT, Look, width_of, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawn
    from matplotlib.figure import SubFigure

LINE = 1.3 / 72
"""Inches that one point of text takes in height."""
HANDLE_IN = 0.48
"""A legend's line or patch, with the gaps around it."""
NAME_IN = 2.6
"""The widest name in a legend; a longer one is broken."""
MARGIN_IN = 0.06


@dataclass(frozen=True)
class Frame:
    """A figure that waits for its panels to be drawn.

    Attributes:
        axes: One a panel, in reading order.
        panel_in: Width of a panel, its labels included, in inches.
    """

    drawn: Drawn
    body: SubFigure
    axes: tuple[Axes, ...]
    panel_in: float
    legend_columns: int

    def label_rows(self, label: str) -> None:
        """Name the upright axis, once a row of panels."""
        for axis in self.axes[:: round(self.drawn.get_figwidth() / self.panel_in)]:
            axis.set_ylabel(label)

    def legend(self, handles: Mapping[str, Any] | None = None) -> None:
        """Name every handle once, below the panels: those given, else those that the panels label."""
        found = dict(handles or {})
        for axis in self.axes if handles is None else ():
            found |= {label: handle for handle, label in zip(*axis.get_legend_handles_labels(), strict=True) if label not in found}
        if found:
            names = [wrapped(name, NAME_IN, SMALL, lines=3) for name in found]
            self.body.legend(found.values(), names, loc="outside lower center", ncols=min(self.legend_columns, len(names)))


def frame(
    title: str,
    caption: str,
    panels: int,
    height_in: float,
    names: Sequence[str],
    *,
    columns: int | None = None,
    heights: Sequence[float] | None = None,
    share_x: bool = False,
    width_in: float | None = None,
) -> Frame:
    """An empty figure at its final size: a column wide for one panel, as wide as the page for more.

    Args:
        height_in: Of one panel, its axis labels included.
        names: What the legend will hold.
        columns: Panels beside each other; default: up to three.
        heights: Of the rows of panels, in proportion.
        share_x: Whether panels under each other have one axis.
    """
    from matplotlib.figure import Figure as Drawn
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    columns = columns or min(panels, 3 if panels != 4 else 2)
    rows = ceil(panels / columns)
    width = width_in or (COLUMN_IN if columns == 1 else PAGE_IN)
    inside = width - 2 * MARGIN_IN
    head, foot = wrapped(title, inside, TEXT + 1), wrapped(caption, inside, SMALL)
    legend_columns, legend_in = _legend_room(names, inside)
    head_in, foot_in = _height(head, TEXT + 1) + 0.1, _height(foot, SMALL) + 0.1
    body_in = head_in + rows * height_in + legend_in
    drawn = Drawn(figsize=(width, body_in + foot_in), layout=ConstrainedLayoutEngine(w_pad=0.04, h_pad=0.04))
    body, below = cast("list[SubFigure]", drawn.subfigures(2, 1, height_ratios=[body_in, foot_in]))
    body.suptitle(head)
    below.text(MARGIN_IN / width, 1, foot, fontsize=SMALL, va="top", ha="left", linespacing=1.25)
    grid = body.subplots(rows, columns, squeeze=False, sharex=share_x, height_ratios=heights)
    axes = list(grid.flat)
    for empty in axes[panels:]:
        empty.set_axis_off()
    return Frame(drawn, body, tuple(axes[:panels]), width / columns, legend_columns)


def _legend_room(names: Sequence[str], width: float) -> tuple[int, float]:
    """How many columns the legend has, and its height in inches."""
    if not names:
        return 1, 0
    broken = [wrapped(name, NAME_IN, SMALL, lines=3) for name in names]
    widths = [HANDLE_IN + max(width_of(line, SMALL) for line in name.split("\n")) for name in broken]
    columns = next((n for n in range(len(names), 1, -1) if _legend_width(widths, n) <= width), 1)
    tallest = max(_height(name, SMALL) for name in broken)
    return columns, ceil(len(names) / columns) * (tallest + 0.04) + 0.12


def _legend_width(widths: Sequence[float], columns: int) -> float:
    """Names fill a legend column by column, and a column is as wide as its widest name."""
    rows = ceil(len(widths) / columns)
    return sum(max(widths[start : start + rows]) for start in range(0, len(widths), rows))


def _height(text: str, size: float) -> float:
    return (text.count("\n") + 1) * size * LINE if text else 0


def labels_of(figure: Figure) -> dict[str, str]:
    """Series → its name in the legend, which says so where nothing of it is there."""
    return {name: f"{name}: not at hand" if figure.is_absent(name) else name for name in figure.series}


def named_only(axis: Axes, label: str, style: Look) -> None:
    """A line without a point, for the legend."""
    axis.plot([], [], color=style.colour, linestyle=style.dash, marker=style.marker, label=label)


def absent(axis: Axes, text: str = "nothing at hand") -> None:
    """Say in an empty panel that it is empty."""
    axis.text(0.5, 0.5, text, transform=axis.transAxes, ha="center", va="center", fontsize=SMALL, style="italic")
    axis.set_xticks([])
    axis.set_yticks([])
