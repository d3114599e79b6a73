"""How a ranker's native scores fall from rank to rank, averaged over queries (the paper's section 4.6 and its Figure 3).

Scores say how sharply a ranker tells documents apart; whether it tells the right ones apart, only judgements say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rerankbench.errors import MeasureError
from rerankbench.measures.interval import bootstrap_interval

Floats = npt.NDArray[np.float64]
HEAD = 10
"""Ranks that `contrast` sets apart from the rest: those that nDCG@10 looks at."""
RESAMPLES = 10_000


@dataclass(frozen=True, slots=True)
class RankScore:
    """The scores at one rank.

    Attributes:
        rank: From 1.
        mean: Over the queries whose lists reach this rank.
        low, high: 95 % bootstrap interval of the mean over those queries.
        queries: How many they are.
    """

    rank: int
    mean: float
    low: float
    high: float
    queries: int


@dataclass(frozen=True, slots=True)
class Summary:
    """One number a query that says how its scores fall, averaged over the queries that have it.

    Attributes:
        name: ``first`` and ``last``: the highest and lowest score. ``spread``: their difference. ``slope``: of the least-squares line
            through the scores, a rank. ``contrast``: the mean of the first 10 less the mean of the others.
    """

    name: str
    mean: float
    low: float
    high: float
    queries: int


@dataclass(frozen=True, slots=True)
class ScoreCurve:
    """All ranks from the first to the end of the longest list.

    Attributes:
        queries: How many lists there are; a rank with fewer is averaged over other queries than the one before.
    """

    ranks: tuple[RankScore, ...]
    summaries: tuple[Summary, ...]
    queries: int


def score_curve(scores: Sequence[Sequence[float]]) -> ScoreCurve:
    """Sort each query's scores from high to low and average them rank by rank.

    Where all lists are equally long, the means fall or stay from rank to rank. Where they are not, they can rise: the queries change.

    Args:
        scores: Native scores of each query's documents, in any order.

    Raises:
        MeasureError: there is no score, or one is not finite.
    """
    lists = [np.sort(np.asarray(of, dtype=np.float64))[::-1] for of in scores]
    lists = sorted((of for of in lists if of.size), key=len, reverse=True)
    if not lists or not all(np.isfinite(of).all() for of in lists):
        raise MeasureError(f"A curve of scores needs at least one score, and finite ones; got {len(lists)} lists.")
    return ScoreCurve(tuple(_ranks(lists)), tuple(_summaries(lists)), len(lists))


def _ranks(lists: Sequence[Floats]) -> Iterator[RankScore]:
    """Rank by rank; ranks that the same lists reach are resampled together, which draws the same queries for all of them."""
    lengths = [len(of) for of in lists]
    for start, end in zip([0, *sorted(set(lengths))], sorted(set(lengths)), strict=False):
        reached = sum(length >= end for length in lengths)
        block = np.stack([of[start:end] for of in lists[:reached]])
        lows, highs = _intervals(block)
        for i, mean in enumerate(block.mean(axis=0)):
            yield RankScore(start + i + 1, float(mean), float(lows[i]), float(highs[i]), reached)


def _intervals(block: Floats, seed: int = 0) -> tuple[Floats, Floats]:
    """`bootstrap_interval` of every column, drawn once for all: the same numbers up to rounding.

    Args:
        block: Shape (queries, ranks).
    """
    queries = len(block)
    drawn = np.random.default_rng(seed).integers(queries, size=(RESAMPLES, queries))
    counts = np.zeros((RESAMPLES, queries))
    np.add.at(counts, (np.arange(RESAMPLES)[:, None], drawn), 1)
    lower, upper = np.quantile(counts @ block / queries, [0.025, 0.975], axis=0)
    return lower, upper


def _summaries(lists: Sequence[Floats]) -> Iterator[Summary]:
    """Each over the queries that have it: a slope takes two documents, a contrast more than ten."""
    kinds: dict[str, tuple[int, Callable[[Floats], float]]] = {
        "first": (1, lambda of: of[0]),
        "last": (1, lambda of: of[-1]),
        "spread": (1, lambda of: of[0] - of[-1]),
        "slope": (2, _slope),
        "contrast": (HEAD + 1, lambda of: of[:HEAD].mean() - of[HEAD:].mean()),
    }
    for name, (least, value) in kinds.items():
        values = [float(value(of)) for of in lists if len(of) >= least]
        if values:
            low, high = bootstrap_interval(values)
            yield Summary(name, float(np.mean(values)), low, high, len(values))


def _slope(of: Floats) -> float:
    ranks = np.arange(len(of)) - (len(of) - 1) / 2
    return float(ranks @ of / (ranks @ ranks))
