"""What a second of waiting buys: effectiveness over seconds a query, of our runs on each device, and of the paper on its own."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from rerankbench.config import Experiment
from rerankbench.config.schema import TradeoffChoice
from rerankbench.engines.random_weights import CAVEAT as RANDOM
from rerankbench.experiment import Result
from rerankbench.figures.latency import PAPER_HARDWARE
from rerankbench.latency import Timed, timed_rows
from rerankbench.measures.latency import OVERALL
from rerankbench.plan import TIMED_AS, encodes_documents
from rerankbench.reference.paper import load as load_paper
from rerankbench.reference.verdict import exact, mean
from rerankbench.report.marks import Figure, Mark, mark_of
from rerankbench.report.tradeoff_figure import FRONT, LEVEL
from rerankbench.tables import cell_of, title_of

PAPER_BENCHMARK = "trec-covid"
PAPER_PANEL = f"the paper: TREC-COVID, {PAPER_HARDWARE}"
SECONDS: dict[str, tuple[str, ...]] = {"cold": ("12", "13"), "documents-warm": ("12",)}
"""Timing → the paper's tables that print seconds of it; its quality stands in Table 1."""
COLUMNS = {"cold": OVERALL, "documents-warm": "others-s"}
NO_MODEL = {"identity": "", "oracle": "the judgements' own order", "run": "a run file from elsewhere, which was not timed here"}
"""Ranker kinds whose seconds are no model's; of the first stage the level is drawn."""
CAPTION = (
    "Means over queries that were ranked one at a time; up and to the left is better. Pareto front: the systems that no other one of a"
    " panel is both faster and better than; one that encodes no documents takes as long with documents at hand as cold."
    " Panels of different hardware or lists are not to be compared."
)
INTERVALS = "Bars: 95 % bootstrap interval over queries."
THE_PAPERS = "Hollow: nDCG@10 of the paper's Table 1 over the seconds of its Tables 12 and 13."


def tradeoff_of(choice: TradeoffChoice, experiment: Experiment, results: Sequence[Result], runs: Path) -> Figure:
    """A panel a device and candidate lists, a mark a system and timing; the paper's in a panel of its own.

    Random weights and drawn text have no quality: they are left out, and the caption says so.
    """
    shown = [t for t in timed_rows(experiment, results, runs) if t.timing != "throughput"]
    left_out = {t.name: reason for t in shown if (reason := _no_quality(t, experiment))}
    ours = [mark for t in shown if t.name not in left_out for mark in _marks(t, experiment, runs)]
    marks = [*dict.fromkeys(ours), *(_papers(experiment) if choice.paper else ())]
    readers = {t.name for t in shown if not encodes_documents(t.result.cell.system)} | {row.system for row in load_paper().rows("13")}
    fronts = [mark for panel in dict.fromkeys(m.panel for m in marks) for mark in _fronts([m for m in marks if m.panel == panel], readers)]
    said = [CAPTION, INTERVALS if any(m.interval for m in marks) else "", THE_PAPERS if choice.paper else "", _said(left_out), choice.note]
    caption = " ".join(filter(None, said))
    return Figure(
        "tradeoff", experiment.file.title, caption, "seconds a query", experiment.file.measures[0], (*marks, *fronts)
    )  # fmt: skip


def _no_quality(timed: Timed, experiment: Experiment) -> str:
    """Why a system's order says nothing about quality, or its seconds nothing about a model; empty where both do."""
    cell, manifest = timed.result.cell, timed.result.manifest or {}
    if cell.benchmark in experiment.file.synthetic:
        return "drawn text"
    if manifest.get("caveat") == RANDOM:
        return RANDOM
    return NO_MODEL.get(cell.system.ranker.kind, "")


def _said(left_out: dict[str, str]) -> str:
    reasons: dict[str, list[str]] = {}
    for name, reason in left_out.items():
        reasons.setdefault(reason, []).append(name)
    return " ".join(f"Left out: {', '.join(names)} ({reason})." for reason, names in reasons.items())


def _marks(timed: Timed, experiment: Experiment, runs: Path) -> Iterator[Mark]:
    cell, scored = timed.result.cell, cell_of(timed.result, experiment, runs)
    lists = f"{title_of(cell.benchmark, experiment)}, {cell.first_stage} top {cell.depth}"
    panel = f"{lists}; here, {timed.cell.hardware or 'not measured'}"
    if not timed.times:  # what keeps it from having seconds, which need not keep it from having a score
        series = f"{timed.name} ({TIMED_AS[timed.timing]})" if len(experiment.timings) > 1 else timed.name
        yield Mark("", series, None, TIMED_AS[timed.timing], reason=timed.cell.reason, hint=timed.cell.hint)
        return
    if cell.system.ranker.kind == "identity":
        yield replace(mark_of(scored, panel, timed.name, LEVEL), verdict=None)
        return
    place = exact(mean(timed.seconds(OVERALL)))
    made = replace(mark_of(scored, panel, timed.name, TIMED_AS[timed.timing], place), verdict=None)
    yield replace(made, remarks=tuple(dict.fromkeys((*made.remarks, *timed.flaws))))


def _papers(experiment: Experiment) -> Iterator[Mark]:
    """Systems whose seconds and nDCG@10 the paper prints, of the timings that the experiment has."""
    paper = load_paper()
    for timing in (timing for timing in COLUMNS if timing in experiment.timings):
        for table in SECONDS[timing]:
            for row in paper.rows(table):
                seconds, quality = paper.cell(table, row.system, COLUMNS[timing]), paper.cell("1", row.system, PAPER_BENCHMARK)
                if seconds is not None and quality is not None and seconds.number is not None and quality.number is not None:
                    place, of = seconds.number, {"source": "paper", "hardware": PAPER_HARDWARE}
                    yield Mark(PAPER_PANEL, row.system, quality.number, TIMED_AS[timing], place, **of)  # type: ignore[arg-type]


def _fronts(marks: Sequence[Mark], readers: Collection[str]) -> Iterator[Mark]:
    """The front of each timing: cold systems are not held against others that had their documents at hand.

    Args:
        readers: Systems that encode no documents apart from their prompts, whose cold seconds stand for any timing.
    """
    for timing in dict.fromkeys(mark.part for mark in marks if mark.x is not None):
        yield from _front([mark for mark in marks if mark.part == timing or mark.series in readers], timing)


def _front(marks: Sequence[Mark], timing: str) -> Iterator[Mark]:
    """The marks that no other one is as fast as and better than, or as good as and faster than; from the fastest on."""
    best: Decimal | None = None
    placed = [(mark.x, mark.y, mark) for mark in marks if mark.x is not None and mark.y is not None]
    for x, y, mark in sorted(placed, key=lambda one: (one[0], -one[1])):
        if best is None or y > best:
            best = y
            yield Mark(mark.panel, mark.series, y, f"{FRONT}, {timing}", x, source=mark.source, hardware=mark.hardware)
