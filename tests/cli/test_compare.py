"""`compare` says which of several runs is better, how surely, and on which queries."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.calling import Caller

QUERIES = [f"q{n}" for n in range(12)]


def _write(path: Path, right: int, queries: list[str] = QUERIES) -> None:
    """The relevant document first in the first `right` queries, second elsewhere."""
    orders = [(query, ("x 1", "y") if n < right else ("y", "x 1")) for n, query in enumerate(queries)]
    lines = [f"{query} Q0 {doc} {rank} {-rank} t\n" for query, order in orders for rank, doc in enumerate(order, start=1)]
    path.write_text("".join(lines), encoding="utf-8")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    _write(tmp_path / "low.trec", 2)
    _write(tmp_path / "same.trec", 2)
    _write(tmp_path / "part.trec", 2, QUERIES[:9])
    folder = tmp_path / "runs" / "b" / "f" / "high-0123456789ab"
    folder.mkdir(parents=True)
    _write(folder / "run.trec", 10)
    (tmp_path / "qrels.txt").write_text("".join(f"{query} 0 x 1 1\n" for query in QUERIES), encoding="utf-8")
    return folder


def test_a_run_folder_and_a_run_file_are_compared(call: Caller, files: Path) -> None:
    arguments = ("compare", "low.trec", files, "--qrels", "qrels.txt", "--measure", "P@1", "--queries", "1")
    found = call(*arguments, "--json").data()
    assert found["measure"] == "P@1"
    assert (found["queries"], found["reference"], found["missing_rule"]) == (12, "low.trec", "error")
    low, high = found["systems"]
    assert (low["name"], low["letter"], low["better_than"]) == ("low.trec", "a", [])
    assert (high["name"], high["run"], high["better_than"]) == ("high-0123456789ab", str(files), ["a"])
    assert (low["mean"], high["mean"]) == pytest.approx((2 / 12, 10 / 12))
    (pair,) = found["pairs"]
    assert (pair["wins"], pair["ties"], pair["losses"], pair["is_significant"]) == (8, 4, 0, True)
    assert pair["randomisation"] == {"p": 2 / 256, "is_exact": True, "lowest": 2 / 256}  # two of 2**8 patterns
    (query,) = found["most_different"]
    assert (query["query_id"], query["a"], query["b"], query["difference"]) == ("q2", 0.0, 1.0, 1.0)
    assert query["rankings"][0] == {
        "rank": 1,
        "a": {"doc_id": "y", "grade": None, "other_rank": 2},
        "b": {"doc_id": "x 1", "grade": 1, "other_rank": 2},
    }
    said = call(*arguments).out
    assert "8/4/0" in said
    assert "+0.6667" in said
    assert "0.0078" in said  # 2 / 256
    assert "Query q2: low.trec 0.0000, high-0123456789ab 1.0000 (+1.0000)" in said
    assert "12 queries. p: paired randomisation test, exact" in said


def test_another_run_may_be_the_reference(call: Caller, files: Path) -> None:
    arguments = ("--qrels", "qrels.txt", "--measure", "P@1", "--json")
    beside = call("compare", "low.trec", "--against", files, *arguments).data()
    among = call("compare", "low.trec", files, "--against", files, *arguments).data()
    assert [system["name"] for system in beside["systems"]] == ["high-0123456789ab", "low.trec"]
    assert among == beside
    assert beside["pairs"][0]["losses"] == 8


def test_identical_runs_and_a_test_without_power_are_said(call: Caller, files: Path) -> None:
    said = call("compare", "low.trec", "same.trec", "--qrels", "qrels.txt", "--queries", "1").out
    assert "same.trec is identical to low.trec" in said
    assert "Nothing could be significant here" in said
    assert "Query q" not in said


def test_a_mismatch_stops_unless_it_was_said_what_to_do(call: Caller, files: Path) -> None:
    arguments = ("compare", "low.trec", "part.trec", "--qrels", "qrels.txt", "--measure", "P@1")
    done = call(*arguments)
    assert (done.code, done.out) == (1, "")
    assert "low.trec has 12 and part.trec 9; 3 in low.trec alone: 'q9', 'q10', 'q11'." in done.err
    assert call(*arguments, "--missing", "skip", "--json").data()["queries"] == 9
    zero = call(*arguments, "--missing", "zero", "--json").data()
    assert (zero["queries"], zero["systems"][1]["missing_queries"]) == (12, ["q9", "q10", "q11"])
    assert "part.trec lacks 3 judged queries, which are left out everywhere: q9, q10, q11" in call(*arguments, "--missing", "skip").out


def test_runs_of_the_same_name_go_by_their_paths(call: Caller, files: Path) -> None:
    Path("other").mkdir()
    _write(Path("other") / "low.trec", 4)
    found = call("compare", "low.trec", "other/low.trec", "--qrels", "qrels.txt", "--json").data()
    assert [system["name"] for system in found["systems"]] == ["low.trec", "other/low.trec"]


def test_brackets_in_a_systems_name_are_shown(call: Caller, files: Path) -> None:
    _write(Path("listwise[window=4]"), 4)
    said = call("compare", "listwise[window=4]", files, "--qrels", "qrels.txt", "--measure", "P@1").out
    assert "a   listwise[window=4]" in said
    assert "Query q4: listwise[window=4] 0.0000, high-0123456789ab 1.0000" in said


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (("low.trec",), 2, "at least two runs"),
        (("low.trec", "low.trec"), 2, "low.trec is named twice"),
        (("low.trec", "none.trec"), 3, "There is no file none.trec"),
        (("low.trec", "same.trec", "--measure", "nDGC@10"), 2, "Did you mean 'nDCG'"),
        (("low.trec", "same.trec", "--alpha", "2"), 1, "alpha lies between 0 and 1"),
        (("low.trec", "same.trec", "--missing", "ignore"), 2, "ignore"),
        (("low.trec", "qrels.txt"), 1, "qrels.txt:1: "),
    ],
)
def test_what_cannot_be_compared_says_why(call: Caller, files: Path, arguments: tuple[str, ...], code: int, expected: str) -> None:
    done = call("compare", *arguments, "--qrels", "qrels.txt")
    assert (done.code, done.out) == (code, "")
    assert expected in done.err


def test_a_real_reranker_beats_its_first_stage(call: Caller, data_dir: Path) -> None:
    folder = data_dir / "runs" / "rank_llm"
    runs = folder / "BM25.trec_results_dl19.txt", folder / "reranked" / "rankvicuna.bm25.dl19.txt"
    found = call("compare", *runs, "--qrels", data_dir / "topics_and_qrels" / "qrels.dl19-passage.txt", "--json").data()
    assert [round(100 * system["mean"], 2) for system in found["systems"]] == [50.58, 66.82]  # as published
    assert found["systems"][1]["better_than"] == ["a"]
    assert len(found["most_different"]) == 3
    assert all(len(query["rankings"]) == 10 for query in found["most_different"])
