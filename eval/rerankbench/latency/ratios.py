"""How many times as long one system takes as another of its size: a ratio outlives its device, seconds do not."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from rerankbench.config import Experiment
from rerankbench.latency.runs import Timed, heading
from rerankbench.measures.interval import bootstrap_ratio_interval
from rerankbench.measures.latency import OVERALL
from rerankbench.reference.paper import load as load_paper
from rerankbench.reference.verdict import as_printed, mean


def ratios(timed: Sequence[Timed], experiment: Experiment) -> Iterator[str]:
    """Embedding against generating rankers of one model size: E2Rank-8B and RankQwen3-8B, say.

    A generating ranker encodes no documents, so that its cold seconds also stand against those with documents at hand.
    """
    for slow, fast in ((slow, fast) for fast in timed for slow in timed if _is_pair(slow, fast)):
        of_fast = f"{fast.name} ({heading(fast, timed, experiment)})" if heading(fast, timed, experiment) else fast.name
        if _settings(slow) != _settings(fast):
            yield f"no ratio of {slow.name} to {of_fast}: hardware or engine differ"
            continue
        above, below = slow.seconds(OVERALL), fast.seconds(OVERALL)
        low, high = bootstrap_ratio_interval(above, below)
        yield (
            f"{slow.name} takes {short(mean(above) / mean(below))} times as long as {of_fast}"
            f" (95 % interval {short(low)}–{short(high)}{_printed_ratio(slow, fast)})"
        )


def _is_pair(slow: Timed, fast: Timed) -> bool:
    kinds = slow.result.cell.system.ranker.kind, fast.result.cell.system.ranker.kind
    sizes = [t.name.partition("-")[2] for t in (slow, fast)]
    measured = all(t.times and not t.flaws for t in (slow, fast))
    return measured and slow.place == fast.place and kinds == ("listwise", "embedding") and sizes[0] == sizes[1] != ""


def _settings(timed: Timed) -> tuple[str, str]:
    engine = timed.result.cell.system.engine
    return timed.cell.hardware, engine.kind if engine else ""


def _printed_ratio(slow: Timed, fast: Timed) -> str:
    """The paper's own: of its "overall", or with documents at hand of its "others"."""
    paper, quantity = load_paper(), "others-s" if fast.timing == "documents-warm" else OVERALL
    above, below = paper.cell("13", slow.cell.system, OVERALL), paper.cell("12", fast.cell.system, quantity)
    if above is None or below is None or above.number is None or below.number is None:
        return ""
    return f"; by the paper {as_printed(above.number / below.number, 2)}"


def short(seconds: float) -> str:
    """Three figures, without an exponent."""
    if seconds <= 0:
        return "0"
    return f"{seconds:.{max(0, 2 - math.floor(math.log10(seconds)))}f}"
