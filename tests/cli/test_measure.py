"""`measure` gives trec_eval's numbers for any run file, and says what is wrong with those that it cannot measure."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from cli.calling import Caller

# Two judged queries have a ranking and one has none; one ranking has no judgement.
RUN = "q1 Q0 a 1 3.0 t\nq1 Q0 b c 2 2.0 t\nq2 Q0 a 1 1.0 t\nunjudged Q0 a 1 1.0 t\n"
QRELS = "q1 0 b c 1\nq2 0 a 1\nq3 0 a 1\n"
# nDCG@10: q1 has its document at rank 2, 1/log2(3) = 0.63093; q2 at rank 1; q3 is missing.
HALF = 0.6309297535714575


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    run, qrels = tmp_path / "a run.txt", tmp_path / "qrels.txt"
    run.write_text(RUN, encoding="utf-8")
    qrels.write_text(QRELS, encoding="utf-8")
    return run, qrels


@pytest.mark.parametrize(("rule", "queries", "mean"), [("zero", 3, (HALF + 1) / 3), ("skip", 2, (HALF + 1) / 2)])
def test_missing_queries_count_as_was_said(call: Caller, files: tuple[Path, Path], rule: str, queries: int, mean: float) -> None:
    found = call("measure", files[0], "--qrels", files[1], "--missing", rule, "--json").data()
    assert found["measures"] == {"nDCG@10": pytest.approx(mean)}
    assert found["queries"] == queries
    assert found["missing_queries"] == ["q3"]
    assert found["missing_rule"] == rule
    assert found["unjudged_queries"] == ["unjudged"]
    said = call("measure", files[0], "--qrels", files[1], "--missing", rule).out
    assert f"{mean:.4f}" in said
    assert "1 judged queries have no ranking" in said


def test_a_missing_query_stops_by_default(call: Caller, files: tuple[Path, Path]) -> None:
    done = call("measure", files[0], "--qrels", files[1])
    assert done.code == 1
    assert done.err.startswith("error: 1 of 3 judged queries have no ranking: 'q3'.")


def test_every_query_is_shown_where_it_is_asked_for(call: Caller, files: tuple[Path, Path]) -> None:
    arguments = ("measure", files[0], "--qrels", files[1], "--missing", "skip", "--measures", "nDCG@10, P@1", "--per-query")
    found = call(*arguments, "--json").data()
    assert found["per_query"] == {"nDCG@10": {"q1": pytest.approx(HALF), "q2": 1.0}, "P@1": {"q1": 0.0, "q2": 1.0}}
    assert "0.6309" in call(*arguments).out


def test_compressed_files_are_read_as_plain_ones(call: Caller, files: tuple[Path, Path], tmp_path: Path) -> None:
    for file in files:
        (tmp_path / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
    plain = call("measure", *(files[0], "--qrels", files[1]), "--missing", "zero", "--json").data()
    packed = call("measure", tmp_path / "a run.txt.gz", "--qrels", tmp_path / "qrels.txt.gz", "--missing", "zero", "--json").data()
    assert packed == plain


@pytest.mark.parametrize(
    ("run", "qrels", "more", "code", "expected"),
    [
        ("none.txt", "qrels.txt", (), 3, "There is no file none.txt."),
        ("a run.txt", "none.txt", (), 3, "There is no file none.txt."),
        (".", "qrels.txt", (), 3, "There is no file run.trec."),
        ("a run.txt", ".", (), 1, "cannot be read: Is a directory."),
        ("a run.txt", "qrels.txt", ("--measures", ""), 2, "--measures names no measure."),
        ("a run.txt", "qrels.txt", ("--measures", "nDGC@10"), 2, "There is no measure 'nDGC@10'. Did you mean 'nDCG'"),
        ("a run.txt", "qrels.txt", ("--missing", "ignore"), 2, "ignore"),
        ("qrels.txt", "qrels.txt", (), 1, "qrels.txt:1: "),
        ("a run.txt", "a run.txt", (), 1, "a run.txt:1: "),
    ],
)
def test_what_cannot_be_measured_says_why(
    call: Caller, files: tuple[Path, Path], run: str, qrels: str, more: tuple[str, ...], code: int, expected: str
) -> None:
    done = call("measure", run, "--qrels", qrels, *more)
    assert done.code == code
    assert expected in done.err
    assert done.out == ""


def _plain(file: Path) -> dict[str, dict[str, float]]:
    rankings: dict[str, dict[str, float]] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        fields = line.split()
        rankings.setdefault(fields[0], {})[fields[2]] = float(fields[4])
    return rankings


def _judgements(file: Path) -> dict[str, dict[str, int]]:
    qrels: dict[str, dict[str, int]] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        query, _, document, grade = line.split()
        qrels.setdefault(query, {})[document] = int(grade)
    return qrels


@pytest.mark.parametrize(
    ("run", "qrels"),
    [
        ("BM25.trec_results_dl19.txt", "qrels.dl19-passage.txt"),
        ("BM25.trec_results_dl20.txt", "qrels.dl20-passage.txt"),
        ("BM25.trec_results_news.txt", "qrels.beir-v1.0.0-trec-news.test.txt"),
        ("reranked/rankvicuna.bm25.dl19.txt", "qrels.dl19-passage.txt"),
    ],
)
def test_real_runs_have_pytrec_evals_numbers(call: Caller, data_dir: Path, run: str, qrels: str) -> None:
    pytrec_eval = pytest.importorskip("pytrec_eval")
    files = data_dir / "runs" / "rank_llm" / run, data_dir / "topics_and_qrels" / qrels
    found = call("measure", files[0], "--qrels", files[1], "--measures", "nDCG@10,AP,R@100", "--missing", "zero", "--json").data()
    judged = _judgements(files[1])
    values = pytrec_eval.RelevanceEvaluator(judged, {"ndcg_cut.10", "map", "recall.100"}).evaluate(_plain(files[0]))
    for ours, theirs in (("nDCG@10", "ndcg_cut_10"), ("AP", "map"), ("R@100", "recall_100")):
        assert found["measures"][ours] == pytest.approx(sum(values[q][theirs] for q in values) / len(judged), abs=1e-9)


def test_document_ids_with_spaces_are_whole(call: Caller, data_dir: Path) -> None:
    run = data_dir / "runs" / "bright-reasonir" / "stackoverflow.reasonir_gpt4cot_top100.txt"
    (qrels,) = (data_dir / "topics_and_qrels").glob("qrels.bright-stackoverflow*")
    found = call("measure", run, "--qrels", qrels, "--json").data()
    assert round(100 * found["measures"]["nDCG@10"], 2) == 30.96  # published with the run
