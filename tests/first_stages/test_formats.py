"""Every published form is read for what it says; damage is named with its file and its line or record."""

from __future__ import annotations

import gzip
import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pytest

from rerankbench.errors import DataError, MissingData, TrecFormatError
from rerankbench.first_stages.formats import Form
from rerankbench.first_stages.published import ListsRead, read_candidates, read_lists
from rerankbench.records import Document

# As RankLLM's Request has it; the doc's fields are those of Anserini's raw documents.
RANK_LLM = {
    "query": {"text": "cats", "qid": 1},
    "candidates": [
        {"docid": "MED-2340", "score": 4.7, "doc": {"_id": "MED-2340", "title": "Cat and pig", "text": "After observing", "metadata": {}}},
        {"docid": 3978, "score": 4.2, "doc": {"contents": "Does dog or cat"}},
    ],
}
# As LiT5's topics/msmarco-dl19-bm25.jsonl has it: no scores.
LIT5 = {"question": "cats", "answers": [""], "id": "1", "ctxs": [{"docid": "a b", "text": "first"}, {"docid": "c", "text": "second"}]}
AUTHORS: dict[str, Any] = {"query": "cats", "hits": [{"content": "first", "qid": 1, "docid": "a", "rank": 1, "score": 2.5}]}


class Texts:
    """A corpus of a few documents."""

    name = "texts"
    fingerprint = "0" * 64

    def __init__(self, *documents: Document) -> None:
        self._documents = documents

    def __len__(self) -> int:
        return len(self._documents)

    def documents(self) -> Iterator[Document]:
        return iter(self._documents)

    def subset(self, ids: Collection[str]) -> dict[str, Document]:
        return {d.id: d for d in self._documents if d.id in ids}


def _read(tmp_path: Path, content: str | bytes, **options: Any) -> ListsRead:
    path = tmp_path / "lists"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_candidates(path, **options)


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(RANK_LLM),
        json.dumps([RANK_LLM]),
        json.dumps([RANK_LLM], indent=2),
        json.dumps(RANK_LLM, indent=2),
        "\n\r\n" + json.dumps(RANK_LLM) + "\r\n\n",
        "\ufeff" + json.dumps(RANK_LLM, ensure_ascii=False),
        gzip.compress(json.dumps(RANK_LLM).encode(), mtime=0),
    ],
    ids=["line", "array", "indented array", "indented object", "blank lines", "byte order mark", "gzip"],
)
def test_rank_llm_records_are_read_however_they_are_packed(tmp_path: Path, content: str | bytes) -> None:
    read = _read(tmp_path, content)
    (candidates,) = read.lists
    assert (read.form, read.unscored) == (Form.RANK_LLM, ())
    assert (candidates.query.id, candidates.query.text, candidates.scores) == ("1", "cats", (4.7, 4.2))
    assert candidates.documents == (Document("MED-2340", "After observing", "Cat and pig"), Document("3978", "Does dog or cat"))


@pytest.mark.parametrize("key", ["contents", "text", "body", "segment", "passage", "content"])
def test_a_rank_llm_document_has_its_text_under_one_of_several_keys(tmp_path: Path, key: str) -> None:
    record = {"query": {"text": "q", "qid": "7"}, "candidates": [{"docid": "d", "score": 1, "doc": {key: "words"}}]}
    assert _read(tmp_path, json.dumps(record)).lists[0].documents == (Document("d", "words"),)


def test_the_older_rank_llm_array_of_hits_is_the_authors_form(tmp_path: Path) -> None:
    read = _read(tmp_path, json.dumps([AUTHORS], indent=2))
    assert read.form is Form.AUTHORS
    assert read.lists[0].documents == (Document("a", "first"),)


def test_lists_without_scores_say_so_and_carry_falling_ranks(tmp_path: Path) -> None:
    read = _read(tmp_path, json.dumps(LIT5) + "\n" + json.dumps({**LIT5, "id": "2"}))
    assert (read.form, read.unscored) == (Form.LIT5, ("1", "2"))
    assert read.lists[0].scores == (2.0, 1.0)
    assert read.lists[0].documents == (Document("a b", "first"), Document("c", "second"))
    with pytest.raises(DataError, match="documents of 2 of 2 queries have no scores"):
        read_lists(tmp_path / "lists")


def test_fusion_in_decoder_keys_titles_and_quoted_scores_are_read(tmp_path: Path) -> None:
    record = {"query": "q", "qid": 5, "ctxs": [{"id": 9, "title": "Cats", "text": "purr", "score": "81.5"}]}
    (candidates,) = _read(tmp_path, json.dumps(record)).lists
    assert (candidates.query.id, candidates.scores, candidates.documents) == ("5", (81.5,), (Document("9", "purr", "Cats"),))


def test_some_scores_and_not_all_are_refused(tmp_path: Path) -> None:
    record = {**LIT5, "ctxs": [{"docid": "a", "text": "x", "score": 1.0}, {"docid": "b", "text": "y"}]}
    with pytest.raises(DataError, match="lists:1: 1 of the 2 documents of query '1' have no score"):
        _read(tmp_path, json.dumps(record))


def _changed(record: dict[str, Any], **entry: Any) -> list[dict[str, Any]]:
    return [record, {**record, "query": {"text": "q", "qid": 2}, "candidates": [{**record["candidates"][0], **entry}]}]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "lists: holds no candidate list"),
        (" \n ", "lists: holds no candidate list"),
        ("[]", "lists: holds no candidate list"),
        ('[{"query"', "lists:1: not JSON"),
        ("[\n{}\n][\n{}\n]", "lists:3: not JSON(.|\n)*append mode"),
        ("[3]", "record 1: of no known form.*found int"),
        ('{"query": "q", "results": []}', r"lists:1: of no known form: expected an object with 'hits'.*\['query', 'results'\]"),
        (json.dumps([RANK_LLM, {"query": "q", "ctxs": []}]), r'record 2: expected {"query": {"text", "qid"}'),
        (json.dumps([{**RANK_LLM, "query": "cats"}]), "record 1: expected"),
        (json.dumps(_changed(RANK_LLM, docid=None)), "record 2: expected .*None is no id"),
        (json.dumps(_changed(RANK_LLM, docid=True)), "record 2: expected .*True is no id"),
        (json.dumps(_changed(RANK_LLM, score="high")), "record 2: expected .*high"),
        (json.dumps(_changed(RANK_LLM, score="nan")), "record 2: expected .*not a finite number"),
        (json.dumps(_changed(RANK_LLM, score=[1])), "record 2: expected .*is no number"),
        (json.dumps(_changed(RANK_LLM, doc="text")), "record 2: expected .*not an object"),
        (json.dumps(_changed(RANK_LLM, doc={"text": 3})), "record 2: expected .*text of document 'MED-2340' is 3, not text"),
        (json.dumps(_changed(RANK_LLM, doc={"title": "t"})), "text of 1 of 1 documents of query '2' is None"),
        (json.dumps([RANK_LLM, RANK_LLM]), "record 2: query '1' has a list already, in record 1"),
        (gzip.compress(json.dumps(RANK_LLM).encode(), mtime=0)[:-9], "gzip data is damaged"),
        (b'{"query": "\xff"}', "lists:1: not a JSON object"),
    ],
)
def test_damage_is_named_with_its_place(tmp_path: Path, content: str | bytes, expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        _read(tmp_path, content)


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="There is no file"):
        read_candidates(tmp_path / "absent")
    with pytest.raises(DataError, match="cannot be read"):
        read_candidates(tmp_path)


def test_a_form_can_be_said_over_what_the_content_says(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'lists:1: expected {"question", "id", "ctxs"'):
        _read(tmp_path, json.dumps(AUTHORS), form=Form.LIT5)
    with pytest.raises(TrecFormatError, match="lists:1: found 13 columns, expected 6"):
        _read(tmp_path, json.dumps(AUTHORS), form=Form.TREC, queries={})


RUN = "1 Q0 a b 1 2.5 t\n1 Q0 c 2 3.5 t\n2 Q0 c 1 1.000000001 t\n2 Q0 d 2 1.0 t\n"


def test_a_run_is_joined_with_queries_and_corpus(tmp_path: Path) -> None:
    corpus = Texts(Document("c", "see", "Sea"), Document("a b", ""), Document("d", "dee"), Document("e", "unused"))
    read = _read(tmp_path, RUN, queries={"1": "one", "2": "two"}, corpus=corpus)
    one, two = read.lists
    assert read.form is Form.TREC
    assert one.documents == (Document("c", "see", "Sea"), Document("a b", ""))  # by score, whatever the rank column says
    assert (one.query.text, one.scores) == ("one", (3.5, 2.5))
    # Equal in single precision: the larger id comes first, and the scores do not rise for all that.
    assert ([d.id for d in two.documents], two.scores) == (["d", "c"], (1.0, 1.0))


def test_a_run_without_corpus_has_an_order_and_no_text(tmp_path: Path) -> None:
    assert not any(c.has_text for c in _read(tmp_path, RUN, queries={"1": "one", "2": "two"}).lists)


def test_what_a_run_is_joined_with_must_have_everything(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="a run file has no query texts"):
        _read(tmp_path, RUN)
    with pytest.raises(DataError, match="query '2' has no text among the 1 queries"):
        _read(tmp_path, RUN, queries={"1": "one"})
    with pytest.raises(DataError, match=r"lists: 2 of 3 documents are not in the corpus texts: 'c', 'd'"):
        _read(tmp_path, RUN, queries={"1": "one", "2": "two"}, corpus=Texts(Document("a b", "")))


def test_only_the_queries_that_are_wanted_are_joined(tmp_path: Path) -> None:
    read = _read(tmp_path, RUN, queries={"1": "one"}, only={"1"}, corpus=Texts(Document("a b", "x"), Document("c", "y")))
    assert [c.query.id for c in read.lists] == ["1"]


def test_a_corpus_fills_in_what_a_json_file_lacks_and_nothing_else(tmp_path: Path) -> None:
    record = {**AUTHORS, "hits": [*AUTHORS["hits"], {"content": None, "qid": 1, "docid": "b", "rank": 2, "score": 1.0}]}
    corpus = Texts(Document("a", "other"), Document("b", "bee"))
    assert [d.text for d in _read(tmp_path, json.dumps(record), corpus=corpus).lists[0].documents] == ["first", "bee"]


def test_a_content_that_does_not_begin_with_its_title_is_refused(tmp_path: Path) -> None:
    record = {**AUTHORS, "hits": [{**AUTHORS["hits"][0], "title": "Firs"}]}
    with pytest.raises(DataError, match="content of document 'a' does not begin with its title"):
        _read(tmp_path, json.dumps(record))


BRIGHT = {
    "aops": 111,
    "biology": 103,
    "earth_science": 116,
    "economics": 103,
    "leetcode": 142,
    "pony": 112,
    "psychology": 101,
    "robotics": 101,
    "stackoverflow": 117,
    "sustainable_living": 108,
    "theoremqa_questions": 194,
    "theoremqa_theorems": 76,
}  # 1,384 in all, as the protocol says


@pytest.mark.parametrize("name", BRIGHT)
def test_the_real_bright_runs_are_read_whole_with_their_queries(data_dir: Path, name: str) -> None:
    with gzip.open(data_dir / "topics_and_qrels" / f"topics.bright-{name.replace('_', '-')}.tsv.gz", "rt", encoding="utf-8") as lines:
        queries = {query_id: text for query_id, _, text in (line.rstrip("\n").partition("\t") for line in lines)}
    read = read_candidates(data_dir / "runs" / "bright-reasonir" / f"{name}.reasonir_gpt4cot_top100.txt", queries=queries)
    assert (len(read.lists), {len(c) for c in read.lists}) == (BRIGHT[name], {100})
    spaced = [d.id for c in read.lists for d in c.documents if " " in d.id]
    assert len(spaced) == (12 if name == "stackoverflow" else 0)


@pytest.mark.parametrize(("name", "queries"), [("covid", 50), ("news", 57)])
def test_the_real_bare_runs_are_read_whole(data_dir: Path, name: str, queries: int) -> None:
    path = data_dir / "retrieval_results" / "bm25" / f"{name}_top100.trec"
    texts = {line.split()[0]: "" for line in path.read_text(encoding="utf-8").splitlines()}
    read = read_candidates(path, queries=texts)
    assert (read.form, len(read.lists), {len(c) for c in read.lists}) == (Form.TREC, queries, {100})
