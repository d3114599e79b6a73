"""The highest rate that holds: doubled until one does not, then bisected. Knows nothing of what it is that a rate holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping

DOUBLINGS = 12
"""A system that still holds after so many is faster than this search asks."""


def bracket(tried: Mapping[float, bool]) -> tuple[float | None, float | None]:
    """The highest rate that holds with every lower one that was tried, and the lowest that does not; None where there is none.

    A rate that holds above one that does not is luck, and does not count.
    """
    high = min((rate for rate, holds in tried.items() if not holds), default=None)
    low = max((rate for rate, holds in tried.items() if holds and (high is None or rate < high)), default=None)
    return low, high


def search(
    holds: Callable[[float], bool],
    start: float,
    *,
    steps: int,
    tried: Mapping[float, bool] | None = None,
    is_hopeless: Callable[[], bool] = lambda: False,
) -> dict[float, bool]:
    """Try rates until the highest that holds is known to within the last bisection.

    Args:
        holds: Tries a rate.
        start: Where to begin when nothing was tried before.
        steps: Bisections.
        tried: What is known already.
        is_hopeless: Whether a rate lower than all that were tried cannot do better, so that halving is of no use.

    Returns:
        All that was tried, in that order: rates of three figures, and whether they hold.
    """
    known = dict(tried or {})

    def attempt(rate: float) -> None:
        known[rate] = holds(rate)

    for _ in range(DOUBLINGS):
        low, high = bracket(known)
        if low is not None and high is not None:
            break
        if low is None and known and is_hopeless():
            return known
        attempt(rounded(2 * low if low is not None else high / 2 if high is not None else start))
    for _ in range(steps):
        low, high = bracket(known)
        if low is None or high is None:
            break
        middle = rounded((low + high) / 2)
        if not low < middle < high:
            break
        attempt(middle)
    return known


def rounded(rate: float) -> float:
    """To three figures, so that a rate reads as it was tried."""
    return float(f"{rate:.3g}")
