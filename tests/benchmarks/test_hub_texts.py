"""Texts of the hub are fetched by the real client, converted once, and everything that goes wrong is a clear error within seconds."""

from __future__ import annotations

import gzip
import io
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from benchmarks.hub_server import COMMIT, Hub, serving
from rerankbench import hub as client
from rerankbench.benchmarks import Benchmarks, load_catalog
from rerankbench.benchmarks.hub_texts import HubTexts
from rerankbench.benchmarks.sources import HubDataset
from rerankbench.errors import DataError, DataMismatch, MissingData

BEIR = [{"_id": "1", "title": "T", "text": "x"}, {"_id": "a b", "title": "", "text": "y"}]
LEETCODE = load_catalog().data.revisions["xlangai/BRIGHT"]


def parquet(rows: Sequence[Mapping[str, object]]) -> bytes:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows)), file)
    return file.getvalue()


def jsonl_gz(rows: Sequence[Mapping[str, object]]) -> bytes:
    return gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode(), mtime=0)  # the time would be in the names of tests


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    served = Hub()
    # The client waits a second before each of its five resumptions.
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
    with serving(served, tmp_path / "hub-cache", monkeypatch):
        start = time.monotonic()
        yield served
        assert time.monotonic() - start < 20  # whatever goes wrong, nobody waits for minutes


@pytest.fixture
def texts(tmp_path: Path) -> HubTexts:
    return HubTexts("BeIR/some", "main", "", tmp_path / "cache")


def test_both_forms_of_beir_data_sets_become_the_same_folder(hub: Hub, texts: HubTexts, tmp_path: Path) -> None:
    hub.files["BeIR/some"] = {"README.md": b"#", "corpus.jsonl.gz": jsonl_gz(BEIR)}
    hub.files["BeIR/other"] = {f"corpus/corpus-0000{i}-of-00002.parquet": parquet([row]) for i, row in enumerate(BEIR)}
    old = texts.documents()
    new = HubTexts("BeIR/other", "main", "", tmp_path / "cache").documents()
    assert (old / "corpus.jsonl").read_bytes() == (new / "corpus.jsonl").read_bytes()
    assert [json.loads(line) for line in (new / "corpus.jsonl").read_text(encoding="utf-8").splitlines()] == BEIR
    assert texts.source(old) == f"hub BeIR/some@{COMMIT}"


def test_what_was_converted_is_not_asked_for_again(hub: Hub, texts: HubTexts) -> None:
    hub.files["BeIR/some"] = {"corpus.jsonl.gz": jsonl_gz(BEIR)}
    folder = texts.documents()
    asked = len(hub.asked)
    assert texts.documents() == texts.documents(fetch=False) == folder
    assert len(hub.asked) == asked
    assert [file.name for file in folder.iterdir()] == ["corpus.jsonl"]


def test_nothing_is_fetched_where_that_was_not_asked_for(hub: Hub, texts: HubTexts) -> None:
    with pytest.raises(MissingData, match="not converted on this machine yet"):
        texts.documents(fetch=False)
    assert not hub.asked


def test_bright_documents_queries_and_exclusions_come_at_the_pinned_commit(hub: Hub, tmp_path: Path) -> None:
    hub.revisions = {LEETCODE: LEETCODE}
    examples = [{"id": str(i), "query": f"q {i}", "excluded_ids": ["N/A"]} for i in range(142)]
    examples[3]["excluded_ids"] = ["leetcode/a.txt", "b c", "b c"]
    reasoned = [{**row, "query": f"because {row['query']}"} for row in examples]
    hub.files["xlangai/BRIGHT"] = {
        "documents/leetcode-00000-of-00001.parquet": parquet([{"id": "leetcode/a.txt", "content": "x"}]),
        "examples/leetcode-00000-of-00001.parquet": parquet(examples),
        "gpt4_reason/leetcode-00000-of-00001.parquet": parquet(reasoned),
        "examples/pony-00000-of-00001.parquet": b"another benchmark's",
    }
    leetcode = Benchmarks(None, tmp_path / "cache").open("bright-leetcode")
    corpus = leetcode.corpus()
    assert [(d.id, d.contents) for d in corpus.documents()] == [("leetcode/a.txt", "x")]
    assert corpus.source == f"hub xlangai/BRIGHT@{LEETCODE}"
    assert [q.text for q in leetcode.queries("gpt4_reason")][:2] == ["because q 0", "because q 1"]
    converted = HubTexts("xlangai/BRIGHT", LEETCODE, "leetcode", tmp_path / "cache").exclusions()
    assert converted.read_text(encoding="utf-8") == "3\tleetcode/a.txt\n3\tb c\n"
    with pytest.raises(DataMismatch, match="2 excluded, but bright-leetcode has 33,485"):
        leetcode.excluded()
    assert not any("pony" in request for request in hub.asked)


def test_a_revision_that_does_not_exist_is_named(hub: Hub, tmp_path: Path) -> None:
    hub.files["xlangai/BRIGHT"] = {}
    with pytest.raises(MissingData, match=rf"bright-pony are not at hand: .*{LEETCODE}.*RevisionNotFoundError") as caught:
        Benchmarks(None, tmp_path).open("bright-pony").corpus()
    assert f"hf download xlangai/BRIGHT --repo-type dataset --revision {LEETCODE} --include 'documents/pony-*'" in caught.value.hint
    assert "CC BY 4.0" in caught.value.hint


@pytest.mark.parametrize(("kind", "expected"), [("gated", "Accept the terms of datasets/BeIR/trec-covid"), ("private", "hf auth login")])
def test_a_data_set_that_is_not_for_everybody_says_what_to_do(hub: Hub, tmp_path: Path, kind: str, expected: str) -> None:
    hub.files["BeIR/trec-covid"] = {}
    getattr(hub, kind).add("BeIR/trec-covid")
    with pytest.raises(MissingData, match=expected) as caught:
        Benchmarks(None, tmp_path).open("trec-covid").corpus()
    assert "CORD-19" in caught.value.hint


def test_a_restricted_text_is_never_asked_of_the_hub(hub: Hub, tmp_path: Path) -> None:
    hub.files["BeIR/signal1m"] = {"corpus.jsonl.gz": jsonl_gz(BEIR)}
    with pytest.raises(MissingData, match="documents of signal1m are not at hand") as caught:
        Benchmarks(None, tmp_path).open("signal1m").corpus()
    assert "may not be redistributed" in caught.value.hint
    assert "from_prebuilt_index('beir-v1.0.0-signal1m.flat')" in caught.value.hint
    assert not hub.asked


def test_a_truncated_download_is_no_corpus_and_a_later_one_succeeds(hub: Hub, texts: HubTexts, tmp_path: Path) -> None:
    hub.files["BeIR/some"] = {"corpus.jsonl.gz": jsonl_gz(BEIR * 500)}
    hub.cut.add("corpus.jsonl.gz")
    with pytest.raises(client.HubUnreachable, match=r"did not give corpus\.jsonl\.gz"):
        texts.documents()
    assert not list((tmp_path / "cache").rglob("*.jsonl"))
    hub.cut.clear()
    assert len((texts.documents() / "corpus.jsonl").read_text(encoding="utf-8").splitlines()) == 1_000


def test_a_file_that_changed_in_the_clients_cache_is_refused(hub: Hub, texts: HubTexts, tmp_path: Path) -> None:
    content = jsonl_gz(BEIR)
    hub.files["BeIR/some"] = {"corpus.jsonl.gz": content}
    client.fetch_file("BeIR/some", "corpus.jsonl.gz", COMMIT, "dataset").resolve().write_bytes(content + b" ")
    with pytest.raises(DataMismatch, match=r"corpus\.jsonl\.gz in the hub's cache is not what the hub gave: its sha256") as caught:
        texts.documents()
    assert "Delete" in caught.value.hint


def test_a_shard_that_is_missing_is_not_overlooked(hub: Hub, texts: HubTexts) -> None:
    hub.files["BeIR/some"] = {f"corpus/corpus-0000{i}-of-00003.parquet": parquet(BEIR) for i in (0, 2)}
    with pytest.raises(MissingData, match="2 of the 3 files corpus/corpus-"):
        texts.documents()


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("corpus/corpus-00000-of-00001.parquet", b"PAR1 and then nothing", "damaged, or no parquet file"),
        ("corpus.jsonl.gz", jsonl_gz(BEIR)[:-12], "damaged"),
        ("corpus.jsonl.gz", jsonl_gz([{"_id": "1", "text": "x"}]), "without one of the columns _id, title, text"),
        ("corpus.jsonl.gz", jsonl_gz([{"_id": "1", "title": "", "text": 7}]), "text 7 is no text"),
        ("corpus.jsonl.gz", jsonl_gz([]), "hold nothing"),
    ],
)
def test_files_that_are_not_what_they_should_be_leave_nothing_behind(
    hub: Hub, texts: HubTexts, tmp_path: Path, name: str, content: bytes, expected: str
) -> None:
    hub.files["BeIR/some"] = {name: content}
    with pytest.raises(DataError, match=expected):
        texts.documents()
    assert not [file for file in (tmp_path / "cache").rglob("*") if file.is_file()]


def test_a_parquet_file_without_a_column_is_refused(hub: Hub, texts: HubTexts) -> None:
    hub.files["BeIR/some"] = {"corpus/corpus-00000-of-00001.parquet": parquet([{"_id": "1", "body": "x"}])}
    with pytest.raises(DataError, match="no column title, text"):
        texts.documents()


def test_without_a_network_the_clients_cache_is_enough(hub: Hub, texts: HubTexts, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.files["BeIR/some"] = {"corpus.jsonl.gz": jsonl_gz(BEIR)}
    client.fetch_file("BeIR/some", "corpus.jsonl.gz", COMMIT, "dataset")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    pinned = HubTexts(texts.repo, COMMIT, "", texts.cache)
    assert (pinned.documents() / "corpus.jsonl").is_file()
    with pytest.raises(client.HubUnreachable, match="offline"):
        HubTexts("BeIR/absent", "main", "", texts.cache).documents()


def test_lists_and_judgements_of_the_authors_data_set_come_through_the_client(hub: Hub) -> None:
    hub.files["owner/lists"] = {"bm25/dl19_top100.jsonl": b"{}\n", "topics_and_qrels/q.txt": b"1 0 a 1\n"}
    source = HubDataset("owner/lists", "main")
    found = source.find("retrieval_results/bm25/dl19_top100.jsonl")
    assert found is not None
    assert (found.path.read_bytes(), found.source) == (b"{}\n", f"hub owner/lists@{COMMIT}")
    assert source.find("topics_and_qrels/q.txt") is not None
    assert source.find("topics_and_qrels/none.txt") is None
    assert "did not give topics_and_qrels/none.txt" in source.looked("topics_and_qrels/none.txt")


def test_a_hub_where_nothing_listens_is_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hub: Hub) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    source = HubDataset("owner/lists", "main")
    assert source.find("topics_and_qrels/q.txt") is None
    assert "owner/lists" in source.looked("topics_and_qrels/q.txt")
    assert not hub.asked
