"""A run from elsewhere as a system."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laboratory import QUERIES, experiment, run, write_mirror
from rankers.fakes import candidates, parts
from rankers.scoring_fakes import is_permutation, words
from rerankbench.benchmarks import Benchmarks
from rerankbench.errors import DataError, MissingData, TrecFormatError
from rerankbench.measures import measure
from rerankbench.plan import Planner
from rerankbench.protocols import Workload
from rerankbench.rankers.run_file import RunFileOptions, RunFileRanker
from rerankbench.records import CandidateList, Defect, DefectKind, Ranking
from rerankbench.trec import Run, read_run


def ranker(file: Path, benchmark: str = "dl19", **options: bool) -> RunFileRanker:
    return RunFileRanker.build(RunFileOptions(file=str(file), **options), parts(benchmark=benchmark))


def run_file(folder: Path, lines: Sequence[str]) -> Path:
    path = folder / "a.run"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_the_files_scores_are_the_order_whatever_its_rank_column_says(tmp_path: Path) -> None:
    file = run_file(tmp_path, ["1 Q0 d0 1 0.5 x", "1 Q0 d2 2 7.5 x", "1 Q0 d1 3 -1 x", "2 Q0 d0 1 1 x"])
    first, second = ranker(file).rank([candidates("1", words(3)), candidates("2", words(1))])
    assert first.ranking == Ranking("1", ("d2", "d0", "d1"), (7.5, 0.5, -1.0))
    assert second.ranking.doc_ids == ("d0",)
    assert (first.defects, first.calls) == ((), ())


def test_equal_scores_are_ordered_as_trec_eval_orders_them(tmp_path: Path) -> None:
    # By falling document id, and 1.000000001 is 1.0 in its single precision.
    file = run_file(tmp_path, ["1 Q0 d0 1 1.0 x", "1 Q0 d1 2 1.000000001 x", "1 Q0 d2 3 1.0 x"])
    (ranked,) = ranker(file).rank([candidates("1", words(3))])
    assert ranked.ranking.doc_ids == ("d2", "d1", "d0")
    assert ranked.ranking.scores == (1.0, 1.000000001, 1.0)


def test_candidates_that_the_run_leaves_out_follow_in_incoming_order_and_are_counted(tmp_path: Path) -> None:
    (ranked,) = ranker(run_file(tmp_path, ["1 Q0 d3 1 2 x", "1 Q0 d1 2 1 x"])).rank([candidates("1", words(5))])
    assert ranked.ranking == Ranking("1", ("d3", "d1", "d0", "d2", "d4"))
    assert ranked.defects == (Defect(DefectKind.MISSING, "candidates that the run leaves out, appended in incoming order", 3),)


def test_a_run_of_other_lists_is_refused_unless_it_is_asked_for(tmp_path: Path) -> None:
    file = run_file(tmp_path, [*(f"1 Q0 x{i} 1 {9 - i} x" for i in range(4)), "1 Q0 d1 5 0 x", "1 Q0 d0 6 -1 x"])
    with pytest.raises(DataError) as refused:
        ranker(file).rank([candidates("1", words(2))])
    assert "ranks 4 documents for query '1' that are not among its 2 candidates: 'x0', 'x1', 'x2' and 1 more." in str(refused.value)
    assert "strict: false" in refused.value.hint
    (ranked,) = ranker(file, strict=False).rank([candidates("1", words(2))])
    assert ranked.ranking == Ranking("1", ("d1", "d0"), (0.0, -1.0))
    assert ranked.defects == (Defect(DefectKind.OUT_OF_RANGE, "documents of the run that are no candidates, left out", 4),)


def test_a_run_without_some_queries_says_how_many_and_which(tmp_path: Path) -> None:
    file = run_file(tmp_path, ["1 Q0 d0 1 2 x"])
    with pytest.raises(DataError, match=r"no ranking of 2 of 4 queries: '2', '3'\."):
        ranker(file).rank([candidates("1", words(1)), candidates("2", words(1)), candidates("3", words(1)), candidates("4", [])])
    (empty,) = ranker(file).rank([candidates("4", [])])
    assert empty.ranking.doc_ids == ()


def test_the_files_name_may_hold_the_benchmarks(tmp_path: Path) -> None:
    for name, doc_id in (("dl19", "d0"), ("dl20", "d1")):
        (tmp_path / f"x.{name}.gz").write_bytes(gzip.compress(f"1 Q0 {doc_id} 1 2 x\n".encode()))
    for name, doc_id in (("dl19", "d0"), ("dl20", "d1")):
        (ranked,) = ranker(tmp_path / "x.{benchmark}.gz", name).rank([candidates("1", words(2))])
        assert ranked.ranking.doc_ids[0] == doc_id


def test_a_relative_name_is_from_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_file(tmp_path, ["1 Q0 d0 1 2 x"])
    monkeypatch.chdir(tmp_path)
    (ranked,) = ranker(Path("a.run")).rank([candidates("1", words(1))])
    assert ranked.ranking.doc_ids == ("d0",)
    assert RunFileRanker.provenance(RunFileOptions(file="a.run"), "dl19")


def test_an_edited_file_is_another_run(tmp_path: Path) -> None:
    file = run_file(tmp_path, ["1 Q0 d0 1 2 x"])
    options = RunFileOptions(file=str(file))
    assert RunFileRanker.provenance(options, "dl19") == {"run_sha256": hashlib.sha256(b"1 Q0 d0 1 2 x\n").hexdigest()}
    before = RunFileRanker.provenance(options, "dl19")
    run_file(tmp_path, ["1 Q0 d0 1 3 x"])
    assert RunFileRanker.provenance(options, "dl19") != before


def test_a_file_that_is_not_there_is_missing_data_and_one_that_is_no_run_says_where(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match=r"no run file .*nosuch\.dl19") as missing:
        RunFileRanker.provenance(RunFileOptions(file=str(tmp_path / "nosuch.{benchmark}")), "dl19")
    assert "'file'" in missing.value.hint
    with pytest.raises(MissingData):
        ranker(tmp_path / "nosuch")
    with pytest.raises(DataError, match="cannot be read"):
        RunFileRanker.provenance(RunFileOptions(file=str(tmp_path)), "dl19")
    with pytest.raises(TrecFormatError, match=r"a\.run:2"):
        ranker(run_file(tmp_path, ["1 Q0 d0 1 2 x", "1 Q0 d1"]))
    with pytest.raises(TrecFormatError, match="stands already on line 1"):
        ranker(run_file(tmp_path, ["1 Q0 d0 1 2 x", "1 Q0 d0 1 2 x"]))


def test_it_reads_no_text_and_asks_no_engine(tmp_path: Path) -> None:
    options = RunFileOptions(file="x")
    assert not RunFileRanker.reads_text
    assert RunFileRanker.needs(options) == ()
    assert RunFileRanker.workload(options, [candidates("1", words(3))]) == Workload()


@settings(max_examples=500, deadline=None)
@given(
    depth=st.integers(0, 8),
    ranked_ids=st.lists(st.integers(0, 12), unique=True, max_size=10),
    scores=st.lists(st.floats(-5, 5) | st.sampled_from([1.0, -1.0]), min_size=10, max_size=10),
)
def test_whatever_a_run_holds_the_result_is_a_permutation_with_what_was_repaired_counted(
    tmp_path_factory: pytest.TempPathFactory, depth: int, ranked_ids: list[int], scores: list[float]
) -> None:
    lines = [f"1 Q0 d{i} 1 {score!r} x" for i, score in zip(ranked_ids, scores, strict=False)]
    file = run_file(tmp_path_factory.getbasetemp(), [*lines, "2 Q0 d0 1 1 x"] if ranked_ids else ["1 Q0 d99 1 1 x"])
    one = candidates("1", words(depth))
    (ranked,) = ranker(file, strict=False).rank([one])
    assert is_permutation(ranked, one)
    if depth:
        candidates_ranked = sum(i < depth for i in ranked_ids)
        counts = {d.kind: d.count for d in ranked.defects}
        assert counts.get(DefectKind.OUT_OF_RANGE, 0) == (len(ranked_ids) - candidates_ranked if ranked_ids else 1)
        assert counts.get(DefectKind.MISSING, 0) == depth - candidates_ranked


# nDCG@10 as the mirror's README has it.
@pytest.mark.parametrize(
    ("file", "benchmark", "published"),
    [
        ("rankvicuna.bm25.dl19", "dl19", 66.82),
        ("rankvicuna.bm25.dl20", "dl20", 65.49),
        ("vicuna-7b-noop.bm25.dl19", "dl19", 50.58),
    ],
)
def test_a_published_run_over_the_same_lists_gives_its_published_figure(
    data_dir: Path, file: str, benchmark: str, published: float
) -> None:
    lists = Benchmarks(data_dir).open(benchmark).candidates("bm25", 100)
    path = data_dir / "runs" / "rank_llm" / "reranked" / f"{file}.txt"
    ranked = ranker(path, benchmark).rank(lists)
    assert [r.defects for r in ranked] == [()] * len(lists)
    assert [r.ranking.doc_ids for r in ranked] == [read_run(path).ranking(c.query.id) for c in lists]
    qrels = Benchmarks(data_dir).open(benchmark).qrels()
    measured = measure(Run.of([r.ranking for r in ranked]), qrels, ["nDCG@10"])
    values = measured.values("nDCG@10")
    assert round(100 * sum(values.values()) / len(values), 2) == published


def test_a_run_over_another_first_stage_is_refused(data_dir: Path) -> None:
    lists: Sequence[CandidateList] = Benchmarks(data_dir).open("dl19").candidates("splade-pp-ed", 100)
    with pytest.raises(DataError, match="not among its 100 candidates"):
        ranker(data_dir / "runs" / "rank_llm" / "reranked" / "rankvicuna.bm25.dl19.txt").rank(lists)


LINES = "".join(f"{q} Q0 d{d} 1 {d} x\n" for q in QUERIES for d in range(1, 6))


def test_a_file_below_the_data_folder_is_found_wherever_that_is_and_is_the_same_run(tmp_path: Path) -> None:
    runs = []
    for name in ("here", "there"):
        mirror = write_mirror(tmp_path / name)
        (mirror / "theirs").mkdir()
        (mirror / "theirs" / "x.mini.txt").write_text(LINES, encoding="utf-8")
        asked = experiment(tmp_path, "[{name: x, ranker: {kind: run, file: '{data}/theirs/x.{benchmark}.txt'}}]", "depth: 5")
        (result,) = run(asked, mirror, tmp_path / "runs")
        assert result.problem is None
        assert result.manifest is not None
        assert result.manifest["system"]["ranker"]["file"] == "{data}/theirs/x.{benchmark}.txt"  # no place of this machine
        runs.append((result.folder, result.reused))
    assert runs == [(runs[0][0], False), (runs[0][0], True)]


def test_a_file_below_no_data_folder_is_missing(tmp_path: Path) -> None:
    asked = experiment(tmp_path, "[{name: x, ranker: {kind: run, file: '{data}/x.txt'}}]", "depth: 50")
    (planned,) = Planner(Benchmarks(None), tmp_path / "runs").plan(asked)
    assert planned.state == "missing"
    assert planned.problem is not None
    assert planned.problem.message == "System 'x': its file is '{data}/x.txt', and no data folder was named."
    assert "--data" in planned.problem.hint
