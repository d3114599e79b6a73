"""A benchmark finds its files, checks what is in them, and says where it looked for what it has not."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import time
from pathlib import Path

import pytest

from rerankbench import hub
from rerankbench.benchmarks import Benchmarks, Collection, load_catalog, mirror_folder
from rerankbench.benchmarks.sources import Folder, HubDataset, PyseriniCache
from rerankbench.errors import ConfigError, DataError, DataMismatch, MissingData, UsageError
from rerankbench.measures import measure
from rerankbench.records import Ranking
from rerankbench.trec import Run

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


# nDCG@10 of published lists as they stand, in points: the paper's Table 21, and PROTOCOL section 3 for BRIGHT.
PUBLISHED = {
    ("dl19", "bm25"): 50.58,
    ("dl20", "bm25"): 47.96,
    ("trec-covid", "bm25"): 59.47,
    ("trec-news", "bm25"): 39.52,
    ("dl19", "splade-pp-ed"): 73.08,
    ("dl20", "splade-pp-ed"): 71.97,
    ("dl19", "contriever"): 62.02,
    ("dl20", "contriever"): 63.42,
    ("bright-biology", "reasonir"): 43.49,
    ("bright-earth-science", "reasonir"): 43.00,
    ("bright-economics", "reasonir"): 32.65,
    ("bright-psychology", "reasonir"): 39.57,
    ("bright-robotics", "reasonir"): 20.82,
    ("bright-stackoverflow", "reasonir"): 30.96,
    ("bright-sustainable-living", "reasonir"): 27.34,
    ("bright-leetcode", "reasonir"): 31.68,
    ("bright-pony", "reasonir"): 19.55,
    ("bright-aops", "reasonir"): 7.37,
    ("bright-theoremqa-questions", "reasonir"): 33.93,
    ("bright-theoremqa-theorems", "reasonir"): 36.68,
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


@pytest.mark.parametrize(("name", "first_stage"), PUBLISHED)
def test_published_lists_have_the_published_quality(data_dir: Path, no_hub: None, name: str, first_stage: str) -> None:
    benchmark = Benchmarks(data_dir).open(name)
    lists = benchmark.candidates(first_stage, 100)
    assert {len(c) for c in lists} == {100}
    run = Run.of(Ranking(c.query.id, tuple(d.id for d in c.documents)) for c in lists)
    assert round(100 * measure(run, benchmark.qrels(), ["nDCG@10"]).means["nDCG@10"], 2) == PUBLISHED[name, first_stage]


@pytest.mark.parametrize("name", [name for name in load_catalog().benchmarks if name != "robust04"])
def test_the_files_at_hand_are_those_of_the_catalog(data_dir: Path, no_hub: None, name: str) -> None:
    benchmark = Benchmarks(data_dir).open(name)  # loading compares every pinned number
    assert benchmark.qrels().keys() <= {query.id for query in benchmark.queries()} or name == "mini"
    assert len(benchmark.queries()) == benchmark.counts.queries


def test_the_judgements_that_the_mirror_lacks_are_named_with_both_places_to_get_them(data_dir: Path, no_hub: None, tmp_path: Path) -> None:
    robust = Collection("robust04", [Folder(data_dir), PyseriniCache(tmp_path)], load_catalog())
    assert len(robust.queries()) == 249
    with pytest.raises(MissingData, match=r"qrels\.beir-v1\.0\.0-robust04\.test\.txt.*not among what Pyserini has fetched") as caught:
        robust.qrels()
    assert "hf download liuqi6777/retrieval_results topics_and_qrels/qrels.beir" in caught.value.hint
    assert "anserini-tools/master/topics-and-qrels/qrels.beir-v1.0.0-robust04.test.txt" in caught.value.hint


def test_what_pyserini_has_fetched_is_found_after_the_others(data_dir: Path, tmp_path: Path) -> None:
    shutil.copy(data_dir / "topics_and_qrels" / "qrels.dl19-passage.txt", tmp_path)
    dl19 = Collection("dl19", [Folder(tmp_path / "none"), PyseriniCache(tmp_path)], load_catalog())
    assert len(dl19.qrels()) == 43
    assert dl19.qrels_file().source == "Pyserini's cache"
    with pytest.raises(MissingData, match=r"dl19_top100\.jsonl\): not in the local mirror\."):
        dl19.candidates("bm25", 100)


def test_a_document_id_with_a_blank_stays_one_id(data_dir: Path, no_hub: None) -> None:
    lists = Benchmarks(data_dir).open("bright-stackoverflow").candidates("reasonir", 100)
    blank = [d.id for c in lists for d in c.documents if " " in d.id]
    assert len(blank) == 12
    assert all(doc_id.startswith("pytorch_torch_tensor_functions/Memory Management_") for doc_id in blank)


def test_lists_with_text_come_before_bare_runs_and_shallow_before_deep(data_dir: Path, tmp_path: Path, no_hub: None) -> None:
    folder = tmp_path / "retrieval_results" / "bm25"
    folder.mkdir(parents=True)
    lists = (data_dir / "retrieval_results" / "bm25" / "dl19_top100.jsonl").read_bytes()
    for name in ("dl19_top100.jsonl", "dl19_top1000.jsonl"):
        (folder / name).write_bytes(lists)
    (folder / "dl19_top20.trec").write_text("19335 Q0 a 1 1 x\n", encoding="utf-8")
    dl19 = Benchmarks(tmp_path).open("dl19")
    assert dl19.list_file("bm25", 10).place.endswith("dl19_top100.jsonl")
    assert dl19.deepest("bm25") == 1_000
    assert dl19.deepest("contriever") is None


def test_a_first_stage_without_published_lists_says_how_to_make_them(no_hub: None) -> None:
    with pytest.raises(MissingData, match="No published lists of Qwen3") as caught:
        Benchmarks(None).open("dl19").candidates("qwen3-embedding-0.6b", 100)
    assert "qwen3-embedding-0.6b: {kind: dense" in caught.value.hint


def test_grades_are_pinned_too(data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "topics_and_qrels").mkdir()
    name = "qrels.dl19-passage.txt"
    text = (data_dir / "topics_and_qrels" / name).read_text(encoding="utf-8")
    first, _, rest = text.partition("\n")
    assert first.endswith(" 0")
    (tmp_path / "topics_and_qrels" / name).write_text(f"{first[:-1]}3\n{rest}", encoding="utf-8")
    with pytest.raises(DataMismatch, match=r"are 0: 5,157, 1: 1,601, 2: 1,804, 3: 698, but dl19 has 0: 5,158, .* 3: 697"):
        Benchmarks(tmp_path).open("dl19").qrels()


def test_another_number_of_queries_is_refused_with_the_known_cause(data_dir: Path, tmp_path: Path, no_hub: None) -> None:
    for folder in ("topics_and_qrels", "runs/bright-reasonir"):
        (tmp_path / folder).mkdir(parents=True)
    run = "runs/bright-reasonir/pony.reasonir_gpt4cot_top100.txt"
    shutil.copy(data_dir / run, tmp_path / run)
    (tmp_path / "topics_and_qrels" / "topics.bright-pony.tsv.gz").write_bytes(gzip.compress(b"0\tone\n"))
    with pytest.raises(DataMismatch, match=r"1 queries, but bright-pony has 112\. Known cause: BRIGHT has 1,384"):
        Benchmarks(tmp_path).open("bright-pony").candidates("reasonir", 100)


def test_a_mirror_pins_its_own_files(data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "topics_and_qrels").mkdir()
    place = "topics_and_qrels/qrels.dl19-passage.txt"
    shutil.copy(data_dir / place, tmp_path / place)
    sha256 = hashlib.sha256((tmp_path / place).read_bytes()).hexdigest()
    (tmp_path / "SHA256SUMS").write_text(f"{sha256}  ./{place}\n", encoding="utf-8")
    assert Benchmarks(tmp_path).open("dl19").fingerprint == sha256
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  {place}\n", encoding="utf-8")
    with pytest.raises(DataMismatch, match=rf"its SHA-256 is {sha256}, but the local mirror's SHA256SUMS pins 0000"):
        Benchmarks(tmp_path).open("dl19").qrels()
    (tmp_path / "SHA256SUMS").write_text("abc qrels\n", encoding="utf-8")
    with pytest.raises(DataError, match="SHA256SUMS:1: expected a SHA-256"):
        Benchmarks(tmp_path).open("dl19").qrels()


def test_the_catalog_pins_files_wherever_they_come_from(data_dir: Path) -> None:
    place = "topics_and_qrels/qrels.dl19-passage.txt"
    catalog = load_catalog()
    pinned = catalog.model_copy(update={"data": catalog.data.model_copy(update={"sha256": {place: "0" * 64}})})
    with pytest.raises(DataMismatch, match="but the catalog pins 0000"):
        Collection("dl19", [Folder(data_dir)], pinned).qrels()


def test_the_corpus_is_taken_from_the_mirror_and_pinned_with_it(data_dir: Path, tmp_path: Path) -> None:
    corpus = Benchmarks(data_dir).open("scifact").corpus()
    assert (corpus.name, corpus.source, len(corpus)) == ("scifact", "local mirror", 5_183)
    (tmp_path / "beir" / "scifact").mkdir(parents=True)
    (tmp_path / "beir" / "scifact" / "corpus.jsonl").write_text('{"_id": "1", "text": "x"}\n', encoding="utf-8")
    assert len(Benchmarks(tmp_path).open("scifact").corpus()) == 1
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  beir/scifact/corpus.jsonl\n", encoding="utf-8")
    with pytest.raises(DataMismatch, match=r"beir/scifact/corpus\.jsonl: its SHA-256 is"):
        Benchmarks(tmp_path).open("scifact").corpus()


def test_reasoned_queries_are_taken_from_the_mirror(tmp_path: Path, no_hub: None) -> None:
    (tmp_path / "bright" / "theoremqa-theorems").mkdir(parents=True)
    file = tmp_path / "bright" / "theoremqa-theorems" / "queries-gpt4_reason.jsonl"
    file.write_text("".join(f'{{"_id": "{i}", "text": "because {i}"}}\n' for i in range(76)), encoding="utf-8")
    benchmarks = Benchmarks(tmp_path, tmp_path / "cache")
    assert benchmarks.open("bright-theoremqa-theorems").queries("gpt4_reason")[1].text == "because 1"
    with pytest.raises(MissingData, match="dl19 has no gpt4_reason queries"):
        benchmarks.open("dl19").queries("gpt4_reason")
    with pytest.raises(MissingData, match=r"gpt4_reason queries of bright-pony are not at hand: no bright/pony/queries-gpt4_reason\.jsonl"):
        benchmarks.open("bright-pony").queries("gpt4_reason")


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
