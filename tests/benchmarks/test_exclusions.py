"""Excluded documents are dropped from lists and rankings, counted, and found whichever way their blanks are written."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerankbench.benchmarks import Benchmarks, Exclusions
from rerankbench.benchmarks.exclusions import rankings_without_excluded, read_exclusions, without_excluded
from rerankbench.errors import DataError, DataMismatch, MissingData
from rerankbench.records import CandidateList, Document, Query, Ranking


def candidates(query_id: str, *doc_ids: str) -> CandidateList:
    scores = tuple(float(len(doc_ids) - p) for p in range(len(doc_ids)))
    return CandidateList(Query(query_id, "?"), tuple(Document(d, None) for d in doc_ids), scores)


def test_ids_with_blanks_are_read_from_either_separator(tmp_path: Path) -> None:
    file = tmp_path / "exclude.txt"
    file.write_text("1 a b\n1 c\n2\td e\n\n", encoding="utf-8")
    assert read_exclusions(file).by_query == {"1": {"a b", "c"}, "2": {"d e"}}
    assert len(read_exclusions(file)) == 3


@pytest.mark.parametrize(("lines", "expected"), [("1 a\n1\n", r":2: expected a query id"), ("1 a\n2 a\n1 a\n", r":3: .*second time")])
def test_a_damaged_file_is_refused_with_its_line(tmp_path: Path, lines: str, expected: str) -> None:
    file = tmp_path / "exclude.txt"
    file.write_text(lines, encoding="utf-8")
    with pytest.raises(DataError, match=expected):
        read_exclusions(file)


def test_excluded_candidates_are_dropped_with_their_scores_and_counted() -> None:
    exclusions = Exclusions({"1": frozenset({"b", "none"})})
    kept, dropped = without_excluded([candidates("1", "a", "b", "c"), candidates("2", "b")], exclusions)
    assert [[d.id for d in c.documents] for c in kept] == [["a", "c"], ["b"]]  # query 2 excludes nothing
    assert kept[0].scores == (3.0, 1.0)
    assert dropped == 1


def test_excluded_documents_of_a_ranking_are_dropped_with_their_scores_and_counted() -> None:
    rankings = [Ranking("1", ("b", "a", "c"), (9.0, 8.0, 7.0)), Ranking("1b", ("b",))]
    kept, dropped = rankings_without_excluded(rankings, Exclusions({"1": frozenset({"b"})}))
    assert kept == [Ranking("1", ("a", "c"), (8.0, 7.0)), Ranking("1b", ("b",))]
    assert dropped == 1


@pytest.mark.parametrize(("excluded", "listed"), [("a b c", "a_b_c"), ("a_b c", "a b_c"), ("a b", "a b")])
def test_blanks_and_underscores_are_the_same_id(excluded: str, listed: str) -> None:
    kept, dropped = without_excluded([candidates("1", listed, "x")], Exclusions({"1": frozenset({excluded})}))
    assert ([d.id for d in kept[0].documents], dropped) == (["x"], 1)


@given(st.lists(st.sampled_from("abcdef"), unique=True), st.sets(st.sampled_from("abcdef"), min_size=1))
def test_before_and_after_keep_the_same_documents_in_the_same_order(listed: list[str], excluded: set[str]) -> None:
    exclusions = Exclusions({"q": frozenset(excluded)})
    ((before,), dropped_before) = without_excluded([candidates("q", *listed)], exclusions)
    ((after,), dropped_after) = rankings_without_excluded([Ranking("q", tuple(listed))], exclusions)
    assert tuple(d.id for d in before.documents) == after.doc_ids == tuple(d for d in listed if d not in excluded)
    assert dropped_before == dropped_after == len(excluded & set(listed))


def test_no_excluded_document_of_leetcode_is_in_the_real_lists_or_judged_relevant(data_dir: Path) -> None:
    leetcode = Benchmarks(data_dir).open("bright-leetcode")
    exclusions = leetcode.excluded()
    assert exclusions is not None
    assert len(exclusions) == 33_485
    assert set(exclusions.by_query) == set(leetcode.qrels())
    assert without_excluded(leetcode.candidates("reasonir", 100), exclusions)[1] == 0
    assert not any(leetcode.qrels()[q].get(d) for q, ids in exclusions.by_query.items() for d in ids)


def test_what_excludes_nothing_says_so_and_what_is_not_known_here_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    benchmarks = Benchmarks(tmp_path, tmp_path / "cache")
    assert benchmarks.open("bright-biology").excluded() is None
    assert benchmarks.open("bright-aops").has_exclusions
    with pytest.raises(MissingData, match=r"bright-aops excludes documents.*exclude\.bright-aops\.txt.*offline") as caught:
        benchmarks.open("bright-aops").excluded()
    assert "--include 'examples/aops-*'" in caught.value.hint


def test_a_part_of_the_exclusions_is_refused(data_dir: Path, tmp_path: Path) -> None:
    place = "topics_and_qrels/exclude.bright-leetcode.txt"
    (tmp_path / place).parent.mkdir()
    lines = (data_dir / place).read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / place).write_text("".join(lines[1:]), encoding="utf-8")
    with pytest.raises(DataMismatch, match="33,484 excluded, but bright-leetcode has 33,485"):
        Benchmarks(tmp_path).open("bright-leetcode").excluded()
