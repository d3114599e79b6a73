"""The cuts that first stages and rerankers share."""

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st

from rerankbench.cutting import cut_before_end, first_words


@given(text=st.text(alphabet=st.sampled_from("ab \t\n\x1c\x85\u00a0\u2003\u200b")) | st.text(), limit=st.integers(1, 8))
def test_first_words_are_those_of_the_plain_formula(text: str, limit: int) -> None:
    assert first_words(text, limit) == (" ".join(text.split()[:limit]), len(text.split()) > limit)


def test_no_white_space_but_the_blank_is_printable() -> None:
    # What the short cut of first_words rests on, for every character there is.
    assert [c for c in map(chr, range(sys.maxunicode + 1)) if c.isspace() and c.isprintable()] == [" "]


def test_a_cut_document_keeps_its_end_even_where_the_end_costs_several_tokens() -> None:
    # Tokens are characters, and two special ones come on top: limit 10 leaves 10 - 2 - 3 = 5 for the text.
    def truncate(text: str, limit: int) -> str:
        return text[: max(limit - 2, 0)]

    assert cut_before_end("abcdefghijkl", "END", 10, truncate, lambda t: len(t) + 2) == "abcdeEND"
    assert cut_before_end("abcdefghijkl", "END", 5, truncate, lambda t: len(t) + 2) == "END"
    assert cut_before_end("abcdefghijkl", "END", 4, truncate, lambda t: len(t) + 2) is None
    assert cut_before_end("abcdefghijkl", "", 10, truncate, lambda t: len(t) + 2) == "abcdefgh"
