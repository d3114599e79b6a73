"""One's own benchmark needs no code: a BEIR folder, or a file of lists and one of judgements, named in a configuration."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from rerankbench.benchmarks import OwnBenchmark, OwnCollection
from rerankbench.benchmarks.audit import audit
from rerankbench.config import validate
from rerankbench.errors import ConfigError, MissingData

HITS = [{"content": f"text {i}", "qid": "q1", "docid": f"d {i}", "rank": i, "score": 9 - i} for i in (1, 2, 3)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "qrels").mkdir()
    documents = [{"_id": f"d {i}", "title": "T", "text": f"text {i}"} for i in (1, 2, 3)]
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(d) + "\n" for d in documents), encoding="utf-8")
    (tmp_path / "queries.jsonl").write_text('{"_id": "q0", "text": "trained on"}\n{"_id": "q1", "text": "asked"}\n', encoding="utf-8")
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td 2\t1\n", encoding="utf-8")
    (tmp_path / "lists.jsonl").write_text(json.dumps({"query": "asked", "hits": HITS}) + "\n", encoding="utf-8")
    (tmp_path / "run.trec").write_text("q1 Q0 d 3 1 2 x\nq1 Q0 d 1 2 1 x\n", encoding="utf-8")
    (tmp_path / "queries.tsv").write_text("q1\tasked\n", encoding="utf-8")
    return tmp_path


def own(base: Path, /, **options: object) -> OwnCollection:
    return OwnCollection("my-set", validate(OwnBenchmark, options, lambda key: f"here{key}"), base)


def test_a_beir_folder_is_a_benchmark(folder: Path) -> None:
    mine = own(folder.parent, folder=folder.name)
    assert mine.qrels() == {"q1": {"d 2": 1}}
    assert [(q.id, q.text) for q in mine.queries()] == [("q1", "asked")]  # q0 belongs to another split
    assert [d.contents for d in mine.corpus().documents()] == ["T text 1", "T text 2", "T text 3"]
    assert mine.fingerprint == hashlib.sha256((folder / "qrels" / "test.tsv").read_bytes()).hexdigest()
    assert (mine.title, mine.excluded(), mine.first_stages) == ("my-set", None, ())


def test_lists_and_judgements_are_a_benchmark(folder: Path) -> None:
    mine = own(folder, candidates="lists.jsonl", qrels="qrels/test.tsv", title="Mine", relevant=1)
    (candidates,) = mine.candidates("own", 2)
    assert [d.id for d in candidates.documents] == ["d 1", "d 2"]
    assert [(q.id, q.text) for q in mine.queries()] == [("q1", "asked")]
    assert mine.deepest("own") == 3
    file = mine.list_file("own", 2)
    assert (file.place, file.sha256) == ("lists.jsonl", hashlib.sha256((folder / "lists.jsonl").read_bytes()).hexdigest())
    with pytest.raises(MissingData, match="names no folder"):
        mine.corpus()


@pytest.mark.parametrize("options", [{"queries": "queries.tsv"}, {"queries": "queries.jsonl"}, {"folder": "."}])
def test_a_bare_run_takes_its_queries_from_a_file_or_a_folder(folder: Path, options: dict[str, str]) -> None:
    mine = own(folder, candidates={"bm25": "run.trec"}, qrels="qrels/test.tsv", **options)
    (candidates,) = mine.candidates("bm25", 2)
    assert [(d.id, d.text) for d in candidates.documents] == [("d 3", None), ("d 1", None)]
    assert candidates.query.text == "asked"


def test_a_bare_run_without_queries_says_so(folder: Path) -> None:
    with pytest.raises(MissingData, match="run file has no query texts"):
        own(folder, candidates={"bm25": "run.trec"}, qrels="qrels/test.tsv").candidates("bm25", 1)


def test_what_was_not_named_or_is_not_there_is_missing(folder: Path) -> None:
    mine = own(folder, folder=".", split="dev", candidates={"bm25": "lists.jsonl", "dense": "none.jsonl"})
    with pytest.raises(MissingData, match=r"dev\.tsv"):
        mine.qrels()
    with pytest.raises(MissingData, match=r"names no bn25 lists\. Did you mean 'bm25'"):
        mine.candidates("bn25", 1)
    with pytest.raises(MissingData, match=r"none\.jsonl"):
        mine.candidates("dense", 1)
    with pytest.raises(MissingData, match="has no gpt4_reason queries"):
        mine.queries("gpt4_reason")


def test_lists_that_are_not_deep_enough_are_missing(folder: Path) -> None:
    with pytest.raises(MissingData, match="are 3 deep, not 100") as caught:
        own(folder, candidates="lists.jsonl", qrels="qrels/test.tsv").candidates("own", 100)
    assert caught.value.hint == "Set depth: 3"


@pytest.mark.parametrize("options", [{}, {"candidates": "lists.jsonl"}, {"qrels": "q"}, {"folder": "x", "spilt": "test"}])
def test_a_configuration_that_names_too_little_is_refused(folder: Path, options: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"name a 'folder'|Did you mean 'split'"):
        own(folder, **options)


@pytest.mark.parametrize("beside", [{"folder": "x"}, {"candidates": "x", "qrels": "y"}, {"split": "test"}, {"synthetic": {}}])
def test_a_task_of_mteb_stands_alone(folder: Path, beside: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="name no files beside it"):
        own(folder, mteb={"task": "T"}, **beside)


def test_it_can_be_audited_like_any_other(folder: Path) -> None:
    mine = own(folder, folder=".", candidates={"bm25": "lists.jsonl"})
    report = audit(mine, mine.first_stages)
    assert not report.not_audited
    # The relevant document stands at rank 2 of 3: DCG 1/log2(3) = .6309 of the ideal 1.
    assert report.lists[0].measures == pytest.approx({"nDCG@10": 0.63093, "R@3": 1.0, "Judged@10": 1 / 3, "ceiling": 1.0}, abs=1e-5)
