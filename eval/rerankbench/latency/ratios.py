"""How many times as long one system takes as another of its size, or a variant as its default: a ratio outlives its device."""

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
    """Embedding against generating rankers of one model size: E2Rank-8B and RankQwen3-8B, say. Then variants against their default.

    A generating ranker encodes no documents, so that its cold seconds also stand against those with documents at hand.
    """
    pairs = [(slow, fast) for fast in timed for slow in timed if _is_pair(slow, fast)]
    pairs += [(variant, default) for default in timed for variant in timed if _is_variant(variant, default)]
    for slow, fast in pairs:
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
    sizes = [t.cell.system.partition("-")[2] for t in (slow, fast)]
    variants = [dict(t.result.cell.system.variant) for t in (slow, fast)]
    alike = all(variants[0][key] == variants[1][key] for key in variants[0].keys() & variants[1].keys())
    return _measured(slow, fast) and kinds == ("listwise", "embedding") and sizes[0] == sizes[1] != "" and alike


def _is_variant(variant: Timed, default: Timed) -> bool:
    systems = variant.result.cell.system, default.result.cell.system
    of_one = systems[0].family == systems[1].family and variant.timing == default.timing
    return _measured(variant, default) and of_one and systems[1].is_default and not systems[0].is_default


def _measured(*timed: Timed) -> bool:
    return all(t.times and not t.flaws for t in timed) and len({t.place for t in timed}) == 1


def _settings(timed: Timed) -> tuple[str, str]:
    engine = timed.result.cell.system.engine
    return timed.cell.hardware, engine.kind if engine else ""


def _printed_ratio(slow: Timed, fast: Timed) -> str:
    """The paper's own: of its "overall", or with documents at hand of its "others"."""
    if slow.cell.system == fast.cell.system:
        return ""
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
