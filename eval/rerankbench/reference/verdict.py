"""Whether a number of ours is the paper's. Values are in percent points (or seconds), never in fractions.

Rounding is decimal, on the shortest decimal that stands for a float (its repr), and ties go away from zero: 50.575 prints as 50.58.
Evidence: three averages of Table 1 are exact ties of their printed members, and the paper rounds all three up (BM25: the mean is
43.425, printed 43.43; RankQwen3-0.6B 48.025 → 48.03; E2Rank-8B 54.345 → 54.35). Rounding to even would give 43.42, 48.02 and 54.34.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

from rerankbench.errors import DataError, MeasureError

Number = float | Decimal


class Verdict(StrEnum):
    MATCH = "MATCH"  # equal as printed
    CLOSE = "CLOSE"  # not equal as printed, but within the noise
    DIFFERENT = "DIFFERENT"  # further off than the noise, higher or lower
    MISSING = "MISSING"  # the paper prints a number, and we have none
    NOT_IN_PAPER = "NOT_IN_PAPER"  # the paper prints none


def judge(ours: Number | None, printed: str | None, noise: Number) -> Verdict:
    """Compare a number of ours with the paper's, two-sided: higher counts as different too.

    Args:
        ours: Unrounded, in the unit of the printed value; None when there is none.
        printed: As printed: its decimals are those that count. None or empty when the paper prints no number.
        noise: How far off a faithful repetition may be, in the same unit: `half_unit` or `model_noise`.

    Raises:
        DataError: `printed` is no number.
        MeasureError: ours is not finite, or the noise is negative or not finite.
    """
    if not printed:
        return Verdict.NOT_IN_PAPER
    theirs = printed_number(printed, "the paper's number")
    if ours is None:
        return Verdict.MISSING
    margin = exact(noise)
    if margin < 0:
        raise MeasureError(f"A noise floor is never negative, got {noise}.")
    if rounded(ours, decimals_of(printed)) == theirs:
        return Verdict.MATCH
    return Verdict.CLOSE if abs(exact(ours) - theirs) <= margin else Verdict.DIFFERENT


def half_unit(printed: str) -> Decimal:
    """The noise of something deterministic: half of the last printed digit, e.g. 0.005 for ``"50.58"``."""
    return Decimal(5).scaleb(-decimals_of(printed) - 1)


def model_noise(interval: tuple[Number, Number] | None, floor: Number) -> Decimal:
    """The noise of a model's row: the half-width of its bootstrap interval, or a floor measured by repeating runs if that is larger.

    Args:
        interval: Low and high, in percent points; None when it was not computed.
        floor: In percent points.
    """
    half_width = (exact(interval[1]) - exact(interval[0])) / 2 if interval else Decimal(0)
    return max(half_width, exact(floor))


def refusal(
    *, limit: int | None = None, queries: int | None = None, expected_queries: int | None = None, caveat: str = "", other_model: str = ""
) -> str:
    """Why a number is not to be compared with the paper's; empty when it may be.

    Args:
        limit: The run's limit on queries, None for a full run.
        queries, expected_queries: How many queries the mean is over, and how many are judged.
        caveat: What the engine says about itself, e.g. that it is no language model.
        other_model: The model that stands in for the paper's.
    """
    if limit is not None:
        return f"first {limit} queries only"
    if queries is not None and expected_queries is not None and queries != expected_queries:
        return f"mean over {queries} queries, not over all {expected_queries}"
    if other_model:
        return f"another model than the paper's: {other_model}"
    return caveat


def percent(fraction: float) -> Decimal:
    """A fraction in percent points, without the error that a float product adds (0.07 × 100 is 7.000000000000001)."""
    return exact(fraction).scaleb(2)


def mean(values: Sequence[float]) -> float:
    """The plain mean, summed in decimals, so that a tie of decimal values stays a tie."""
    return float(sum((exact(v) for v in values), Decimal(0)) / len(values))


def rounded(value: Number, decimals: int) -> Decimal:
    """To that many decimals, ties away from zero."""
    return exact(value).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)


def as_printed(value: Number, decimals: int, *, sign: bool = False) -> str:
    """The value as a table prints it, trailing zeros kept; zero never bears a minus.

    Args:
        sign: Whether a positive value gets a plus, for differences.
    """
    number = rounded(value, decimals)
    return f"{number or abs(number):{'+' if sign else ''}f}"


def decimals_of(printed: str) -> int:
    """How many decimals a printed value has."""
    return len(printed.partition(".")[2])


def printed_number(printed: str, where: str) -> Decimal:
    """A value of the paper: digits, perhaps a point and more digits.

    Raises:
        DataError: anything else.
    """
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", printed):
        raise DataError(f"{where}: {printed!r} is not a number as the paper prints them, e.g. 50.58")
    return Decimal(printed)


def exact(value: Number) -> Decimal:
    """The shortest decimal that stands for a float.

    Raises:
        MeasureError: it is not finite.
    """
    if not math.isfinite(value):
        raise MeasureError(f"Expected a finite number, got {value}.")
    return value if isinstance(value, Decimal) else Decimal(repr(float(value)))
