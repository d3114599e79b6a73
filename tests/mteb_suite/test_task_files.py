"""Which task, split and subset is meant, what is written of it once, and what is found again without mteb."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mteb_suite.made_tasks import Made, drawn
from rerankbench.benchmarks import Benchmarks, MtebTask
from rerankbench.benchmarks.task_folder import read_facts
from rerankbench.errors import ConfigError, DataError, MissingData, MissingExtra, StoreError
from rerankbench.mteb_suite.task_files import TaskFiles

mteb: Any = pytest.importorskip("mteb")


class Asked:
    """mteb as it is asked for tasks: made ones, and how often each was loaded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.makers: dict[str, Callable[[], Any]] = {}
        self.times = 0
        real = mteb.get_task

        def get_task(name: str, *, eval_splits: Any = None, hf_subsets: Any = None) -> Any:
            self.times += 1
            if name not in self.makers:
                return real(name, eval_splits=eval_splits, hf_subsets=hf_subsets)
            task = self.makers[name]()
            if eval_splits:
                task.filter_eval_splits(eval_splits)
            return task.filter_languages(None, hf_subsets=hf_subsets)

        monkeypatch.setattr(mteb, "get_task", get_task)

    def give(self, name: str, made: Made, type_: str = "Reranking", **metadata: Any) -> None:
        self.makers[name] = lambda: made.task(name, type_, metadata=metadata)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return Asked(monkeypatch)


def read(cache: Path, task: str, **options: str) -> Path:
    return TaskFiles(None, cache)(MtebTask(task=task, **options))


def test_a_task_is_read_once_and_named_by_all_that_decides_it(asked: Asked, tmp_path: Path) -> None:
    asked.give("MadeOnce", drawn(reranking=True))
    folder = read(tmp_path, "MadeOnce")
    assert folder == tmp_path / "mteb-tasks" / "1" / "MadeOnce" / "default" / "test" / ("f" * 40)
    assert asked.times == 2  # what it is, and its data
    assert read(tmp_path, "MadeOnce") == folder
    assert asked.times == 2
    facts = read_facts(folder)
    assert (facts.task, facts.type, facts.mteb, facts.licence) == ("MadeOnce", "Reranking", mteb.__version__, "cc0-1.0")


def test_another_version_of_mteb_is_asked_again_and_may_name_another_revision(
    asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked.give("MadeAgain", drawn(reranking=True))
    first = read(tmp_path, "MadeAgain")
    monkeypatch.setattr("rerankbench.mteb_suite.task_files._version", lambda: "99.0.0")
    assert read(tmp_path, "MadeAgain") == first
    assert asked.times == 3  # asked what it is; the data is there
    monkeypatch.setattr("rerankbench.mteb_suite.task_files._version", lambda: "100.0.0")
    asked.give("MadeAgain", drawn(reranking=True), dataset={"path": "made", "revision": "e" * 40})
    newest = read(tmp_path, "MadeAgain")
    assert newest.name == "e" * 40
    # Without any mteb the newest that was asked counts: 100 comes after 99.
    monkeypatch.setattr("rerankbench.mteb_suite.task_files._version", lambda: "")
    monkeypatch.setattr("rerankbench.mteb_suite.find_spec", lambda _: None)
    assert read(tmp_path, "MadeAgain") == newest
    with pytest.raises(MissingExtra, match="Reading the task Another of mteb needs a package"):
        read(tmp_path, "Another")


def test_one_of_several_splits_and_subsets_has_to_be_said(asked: Asked, tmp_path: Path) -> None:
    asked.give("MadeMany", replace(drawn(reranking=True), subsets=("deu", "fra"), splits=("dev", "validation")))
    with pytest.raises(ConfigError, match=r"MadeMany on several splits: say which, 'split: …'\. It has dev, validation"):
        read(tmp_path, "MadeMany")
    with pytest.raises(ConfigError, match=r"MadeMany on several subsets: say which, 'subset: …'\. It has deu, fra"):
        read(tmp_path, "MadeMany", split="dev")
    with pytest.raises(ConfigError, match=r"on no split 'dve'\. Did you mean 'dev'"):
        read(tmp_path, "MadeMany", split="dve", subset="deu")
    folder = read(tmp_path, "MadeMany", split="dev", subset="fra")
    assert folder.parts[-3:-1] == ("fra", "dev")
    assert (folder / "qrels" / "dev.tsv").is_file()


def test_test_and_default_need_not_be_said_and_an_only_one_neither(asked: Asked, tmp_path: Path) -> None:
    asked.give("MadeTested", replace(drawn(reranking=True), splits=("dev", "test")))
    assert read(tmp_path, "MadeTested").parts[-3:-1] == ("default", "test")
    asked.give("MadeDev", replace(drawn(reranking=True), splits=("dev",)))
    assert read(tmp_path, "MadeDev").parts[-3:-1] == ("default", "dev")


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("STS17", "Task STS17 of mteb is of type STS and ranks no documents. Types that do: Retrieval, InstructionRetrieval, Reranking"),
        ("LocalSTS", "Task LocalSTS of mteb is of type STS and ranks no documents"),
        ("AskUbuntuDup", "mteb has no task 'AskUbuntuDup'. Did you mean 'AskUbuntuDupQuestions'"),
        ("LocalRerankin", "Did you mean 'LocalReranking'"),
        ("CQADupstackRetrieval", "is the mean of others: name each as a benchmark, and an average over them: CQADupstackAndroidRetrieval"),
    ],
)
def test_what_is_no_task_of_ranking_texts_is_told(asked: Asked, tmp_path: Path, task: str, said: str) -> None:
    with pytest.raises(ConfigError) as wrong:
        read(tmp_path, task)
    assert said in wrong.value.message
    assert list(tmp_path.iterdir()) == []


def test_tasks_of_images_and_with_rules_of_their_own_are_refused(asked: Asked, tmp_path: Path) -> None:
    asked.give("MadeSeen", drawn(), "Retrieval", modalities=["text", "image"])
    with pytest.raises(ConfigError, match="MadeSeen of mteb is about image, text, and rankers here read text alone"):
        read(tmp_path, "MadeSeen")

    def skipping() -> Any:
        task = drawn().task("MadeSkipping", "Retrieval")
        task.skip_first_result = True
        return task

    asked.makers["MadeSkipping"] = skipping
    with pytest.raises(ConfigError, match="leaves the first document of every ranking out"):
        read(tmp_path, "MadeSkipping")


def test_a_reranking_task_without_candidates_is_missing_and_no_search(asked: Asked, tmp_path: Path) -> None:
    asked.give("MadeWithout", drawn())
    with pytest.raises(MissingData, match="MadeWithout is to rank candidates, and its data has none"):
        read(tmp_path, "MadeWithout")
    assert not list(tmp_path.rglob("task.json"))


def test_a_conversation_is_refused(asked: Asked, tmp_path: Path) -> None:
    asked.give("MadeTalk", replace(drawn(reranking=True), queries=[("q0", [{"role": "user", "content": "hi"}], None)]))
    with pytest.raises(DataError, match="Task MadeTalk, query 'q0': expected a text, found list: conversations are not ranked"):
        read(tmp_path, "MadeTalk")


def test_an_error_of_the_data_s_library_is_missing_data_with_a_hint(asked: Asked, tmp_path: Path) -> None:
    with pytest.raises(MissingData) as wrong:
        read(tmp_path, "SciDocsRR")
    assert wrong.value.message.startswith("The data of SciDocsRR is not at hand: the environment says offline")
    assert "copy a datasets cache to HF_HOME" in wrong.value.hint

    def broken() -> Any:
        task = drawn().task("MadeBroken", "Retrieval")
        task.load_data = lambda: 1 / 0
        return task

    asked.makers["MadeBroken"] = broken
    with pytest.raises(MissingData, match=r"The data of MadeBroken is not at hand\. ZeroDivisionError: division by zero"):
        read(tmp_path, "MadeBroken")


def test_the_local_suite_needs_no_mteb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rerankbench.mteb_suite.find_spec", lambda _: None)
    facts = read_facts(read(tmp_path, "LocalReranking"))
    found = {document.id for candidates in Benchmarks(None).open("mini").candidates("bm25", 50) for document in candidates.documents}
    assert (facts.queries, facts.documents, facts.mteb) == (27, len(found), "")
    with pytest.raises(MissingData, match="a local mirror, and none is named"):
        read(tmp_path, "LocalSciFactRetrieval")


def test_a_damaged_note_says_what_to_do(asked: Asked, tmp_path: Path) -> None:
    asked.give("MadeNoted", drawn(reranking=True))
    note = read(tmp_path, "MadeNoted").parents[2] / f"mteb-{mteb.__version__}.json"
    note.write_text("{", encoding="utf-8")
    with pytest.raises(StoreError, match="does not say what the task is"):
        read(tmp_path, "MadeNoted")
