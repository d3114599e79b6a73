"""Published candidate lists are read whole, in their order, or refused with the line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from rerankbench.errors import DataError
from rerankbench.first_stages.published import lists_of_run, read_lists


def _entry(rank: int, **changes: Any) -> dict[str, Any]:
    return {"content": f"text {rank}", "qid": 7, "docid": f"d{rank}", "rank": rank, "score": 10.0 - rank, **changes}


def _file(tmp_path: Path, *records: Any) -> Path:
    path = tmp_path / "lists.jsonl"
    path.write_bytes(b"".join((r if isinstance(r, bytes) else orjson.dumps(r)) + b"\n" for r in records))
    return path


def test_a_list_keeps_its_order_text_and_scores(tmp_path: Path) -> None:
    (candidates,) = read_lists(_file(tmp_path, {"query": "q text", "hits": [_entry(1), _entry(2, docid="a b"), _entry(3, score=8.0)]}))
    assert (candidates.query.id, candidates.query.text) == ("7", "q text")
    assert [d.id for d in candidates.documents] == ["d1", "a b", "d3"]
    assert candidates.scores == (9.0, 8.0, 8.0)
    assert candidates.has_text


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([], "no candidate list"),
        ([b'{"query": "q", "hits": [{"content'], r"lists\.jsonl:1: not a JSON object"),
        ([{"query": "q"}], "expected an object with 'hits'"),
        ([{"query": "q", "hits": []}], "expected one query id, found an empty list"),
        ([{"query": "q", "hits": [_entry(1), _entry(2, qid=8)]}], "expected one query id"),
        ([{"query": "q", "hits": [_entry(1), _entry(3)]}], "are not 1, 2, 3"),
        ([{"query": "q", "hits": [_entry(1), _entry(2, score=20.0)]}], "rise along its ranks"),
        ([{"query": "q", "hits": [_entry(1), _entry(2, docid="d1")]}], "more than once: 'd1'"),
        ([{"query": "q", "hits": [_entry(1, content=None)]}], "is None, not text"),
        ([{"query": "q", "hits": [_entry(1, score="high")]}], "wrong or missing"),
        ([{"query": "q", "hits": [_entry(1)]}, {"query": "q", "hits": [_entry(1)]}], r":2: query '7' has a list already, on line 1"),
    ],
)
def test_a_damaged_file_is_refused_with_its_line(tmp_path: Path, records: list[Any], expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        read_lists(_file(tmp_path, *records))


def test_a_bare_run_gives_an_order_and_no_text(tmp_path: Path) -> None:
    run = tmp_path / "x.trec"
    run.write_text("7 Q0 b 1 2.5 t\n7 Q0 a 2 3.5 t\n", encoding="utf-8")
    (candidates,) = lists_of_run(run, {"7": "q text"})
    assert [d.id for d in candidates.documents] == ["a", "b"]  # by score, whatever the rank column says
    assert not candidates.has_text
    with pytest.raises(DataError, match="query '7' has no text"):
        lists_of_run(run, {})


@pytest.mark.parametrize("first_stage", ["bm25", "splade++ed", "contriever"])
@pytest.mark.parametrize(("name", "queries"), [("dl19", 43), ("dl20", 54)])
def test_the_real_lists_are_read_whole(data_dir: Path, first_stage: str, name: str, queries: int) -> None:
    lists = read_lists(data_dir / "retrieval_results" / first_stage / f"{name}_top100.jsonl")
    assert (len(lists), {len(c) for c in lists}) == (queries, {100})
    assert all(c.has_text for c in lists)
