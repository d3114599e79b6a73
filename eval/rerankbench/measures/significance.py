"""Whether two systems differ by more than chance, from their differences query by query. Knows no run and no measure.

numpy and one function of scipy, not ranx: importing ranx (0.3.21) and compiling its test takes seconds, its draws run in several
threads of which one alone gets the seed (the same call gave p = 0.0050, 0.0046 and 0.0062), it never enumerates, and it compares
rounded means without slack. Tests hold our results to scipy's and ranx's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rerankbench.errors import MeasureError, MissingExtra
from rerankbench.protocols import Doubles

# Signs drawn at a time: 16 MB, whatever the number of draws.
_DRAWN = 2_000_000
# Sums of the same differences with other signs round differently, by some 1e-16 of their size.
_SLACK = 1e-12


@dataclass(frozen=True, slots=True)
class RandomisationTest:
    """How often chance alone would part two systems as far.

    Attributes:
        p: Two-sided.
        is_exact: All sign patterns were counted; else `p` is estimated from drawn ones, never as 0.
        lowest: The smallest p that this test could have given.
    """

    p: float
    is_exact: bool
    lowest: float


@dataclass(frozen=True, slots=True)
class TTest:
    """Student's t of the paired differences, and its two-sided p."""

    t: float
    p: float


def randomisation_tests(differences: Doubles, *, permutations: int = 10_000, seed: int = 0) -> list[RandomisationTest]:
    """Paired two-sided randomisation (sign-flip) test of each row of differences.

    The null hypothesis is that the two systems could swap their values on any query. Where all swaps are no more than
    `permutations`, all are counted (queries without a difference need no swap); elsewhere p = (1 + as extreme) / (1 + drawn).
    Every row meets the same drawn signs: a pair's p does not depend on what else is compared, nor on its direction.

    Source: Smucker, Allan and Carterette, A comparison of statistical significance tests for information retrieval evaluation
    (2007); the added one: Phipson and Smyth, Permutation p-values should never be zero (2010).

    Args:
        differences: Shape (pairs, queries).

    Raises:
        MeasureError: there is no query, a difference is not finite, or `permutations` is below 1.
    """
    if differences.ndim != 2 or not differences.shape[1] or not np.isfinite(differences).all() or permutations < 1:
        raise MeasureError("A randomisation test needs at least one query, finite differences and at least one draw.")
    changed = [row[row != 0] for row in differences]
    exact = [2.0 ** len(row) <= permutations for row in changed]
    drawn = np.flatnonzero(~np.asarray(exact, dtype=bool))
    extreme = iter(_drawn_extreme(differences[drawn], permutations, seed)) if drawn.size else iter(())
    return [_enumerated(row) if whole else _estimated(next(extreme), permutations) for row, whole in zip(changed, exact, strict=True)]


def t_test(differences: Sequence[float]) -> TTest | None:
    """Paired two-sided t-test of the mean difference.

    Returns:
        None where it is not defined: fewer than two queries, or the same difference on each of them.

    Raises:
        MissingExtra: scipy is not installed.
    """
    spread = standard_deviation(differences)
    if not spread:
        return None
    try:
        from scipy.special import stdtr  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtra("The t-test", "statistics", str(error)) from error
    n = len(differences)
    t = math.fsum(differences) / n / (spread / math.sqrt(n))
    return TTest(t, float(2 * stdtr(n - 1, -abs(t))))


def standard_deviation(values: Sequence[float]) -> float:
    """With n - 1; 0 for fewer than two values, and where their spread is only rounding."""
    if len(values) < 2:
        return 0.0
    spread = float(np.std(np.asarray(values, dtype=np.float64), ddof=1))
    return spread if spread > _SLACK * max(map(abs, values)) else 0.0


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted for being a family, in the order given: reject where the adjusted one is at most alpha.

    Source: Holm, A simple sequentially rejective multiple test procedure (1979).
    """
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, position in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[position]))
        adjusted[position] = highest
    return adjusted


def _enumerated(differences: Doubles) -> RandomisationTest:
    sums = np.zeros(1)
    for difference in differences:
        sums = np.concatenate((sums + difference, sums - difference))
    extreme = np.abs(sums) >= _threshold(differences[np.newaxis])[0]
    return RandomisationTest(float(extreme.mean()), is_exact=True, lowest=min(1.0, 2 / len(sums)))


def _estimated(extreme: int, permutations: int) -> RandomisationTest:
    return RandomisationTest((1 + extreme) / (1 + permutations), is_exact=False, lowest=1 / (1 + permutations))


def _drawn_extreme(differences: Doubles, permutations: int, seed: int) -> list[int]:
    """For each row, how many drawn sign patterns give a sum at least as far from 0."""
    threshold = _threshold(differences)
    counts = np.zeros(len(differences), dtype=np.int64)
    for signs in _signs(permutations, differences.shape[1], seed):
        counts += (np.abs(signs @ differences.T) >= threshold).sum(axis=0)
    return [int(count) for count in counts]


def _signs(permutations: int, queries: int, seed: int) -> Iterator[Doubles]:
    generator = np.random.default_rng(seed)
    step = max(1, _DRAWN // queries)
    for first in range(0, permutations, step):
        yield np.where(generator.random((min(step, permutations - first), queries)) < 0.5, 1.0, -1.0)


def _threshold(differences: Doubles) -> Doubles:
    threshold: Doubles = np.abs(differences.sum(axis=1)) - _SLACK * np.abs(differences).sum(axis=1)
    return threshold
