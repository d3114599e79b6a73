"""Making a prompt fit."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from rerankbench.rankers.fit import Shortened, largest_fitting, shorten


@given(high=st.integers(0, 300), fitting=st.integers(-1, 400))
def test_bisection_finds_the_largest_number_that_fits(high: int, fitting: int) -> None:
    expected = max((n for n in range(high + 1) if n <= fitting), default=None)
    assert largest_fitting(high, lambda n: n <= fitting) == expected


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_where_lengths_do_not_grow_evenly_the_number_found_still_fits_and_the_next_does_not(fits: list[bool]) -> None:
    found = largest_fitting(len(fits) - 1, lambda n: fits[n])
    if found is None:
        assert not fits[0]
    else:
        assert fits[found]
        assert found == len(fits) - 1 or not fits[found + 1]


def fits_in(limit: int, query: str, documents: Sequence[str]) -> bool:
    return len(query.split()) + sum(len(d.split()) for d in documents) <= limit


def test_documents_are_cut_to_one_common_word_limit_and_the_query_stays_whole() -> None:
    documents = ["a b c d e", "f", "g h i"]
    # 8 tokens, 2 of them the query's: w=2 shows 2+1+2 = 5 words, w=3 shows 3+1+3 = 7, too many.
    assert shorten("q r", documents, lambda q, d: fits_in(8, q, d)) == Shortened("q r", ("a b", "f", "g h"), 2, 2)


def test_a_query_is_cut_only_when_no_document_word_is_left() -> None:
    assert shorten("q r s", ["a b", ""], lambda q, d: fits_in(2, q, d)) == Shortened("q r", ("", ""), 0, 1, 2)


def test_nothing_is_returned_when_the_instruction_alone_is_too_long() -> None:
    assert shorten("q", ["a"], lambda q, d: False) is None


@given(
    query=st.lists(st.just("q"), max_size=6).map(" ".join),
    documents=st.lists(st.lists(st.just("w"), max_size=9).map(" ".join), max_size=5),
    limit=st.integers(0, 40),
)
def test_shortening_keeps_as_much_as_fits(query: str, documents: list[str], limit: int) -> None:
    cut = shorten(query, documents, lambda q, d: fits_in(limit, q, d))
    assert cut is not None
    assert fits_in(limit, cut.query, cut.documents)
    if cut.query_words is not None:
        assert cut.words == 0
        assert len(query.split()) > limit, "the query alone was too long"
        assert cut.query_words == limit
    elif cut.documents_cut:
        longer = [" ".join(d.split()[: cut.words + 1]) for d in documents]
        assert not fits_in(limit, query, longer)
    assert cut.documents == tuple(" ".join(d.split()[: cut.words]) for d in documents)
