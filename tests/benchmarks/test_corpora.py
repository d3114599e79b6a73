"""A corpus is read in order, known by its content, and refused with the line where it is damaged."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from rerankbench.benchmarks.corpora import BeirCorpus, read_beir_queries
from rerankbench.errors import DataError, MissingData

LINES = '{"_id": "b", "title": "t", "text": "x"}\n{"_id": "a c", "title": "", "text": ""}\n'


def _folder(path: Path, corpus: str, queries: str = "") -> Path:
    path.mkdir(parents=True, exist_ok=True)
    (path / "corpus.jsonl").write_text(corpus, encoding="utf-8")
    (path / "queries.jsonl").write_text(queries, encoding="utf-8")
    return path


def test_documents_come_in_the_files_order_and_by_id(tmp_path: Path) -> None:
    corpus = BeirCorpus(_folder(tmp_path, LINES), "c")
    assert [d.id for d in corpus.documents()] == ["b", "a c"]
    assert len(corpus) == 2
    assert {i: d.contents for i, d in corpus.subset(["a c", "none"]).items()} == {"a c": ""}


def test_the_fingerprint_is_of_the_content_not_of_the_file(tmp_path: Path) -> None:
    plain = BeirCorpus(_folder(tmp_path / "a", LINES), "c")
    spaced = BeirCorpus(_folder(tmp_path / "b", LINES.replace('": "', '":   "') + "\n"), "c")
    packed = tmp_path / "c"
    packed.mkdir()
    (packed / "corpus.jsonl.gz").write_bytes(gzip.compress(LINES.encode()))
    other = BeirCorpus(_folder(tmp_path / "d", LINES.replace('"x"', '"y"')), "c")
    assert plain.fingerprint == spaced.fingerprint == BeirCorpus(packed, "c").fingerprint != other.fingerprint


@pytest.mark.parametrize(
    ("corpus", "expected"),
    [
        ("", "holds no document"),
        (LINES + LINES, "document id 'b' occurs more than once"),
        (LINES + '{"_id": "x"}', r"corpus\.jsonl:3: .*'text'"),
        (LINES + '{"_id": "x", "te', r"corpus\.jsonl:3"),
        ('{"_id": "x", "text": null}', r"corpus\.jsonl:1: .*None is no text"),
        ("[1]", r"corpus\.jsonl:1"),
    ],
)
def test_a_damaged_corpus_is_refused(tmp_path: Path, corpus: str, expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        len(BeirCorpus(_folder(tmp_path, corpus), "c"))


def test_what_is_no_beir_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match=r"no corpus\.jsonl"):
        BeirCorpus(tmp_path, "c")
    with pytest.raises(MissingData, match=r"no queries\.jsonl"):
        read_beir_queries(tmp_path)


def test_queries_are_read_once_each(tmp_path: Path) -> None:
    assert [q.id for q in read_beir_queries(_folder(tmp_path, LINES, '{"_id": "2", "text": "x"}\n{"_id": "1", "text": ""}'))] == ["2", "1"]
    with pytest.raises(DataError, match=r":2: query id '2' occurs"):
        read_beir_queries(_folder(tmp_path, LINES, '{"_id": "2", "text": "x"}\n{"_id": "2", "text": ""}'))
    with pytest.raises(DataError, match=r":1: expected"):
        read_beir_queries(_folder(tmp_path, LINES, '{"_id": "2"}'))


def test_the_real_scifact_has_its_published_counts(data_dir: Path) -> None:
    folder = data_dir / "beir" / "scifact"
    assert (len(BeirCorpus(folder, "scifact")), len(read_beir_queries(folder))) == (5_183, 1_109)
