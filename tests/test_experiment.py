"""The loop: what was done is not done again, a cell that fails leaves the others alone, and a ranker is not trusted."""

from __future__ import annotations

import os
from math import log2
from pathlib import Path

import orjson
import pytest

from laboratory import Failing, TinyBenchmarks, Watched, Watcher, experiment, plan, run, stored, write_mirror
from rerankbench.errors import DataError, EngineError, MeasureError, MissingError, RankingError, StoreError
from rerankbench.experiment import Laboratory, Result
from rerankbench.plan import Planner
from rerankbench.store import RunFolder

BM25 = {"q1": 1 / log2(3), "q2": 1.0, "q3": 1 / log2(6)}
"""nDCG@10 of the lists' own order by hand: one relevant document, at rank 2, 1 and 5."""


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    Watched.reset()
    Failing.fails_at = ""
    return write_mirror(tmp_path / "mirror")


def _embedding(name: str, engine: str = "laboratory:Watched", options: str = "", ranker: str = "") -> str:
    return f"{{name: {name}, ranker: {{kind: embedding, end_token: ''{ranker}}}, engine: {{kind: '{engine}'{options}}}}}"


def _values(result: Result, measure: str = "nDCG@10") -> dict[str, float]:
    assert result.problem is None, result.problem
    return {m.query_id: m.value for m in result.measurements if m.measure == measure}


def _folder(result: Result) -> Path:
    assert result.folder is not None
    return result.folder


def test_a_run_is_measured_query_by_query_as_by_hand(tmp_path: Path, mirror: Path) -> None:
    (result,) = run(experiment(tmp_path, "[BM25]"), mirror, tmp_path / "runs")
    assert _values(result) == pytest.approx(BM25)
    assert result.manifest is not None
    assert result.manifest["queries"] == 4
    assert not result.reused


def test_an_unjudged_query_is_ranked_and_counts_nowhere(tmp_path: Path, mirror: Path) -> None:
    (result,) = run(experiment(tmp_path, "[BM25]"), mirror, tmp_path / "runs")
    lines = (_folder(result) / "run.trec").read_text(encoding="utf-8").splitlines()
    assert sum(line.startswith("q4 ") for line in lines) == 5
    assert "q4" not in _values(result)


def test_a_complete_run_is_reused_and_no_engine_is_loaded(tmp_path: Path, mirror: Path) -> None:
    asked = experiment(tmp_path, f"[{_embedding('e')}]")
    (first,) = run(asked, mirror, tmp_path / "runs")
    Watched.reset()
    (again,) = run(asked, mirror, tmp_path / "runs")
    assert again.reused
    assert _values(again) == _values(first)
    assert Watched.events == []


def test_other_measures_are_taken_from_the_run_without_ranking_again(tmp_path: Path, mirror: Path) -> None:
    run(experiment(tmp_path, f"[{_embedding('e')}, BM25]"), mirror, tmp_path / "runs")
    Watched.reset()
    other = experiment(tmp_path, f"[{_embedding('e')}, BM25]", "depth: 5\nmeasures: [RR, P@1]")
    _, bm25 = run(other, mirror, tmp_path / "runs")
    assert Watched.events == []
    assert bm25.reused
    assert _values(bm25, "RR") == pytest.approx({"q1": 1 / 2, "q2": 1.0, "q3": 1 / 5})
    assert _values(bm25, "P@1") == {"q1": 0.0, "q2": 1.0, "q3": 0.0}
    assert not _values(bm25)


def test_a_limited_run_is_measured_over_its_own_queries_and_never_taken_for_a_full_one(tmp_path: Path, mirror: Path) -> None:
    asked = experiment(tmp_path, "[BM25]")
    (limited,) = run(asked, mirror, tmp_path / "runs", limit=2)
    assert _values(limited) == pytest.approx({"q1": BM25["q1"], "q2": 1.0})
    (full,) = stored(asked, mirror, tmp_path / "runs")
    assert isinstance(full.problem, MissingError)
    assert full.problem.message == "This cell was not run yet."
    (three,) = stored(asked, mirror, tmp_path / "runs", limit=3)
    assert three.problem is not None
    assert three.problem.hint == "rerankbench run tiny --limit 3, with the options of this report"


def test_a_judged_query_without_a_list_stops_counts_zero_or_is_left_out_as_was_said(tmp_path: Path) -> None:
    mirror = write_mirror(tmp_path / "mirror", {"q1": {"d1": 1}, "q2": {"d2": 1}, "gone": {"d1": 1}})
    (stopped,) = run(experiment(tmp_path, "[BM25]"), mirror, tmp_path / "runs")
    assert isinstance(stopped.problem, MeasureError)
    assert "1 of 3 judged queries have no ranking: 'gone'" in stopped.problem.message
    (zero,) = run(experiment(tmp_path, "[BM25]", "depth: 5\nmissing: zero"), mirror, tmp_path / "runs")
    assert _values(zero) == pytest.approx({"q1": 1.0, "q2": 1 / log2(3), "gone": 0.0})
    (skip,) = run(experiment(tmp_path, "[BM25]", "depth: 5\nmissing: skip"), mirror, tmp_path / "runs")
    assert _values(skip) == pytest.approx({"q1": 1.0, "q2": 1 / log2(3)})
    (stopped,) = run(experiment(tmp_path, "[BM25]"), mirror, tmp_path / "runs")
    assert isinstance(stopped.problem, MeasureError), "a run that was measured with zeros must not pass for one without gaps"


def test_judgements_of_zero_alone_give_zero(tmp_path: Path) -> None:
    mirror = write_mirror(tmp_path / "mirror", {"q1": {"d1": 0}, "q2": {"d1": -1}})
    (result,) = run(experiment(tmp_path, "[BM25]"), mirror, tmp_path / "runs")
    assert _values(result) == {"q1": 0.0, "q2": 0.0}


def test_a_cell_that_fails_leaves_the_others_running_and_goes_on_where_it_was(tmp_path: Path, mirror: Path) -> None:
    systems = f"[{_embedding('broken', 'laboratory:Failing')}, {_embedding('sound')}, BM25]"
    asked = experiment(tmp_path, systems, "depth: 5\nbatch_queries: 1")
    Failing.fails_at = "what is q3"
    broken, sound, bm25 = run(asked, mirror, tmp_path / "runs")
    assert isinstance(broken.problem, EngineError)
    assert broken.problem.message == "the device is on fire"
    assert sound.problem is None
    assert bm25.problem is None
    (report,) = stored(asked.only(["broken"]), mirror, tmp_path / "runs")
    assert isinstance(report.problem, MissingError)
    assert report.problem.message == "This cell was stopped after 2 of 4 queries."

    Failing.fails_at = ""
    Watched.reset()
    watcher = Watcher()
    (resumed,) = run(asked.only(["broken"]), mirror, tmp_path / "runs", watcher=watcher)
    assert _values(resumed).keys() == {"q1", "q2", "q3"}
    assert not [text for text in Watched.asked if "q1" in text or "q2" in text]
    assert watcher.queries == [2, 1, 1]
    assert resumed.manifest is not None
    assert resumed.manifest["queries_before_last_start"] == 2


def test_a_resumed_run_ends_like_one_that_was_never_stopped(tmp_path: Path, mirror: Path) -> None:
    asked = experiment(tmp_path, f"[{_embedding('x', 'laboratory:Failing')}]", "depth: 5\nbatch_queries: 1")
    Failing.fails_at = "what is q4"
    run(asked, mirror, tmp_path / "stopped")
    Failing.fails_at = ""
    (resumed,), (whole,) = (run(asked, mirror, tmp_path / runs) for runs in ("stopped", "whole"))
    for name in ("run.trec", "measurements.jsonl", "config.yaml"):
        assert (_folder(resumed) / name).read_bytes() == (_folder(whole) / name).read_bytes(), name


def test_an_engine_that_cannot_be_loaded_fails_its_cells_alone(tmp_path: Path, mirror: Path) -> None:
    failed, sound = run(experiment(tmp_path, f"[{_embedding('x', 'laboratory:CannotLoad')}, BM25]"), mirror, tmp_path / "runs")
    assert isinstance(failed.problem, EngineError)
    assert sound.problem is None


@pytest.mark.parametrize(
    ("ranker", "expected"),
    [
        ("Losing", r"Ranker 'losing': its ranking of query 'q1' is not a permutation of the list"),
        ("Doubling", r"Ranker 'doubling': its ranking of query 'q1' is not a permutation of the list"),
        ("Swapping", r"Ranker 'swapping' was given the queries \['q1', 'q2', 'q3', 'q4'\] and returned \['q4', 'q3', 'q2', 'q1'\]"),
        ("Short", r"Ranker 'short' was given the queries .* and returned \['q1', 'q2', 'q3'\]"),
    ],
)
def test_what_a_ranker_returns_is_checked_before_it_is_kept(tmp_path: Path, mirror: Path, ranker: str, expected: str) -> None:
    (result,) = run(experiment(tmp_path, f"[{{name: x, ranker: {{kind: 'laboratory:{ranker}'}}}}]"), mirror, tmp_path / "runs")
    assert isinstance(result.problem, RankingError)
    with pytest.raises(RankingError, match=expected):
        raise result.problem
    assert not (_folder(result) / "rankings.jsonl").exists()


def test_engines_are_loaded_once_and_one_at_a_time(tmp_path: Path, mirror: Path) -> None:
    seeds = {"a": 1, "b": 2, "c": 1, "d": 2}
    systems = ", ".join(
        _embedding(name, options=f", seed: {seed}", ranker=f", max_words: {9 + i}") for i, (name, seed) in enumerate(seeds.items())
    )
    watcher = Watcher()
    results = run(experiment(tmp_path, f"[{systems}, BM25]"), mirror, tmp_path / "runs", watcher=watcher)
    assert watcher.started == ["a", "c", "b", "d", "BM25"]
    assert [r.cell.system.name for r in results] == ["a", "b", "c", "d", "BM25"]
    assert Watched.events == ["load 1", "close 1", "load 2", "close 2"]


def test_the_engine_is_closed_when_the_run_is_stopped(tmp_path: Path, mirror: Path) -> None:
    asked = experiment(tmp_path, f"[{_embedding('x', 'laboratory:Interrupted')}]")
    with pytest.raises(KeyboardInterrupt):
        run(asked, mirror, tmp_path / "runs")
    assert Watched.events == ["load 0", "close 0"]


def test_documents_are_embedded_once_for_all_variants_of_a_sweep(tmp_path: Path, mirror: Path) -> None:
    system = _embedding("x")[:-1] + ", sweep: {ranker.documents_in_prompt: [1, 2, 3]}}"
    first, second, third = run(experiment(tmp_path, f"[{system}]", "depth: 5\nbatch_queries: 2"), mirror, tmp_path / "runs")
    # 2 shared and 4 × 3 own documents once, and 4 prompts of each variant.
    assert len(Watched.asked) == 2 + 4 * 3 + 3 * 4
    # Two batches of two lists hold 8 documents each, as 8 distinct texts; the second batch finds the 2 shared ones.
    assert [r.manifest and r.manifest["answers"]["embed"] for r in (first, second, third)] == [
        {"asked": 2 * 8 + 4, "preloaded": 0, "memory": 2, "disk": 0, "computed": 8 + 6 + 4},
        {"asked": 2 * 8 + 4, "preloaded": 0, "memory": 2 * 8, "disk": 0, "computed": 4},
        {"asked": 2 * 8 + 4, "preloaded": 0, "memory": 2 * 8, "disk": 0, "computed": 4},
    ]


def test_what_a_list_gets_does_not_depend_on_the_batch(tmp_path: Path, mirror: Path) -> None:
    (one,) = run(experiment(tmp_path, f"[{_embedding('x')}]", "depth: 5\nbatch_queries: 1"), mirror, tmp_path / "one")
    (all_,) = run(experiment(tmp_path, f"[{_embedding('x')}]"), mirror, tmp_path / "all")
    assert (_folder(one) / "run.trec").read_bytes() == (_folder(all_) / "run.trec").read_bytes()


def test_a_missing_cell_is_told_apart_from_a_failed_one(tmp_path: Path, mirror: Path) -> None:
    asked = experiment(tmp_path, "[BM25]", "depth: 5\nfirst_stages: [contriever]")
    (missing,) = run(asked, mirror, tmp_path / "runs")
    assert isinstance(missing.problem, MissingError)
    assert missing.folder is None
    (mirror / "topics_and_qrels" / "qrels.mini.txt").write_text("q1 0 d1 relevant\n", encoding="utf-8")
    (failed,) = run(experiment(tmp_path, "[BM25]"), mirror, tmp_path / "runs")
    assert isinstance(failed.problem, DataError)
    assert "the grade 'relevant' is no integer" in failed.problem.message


def test_a_run_that_another_process_works_on_is_left_to_it(tmp_path: Path, mirror: Path) -> None:
    asked = experiment(tmp_path, "[BM25, oracle]")
    planned = plan(asked, mirror, tmp_path / "runs")[0]
    assert planned.folder is not None
    assert planned.identity is not None
    with RunFolder(planned.folder, planned.identity):
        locked, other = run(asked, mirror, tmp_path / "runs")
    assert isinstance(locked.problem, StoreError)
    assert "another process is working on this run" in locked.problem.message
    assert other.problem is None


def test_a_run_that_another_process_has_completed_meanwhile_is_reused(tmp_path: Path, mirror: Path) -> None:
    asked = experiment(tmp_path, f"[{_embedding('x')}]")
    planner = Planner(TinyBenchmarks(mirror), tmp_path / "runs")
    planned = planner.plan(asked)
    run(asked, mirror, tmp_path / "runs")
    Watched.reset()
    (result,) = Laboratory(planner).run(planned, asked, Watcher())
    assert result.reused
    assert Watched.events == []


def test_two_systems_that_ask_the_same_are_ranked_once_and_both_have_the_result(tmp_path: Path, mirror: Path) -> None:
    one, two = run(experiment(tmp_path, f"[{_embedding('one')}, {_embedding('two')}]"), mirror, tmp_path / "runs")
    assert _values(one) == _values(two)
    assert two.reused
    assert len(Watched.asked) == 2 + 4 * 3 + 4  # documents and prompts, once
    assert len(list((tmp_path / "runs").rglob("manifest.json"))) == 1


def test_names_that_no_run_file_may_hold_are_written_harmless(tmp_path: Path, mirror: Path) -> None:
    log = f"{tmp_path}/with space.log"
    system = f"{{name: x, ranker: {{kind: embedding}}, engine: {{kind: scripted}}, sweep: {{engine.log: ['{log}']}}}}"
    (result,) = run(experiment(tmp_path, f"[{system}]"), mirror, tmp_path / "runs with space é")
    assert result.problem is None
    assert len((_folder(result) / "run.trec").read_text(encoding="utf-8").splitlines()[0].split()) == 6


def test_a_place_that_cannot_be_written_fails_with_its_name(tmp_path: Path, mirror: Path) -> None:
    (tmp_path / "runs").write_text("a file in the folder's place", encoding="utf-8")
    (result,) = run(experiment(tmp_path, "[BM25]"), mirror, tmp_path / "runs")
    assert isinstance(result.problem, StoreError)
    assert "cannot be written: Not a directory" in result.problem.message


def test_a_full_disk_fails_the_cell_and_keeps_the_journal(tmp_path: Path, mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = experiment(tmp_path, f"[{_embedding('x')}]", "depth: 5\nbatch_queries: 1")
    synced = os.fsync
    calls = 0

    def full(handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 6:  # the configuration, then spans and rankings of each batch: the third batch's spans
            raise OSError(28, "No space left on device")
        synced(handle)

    monkeypatch.setattr("rerankbench.store.os.fsync", full)
    (result,) = run(asked, mirror, tmp_path / "runs")
    monkeypatch.undo()
    assert isinstance(result.problem, StoreError)
    assert "cannot be written: No space left on device" in result.problem.message
    Watched.reset()
    (resumed,) = run(asked, mirror, tmp_path / "runs")
    assert _values(resumed).keys() == {"q1", "q2", "q3"}
    assert not [text for text in Watched.asked if "q1" in text or "q2" in text]


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b"[]", b'{"files": 3}', b'{"files": {}, "id": "x"}'])
def test_a_damaged_manifest_is_refused_and_nothing_is_made_up(tmp_path: Path, mirror: Path, content: bytes) -> None:
    asked = experiment(tmp_path, "[BM25]")
    (result,) = run(asked, mirror, tmp_path / "runs")
    (_folder(result) / "manifest.json").write_bytes(content)
    (damaged,) = run(asked, mirror, tmp_path / "runs")
    assert isinstance(damaged.problem, StoreError)
    assert damaged.problem.hint
    (_folder(result) / "manifest.json").unlink()
    (repaired,) = run(asked, mirror, tmp_path / "runs")
    assert _values(repaired) == pytest.approx(BM25)


def test_a_journal_with_other_documents_than_the_lists_is_refused(tmp_path: Path, mirror: Path) -> None:
    asked = experiment(tmp_path, f"[{_embedding('x', 'laboratory:Failing')}]", "depth: 5\nbatch_queries: 1")
    Failing.fails_at = "what is q2"
    (stopped,) = run(asked, mirror, tmp_path / "runs")
    journal = _folder(stopped) / "rankings.jsonl"
    record = orjson.loads(journal.read_bytes())
    record["doc_ids"][0] = "d99"
    journal.write_bytes(orjson.dumps(record) + b"\n")
    Failing.fails_at = ""
    (refused,) = run(asked, mirror, tmp_path / "runs")
    assert isinstance(refused.problem, StoreError)
    assert "other queries or documents" in refused.problem.message


def test_a_damaged_span_is_refused_with_its_file(tmp_path: Path, mirror: Path) -> None:
    asked = experiment(tmp_path, f"[{_embedding('x', 'laboratory:Failing')}]", "depth: 5\nbatch_queries: 1")
    Failing.fails_at = "what is q2"
    (stopped,) = run(asked, mirror, tmp_path / "runs")
    spans = _folder(stopped) / "spans.jsonl"
    spans.write_bytes(b"{}\n" + spans.read_bytes())
    Failing.fails_at = ""
    (refused,) = run(asked, mirror, tmp_path / "runs")
    assert isinstance(refused.problem, StoreError)
    assert "spans.jsonl: holds a line that is no span" in refused.problem.message


def test_a_manifest_says_what_the_run_was_made_of(tmp_path: Path, mirror: Path) -> None:
    (result,) = run(experiment(tmp_path, f"[{_embedding('x')}]"), mirror, tmp_path / "runs")
    manifest = orjson.loads((_folder(result) / "manifest.json").read_bytes())
    assert manifest["id"].startswith(_folder(result).name.rpartition("-")[2])
    assert manifest["identity"]["engine"]["scripted"] == "1"
    assert manifest["identity"]["ranker"]["prompts"].keys() == {"e2rank-listwise"}
    assert manifest["data"]["qrels"]["place"] == "topics_and_qrels/qrels.mini.txt"
    assert manifest["data"]["candidates"]["source"] == "local mirror"
    assert manifest["caveat"].startswith("scripted is not a model")
    assert str(tmp_path) not in orjson.dumps(manifest).decode()
