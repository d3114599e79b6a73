"""A measure over one swept number, a panel a benchmark. Draws what it is given; knows no run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rerankbench.errors import MissingExtra

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = ("svg", "png")
# Okabe and Ito, Color universal design (2008): told apart by colour-blind readers; shapes and dashes tell them apart in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")
MARKERS = ("o", "s", "^", "D", "v")
DASHES = ((0, (5, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)))
STYLE: Any = {  # matplotlib types the keys one by one
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "svg.hashsalt": "rerankbench",  # else every drawing of the same data has other ids
    "svg.fonttype": "none",
    "text.parse_math": False,  # a title may hold dollar signs
}


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a series; values and intervals in percent points."""

    panel: str
    series: str
    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Level:
    """A system that is not swept: a horizontal line."""

    panel: str
    label: str
    y: float


@dataclass(frozen=True, slots=True)
class SweepFigure:
    """What is drawn.

    Attributes:
        title, caption: Above and below the panels.
        x_label, y_label: Names of the axes.
    """

    title: str
    caption: str
    x_label: str
    y_label: str
    points: tuple[Point, ...]
    levels: tuple[Level, ...]


def draw(figure: SweepFigure, folder: Path) -> list[Path]:
    """Write ``figure.svg`` and ``figure.png`` into a folder; the same data gives the same SVG.

    A figure without points writes nothing.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    if not figure.points:
        return []
    mpl, new_figure = matplotlib()
    panels = list(dict.fromkeys(p.panel for p in figure.points))
    with mpl.rc_context(STYLE):
        drawn = new_figure(figsize=(4.2 * len(panels), 3.8), layout="constrained")
        axes = drawn.subplots(1, len(panels), squeeze=False)[0]
        for panel, axis in zip(panels, axes, strict=True):
            _draw_panel(figure, panel, axis)
        axes[0].set_ylabel(figure.y_label)
        drawn.suptitle(figure.title, fontsize=10)
        drawn.supxlabel(figure.caption, fontsize=7.5)
        named = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
        drawn.legend(list(named.values()), list(named), loc="outside right center")
        return [save(drawn, folder / f"figure.{format_}", format_) for format_ in FORMATS]


def matplotlib() -> tuple[Any, Any]:
    """The library, and its class of figures that belong to no window."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("a figure", "figures", str(error)) from error
    return mpl, Figure


def _draw_panel(figure: SweepFigure, panel: str, axis: Axes) -> None:
    series = list(dict.fromkeys(p.series for p in figure.points))
    for name, colour, marker in zip(series, cycle(COLOURS), cycle(MARKERS), strict=False):
        points = sorted((p for p in figure.points if (p.panel, p.series) == (panel, name)), key=lambda p: p.x)
        xs = [p.x for p in points]
        axis.plot(xs, [p.y for p in points], color=colour, marker=marker, markersize=4.5, linewidth=1.4, label=name)
        axis.fill_between(xs, [p.low for p in points], [p.high for p in points], color=colour, alpha=0.12, linewidth=0)
    for level, dash in zip((one for one in figure.levels if one.panel == panel), cycle(DASHES), strict=False):
        axis.axhline(level.y, color="0.25", linestyle=dash, linewidth=1.2, label=level.label)
    ticks = _ticks(figure.points)
    if min(ticks) > 0 and max(ticks) >= 8 * min(ticks):
        axis.set_xscale("log")
        axis.minorticks_off()
    axis.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axis.set_title(panel, fontsize=9.5)
    axis.set_xlabel(figure.x_label)


def _ticks(points: Sequence[Point]) -> list[float]:
    return sorted({p.x for p in points})


def save(drawn: Any, path: Path, format_: str) -> Path:
    dates: dict[str, None] = {"Date": None} if format_ == "svg" else {}
    drawn.savefig(path, format=format_, dpi=160, metadata=dates)
    return path
