"""The frame of a figure: title, panels, one legend and the caption, each with the room that its text needs.

Heights are added up here from measured text, so that nothing overlaps and nothing is cut off. Knows no data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
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
HANDLE_IN = 0.56
"""A legend's line or patch, with the gaps around it."""
NAME_IN = 2.5
"""The widest name in a legend; a longer one is broken."""
MARGIN_IN = 0.06


@dataclass(frozen=True)
class Frame:
    """A figure that waits for its panels to be drawn.

    Attributes:
        axes: One a panel, in the order of the figure's panels.
        panel_in: Width of a panel, its labels included, in inches.
        names: What the legend may hold, in its order.
    """

    drawn: Drawn
    body: SubFigure
    axes: tuple[Axes, ...]
    panel_in: float
    names: tuple[str, ...]

    def legend(self) -> None:
        """Name every handle that the panels label once, below them."""
        found: dict[str, Any] = {}
        for axis in self.axes:
            found |= {label: handle for handle, label in zip(*axis.get_legend_handles_labels(), strict=True) if label not in found}
        if found:
            names = [name for name in self.names if name in found]
            columns, _ = _legend_room(names, self.drawn.get_figwidth() - 2 * MARGIN_IN)
            shown = [_legend_name(name) for name in names]
            self.body.legend([found[name] for name in names], shown, loc="outside lower center", ncols=columns)


def frame(
    figure: Figure,
    height_in: float,
    names: Sequence[str],
    *,
    columns: int | None = None,
    width_in: float | None = None,
    heights: Sequence[float] | None = None,
    upright: str = "",
    beside_in: float = 0.45,
) -> Frame:
    """An empty figure at its final size, with all its words: a column wide for one panel, as wide as the page for more.

    Args:
        height_in: Of one panel, its axis labels included and its title not.
        names: What the legend may hold.
        columns: Panels beside each other; default: up to three.
        width_in: Of the whole figure, where that is not the width of a column or page.
        heights: Of panels under each other in one column, in proportion; they then share the lower axis.
        upright: Name of the upright axis; empty where names stand along it.
        beside_in: Room that a panel's axis leaves to what stands left of it.
    """
    panels = len(figure.panels)
    columns = columns or min(panels, 3 if panels != 4 else 2)
    width = width_in or (COLUMN_IN if columns == 1 else PAGE_IN)
    axis_in = width / columns - beside_in - 0.15
    titles = [wrapped(panel, axis_in, TEXT, lines=2) for panel in figure.panels]
    row_in = height_in + max(_height(title, TEXT) for title in titles)
    drawn, body = _halves(figure, width, ceil(panels / columns) * row_in, names)
    grid = body.subplots(ceil(panels / columns), columns, squeeze=False, sharex=heights is not None, height_ratios=heights)
    for empty in grid.flat[panels:]:
        empty.set_axis_off()
    axes = tuple(grid.flat[:panels])
    for i, (axis, title) in enumerate(zip(axes, titles, strict=True)):
        axis.set_title(title, loc="left" if heights else "center")
        axis.set_xlabel(wrapped(figure.x_label, axis_in, TEXT, lines=2) if not heights or i == panels - 1 else "")
        axis.set_ylabel(wrapped(upright, height_in * 0.8, TEXT, lines=2) if i % columns == 0 else "")
    return Frame(drawn, body, axes, width / columns, tuple(names))


def _halves(figure: Figure, width: float, panels_in: float, names: Sequence[str]) -> tuple[Drawn, SubFigure]:
    """The whole, with the caption in its lower part, and the upper one with the title and room for panels and legend."""
    from matplotlib.figure import Figure as Drawn
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    inside = width - 2 * MARGIN_IN
    head, foot = wrapped(figure.title, inside, TEXT + 1), wrapped(figure.words(), inside, SMALL)
    above, below = _height(head, TEXT + 1) + 0.1 + panels_in + _legend_room(names, inside)[1], _height(foot, SMALL) + 0.06
    drawn = Drawn(figsize=(width, above + below), layout=ConstrainedLayoutEngine(w_pad=0.04, h_pad=0.04))
    upper, lower = cast("list[SubFigure]", drawn.subfigures(2, 1, height_ratios=[above, below]))
    upper.suptitle(head)
    lower.text(MARGIN_IN / width, 1, foot, fontsize=SMALL, va="top", ha="left", linespacing=1.25)
    return drawn, upper


def _legend_name(name: str) -> str:
    return wrapped(name, NAME_IN, SMALL, lines=2)


def _legend_room(names: Sequence[str], width: float) -> tuple[int, float]:
    """How many columns the legend has, and its height in inches."""
    if not names:
        return 1, 0
    shown = [_legend_name(name) for name in names]
    widths = [HANDLE_IN + max(width_of(line, SMALL) for line in name.split("\n")) for name in shown]
    columns = next((n for n in range(len(names), 1, -1) if _legend_width(widths, n) <= width), 1)
    tallest = max(_height(name, SMALL) for name in shown)
    return columns, ceil(len(names) / columns) * (tallest + 0.04) + 0.12


def _legend_width(widths: Sequence[float], columns: int) -> float:
    """As matplotlib does it, names fill a legend column by column, the first ones with one more; a column is as wide as its widest name."""
    each, more = divmod(len(widths), columns)
    ends = [each * n + min(n, more) for n in range(columns + 1)]
    return sum(max(widths[start:end]) for start, end in pairwise(ends))


def _height(text: str, size: float) -> float:
    return (text.count("\n") + 1) * size * LINE if text else 0


def labels_of(figure: Figure) -> dict[str, str]:
    """Series → its name in the legend, which says so where nothing of it is there."""
    return {name: f"{name}: not measured here" if figure.is_absent(name) else name for name in figure.series}


def named_only(axis: Axes, label: str, style: Look) -> None:
    """A line without a point, for the legend."""
    axis.plot([], [], color=style.colour, linestyle=style.dash, marker=style.marker, label=label)


def absent(axis: Axes, text: str = "nothing at hand") -> None:
    """Say in an empty panel that it is empty."""
    axis.text(0.5, 0.5, text, transform=axis.transAxes, ha="center", va="center", fontsize=SMALL, style="italic")
    axis.set_xticks([])
    axis.set_yticks([])
