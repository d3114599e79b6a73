"""How sure a mean over queries is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rerankbench.errors import MeasureError

Numbers = NDArray[np.integer[Any]]

# Query numbers drawn at a time: 16 MB, whatever the number of resamples.
_DRAWN = 2_000_000
# … kept: 8 MB each at most, which is 400 queries …
_LARGEST_KEPT = 4_000_000
# … and averaged at a time: what fits a processor's cache, ten times as fast as all at once.
_AVERAGED = 64_000


def bootstrap_interval(values: Sequence[float], *, confidence: float = 0.95, resamples: int = 10_000, seed: int = 0) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean: queries are drawn with replacement, as many as there are.

    It says how far the mean would move with other queries of the same kind; noise of an engine between two runs over the
    same queries is another thing. Too narrow for fewer than some twenty queries, as every percentile bootstrap is.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), section 13.3.

    Args:
        values: One measure's value for every query.

    Returns:
        Lower and upper bound. The same arguments give the same bounds.

    Raises:
        MeasureError: there is no value, one is not finite, or an argument is out of its range.
    """
    sample = np.asarray(values, dtype=np.float64)
    if not sample.size or not np.isfinite(sample).all():
        raise MeasureError(f"A bootstrap interval needs at least one value, and finite ones; got {sample.size} values.")
    if not 0 < confidence < 1 or resamples < 1:
        raise MeasureError(f"A confidence lies between 0 and 1 and resamples are at least 1; got {confidence} and {resamples}.")
    means = np.concatenate([sample.take(drawn).mean(axis=1) for drawn in _drawn(sample.size, resamples, seed)])
    tail = (1 - confidence) / 2
    lower, upper = np.quantile(means, [tail, 1 - tail])
    return float(lower), float(upper)


def bootstrap_ratio_interval(
    numerators: Sequence[float], denominators: Sequence[float], *, confidence: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of the ratio of two means over the same queries, which are drawn in pairs.

    Args:
        numerators, denominators: Two values for every query, in the same order.

    Raises:
        MeasureError: they are not of equal number, or as `bootstrap_interval`; or a mean that is divided by may be 0 or less.
    """
    above, below = np.asarray(numerators, dtype=np.float64), np.asarray(denominators, dtype=np.float64)
    if above.shape != below.shape or not above.size or not (np.isfinite(above).all() and np.isfinite(below).all()):
        raise MeasureError(f"A ratio needs two finite values for every query; got {above.size} and {below.size} values.")
    if (below <= 0).any():
        raise MeasureError("A ratio needs denominators above 0.")
    ratios = np.concatenate(
        [above.take(drawn).mean(axis=1) / below.take(drawn).mean(axis=1) for drawn in _drawn(above.size, resamples, seed)]
    )
    tail = (1 - confidence) / 2
    lower, upper = np.quantile(ratios, [tail, 1 - tail])
    return float(lower), float(upper)


def _drawn(size: int, resamples: int, seed: int) -> Iterator[Numbers]:
    """Query numbers, a row a resample, a few rows at a time. A table draws the same ones for every row of a column: small ones are kept."""
    step = max(1, _AVERAGED // size)
    for batch in (_kept(size, resamples, seed),) if size * resamples <= _LARGEST_KEPT else _batches(size, resamples, seed):
        for first in range(0, len(batch), step):
            yield batch[first : first + step]


@lru_cache(maxsize=24)
def _kept(size: int, resamples: int, seed: int) -> Numbers:
    small = np.min_scalar_type(size)
    return np.concatenate([drawn.astype(small) for drawn in _batches(size, resamples, seed)])


def _batches(size: int, resamples: int, seed: int) -> Iterator[Numbers]:
    generator = np.random.default_rng(seed)
    step = max(1, _DRAWN // size)
    for first in range(0, resamples, step):
        yield generator.integers(size, size=(min(step, resamples - first), size))
