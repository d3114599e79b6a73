"""Hand-made figures that several tests draw, and what their artists hold."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from rerankbench.report.cells import Significance
from rerankbench.report.figure import PLOTS
from rerankbench.report.marks import Figure, Mark
from rerankbench.report.style import styled


def number(value: float | str | None) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def mark(panel: str, series: str, y: float | str | None, part: str = "point", x: float | None = None, **more: Any) -> Mark:
    half = more.pop("half", None)
    if half is not None and y is not None:
        more |= {"low": number(float(y) - half), "high": number(float(y) + half)}
    return Mark(panel, series, number(y), part, number(x), reason="" if y is not None else "no weights", **more)


def sure(significant: bool) -> Significance:
    return Significance("the default", -0.02, 0.01 if significant else 0.4, significant)


SWEEP = Figure(
    "sweep", "A sweep", "A caption.", "documents in prompt", "nDCG@10",
    (
        mark("DL19", "listwise", 10.0, x=1, half=2, against=sure(True)),
        mark("DL19", "listwise", 20.0, x=2, half=2, is_default=True),
        mark("DL19", "listwise", 40.0, x=3, half=3, against=sure(False)),
        mark("DL19", "BM25", 15.0, "level"),
    ),
)  # fmt: skip
BARS = Figure(
    "bars", "Bars", "", "nDCG@10, Avg.", "system",
    (
        mark("", "BM25", 43.425, "avg", half=3), mark("", "BM25", "43.43", "avg", source="paper"),
        mark("", "E2Rank", None, "avg"), mark("", "E2Rank", "52.09", "avg", source="paper"),
        mark("", "own", 30.0, "avg"), Mark("", "own", None, "avg", source="paper", reason="the paper prints none"),
    ),
    (("", ("BM25",)), ("Ours", ("E2Rank", "own"))),
)  # fmt: skip
A100, CPU = "the paper, NVIDIA A100 80G", "here, a CPU"
LATENCY = Figure(
    "latency", "Latency", "", "seconds a query", "system",
    (
        mark(A100, "fast", "0.50", "encode-documents-s", unit="seconds", source="paper"),
        mark(A100, "fast", "0.13", "others-s", unit="seconds", source="paper"),
        mark(A100, "fast", "0.63", "overall-s", unit="seconds", source="paper"),
        mark(A100, "slow", "4.58", "overall-s", unit="seconds", source="paper"),
        mark(CPU, "fast", 20.0, "overall-s", unit="seconds", half=2),
        mark(A100, "fast", 7.26984, "speed-up", unit="times slow", source="paper"),
        mark("", "slow", None, "overall-s", unit="seconds"),
    ),
    (("", ("fast", "slow")),),
)  # fmt: skip
SCORES = Figure(
    "scores", "Scores", "", "rank", "native score",
    (
        *(mark("DL19", "listwise", y, "mean score", rank, half=0.05) for rank, y in ((1, 0.8), (2, 0.7), (3, 0.6))),
        mark("DL19", "listwise", 0.65, "mean score, some queries", 4),
        mark("DL19", "listwise", -0.1, "slope"),
        mark("DL19", "query-only", None, "mean score"),
    ),
)  # fmt: skip
STAGES = Figure(
    "stages", "First stages", "", "nDCG@10", "first stage",
    (
        mark("DL19", "bm25", 50.0, "first stage"), mark("DL19", "bm25", 90.0, "ceiling"), mark("DL19", "bm25", 70.0, "E2Rank"),
        mark("DL19", "contriever", 60.0, "first stage"), mark("DL19", "contriever", 80.0, "ceiling"),
        mark("DL20", "bm25", None, "first stage"),
    ),
)  # fmt: skip
LOAD = Figure(
    "load", "Under load", "A caption.", "queries a second", "seconds",
    (
        *(mark("", "fast", y, part, x, unit="seconds", half=0.01) for x, y, part in ((1, 0.1, "p50"), (1, 0.3, "p99"), (4, 0.2, "p50"))),
        mark("", "fast", 0.9, "p99", 4, unit="seconds"),
        mark("", "fast", 5.0, "p50, not sustained", 8, unit="seconds"), mark("", "fast", 20.0, "p99, not sustained", 8, unit="seconds"),
        mark("", "fast", 0.9, "highest", 4, unit="seconds"),
        mark("", "slow", None, "p99", unit="seconds"),
        mark("", "p99 target, 1 s", 1.0, "level", unit="seconds"),
    ),
)  # fmt: skip
ALL = {"sweep": SWEEP, "bars": BARS, "latency": LATENCY, "scores": SCORES, "stages": STAGES, "load": LOAD}


@contextmanager
def plotted(figure: Figure) -> Iterator[Any]:
    """matplotlib's figure, laid out."""
    with styled():
        drawn = PLOTS[figure.kind](figure)
        drawn.draw_without_rendering()
        yield drawn


def lines(axis: Any) -> dict[str, list[tuple[float, float]]]:
    """Label → the points of every labelled line of an axis."""
    return {
        line.get_label(): list(zip(map(float, line.get_xdata()), map(float, line.get_ydata()), strict=True))
        for line in axis.get_lines()
        if not line.get_label().startswith("_")
    }


def widths(axis: Any) -> list[float]:
    """The lengths of all horizontal bars, from the top."""
    return [bar.get_width() for bar in sorted(axis.patches, key=lambda bar: bar.get_y())]


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "figure.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
