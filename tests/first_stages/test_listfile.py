"""Lists that were written are read back as they were, and a file that was not finished or was changed is never taken for whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerankbench.errors import DataError, DataMismatch, MissingData, StoreError
from rerankbench.first_stages import listfile
from rerankbench.first_stages.listfile import manifest_path, read_manifest, read_written, write_lists
from rerankbench.first_stages.published import read_lists
from rerankbench.records import CandidateList, Document, Query


def _list(query_id: str = "q", *documents: Document) -> CandidateList:
    return CandidateList(Query(query_id, f"text of {query_id}"), documents, tuple(float(-i) for i in range(len(documents))))


SEPARATORS = "\u2028\u2029\x85\x0b\x0c\x1c\r\n\t\0"


@st.composite
def _lists(draw: st.DrawFn) -> list[CandidateList]:
    words = st.text(max_size=8) | st.text(alphabet=SEPARATORS + ' a"\\', max_size=8)
    lists = []
    for query_id in draw(st.lists(words, min_size=1, max_size=3, unique=True)):
        ids = draw(st.lists(words, max_size=4, unique=True))
        documents = tuple(Document(doc_id, draw(words), draw(words)) for doc_id in ids)
        scores = sorted(draw(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=len(ids), max_size=len(ids))))
        lists.append(CandidateList(Query(query_id, draw(words)), documents, tuple(scores[::-1])))
    return lists


@given(_lists())
def test_lists_come_back_as_they_were(tmp_path_factory: pytest.TempPathFactory, lists: list[CandidateList]) -> None:
    path = tmp_path_factory.mktemp("lists") / "lists.jsonl"
    write_lists(path, lists, source="hypothesis")
    assert read_lists(path) == lists


def test_other_readers_find_the_authors_form_with_the_title_in_the_content(tmp_path: Path) -> None:
    path = tmp_path / "lists.jsonl"
    write_lists(path, [_list("7", Document("a b", "purr", "Cats"), Document("c", "bark"))], source="test")
    (record,) = (json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1])
    assert record == {
        "query": "text of 7",
        "hits": [
            {"content": "Cats purr", "title": "Cats", "qid": "7", "docid": "a b", "rank": 1, "score": 0.0},
            {"content": "bark", "qid": "7", "docid": "c", "rank": 2, "score": -1.0},
        ],
    }


def test_the_manifest_says_what_the_file_holds(tmp_path: Path) -> None:
    path = tmp_path / "new" / "lists.jsonl"
    lists = [_list("1", Document("a", "x"), Document("b", "y")), _list("2", Document("a", "x")), _list("3")]
    written = write_lists(path, iter(lists), source="first stage bm25 over mini", options={"k1": 0.9})
    read, manifest = read_written(path)
    assert read == lists
    assert manifest == written == read_manifest(path)
    assert (manifest.queries, manifest.depth_min, manifest.depth_max, manifest.documents) == (3, 0, 2, 3)
    content = path.read_bytes()
    assert (manifest.bytes, manifest.sha256) == (len(content), sha256(content).hexdigest())
    assert (manifest.source, manifest.options) == ("first stage bm25 over mini", {"k1": 0.9})


def test_a_list_without_documents_keeps_its_query(tmp_path: Path) -> None:
    write_lists(tmp_path / "lists.jsonl", [_list("1"), _list("2", Document("a", ""))], source="test")
    assert [(c.query.id, len(c)) for c in read_lists(tmp_path / "lists.jsonl")] == [("1", 0), ("2", 1)]


def test_the_same_lists_give_the_same_bytes(tmp_path: Path) -> None:
    lists = [_list("1", Document("a", "x", "t"))]
    first, second = (write_lists(tmp_path / name, lists, source="test") for name in ("one", "two"))
    assert first == second
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        ([], "no candidate list to write"),
        ([_list("1", Document("a", None))], "text of document 'a' is not at hand"),
        ([_list("1"), _list("1")], "Query '1' has two candidate lists"),
        ([CandidateList(Query("1", "q"), (Document("a", ""), Document("b", "")), (1.0, 2.0))], "scores of query '1' rise"),
        ([CandidateList(Query("1", "q"), (Document("a", ""),), (float("nan"),))], "scores of query '1' rise, or are no finite"),
        ([_list("1", Document("\ud800", ""))], "query '1' cannot be written as JSON"),
    ],
)
def test_what_could_not_be_read_back_is_refused_and_leaves_the_old_file(tmp_path: Path, lists: list[CandidateList], expected: str) -> None:
    path = tmp_path / "lists.jsonl"
    old = [_list("old", Document("a", "x"))]
    write_lists(path, old, source="test")
    with pytest.raises(DataError, match=expected):
        write_lists(path, lists, source="test")
    assert read_written(path)[0] == old


def test_a_stop_while_lists_are_made_leaves_the_old_file(tmp_path: Path) -> None:
    def stopped() -> Iterator[CandidateList]:
        yield _list("1", Document("a", "new"))
        raise KeyboardInterrupt

    path = tmp_path / "lists.jsonl"
    old = [_list("1", Document("a", "old"))]
    write_lists(path, old, source="test")
    with pytest.raises(KeyboardInterrupt):
        write_lists(path, stopped(), source="test")
    assert read_written(path)[0] == old


def test_a_stop_before_the_manifest_leaves_an_unfinished_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "lists.jsonl"
    write_lists(path, [_list("1", Document("a", "old"))], source="test")
    with monkeypatch.context() as patch:
        patch.setattr(listfile, "_write_manifest", stop)
        with pytest.raises(KeyboardInterrupt):
            write_lists(path, [_list("1", Document("a", "new"))], source="test")
    with pytest.raises(DataError, match="its writing was not finished"):
        read_written(path)


def test_two_processes_do_not_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "lists.jsonl"

    def meanwhile() -> Iterator[CandidateList]:
        with pytest.raises(StoreError, match="another process is writing this file"):
            write_lists(path, [_list("2")], source="other")
        yield _list("1")

    write_lists(path, meanwhile(), source="test")
    assert [c.query.id for c in read_written(path)[0]] == ["1"]


def test_a_changed_file_a_damaged_manifest_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "lists.jsonl"
    write_lists(path, [_list("1", Document("a", "text"))], source="test")
    path.write_bytes(path.read_bytes().replace(b"text of", b"TEXT of"))
    with pytest.raises(DataMismatch, match="changed since"):
        read_written(path)
    manifest_path(path).write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match="not a manifest"):
        read_written(path)
    with pytest.raises(MissingData):
        read_lists(tmp_path / "absent")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StoreError, match="cannot be written"):
        write_lists(tmp_path / "file" / "lists.jsonl", [_list("1")], source="test")


@pytest.mark.parametrize("first_stage", ["bm25", "splade++ed", "contriever"])
@pytest.mark.parametrize("name", ["dl19", "dl20"])
def test_the_real_lists_come_back_as_they_were(data_dir: Path, tmp_path: Path, first_stage: str, name: str) -> None:
    lists = read_lists(data_dir / "retrieval_results" / first_stage / f"{name}_top100.jsonl")
    write_lists(tmp_path / "copy.jsonl", lists, source="test")
    assert read_written(tmp_path / "copy.jsonl")[0] == lists
