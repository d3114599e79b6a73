"""Seconds a query as stacked bars, a panel a device: times of different hardware never share an axis. Knows no run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rerankbench.report.frame import absent, frame
from rerankbench.report.marks import Figure, Mark
from rerankbench.report.style import COLOURS, INK, QUIET, SMALL, wrapped

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


def plot_latency(figure: Figure) -> Drawn:
    """A panel a device, a bar a system, its parts stacked; the speed-up of a pair behind its faster bar."""
    parts = [part for part in dict.fromkeys(m.part for m in figure.marks) if part not in {OVERALL, SPEED_UP}]
    fills = {**dict(zip(parts, FILLS, strict=False)), OVERALL: WHOLE}
    names = [LABELS.get(part, part) for part in fills]
    longest = max(len(_bars(figure, panel)) for panel in figure.panels)
    made = frame(
        figure.title,
        figure.words(),
        len(figure.panels),
        0.75 + BAR_IN * (longest + len(figure.groups) * 0.5),
        names,
        columns=min(2, len(figure.panels)),
    )
    legend: dict[str, Any] = {}
    for panel, axis in zip(figure.panels, made.axes, strict=True):
        legend |= _draw_panel(axis, figure, panel, fills)
    made.legend(legend)
    return made.drawn


def _bars(figure: Figure, panel: str) -> list[str]:
    return list(dict.fromkeys(mark.series for mark in figure.of(panel)))


def _draw_panel(axis: Axes, figure: Figure, panel: str, fills: dict[str, tuple[str, str]]) -> dict[str, Any]:
    legend: dict[str, Any] = {}
    at, ticks, bars = 0.0, {}, _bars(figure, panel)
    groups = [[name for name in names if name in bars] for _, names in figure.groups] or [bars]
    for names in groups:
        for name in names:
            ticks[name] = at + 0.5
            legend |= _draw_bar(axis, figure.of(panel, name), at + 0.5, fills)
            at += 1
        at += 0.5
    axis.set_yticks(list(ticks.values()), [wrapped(name, NAME_IN, SMALL, lines=2) for name in ticks])
    axis.set_ylim(max(at - 0.3, 1), -0.2)
    longest = max((float(m.y) for m in figure.of(panel) if m.y is not None and m.unit == "seconds"), default=0)
    axis.set_xlim(0, longest * 1.3 or 1)  # room for the number behind the longest bar
    axis.set_title(wrapped(panel, 3.0, SMALL + 1, lines=2))
    axis.set_xlabel(figure.x_label)
    axis.grid(visible=False, axis="y")
    axis.tick_params(axis="y", length=0)
    if not longest:
        absent(axis)
    return legend


def _draw_bar(axis: Axes, marks: Sequence[Mark], at: float, fills: dict[str, tuple[str, str]]) -> dict[str, Any]:
    """The parts of one system beside each other, else the whole; behind them the whole time and the speed-up."""
    values = {mark.part: float(mark.y) for mark in marks if mark.y is not None}
    stacked = {part: values[part] for part in fills if part in values and part != OVERALL} or {
        k: v for k, v in values.items() if k == OVERALL
    }
    legend, end = {}, 0.0
    for part, seconds in stacked.items():
        colour, hatch = fills[part]
        bar = axis.barh([at], [seconds], left=[end], height=0.75, facecolor=colour, edgecolor=INK, linewidth=0.6, hatch=hatch, zorder=2)
        legend[LABELS.get(part, part)] = bar
        end += seconds
    end = max([end, *(m.interval[1] for m in marks if m.interval and m.part == OVERALL)])
    for mark in marks:
        if mark.part == OVERALL and mark.interval is not None:
            axis.hlines([at], [mark.interval[0]], [mark.interval[1]], color=INK, linewidth=0.9, zorder=3)
    if not stacked:
        axis.plot([0], [at], "x", color=QUIET, markersize=4, clip_on=False, zorder=4)
        return legend
    said = _seconds(next((m for m in marks if m.part == OVERALL and m.y is not None), None), sum(stacked.values()))
    faster = f", {values[SPEED_UP]:.1f}× faster" if SPEED_UP in values else ""
    axis.annotate(f"{said} s{faster}", (end, at), (2.5, 0), textcoords="offset points", fontsize=SMALL, va="center")
    return legend


def _seconds(overall: Mark | None, total: float) -> str:
    """As the paper prints it; ours with three figures."""
    if overall is not None and overall.source == "paper":
        return f"{overall.y}"
    return f"{float(overall.y) if overall is not None and overall.y is not None else total:.3g}"
