"""A task's content as plain files: all of it or nothing, the same bytes each time, and nothing that could not be read back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cli.calling import files_below
from rerankbench.benchmarks import MtebTask, OwnBenchmark
from rerankbench.benchmarks.mteb_task import MtebCollection, TaskReader
from rerankbench.benchmarks.task_folder import TaskContent, TaskFacts, read_facts, write_task
from rerankbench.errors import ConfigError, DataError, DataMismatch, MissingData, StoreError
from rerankbench.records import Document, Query

FACTS = TaskFacts(task="T", type="Reranking", revision="r1", split="dev", subset="en", licence="cc0")
CONTENT = TaskContent(
    documents=[Document("d 1", "one", "A"), Document("q1", "two"), Document("d3", "")],
    queries=[Query("q1", "first"), Query("q2", "second"), Query("q3", "not judged"), Query("q4", "judged by nothing")],
    qrels={"q2": {"d3": 0, "d 1": -1}, "q1": {"d 1": 2, "elsewhere": 1}, "q4": {}, "q5": {"d3": 1}},
    lists={"q1": ["d3", "d 1", "q1"], "q2": ["d 1"]},
    without_itself=True,
)


def opened(folder: Path) -> MtebCollection:
    return opened_by(lambda _: folder)


def opened_by(read: TaskReader) -> MtebCollection:
    return MtebCollection("mine", OwnBenchmark(mteb=MtebTask(task="T")), MtebTask(task="T"), read)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_task(tmp_path / "r1", FACTS, CONTENT)
    return tmp_path / "r1"


def test_what_was_written_is_a_benchmark(folder: Path) -> None:
    mine = opened(folder)
    assert mine.qrels() == {"q1": {"d 1": 2, "elsewhere": 1}, "q2": {"d3": 0, "d 1": -1}}
    assert [(q.id, q.text) for q in mine.queries()] == [("q1", "first"), ("q2", "second")]
    assert [(d.id, d.contents) for d in mine.corpus().documents()] == [("d 1", "A one"), ("q1", "two"), ("d3", "")]
    assert mine.first_stages == ("given",)
    first, second = mine.candidates("given", 3)
    assert [d.id for d in first.documents] == ["d3", "d 1", "q1"]
    assert [d.contents for d in first.documents] == ["", "A one", "two"]
    assert [d.id for d in second.documents] == ["d 1"]
    assert (mine.licence, mine.title) == ("cc0", "mine")
    facts = read_facts(folder)
    assert (facts.documents, facts.queries, facts.unasked) == (3, 2, 1)  # q5 has a judgement and no text
    assert mine.qrels_file().source == mine.list_file("given", 3).source == mine.corpus().source == "mteb T@r1 (en, dev)"


def test_lists_of_candidates_are_whole_at_any_depth_beyond_them(folder: Path) -> None:
    mine = opened(folder)
    assert [len(c) for c in mine.candidates("given", 1000)] == [3, 1]
    assert [len(c) for c in mine.candidates("given", 2)] == [2, 1]
    assert mine.deepest("given") == 3


def test_only_a_query_s_own_document_is_excluded(folder: Path) -> None:
    mine = opened(folder)
    excluded = mine.excluded()
    assert mine.has_exclusions
    assert excluded is not None
    assert dict(excluded.by_query) == {"q1": frozenset({"q1"})}
    file = mine.exclusions_file()
    assert file is not None
    assert file.place == "exclude.txt"


def test_a_task_that_excludes_nothing_has_no_exclusions(tmp_path: Path) -> None:
    for n, content in enumerate(
        (replace(CONTENT, without_itself=False), replace(CONTENT, documents=[Document("d 1", ""), Document("d3", "")], lists=None))
    ):
        write_task(tmp_path / str(n), FACTS, content)
        mine = opened(tmp_path / str(n))
        assert (mine.has_exclusions, mine.excluded(), mine.exclusions_file()) == (False, None, None)


def test_a_search_has_no_lists_and_says_what_to_take(tmp_path: Path) -> None:
    write_task(tmp_path / "r1", FACTS, replace(CONTENT, lists=None))
    mine = opened(tmp_path / "r1")
    assert (mine.first_stages, mine.deepest("given")) == ((), None)
    with pytest.raises(MissingData, match="has no given lists: T is a search of all its documents") as missing:
        mine.candidates("given", 10)
    assert "kind lucene or dense" in missing.value.hint


def test_another_first_stage_than_its_own_is_missing(folder: Path) -> None:
    with pytest.raises(MissingData, match="has no bm25 lists") as missing:
        opened(folder).candidates("bm25", 10)
    assert missing.value.hint == "Take first_stages: [given]."


def test_the_same_content_gives_the_same_bytes_whatever_order_its_judgements_come_in(folder: Path, tmp_path: Path) -> None:
    turned = replace(CONTENT, qrels=dict(reversed(list(CONTENT.qrels.items()))))
    write_task(tmp_path / "again", FACTS, turned)
    assert files_below(tmp_path / "again") == files_below(folder)


def test_a_stop_leaves_nothing(tmp_path: Path) -> None:
    def stopped() -> Iterator[Document]:
        yield Document("d1", "one")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_task(tmp_path / "r1", FACTS, replace(CONTENT, documents=stopped()))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(StoreError, match="cannot be written") as wrong:
        write_task(tmp_path / "file" / "r1", FACTS, CONTENT)
    assert "RERANKBENCH_CACHE" in wrong.value.hint


def test_who_comes_second_leaves_what_is_there(folder: Path) -> None:
    before = files_below(folder)
    write_task(folder, FACTS, replace(CONTENT, queries=[Query("q1", "another text")]))
    assert files_below(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == ["r1"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"documents": [Document("d", "x"), Document("d", "y")], "lists": None}, "document id 'd' occurs more than once"),
        ({"documents": [Document("d\t1", "x")], "lists": None}, r"the document id 'd\\t1' is empty, or has white space"),
        ({"documents": [Document(" d", "x")], "lists": None}, "the document id ' d' is empty, or has white space"),
        ({"queries": [Query("q 1", "x")], "qrels": {"q 1": {"d3": 1}}}, "the query id 'q 1' is empty, or has white space"),
        ({"queries": [Query("q1", "x"), Query("q1", "y")]}, "query id 'q1' occurs more than once"),
        ({"qrels": {"q1": {"d3": 0.5}}}, "the grade 0.5 is no whole number"),
        ({"qrels": {"q9": {"d3": 1}}}, "no query has both a text and a judgement"),
        ({"lists": {"q1": ["d3"]}}, "query 'q2' has no candidates"),
        ({"lists": {"q1": ["d3"], "q2": ["d9"]}}, "query 'q2': its candidate 'd9' is not in the corpus"),
        (
            {"documents": [Document("a b", "x")], "queries": [Query("a_b", "x")], "qrels": {"a_b": {"x": 1}}, "lists": None},
            "cannot be told from",
        ),
    ],
)
def test_what_could_not_be_read_back_is_refused_with_its_name(tmp_path: Path, change: dict[str, object], said: str) -> None:
    with pytest.raises(DataError, match=said):
        write_task(tmp_path / "r1", FACTS, replace(CONTENT, **change))  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl", "qrels/dev.tsv", "given.jsonl", "exclude.txt"])
def test_a_file_that_was_changed_is_refused(folder: Path, name: str) -> None:
    (folder / name).write_bytes((folder / name).read_bytes() + b"\n")
    mine = opened(folder)
    with pytest.raises(DataMismatch) as wrong:
        mine.qrels_file(), mine.list_file("given", 1), mine.exclusions_file(), mine.queries()
    assert f"Delete {folder}" in wrong.value.hint


def test_half_a_folder_is_refused(folder: Path) -> None:
    (folder / "task.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match="is no whole task"):
        opened(folder).qrels()


def test_a_task_that_is_not_at_hand_is_asked_for_once() -> None:
    asked = []

    def read(task: MtebTask) -> Path:
        asked.append(task.task)
        raise MissingData("The hub is silent.")

    mine = opened_by(read)
    for question in (mine.qrels, mine.queries, mine.corpus, lambda: mine.candidates("given", 1)):
        with pytest.raises(MissingData, match="The hub is silent"):
            question()
    assert asked == ["T"]


def test_a_configuration_s_error_names_the_benchmark() -> None:
    def read(_: MtebTask) -> Path:
        raise ConfigError("There is no such task.")

    with pytest.raises(ConfigError, match="Benchmark 'mine': There is no such task"):
        opened_by(read).qrels()
