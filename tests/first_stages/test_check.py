"""Everything that is wrong with a file of lists is found at once, and what is only worth knowing does not make it wrong."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import orjson
import pytest

from rerankbench.errors import MissingData
from rerankbench.first_stages.check import FileReport, check
from rerankbench.first_stages.listfile import write_lists
from rerankbench.records import CandidateList, Document, Query


def _record(query_id: str, *entries: tuple[str, str | None, float | None], text: str = "q") -> dict[str, Any]:
    hits = [{"content": c, "qid": query_id, "docid": d, "rank": rank, "score": s} for rank, (d, c, s) in enumerate(entries, start=1)]
    return {"query": text, "hits": hits}


def _file(tmp_path: Path, *records: dict[str, Any]) -> Path:
    path = tmp_path / "lists.jsonl"
    path.write_bytes(b"".join(orjson.dumps(r) + b"\n" for r in records))
    return path


def _wrong(report: FileReport) -> dict[str, int]:
    return {f.what: f.count for f in report.findings if f.is_wrong}


def _notes(report: FileReport) -> dict[str, int]:
    return {f.what: f.count for f in report.findings if not f.is_wrong}


def test_a_plain_file_has_facts_and_no_findings(tmp_path: Path) -> None:
    path = _file(tmp_path, _record("1", ("a", "x", 2.0), ("b", "y", 1.0)), _record("2", ("a", "x", 2.0), ("c", "z", 1.0)))
    report = check(path, queries=["1", "2"], expected_sha256=hashlib.sha256(path.read_bytes()).hexdigest().upper(), depth=2)
    assert (report.form, report.queries, report.documents, report.depth_min, report.depth_max) == ("authors", 2, 4, 2, 2)
    assert report.bytes == path.stat().st_size
    assert (report.findings, report.is_right) == ((), True)


def test_all_that_is_wrong_is_counted_over_the_whole_file(tmp_path: Path) -> None:
    rising = _record("1", ("a", "x", 1.0), ("b", None, 2.0), ("a", "x", 0.5))
    unranked = _record("2", ("a", "x", 1.0))
    unranked["hits"][0]["rank"] = 3
    path = _file(tmp_path, rising, unranked, _record("2", ("a", "x", None), ("b", "y", 3.0)))
    report = check(path, queries=["1", "2", "3", "4"], expected_sha256="0" * 64, depth=100)
    assert not report.is_right
    assert _wrong(report) == {
        "scores rise along the ranks": 1,
        "a document has no text": 1,
        "a document stands twice in a list": 1,
        "ranks are not 1, 2, 3 …": 1,
        "a query has two lists": 1,
        "documents have no score": 1,
        "the SHA-256 is not the expected one": 1,
        "a query has no list": 2,
        "no list is 100 deep": 1,
    }
    examples = {f.what: f.examples for f in report.findings}
    assert examples["a query has no list"] == ("'3'", "'4'")
    assert examples["a document stands twice in a list"] == ("'1': 'a'",)


def test_what_is_worth_knowing_does_not_make_a_file_wrong(tmp_path: Path) -> None:
    path = _file(
        tmp_path,
        _record("1", ("a b", "x", 2.0), ("c", " \n", 2.0), ("d", "w " * 1025, 1.9999999999), ("e", "w " * 1024, 1.0), text=" "),
        _record("2", ("a\u2003b", "x", 1.0)),
        {"query": "q", "qid": "3", "hits": []},
    )
    report = check(path, queries=["1", "2"])
    assert report.is_right
    assert _notes(report) == {
        "the text of a query is empty": 1,
        # 'c' has the score of 'a b'; that of 'd' is the same number in single precision, as trec_eval reads it.
        "a score equals the one before it": 2,
        "a document id holds white space": 2,
        "a document is empty": 1,
        "a document has more than 1,024 words": 1,
        "a list is empty": 1,
        "a list belongs to no expected query": 1,
        "a list is less than 4 deep": 2,
    }


def test_lists_without_any_score_are_worth_knowing(tmp_path: Path) -> None:
    path = tmp_path / "lists"
    path.write_bytes(orjson.dumps({"question": "q", "id": "1", "ctxs": [{"docid": "a", "text": "x"}, {"docid": "b", "text": "y"}]}))
    report = check(path)
    assert (report.is_right, _notes(report)) == (True, {"documents have no score": 2})


def test_a_run_file_has_no_texts_and_is_not_wrong_for_that(tmp_path: Path) -> None:
    path = tmp_path / "x.trec"
    path.write_text("1 Q0 a b 1 2.5 t\n1 Q0 c 2 1.5 t\n", encoding="utf-8")
    report = check(path, queries={"1": {"c": 1}})
    assert (report.form, report.is_right) == ("trec", True)
    assert _notes(report) == {"a document has no text": 2, "a document id holds white space": 1}


@pytest.mark.parametrize("content", [b"", b'{"query": ', b"[1]", b"\x1f\x8b\x00", b"neither nor"])
def test_a_file_that_cannot_be_read_is_a_finding(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "lists"
    path.write_bytes(content)
    report = check(path)
    assert "the file cannot be read to its end" in _wrong(report)
    assert report.is_unusable
    assert report.sha256 == hashlib.sha256(content).hexdigest()


def test_what_stands_before_the_damage_is_looked_over_too(tmp_path: Path) -> None:
    path = _file(tmp_path, _record("1", ("a", "", 1.0)))
    path.write_bytes(path.read_bytes() + b'{"query": "torn')
    report = check(path)
    assert (report.queries, _notes(report)) == (1, {"a document is empty": 1})
    assert "lists.jsonl:2" in report.findings[0].examples[0]


def test_the_manifest_beside_a_file_is_compared(tmp_path: Path) -> None:
    path = tmp_path / "lists.jsonl"
    write_lists(path, [CandidateList(Query("1", "q"), (Document("a", "x"),), (1.0,))], source="test")
    assert check(path).is_right
    path.write_bytes(path.read_bytes().replace(b'"x"', b'"y"'))
    assert _wrong(check(path)) == {"the file was changed since its manifest was written": 1}


def test_a_file_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="There is no file"):
        check(tmp_path / "absent")
