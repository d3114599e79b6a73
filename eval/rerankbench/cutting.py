"""Two cuts that first stages and rerankers share, so that both read the same bytes: to words, and to tokens before an end.

Pure: lengths come from functions that the caller gives; nothing here knows a model.
"""

from __future__ import annotations

from collections.abc import Callable


def first_words(text: str, limit: int) -> tuple[str, bool]:
    """The first `limit` whitespace-separated words, joined by single spaces, and whether there were more."""
    # Most documents need nothing done, and seeing that costs half of doing it. No white space but the blank is printable.
    if text.count(" ") < limit and "  " not in text and text.isprintable() and not text.startswith(" ") and not text.endswith(" "):
        return text, False
    words = text.split(None, limit)
    return " ".join(words[:limit]), len(words) > limit


def cut_before_end(text: str, end: str, limit: int, truncate: Callable[[str, int], str], count: Callable[[str], int]) -> str | None:
    """Cut `text` from the right so that, with `end` behind it, it counts at most `limit` tokens.

    Counted again with the end in place, because an end token may cost more than one token, and special tokens come on top.

    Returns:
        That text, end included; None when `end` alone is too long.
    """
    if not end:
        return truncate(text, limit)
    budget = limit - 1
    while budget >= 0:
        cut = (truncate(text, budget) if budget else "") + end
        excess = count(cut) - limit
        if excess <= 0:
            return cut
        budget -= excess
    return None
