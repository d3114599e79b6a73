"""A benchmark finds its files, checks what is in them, and says where it looked for what it has not."""

from __future__ import annotations

import hashlib
import shutil
import time
from pathlib import Path

import pytest

from rerankbench import hub
from rerankbench.benchmarks import Benchmarks, Collection, load_catalog, mirror_folder
from rerankbench.benchmarks.sources import Folder, HubDataset
from rerankbench.errors import ConfigError, DataMismatch, MissingData, UsageError

# Judged queries and qrels lines as PROTOCOL states them; bare files are the ones that the mirror has.
COUNTS = {
    "dl19": (43, 9_260),
    "dl20": (54, 11_386),
    "trec-covid": (50, 66_334),
    "nfcorpus": (323, 12_334),
    "touche2020": (49, 932),
    "dbpedia": (400, 43_515),
    "scifact": (300, 339),
    "signal1m": (97, 1_899),
    "trec-news": (57, 15_655),
}


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    def unreachable(repo: str, revision: str, repo_type: hub.RepoType) -> str:
        raise hub.HubUnreachable(f"no network for {repo_type} {repo} ({revision})")

    monkeypatch.setattr(hub, "resolve_commit", unreachable)


@pytest.mark.parametrize("name", COUNTS)
def test_real_judgements_have_the_published_counts(data_dir: Path, name: str) -> None:
    qrels = Benchmarks(data_dir).open(name).qrels()
    assert (len(qrels), sum(map(len, qrels.values()))) == COUNTS[name]


def test_the_embedded_benchmark_needs_no_mirror_and_no_hub(no_hub: None) -> None:
    mini = Benchmarks(None).open("mini")
    assert len(mini.candidates("bm25", 50)) == len(mini.queries())
    assert mini.list_file("bm25", 50).source == "package"


def test_lists_are_cut_to_the_depth_asked_for() -> None:
    mini = Benchmarks(None).open("mini")
    assert {len(c) for c in mini.candidates("bm25", 5)} == {5}
    assert mini.list_file("bm25", 5).sha256 == mini.list_file("bm25", 50).sha256


def test_files_are_named_with_the_hash_of_their_bytes(data_dir: Path) -> None:
    dl19 = Benchmarks(data_dir).open("dl19")
    path = data_dir / "retrieval_results" / "bm25" / "dl19_top100.jsonl"
    assert dl19.list_file("bm25", 100).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert dl19.list_file("bm25", 100).source == "local mirror"


def test_a_bare_run_stands_in_where_there_are_no_lists_with_text(data_dir: Path, no_hub: None) -> None:
    covid = Benchmarks(data_dir).open("trec-covid")
    lists = covid.candidates("bm25", 100)
    assert (len(lists), {len(c) for c in lists}) == (50, {100})
    assert not any(c.has_text for c in lists)
    assert all(c.query.text for c in lists)


def test_what_is_not_at_hand_says_where_it_was_looked_for_and_how_to_get_it(tmp_path: Path, no_hub: None) -> None:
    with pytest.raises(MissingData) as caught:
        Benchmarks(tmp_path).open("nfcorpus").candidates("bm25", 100)
    assert "bm25/nfc_top100.jsonl" in caught.value.message
    assert "no network" in caught.value.message
    assert "hf download liuqi6777/retrieval_results bm25/nfc_top100.jsonl --repo-type dataset" in caught.value.hint


def test_lists_that_are_not_deep_enough_are_missing(tmp_path: Path, no_hub: None) -> None:
    with pytest.raises(MissingData, match="mini_top100"):
        Benchmarks(tmp_path).open("mini").candidates("bm25", 100)


def test_other_judgements_than_the_catalogs_are_refused_with_both_numbers(data_dir: Path, tmp_path: Path) -> None:
    target = tmp_path / "topics_and_qrels"
    target.mkdir()
    name = "qrels.beir-v1.0.0-webis-touche2020.test.txt"
    lines = (data_dir / "topics_and_qrels" / name).read_text(encoding="utf-8").splitlines(keepends=True)
    (target / name).write_text("".join(lines[:-1]), encoding="utf-8")
    with pytest.raises(DataMismatch, match=r"931 judgements, but touche2020 has 932.*two versions"):
        Benchmarks(tmp_path).open("touche2020").qrels()


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'dl19'"):
        Benchmarks(None).open("dl91")
    with pytest.raises(ConfigError, match="Did you mean 'bm25'"):
        load_catalog().first_stage("bm52")


def test_a_data_folder_that_does_not_exist_is_a_usage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        mirror_folder(str(tmp_path / "none"))
    monkeypatch.setenv("RERANKBENCH_DATA", str(tmp_path))
    assert mirror_folder(None) == tmp_path


def test_a_mirror_comes_before_the_hub(data_dir: Path) -> None:
    class Forbidden:
        def find(self, place: str) -> None:
            raise AssertionError(f"asked for {place}")

        def looked(self, place: str) -> str:
            return place

    benchmark = Collection("dl19", [Folder(data_dir), Forbidden()], load_catalog())
    assert len(benchmark.qrels()) == 43


COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_the_hubs_own_cache_is_read_without_a_network(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = tmp_path / "datasets--liuqi6777--retrieval_results"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(COMMIT, encoding="utf-8")
    for place, name in [("bm25", "dl19_top100.jsonl"), ("topics_and_qrels", "qrels.dl19-passage.txt")]:
        folder = repo / "snapshots" / COMMIT / place
        folder.mkdir(parents=True)
        shutil.copy(data_dir / ("retrieval_results/bm25" if place == "bm25" else place) / name, folder)
    _use_cache(monkeypatch, tmp_path)
    dl19 = Benchmarks(None).open("dl19")
    assert len(dl19.candidates("bm25", 100)) == 43
    assert dl19.list_file("bm25", 100).source == f"hub liuqi6777/retrieval_results@{COMMIT}"
    assert len(dl19.qrels()) == 43


def test_a_hub_that_cannot_be_reached_is_an_answer_within_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _use_cache(monkeypatch, tmp_path)
    source = HubDataset("liuqi6777/retrieval_results", "main")
    start = time.monotonic()
    assert source.find("topics_and_qrels/qrels.dl19-passage.txt") is None
    assert source.find("retrieval_results/bm25/dl19_top100.jsonl") is None
    assert time.monotonic() - start < 10
    assert "offline" in source.looked("anything")


def _use_cache(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Offline, with the hub's cache in `folder`."""
    monkeypatch.setenv("HF_HUB_CACHE", str(folder))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
