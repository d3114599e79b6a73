"""Seconds a query as stacked bars, a panel a device: times of different hardware never share an axis. Knows no run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rerankbench.reference.verdict import as_printed
from rerankbench.report.frame import absent, frame
from rerankbench.report.marks import Figure, Mark
from rerankbench.report.style import COLOURS, INK, SMALL, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawn

BAR_IN = 0.2
NAME_IN = 1.2
OVERALL, SPEED_UP = "overall-s", "speed-up"
"""Parts: the whole time of a system, and how many times faster than the next one of its group it is."""
FILLS: tuple[tuple[str, str], ...] = ((COLOURS[0], ""), (COLOURS[1], "\\\\\\\\"), (COLOURS[2], "...."), (COLOURS[3], "xxxx"))
WHOLE: tuple[str, str] = ("#bdbdbd", "")
LABELS = {"encode-documents-s": "encode documents", "others-s": "others", OVERALL: "overall, not split"}
ABSENT = "not measured here"
Fills = Mapping[str, tuple[str, str]]
"""Part → its colour and hatch."""


def plot_latency(figure: Figure) -> Drawn:
    """A panel a device, a bar a system, its parts stacked; the speed-up of a pair behind its faster bar."""
    parts = [part for part in dict.fromkeys(m.part for m in figure.marks) if part not in {OVERALL, SPEED_UP}]
    fills = {**dict(zip(parts, FILLS, strict=False)), OVERALL: WHOLE}
    names = [LABELS.get(part, part) for part in fills]
    longest = max(len(_bars(figure, panel)) for panel in figure.panels)
    height = 0.55 + BAR_IN * (longest + len(figure.groups) * 0.5)
    made = frame(figure, height, [*names, ABSENT], columns=min(2, len(figure.panels)), beside_in=NAME_IN)
    for panel, axis in zip(figure.panels, made.axes, strict=True):
        _draw_panel(axis, figure, panel, fills)
    made.legend()
    return made.drawn


def _bars(figure: Figure, panel: str) -> list[str]:
    return list(dict.fromkeys(mark.series for mark in figure.of(panel)))


def _draw_panel(axis: Axes, figure: Figure, panel: str, fills: Fills) -> None:
    at, ticks, bars = 0.0, {}, _bars(figure, panel)
    groups = [[name for name in names if name in bars] for _, names in figure.groups] or [bars]
    for names in groups:
        for name in names:
            ticks[name] = at + 0.5
            _draw_bar(axis, figure.of(panel, name), at + 0.5, fills)
            at += 1
        at += 0.5
    axis.set_yticks(list(ticks.values()), [wrapped(name, NAME_IN, SMALL, lines=2) for name in ticks])
    axis.set_ylim(max(at - 0.3, 1), -0.2)
    known = [value for m in figure.of(panel) if m.unit == "seconds" for value in (m.y, m.high) if value is not None]
    axis.set_xlim(0, float(max(known, default=1)) * 1.3 or 1)  # room for the number behind the longest bar
    axis.grid(visible=False, axis="y")
    axis.tick_params(axis="y", length=0)
    if not known:
        absent(axis)


def _draw_bar(axis: Axes, marks: Sequence[Mark], at: float, fills: Fills) -> None:
    """The parts of one system beside each other, or the whole where it has no parts; behind it the whole time and the speed-up."""
    values = {mark.part: float(mark.y) for mark in marks if mark.y is not None}
    split = [part for part in fills if part in values and part != OVERALL]
    end = 0.0
    for part in split or [part for part in (OVERALL,) if part in values]:
        colour, hatch = fills[part]
        look: dict[str, Any] = {"facecolor": colour, "edgecolor": INK, "hatch": hatch, "linewidth": 0.6}
        axis.barh([at], [values[part]], left=[end], height=0.75, zorder=2, label=LABELS.get(part, part), **look)
        end += values[part]
    for mark in marks:
        if mark.part == OVERALL and mark.interval is not None:
            axis.hlines([at], [mark.interval[0]], [mark.interval[1]], color=INK, linewidth=0.9, zorder=3)
            end = max(end, mark.interval[1])
    if values:
        axis.annotate(_said(marks), (end, at), (2.5, 0), textcoords="offset points", fontsize=SMALL, va="center")
    else:
        axis.plot([0], [at], "x", color=INK, markersize=4, clip_on=False, zorder=4, label=ABSENT)


def _said(marks: Sequence[Mark]) -> str:
    """The whole time, the paper's as printed and ours with three figures, and the speed-up."""
    of = {mark.part: mark for mark in marks if mark.y is not None}
    seconds = of[OVERALL].y if OVERALL in of else sum((mark.y for mark in of.values() if mark.y and mark.unit == "seconds"), Decimal(0))
    printed = OVERALL in of and of[OVERALL].source == "paper"
    decimals = 0 if seconds and seconds >= 100 else 1 if seconds and seconds >= 10 else 2
    text = f"{seconds}" if printed else as_printed(seconds or Decimal(0), decimals)
    return f"{text} s" + (f", {as_printed(of[SPEED_UP].y or Decimal(0), 1)}× faster" if SPEED_UP in of else "")
