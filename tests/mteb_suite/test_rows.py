"""Rows of a task as our records: what a ranker reads is what mteb's own models read."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerankbench.errors import DataError
from rerankbench.mteb_suite import rows

TEXTS = st.text(alphabet=" \t\nab\u00a0", max_size=8)


@settings(deadline=None)  # the first one imports mteb
@given(TEXTS, TEXTS)
def test_a_document_reads_as_mteb_joins_it(title: str, text: str) -> None:
    loaders = pytest.importorskip("mteb._create_dataloaders")
    theirs = loaders._corpus_to_dict({"id": "d", "title": title, "text": text})["text"]
    assert rows.document("d", text, title, "T").contents == theirs


def test_a_title_stays_a_title() -> None:
    found = rows.document("d", "text ", " Title", "T")
    assert (found.title, found.text) == ("Title", "text")
    assert rows.document("d", " text", None, "T").title == ""


def test_a_document_without_a_text_is_refused_and_an_empty_one_is_not() -> None:
    assert rows.document("d", "", "", "T").contents == ""
    with pytest.raises(DataError, match="T: the text of document 'd' is NoneType, not text"):
        rows.document("d", None, "Title", "T")


def test_candidates_are_ordered_by_a_hash_of_query_and_document() -> None:
    def digest(document: str) -> str:
        return hashlib.sha256(f"q\0{document}".encode()).hexdigest()

    ids = ["a", "b", "c", "d"]
    assert rows.shuffled("q", [*ids, "a"]) == sorted(ids, key=digest)
    assert rows.shuffled("q", ids) != rows.shuffled("another", ids)
