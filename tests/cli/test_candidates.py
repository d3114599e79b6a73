"""``candidates check`` and ``candidates diff``: what they print, what a program can read, and their exit codes."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
import typer
from typer.testing import CliRunner, Result

from rerankbench.cli import candidates
from rerankbench.errors import DataError, MissingData
from rerankbench.first_stages.listfile import write_lists
from rerankbench.records import CandidateList, Document, Query

app = typer.Typer()
app.command("check")(candidates.check)
app.command("diff")(candidates.diff)


def _call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def _file(path: Path, **orders: str) -> Path:
    lists = [
        CandidateList(Query(q[1:], "q"), tuple(Document(i, f"text of {i}") for i in ids), tuple(map(float, range(len(ids), 0, -1))))
        for q, ids in orders.items()
    ]
    write_lists(path, lists, source="test")
    return path


def _qrels(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_a_right_file_is_described_and_measured(tmp_path: Path) -> None:
    path = _file(tmp_path / "lists.jsonl", q1="abc", q2="cab")
    qrels = _qrels(tmp_path / "qrels", "1 0 a 1", "2 0 a 1", "2 0 x 1")
    said = _call("check", path, "--qrels", qrels, "--depth", "3", "--json")
    assert said.exit_code == 0
    data = orjson.loads(said.output)
    assert (data["is_right"], data["form"], data["queries"], data["documents"], data["depth"]) == (
        True,
        "authors",
        2,
        6,
        {"min": 3, "max": 3},
    )
    # Recall: query 1 has its one relevant document, query 2 one of two. Judged: one document of three in both.
    assert data["measures"]["R@3"] == pytest.approx(3 / 4)
    assert data["measures"]["nDCG@10"] == pytest.approx((1 + 0.6309298 / (1 + 0.6309298)) / 2)  # rank 2: 1/log2(3) = 0.6309298
    assert (data["measured_queries"], data["missing_queries"], data["findings"]) == (2, [], [])
    table = _call("check", path, "--qrels", qrels)
    assert "Nothing is wrong." in table.output
    assert "R@3        0.7500 over 2 judged queries" in table.output


def test_what_is_wrong_is_shown_and_ends_with_one(tmp_path: Path) -> None:
    path = _file(tmp_path / "lists.jsonl", q1="abc")
    qrels = _qrels(tmp_path / "qrels", "1 0 a 1", "2 0 a 1")
    said = _call("check", path, "--qrels", qrels, "--sha256", "0" * 64)
    assert said.exit_code == 1
    assert "a query has no list" in said.output
    assert "the SHA-256 is not the expected one" in said.output
    assert "0.5000 over 2 judged queries, 1 of them without a list (0)" in said.output
    assert "Something is wrong" in said.output
    assert orjson.loads(_call("check", path, "--qrels", qrels, "--json").output)["is_right"] is False


def test_a_damaged_file_is_reported_and_not_measured(tmp_path: Path) -> None:
    path = tmp_path / "lists"
    path.write_text('{"query": "q", "hits": [{', encoding="utf-8")
    said = _call("check", path, "--qrels", _qrels(tmp_path / "qrels", "1 0 a 1"), "--json")
    assert said.exit_code == 1
    data = orjson.loads(said.output)
    assert data["findings"][0]["what"] == "the file cannot be read to its end"
    assert "measures" not in data


def test_lists_of_another_benchmark_are_wrong_and_not_measured(tmp_path: Path) -> None:
    path = _file(tmp_path / "lists.jsonl", q1="abc")
    data = orjson.loads(_call("check", path, "--qrels", _qrels(tmp_path / "qrels", "7 0 a 1"), "--json").output)
    assert [f["what"] for f in data["findings"] if f["is_wrong"]] == ["a query has no list"]
    assert "measures" not in data


def test_a_list_without_documents_counts_as_zero(tmp_path: Path) -> None:
    path = _file(tmp_path / "lists.jsonl", q1="a", q2="")
    data = orjson.loads(_call("check", path, "--qrels", _qrels(tmp_path / "qrels", "1 0 a 1", "2 0 a 1"), "--json").output)
    assert (data["is_right"], data["measures"]["nDCG@10"], data["measured_queries"]) == (True, 0.5, 2)


def test_a_missing_file_raises_what_the_command_line_turns_into_three(tmp_path: Path) -> None:
    error = _call("check", tmp_path / "absent").exception
    assert isinstance(error, MissingData)
    assert error.exit_code == 3


def test_two_files_are_compared(tmp_path: Path) -> None:
    a = _file(tmp_path / "a.jsonl", q1="ab", q2="ab", q3="ab")
    b = tmp_path / "b.trec"
    b.write_text("1 Q0 a 1 2 t\n1 Q0 b 2 1 t\n2 Q0 b 1 2 t\n2 Q0 a 2 1 t\n4 Q0 a 1 1 t\n", encoding="utf-8")
    said = _call("diff", a, b, "--queries", "1", "--json")
    assert said.exit_code == 0
    data = orjson.loads(said.output)
    assert (data["queries"], data["only_in_a"], data["only_in_b"], data["overlap"]) == (2, ["3"], ["4"], {"10": 1.0, "100": 1.0})
    assert (data["rbo"], data["tau"]) == (pytest.approx((1 + 0.9) / 2), 0.0)
    assert (data["compared_texts"], [q["query_id"] for q in data["most_different"]]) == (0, ["2"])
    table = _call("diff", a, b, "--queries", "1").output
    assert "The queries that differ most" in table
    assert "Only in B, in no mean (1): 4" in table


def test_a_comparison_can_show_the_means_alone(tmp_path: Path) -> None:
    a, b = _file(tmp_path / "a.jsonl", q1="a"), _file(tmp_path / "b.jsonl", q1="b")
    table = _call("diff", a, b, "--queries", "0").output
    assert "mean of 1" in table
    assert "differ most" not in table
    assert "–" in table  # nothing is shared, so that there is no tau


def test_files_that_share_no_query_are_refused(tmp_path: Path) -> None:
    a, b = _file(tmp_path / "a.jsonl", q1="a"), _file(tmp_path / "b.jsonl", q2="b")
    assert isinstance(_call("diff", a, b).exception, DataError)


def test_the_papers_bm25_figure_comes_out_of_the_check(data_dir: Path) -> None:
    said = _call(
        "check",
        data_dir / "retrieval_results" / "bm25" / "dl19_top100.jsonl",
        "--qrels",
        data_dir / "topics_and_qrels" / "qrels.dl19-passage.txt",
        "--json",
    )
    assert said.exit_code == 0
    assert round(100 * orjson.loads(said.output)["measures"]["nDCG@10"], 2) == 50.58
