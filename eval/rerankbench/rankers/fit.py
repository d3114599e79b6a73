"""How a prompt that is too long is made to fit. Pure: lengths come from functions that the caller gives; nothing here knows a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


def largest_fitting(high: int, fits: Callable[[int], bool]) -> int | None:
    """Search the largest number from 0 to `high` that fits, by bisection.

    Token counts need not grow evenly with the words, so nothing is concluded from a count that was not made: the number returned was
    seen to fit, and the next one (if not above `high`) was seen not to. A still larger one may fit by accident; it is given up.

    Returns:
        That number, or None when 0 does not fit.
    """
    if not fits(0):
        return None
    fitting, too_large = 0, high + 1
    while too_large - fitting > 1:
        middle = (fitting + too_large) // 2
        if fits(middle):
            fitting = middle
        else:
            too_large = middle
    return fitting


@dataclass(frozen=True, slots=True)
class Shortened:
    """A query and its documents, cut so that the prompt fits.

    Attributes:
        words: The word limit common to all documents.
        documents_cut: How many documents had more words than that.
        query_words: How many words of the query are left; None when it is whole.
    """

    query: str
    documents: tuple[str, ...]
    words: int
    documents_cut: int
    query_words: int | None = None


def shorten(query: str, documents: Sequence[str], fits: Callable[[str, Sequence[str]], bool]) -> Shortened | None:
    """Cut all documents to one common word limit, the largest that fits; the query stays whole as long as that is enough.

    Where documents without a single word are still too long, the query loses words from its end too.

    Args:
        fits: Whether the prompt of this query and these documents fits.

    Returns:
        None when even a prompt without a word of either does not fit.
    """
    words = [d.split() for d in documents]
    longest = max(map(len, words), default=0)

    def cut(limit: int) -> tuple[str, ...]:
        return tuple(" ".join(w[:limit]) for w in words)

    limit = largest_fitting(longest, lambda n: fits(query, cut(n)))
    if limit is not None:
        return Shortened(query, cut(limit), limit, sum(len(w) > limit for w in words))
    query_words = query.split()
    kept = largest_fitting(len(query_words), lambda n: fits(" ".join(query_words[:n]), cut(0)))
    if kept is None:
        return None
    return Shortened(" ".join(query_words[:kept]), cut(0), 0, sum(len(w) > 0 for w in words), kept)
