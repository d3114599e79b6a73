"""End to end: a reranker on the first stage's own engine takes the documents' vectors from it, and ranks as it would without."""

from __future__ import annotations

from pathlib import Path

import pytest

from beir_folder import build_and_run, experiment, planner, write_beir, write_lists
from laboratory import Failing, Watched, Watcher
from rerankbench.config import Experiment
from rerankbench.experiment import Laboratory, Result
from rerankbench.tables import cell_of

ENGINE = "{kind: 'laboratory:Watched'}"
DENSE = f"dense: {{kind: dense, engine: {ENGINE}, dtype: float32}}"
REUSE = "reuse_embeddings: true"
JUDGED = 3


def _system(engine: str = ENGINE, name: str = "e") -> str:
    return f"{{name: {name}, ranker: {{kind: embedding, end_token: ''}}, engine: {engine}}}"


@pytest.fixture(autouse=True)
def beir(tmp_path: Path) -> Path:
    Watched.reset()
    Failing.fails_at = ""
    return write_beir(tmp_path / "beir")


def _asked(tmp_path: Path, more: str = REUSE, candidates: str = DENSE, systems: str = "") -> Experiment:
    return experiment(tmp_path, candidates, systems=systems or f"[{_system()}]", more=more)


def _build(asked: Experiment, runs: Path) -> None:
    planned = planner(asked, runs)
    list(planned.candidates.build_all(planned.definitions(asked)))
    Watched.reset()


def _rankings(result: Result) -> bytes:
    assert result.problem is None, result.problem
    assert result.folder is not None
    return (result.folder / "run.trec").read_bytes()


def test_only_the_prompts_are_embedded(tmp_path: Path) -> None:
    asked = _asked(tmp_path)
    _build(asked, tmp_path / "runs")
    (result,) = build_and_run(asked, tmp_path / "runs")
    assert result.problem is None
    assert len(Watched.asked) == JUDGED
    assert all("Search Query:" in text for text in Watched.asked)
    assert result.manifest is not None
    # A query each and its three documents; all five documents of the corpus stand in some list.
    assert result.manifest["answers"]["embed"] == {"asked": JUDGED + 5, "preloaded": 5, "memory": 0, "disk": 0, "computed": JUDGED}
    (note,) = cell_of(result, asked, tmp_path / "runs").notes
    assert note == "documents' vectors are those of the first stage: times count prompts alone"


def test_rankings_are_those_of_fresh_vectors_and_the_run_is_another(tmp_path: Path) -> None:
    (reused,) = build_and_run(_asked(tmp_path), tmp_path / "runs")
    (fresh,) = build_and_run(_asked(tmp_path, ""), tmp_path / "runs")
    assert _rankings(reused) == _rankings(fresh)
    assert reused.folder != fresh.folder
    assert fresh.manifest is not None
    assert fresh.manifest["answers"]["embed"]["computed"] == JUDGED + 5


@pytest.mark.parametrize(
    ("candidates", "system"),
    [
        (DENSE, _system("{kind: 'laboratory:Watched', seed: 1}")),
        (f"dense: {{kind: fusion, stages: [{{kind: dense, engine: {ENGINE}}}, {{kind: dense, engine: lexical}}]}}", _system()),
    ],
)
def test_another_engine_or_another_kind_of_first_stage_is_not_reused(tmp_path: Path, candidates: str, system: str) -> None:
    folders = []
    for more in (REUSE, ""):
        asked = _asked(tmp_path, more, candidates, f"[{system}]")
        _build(asked, tmp_path / "runs")
        (planned,) = planner(asked, tmp_path / "runs").plan(asked)
        folders.append(planned.folder)
    assert folders[0] == folders[1]
    (result,) = build_and_run(asked, tmp_path / "runs")
    assert result.manifest is not None
    assert result.manifest["answers"]["embed"]["computed"] > JUDGED


def test_documents_that_the_ranker_words_otherwise_are_embedded_again(tmp_path: Path) -> None:
    asked = _asked(tmp_path, systems="[{name: e, ranker: {kind: embedding, end_token: '<end>'}, engine: {kind: 'laboratory:Watched'}}]")
    _build(asked, tmp_path / "runs")
    build_and_run(asked, tmp_path / "runs")
    assert sum(text.endswith("<end>") and "Search Query:" not in text for text in Watched.asked) == 5


def test_rounded_vectors_of_one_cell_do_not_come_into_another(tmp_path: Path) -> None:
    """Cells of one engine share its cache; what a cell gets must not depend on which cells ran before it."""
    write_lists(tmp_path / "lists.jsonl")
    candidates = f"{DENSE.replace('float32', 'float16')}\n  mine: {{kind: file, path: lists.jsonl}}"
    both = _asked(tmp_path, REUSE, candidates)
    _build(both, tmp_path / "runs")
    _, beside = build_and_run(both, tmp_path / "runs")
    assert beside.manifest is not None
    assert beside.cell.first_stage == "mine"
    assert beside.manifest["answers"]["embed"]["computed"] >= 5
    _, alone = build_and_run(_asked(tmp_path, "", candidates), tmp_path / "alone")
    assert _rankings(beside) == _rankings(alone)


def test_a_run_that_was_stopped_goes_on_and_a_full_journal_is_no_problem(tmp_path: Path) -> None:
    asked = _asked(tmp_path)
    _build(asked, tmp_path / "runs")
    (whole,) = build_and_run(asked, tmp_path / "runs")
    expected = _rankings(whole)
    assert whole.folder is not None
    (whole.folder / "manifest.json").unlink()
    planned = planner(asked, tmp_path / "runs")
    (again,) = Laboratory(planned).run(planned.plan(asked), asked, Watcher())
    assert _rankings(again) == expected
    assert again.manifest is not None
    assert again.manifest["queries_before_last_start"] == JUDGED
