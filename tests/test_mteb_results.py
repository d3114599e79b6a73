"""mteb's result files: found in each of its forms, read as its package reads them, never chosen between in silence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mteb_folder import MODEL, REVISION, write_meta, write_result
from rerankbench.errors import ConfigError, DataError, MissingData
from rerankbench.mteb_results import ModelResults, find_results, read_result
from rerankbench.reference import mteb

FORUMS = mteb.load().tasks["CQADupstackRetrieval"].mean_of


def _task(name: str) -> mteb.Task:
    return mteb.load().tasks[name]


def _model(root: Path, model: str = "org__model-1", revision: str = REVISION) -> Path:
    return root / model / revision


@pytest.mark.parametrize("below", ["", "results"])
def test_results_are_found_in_mtebs_own_folders(tmp_path: Path, below: str) -> None:
    folder = _model(tmp_path / below)
    write_result(folder, "SciFact", 0.5)
    write_meta(folder, use_instructions=True)
    found = find_results([tmp_path], MODEL)
    assert (found.model, found.revision, found.has_instructions, list(found.files)) == (MODEL, REVISION, True, ["SciFact"])
    assert found.score("SciFact", _task("SciFact")).value == 0.5


def test_one_models_files_may_lie_flat_with_its_name_beside_them(tmp_path: Path) -> None:
    write_result(tmp_path, "SciFact", 0.5)
    write_meta(tmp_path, use_instructions=None)
    found = find_results([tmp_path], MODEL)
    assert (found.revision, found.has_instructions) == (REVISION, None)
    with pytest.raises(MissingData, match=r"There are no mteb results of other/model\."):
        find_results([tmp_path], "other/model")


def test_what_was_made_with_other_settings_is_not_looked_at(tmp_path: Path) -> None:
    write_result(_model(tmp_path) / "experiments" / "other_prompt", "SciFact", 0.9)
    write_result(_model(tmp_path), "NFCorpus", 0.5)
    assert list(find_results([tmp_path], MODEL).files) == ["NFCorpus"]


def test_several_revisions_are_never_chosen_between(tmp_path: Path) -> None:
    write_result(_model(tmp_path, revision="new"), "SciFact", 0.6)
    write_result(_model(tmp_path, revision="old"), "SciFact", 0.5)
    write_result(_model(tmp_path, revision="old"), "NFCorpus", 0.5)
    with pytest.raises(ConfigError, match=r"2 revisions of org/model-1: new \(1 tasks\), old \(2 tasks\)") as refused:
        find_results([tmp_path], MODEL)
    assert refused.value.hint == "Name one as its 'revision'."
    assert find_results([tmp_path], MODEL, "old").score("SciFact", _task("SciFact")).value == 0.5
    with pytest.raises(MissingData, match="of its revision newer; there is new, old"):
        find_results([tmp_path], MODEL, "newer")


def test_folders_complete_each_other_and_may_not_contradict(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    write_result(_model(one), "SciFact", 0.5)
    write_result(_model(two), "SciFact", 0.5)
    write_result(_model(two), "NFCorpus", 0.25)
    found = find_results([one, two], MODEL)
    assert [found.score(name, _task(name)).value for name in ("SciFact", "NFCorpus")] == [0.5, 0.25]
    write_result(_model(two), "SciFact", 0.51)
    with pytest.raises(ConfigError, match="hold different results of SciFact"):
        find_results([one, two], MODEL).score("SciFact", _task("SciFact"))


def _with_scores(folder: Path, scores: object, task: str = "MSMARCO") -> ModelResults:
    write_result(folder, task, 0.5, scores=scores)
    write_meta(folder)
    return find_results([folder], MODEL)


def test_the_split_and_subset_of_the_benchmark_are_the_ones_that_count(tmp_path: Path) -> None:
    entry = {"hf_subset": "default", "languages": ["eng-Latn"]}
    both = {"test": [{**entry, "main_score": 0.7}], "dev": [{**entry, "main_score": 0.4, "ndcg_at_10": 0.4}]}
    found = _with_scores(tmp_path, both)
    assert found.score("MSMARCO", _task("MSMARCO")).value == 0.4  # MTEB evaluates its dev split
    with pytest.raises(ConfigError, match=r"MSMARCO\.json holds test default, dev default: which of them is the task's score is not known"):
        found.score("MSMARCO")
    languages = [{"hf_subset": s, "languages": [], "main_score": v, "accuracy": v} for s, v in (("de", 0.2), ("en", 0.8))]
    found = _with_scores(tmp_path / "languages", {"test": languages}, "MTOPDomainClassification")
    assert found.score("MTOPDomainClassification", _task("MTOPDomainClassification")).value == 0.8


def test_a_split_that_is_not_there_is_missing_and_no_other_is_taken(tmp_path: Path) -> None:
    found = _with_scores(tmp_path, {"test": [{"hf_subset": "default", "main_score": 0.7}]})
    with pytest.raises(MissingData, match=r"MSMARCO\.json holds test default, not dev default"):
        found.score("MSMARCO", _task("MSMARCO"))
    with pytest.raises(MissingData, match=r"org/model-1 has no result of this task\."):
        found.score("SciFact", _task("SciFact"))


def test_a_mean_is_of_all_its_parts_or_of_its_own_file(tmp_path: Path) -> None:
    write_meta(tmp_path)
    with pytest.raises(MissingData, match=r"org/model-1 has no result of this task\."):
        _cqa(tmp_path)
    for n, forum in enumerate(FORUMS[:7]):
        write_result(tmp_path, forum, n / 20)
    with pytest.raises(MissingData, match=r"7 of 12 parts are there; missing: CQADupstackStatsRetrieval, CQADupstackTex"):
        find_results([tmp_path], MODEL).score("CQADupstackRetrieval", _task("CQADupstackRetrieval"))
    write_result(tmp_path, "CQADupstackRetrieval", 0.3)
    assert _cqa(tmp_path) == (0.3, 1)
    for n, forum in enumerate(FORUMS):
        write_result(tmp_path, forum, n / 20)
    with pytest.raises(ConfigError, match=r"CQADupstackRetrieval is 0\.30000 in its file, and 0\.27500 as the mean of its 12 parts"):
        _cqa(tmp_path)
    for without_a_score in (True, False):
        write_result(tmp_path, "CQADupstackRetrieval", None)
        if not without_a_score:
            (tmp_path / "CQADupstackRetrieval.json").unlink()
        assert _cqa(tmp_path) == (0.275, 12)  # (0 + 1 + … + 11) / 20 / 12


def _cqa(folder: Path) -> tuple[float, int]:
    score = find_results([folder], MODEL).score("CQADupstackRetrieval", _task("CQADupstackRetrieval"))
    return score.value, len(score.results)


def test_the_version_is_that_of_the_split_that_counts(tmp_path: Path) -> None:
    entry = {"hf_subset": "default", "languages": ["eng-Latn"], "main_score": 0.4}
    later = {"test": [{**entry, "mteb_version": "2.26.0"}], "dev": [{**entry, "mteb_version": "2.1.0"}]}
    assert _with_scores(tmp_path, later).score("MSMARCO", _task("MSMARCO")).versions == ("2.1.0",)


def test_a_mean_without_a_score_is_missing(tmp_path: Path) -> None:
    write_result(tmp_path, "CQADupstackRetrieval", None)
    write_meta(tmp_path)
    with pytest.raises(MissingData, match="holds no main score"):
        _cqa(tmp_path)


def test_a_score_knows_whether_it_is_the_measure_that_it_was(tmp_path: Path) -> None:
    write_result(tmp_path / "then", "AskUbuntuDupQuestions", 0.65, measure="map")
    write_result(tmp_path / "now", "AskUbuntuDupQuestions", 0.65, measure="map_at_1000", version="2.26.0")
    found = {}
    for name in ("then", "now"):
        write_meta(tmp_path / name)
        found[name] = find_results([tmp_path / name], MODEL).score("AskUbuntuDupQuestions", _task("AskUbuntuDupQuestions"))
    assert (found["then"].is_papers_measure, found["now"].is_papers_measure) == (True, False)
    assert found["now"].versions == ("2.26.0",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "cannot be read"),
        ("[]", "expected a mapping, found list"),
        ("{}", "is no result of mteb (KeyError: 'task_name')"),
        (json.dumps({"mteb_dataset_name": "SciFact", "test": {"ndcg_at_10": 0.5}}), "was written by mteb before 1.11"),
        (json.dumps({"task_name": "SciFact", "dataset_revision": "r", "scores": {"test": [{"main_score": 0.5}]}}), "'hf_subset'"),
        (json.dumps({"task_name": "SciFact", "dataset_revision": "r", "scores": None}), "is no result of mteb"),
        (json.dumps({"task_name": "NFCorpus", "dataset_revision": "r", "scores": {}}), "holds the task 'NFCorpus', not 'SciFact'"),
    ],
)
def test_damaged_files_are_named_with_what_is_wrong(tmp_path: Path, text: str, expected: str) -> None:
    write_meta(tmp_path)
    (tmp_path / "SciFact.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as damaged:
        find_results([tmp_path], MODEL).score("SciFact", _task("SciFact"))
    assert expected in damaged.value.message
    assert str(tmp_path / "SciFact.json") in damaged.value.message


@pytest.mark.parametrize("score", ["NaN", '"0.5"', "true", "Infinity"])
def test_a_main_score_that_is_no_number_is_an_error(tmp_path: Path, score: str) -> None:
    path = write_result(tmp_path, "SciFact", 0.5)
    write_meta(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace('"main_score": 0.5', f'"main_score": {score}'), encoding="utf-8")
    with pytest.raises(DataError, match="expected a number as main score"):
        find_results([tmp_path], MODEL).score("SciFact", _task("SciFact"))


def test_a_damaged_description_of_the_model_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "model_meta.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match=r"model_meta\.json: cannot be read"):
        find_results([tmp_path], MODEL)


MIRROR = {"SciFact": 0.69718, "BrightBiologyRetrieval": 0.13467, "STSBenchmark": 0.911297, "AskUbuntuDupQuestions": 0.651285}
"""Main scores as they stand in the files; the first is named in the mirror's README."""


def test_real_files_have_the_scores_that_stand_in_them(data_dir: Path) -> None:
    found = find_results([data_dir / "mteb_results"], "Qwen/Qwen3-Embedding-0.6B")
    assert len(found.files) == 18
    assert found.revision == "b22da495047858cce924d27d76261e96be6febc0"
    assert found.has_instructions is True
    tasks = mteb.load().tasks
    assert {name: found.score(name, tasks.get(name)).value for name in MIRROR} == MIRROR
    known = [found.score(name, tasks[name]) for name in found.files if name in tasks]
    assert len(known) == 18
    assert all(score.is_papers_measure for score in known)
    assert read_result(data_dir / "mteb_results" / "SciFact.json").seconds == pytest.approx(4.787, abs=1e-3)
