"""A figure's files: SVG, PDF and PNG in the one style, and the data beside them. The one place that knows every kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rerankbench.report.bar_figure import plot_bars
from rerankbench.report.latency_figure import plot_latency
from rerankbench.report.load_figure import plot_load
from rerankbench.report.marks import Figure, Kind, marks_csv
from rerankbench.report.score_figure import plot_scores
from rerankbench.report.stage_figure import plot_stages
from rerankbench.report.style import save, styled
from rerankbench.report.sweep_figure import plot_sweep
from rerankbench.report.tradeoff_figure import plot_tradeoff

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawn

PLOTS: Mapping[Kind, Callable[[Figure], Drawn]] = {
    "sweep": plot_sweep,
    "bars": plot_bars,
    "latency": plot_latency,
    "scores": plot_scores,
    "stages": plot_stages,
    "load": plot_load,
    "tradeoff": plot_tradeoff,
}


def draw(figure: Figure, folder: Path) -> list[Path]:
    """Write ``figure.svg``, ``figure.pdf``, ``figure.png`` and ``figure.csv`` into a folder; the same figure gives the same bytes.

    A figure whose values are all missing is drawn too, and says so.

    Raises:
        MissingExtra: matplotlib is not installed; nothing is written.
    """
    with styled():
        paths = save(PLOTS[figure.kind](figure), folder)
    data = folder / "figure.csv"
    data.write_text(marks_csv(figure.marks), encoding="utf-8")
    return [*paths, data]
