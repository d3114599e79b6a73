"""How sure a mean over queries is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rerankbench.errors import MeasureError

# Query numbers drawn at a time: 16 MB, whatever the number of resamples.
_DRAWN = 2_000_000


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
    generator = np.random.default_rng(seed)
    means = np.empty(resamples)
    step = max(1, _DRAWN // sample.size)
    for first in range(0, resamples, step):
        drawn = generator.integers(sample.size, size=(min(step, resamples - first), sample.size))
        means[first : first + step] = sample[drawn].mean(axis=1)
    tail = (1 - confidence) / 2
    lower, upper = np.quantile(means, [tail, 1 - tail])
    return float(lower), float(upper)
