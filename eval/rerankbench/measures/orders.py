"""How alike two rankings of one query are, as the measures of reproducibility have it. Knows no judgement.

Source: Breuer, Ferro, Fuhr, Maistro, Sakai, Schaer and Soboroff, How to measure the reproducibility of system-oriented IR
experiments (2020), section 3.1; their package is repro_eval.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def tau_union(a: Sequence[str], b: Sequence[str]) -> float | None:
    """Kendall's tau union: the documents of both rankings are numbered in the order in which they come up, `a` before `b`, and
    Kendall's tau compares the numbers that stand at the same ranks. d1 d2 d3 and d1 d2 d4 are 1 2 3 and 1 2 4: tau is 1.

    It is Kendall's tau where both have the same documents. The longer ranking is cut to the shorter, because each rank needs
    a partner. None with fewer than two ranks.
    """
    return _tau_of_numbers(a, b, list(dict.fromkeys([*a, *b])))


def tau_union_by_id(a: Sequence[str], b: Sequence[str]) -> float | None:
    """`tau_union` as repro_eval (0.5.0) computes it: the union is numbered in the order of the document ids.

    Not the paper's: renaming documents changes it, and for the same documents it is not Kendall's tau. For comparing with
    figures that repro_eval has given, and for nothing else.
    """
    return _tau_of_numbers(a, b, sorted({*a, *b}))


def rank_biased_overlap(a: Sequence[str], b: Sequence[str], p: float = 0.8) -> float:
    """Rank-biased overlap, cut at the end of the longer ranking and divided by what equal rankings get there: 1 for those.

    As repro_eval and Clarke et al., Assessing top-k preferences (2021), compute it, whose depth is a constant (1000). Nothing
    is extrapolated. 1 for two empty rankings.

    Args:
        p: Persistence: 0.8 gives the first ten ranks some 97 % of the weight.
    """
    first, second = set[str](), set[str]()
    score = weights = 0.0
    weight = 1.0
    for position in range(max(len(a), len(b))):
        first.update(a[position : position + 1])
        second.update(b[position : position + 1])
        score += weight * len(first & second) / (position + 1)
        weights += weight
        weight *= p
    return score / weights if weights else 1.0


def _tau_of_numbers(a: Sequence[str], b: Sequence[str], union: Sequence[str]) -> float | None:
    """Kendall's tau between the numbers at the same ranks; they never tie, so tau-a and tau-b are one."""
    ranks = min(len(a), len(b))
    if ranks < 2:
        return None
    number = {doc_id: position for position, doc_id in enumerate(union)}
    first, second = (np.asarray([number[doc_id] for doc_id in ranking[:ranks]]) for ranking in (a, b))
    concordance = sum(int((np.sign(first[r + 1 :] - first[r]) * np.sign(second[r + 1 :] - second[r])).sum()) for r in range(ranks - 1))
    return concordance / (ranks * (ranks - 1) / 2)
