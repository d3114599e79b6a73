"""Letters that stand for systems in superscripts."""

from __future__ import annotations

from collections.abc import Sequence


def letter(position: int) -> str:
    """Letters a … z, aa, ab … as a sheet's columns are named."""
    last = chr(ord("a") + position % 26)
    return letter(position // 26 - 1) + last if position >= 26 else last


def superscript(letters: Sequence[str]) -> str:
    """What stands behind a value: ``"ac"``, or ``"a,ab"`` where letters run double."""
    return ("" if all(len(one) == 1 for one in letters) else ",").join(letters)
