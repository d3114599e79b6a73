"""An audit finds what was planted, says over what it counted, and what it could not count."""

from __future__ import annotations

import json
from math import log2
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerankbench.benchmarks import Benchmarks, OwnBenchmark, OwnCollection
from rerankbench.benchmarks.audit import AuditReport, audit, ceiling
from rerankbench.errors import ConfigError
from rerankbench.measures import measure
from rerankbench.records import CandidateList, Document, Query, Ranking
from rerankbench.trec import Run

TEXTS = {"a": "same  words", "b": "same words", "c": "", "d e": "word " * 1_025, "f": "word " * 1_024, "g": ""}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Documents a and b share their words, c and g are empty, d e is long and has a blank in its id; z is judged, y is listed only."""
    (tmp_path / "qrels").mkdir()
    lines = [json.dumps({"_id": i, "title": "", "text": text}) for i, text in TEXTS.items()]
    (tmp_path / "corpus.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "queries.jsonl").write_text('{"_id": "1", "text": "one"}\n{"_id": "2", "text": "two"}\n', encoding="utf-8")
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n1\ta\t2\n1\tf\t1\n1\tz\t1\n2\ta\t0\n", encoding="utf-8")
    hits = [{"content": TEXTS.get(d, "?"), "qid": "1", "docid": d, "rank": r, "score": -r} for r, d in enumerate(["y", "f", "a"], 1)]
    (tmp_path / "lists.jsonl").write_text(json.dumps({"query": "another", "hits": hits}) + "\n", encoding="utf-8")
    return tmp_path


def audited(base: Path, /, **options: Any) -> AuditReport:
    mine = OwnCollection("mine", OwnBenchmark(candidates={"bm25": "lists.jsonl"}, **options), base)
    return audit(mine, ["bm25"])


def found(report: AuditReport) -> dict[str, tuple[int | None, tuple[str, ...]]]:
    return {finding.what: (finding.count, finding.examples) for finding in report.findings}


def test_what_was_planted_in_a_corpus_is_found(folder: Path) -> None:
    report = audited(folder, folder=".")
    assert found(report) == {
        "judged queries without a relevant document": (1, ("2",)),
        "documents": (6, ()),
        "document ids that stand more than once": (0, ()),
        "judged documents that the corpus lacks": (1, ("z",)),
        "listed documents that the corpus lacks": (1, ("y",)),
        "documents over 1,024 words": (1, ("d e",)),
        "empty documents": (2, ("c", "g")),
        "documents that share their text with another": (2, ("a", "b")),
        "document ids with white space": (1, ("d e",)),
        "excluded documents in candidate lists": (0, ()),
    }
    assert report.scanned == "the corpus"
    assert not report.not_audited


def test_an_id_that_stands_twice_is_found_and_a_damaged_line_is_said_to_be_damaged(folder: Path) -> None:
    with (folder / "corpus.jsonl").open("a", encoding="utf-8") as corpus:
        corpus.write('{"_id": "b", "text": "other"}\n')
    assert found(audited(folder, folder="."))["document ids that stand more than once"] == (1, ("b",))
    with (folder / "corpus.jsonl").open("a", encoding="utf-8") as corpus:
        corpus.write('{"_id": "h", "te')
    report = audited(folder, folder=".")
    assert found(report)["documents"] == (None, ())
    assert "corpus.jsonl:8" in report.not_audited[0]


def test_without_a_corpus_the_lists_are_read_and_the_rest_is_said_to_be_missing(folder: Path) -> None:
    report = audited(folder, qrels="qrels/test.tsv")
    assert report.scanned == "the candidate lists"
    assert found(report)["documents over 1,024 words"] == (0, ())
    assert found(report)["judged documents that the corpus lacks"] == (None, ())
    assert [line.partition(":")[0] for line in report.not_audited] == [
        "judged documents that the corpus lacks, listed documents that the corpus lacks"
    ]


def test_lists_are_measured_over_all_judged_queries(folder: Path) -> None:
    (lists,) = audited(folder, folder=".").lists
    assert (lists.lists, lists.depth, lists.without_list, lists.other_query_text, lists.has_text) == (1, 3, 1, 1, True)
    # Query 1: unjudged, grade 1, grade 2. Ideal order of all judged: 2, 1, 1. Query 2 has no list and counts 0.
    ideal = 2 + 1 / log2(3) + 1 / 2
    assert lists.measures == pytest.approx(
        {
            "nDCG@10": (1 / log2(3) + 2 / 2) / ideal / 2,
            "ceiling": (2 + 1 / log2(3)) / ideal / 2,
            "R@3": 2 / 3 / 2,
            "Judged@10": 2 / 3 / 2,
        }
    )


def test_what_is_damaged_or_missing_is_a_problem_of_its_own_line(folder: Path) -> None:
    (folder / "lists.jsonl").write_text("{", encoding="utf-8")
    (folder / "corpus.jsonl").unlink()
    (folder / "qrels" / "test.tsv").unlink()
    report = audited(folder, folder=".")
    assert report.lists[0].measures is None
    assert "lists.jsonl" in report.lists[0].problem
    assert found(report)["judged queries without a relevant document"] == (None, ())
    assert any("corpus.jsonl" in line for line in report.not_audited)
    assert any("test.tsv" in line for line in report.not_audited)


def test_lists_of_other_queries_than_the_judged_ones_are_a_problem(folder: Path) -> None:
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n9\ta\t2\n", encoding="utf-8")
    assert "share no query" in audited(folder, folder=".").lists[0].problem


def test_recall_takes_the_benchmarks_own_lowest_relevant_grade(folder: Path) -> None:
    measures = audited(folder, folder=".", relevant=2).lists[0].measures or {}
    assert measures["R(rel=2)@3"] == pytest.approx(1 / 2)  # a is found for query 1; query 2 has nothing


@given(st.lists(st.integers(-1, 3), min_size=1, max_size=15), st.lists(st.integers(0, 3), max_size=3))
def test_no_order_of_the_candidates_gets_above_the_ceiling(listed: list[int], elsewhere: list[int]) -> None:
    grades = {f"d{i}": grade for i, grade in enumerate(listed)}
    qrels = {"q": {**grades, **{f"x{i}": grade for i, grade in enumerate(elsewhere)}}}
    documents = tuple(Document(d, None) for d in grades)
    candidates = CandidateList(Query("q", "?"), documents, tuple(float(-i) for i in range(len(listed))))

    def ndcg(ranking: Ranking) -> float:
        return measure(Run.of([ranking]), qrels, ["nDCG@10"]).means["nDCG@10"]

    (best,) = ceiling([candidates], qrels)
    assert sorted(best.doc_ids) == sorted(grades)
    for order in (list(grades), list(reversed(grades)), sorted(grades)):
        assert ndcg(Ranking("q", tuple(order))) <= ndcg(best) + 1e-9


def test_the_special_documents_of_mini_are_found() -> None:
    report = audit(Benchmarks(None).open("mini"), ["bm25"])
    findings = found(report)
    assert findings["documents over 1,024 words"] == (1, ("tomato-13",))
    assert findings["empty documents"] == (1, ("pressure-11",))
    assert findings["documents that share their text with another"] == (2, ("slug-11", "slug-12"))
    assert findings["document ids with white space"] == (1, ("cats 12",))
    assert findings["judged documents that the corpus lacks"] == (0, ())
    assert report.lists[0].depth == 50  # as deep as its lists are
    assert not report.not_audited


@pytest.fixture
def no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "cache"


def test_real_first_stages_leave_what_their_candidates_allow(data_dir: Path, no_hub: Path) -> None:
    report = audit(Benchmarks(data_dir, no_hub).open("dl19"), ["bm25", "splade-pp-ed", "contriever", "reasonir"])
    measured = {each.first_stage: each.measures for each in report.lists if each.measures}
    assert {name: round(100 * m["nDCG@10"], 2) for name, m in measured.items()} == {
        "bm25": 50.58,
        "splade-pp-ed": 73.08,
        "contriever": 62.02,
    }
    assert all(m["ceiling"] > m["nDCG@10"] + 0.2 for m in measured.values())
    # Pyserini's published recall for this run, by its own trec_eval -l 2, at depth 1,000 is .7501; of its first 100 it must be less.
    assert 0 < measured["bm25"]["R(rel=2)@100"] < 0.7501
    assert measured["bm25"]["Judged@10"] == 1.0  # BM25 was in the pool of the judges
    assert [line.split(" ")[0] for line in report.not_audited] == ["judged", "reasonir"]


def test_the_real_scifact_is_clean_but_for_long_abstracts(data_dir: Path, no_hub: Path) -> None:
    findings = found(audit(Benchmarks(data_dir, no_hub).open("scifact"), ["bm25"]))
    assert findings["documents"] == (5_183, ())
    assert findings["documents over 1,024 words"][0] == 5
    assert findings["empty documents"] == findings["judged documents that the corpus lacks"] == (0, ())


def test_the_real_leetcode_lists_hold_no_excluded_document(data_dir: Path, no_hub: Path) -> None:
    report = audit(Benchmarks(data_dir, no_hub).open("bright-leetcode"), ["reasonir"])
    assert report.lists[0].excluded == 0
    assert "33,485" in report.findings[-1].note
    assert report.scanned == ""
    assert found(report)["empty documents"] == (None, ())


def test_exclusions_that_are_not_known_are_not_counted_as_none(data_dir: Path, no_hub: Path) -> None:
    report = audit(Benchmarks(data_dir, no_hub).open("bright-aops"), ["reasonir"])
    assert report.lists[0].excluded is None
    assert found(report)["excluded documents in candidate lists"] == (None, ())


def test_a_first_stage_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="bm25"):
        audit(Benchmarks(None).open("mini"), ["bm52"])
