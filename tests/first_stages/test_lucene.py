"""BM25 on Lucene gives the published figures from our own index, keeps every id and text, and says what it cannot do.

Published figures are Anserini's own regressions; the values query by query are trec_eval's output for the published run.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerankbench.benchmarks.corpora import BeirCorpus, read_beir_queries
from rerankbench.config import fingerprint
from rerankbench.errors import ConfigError, DataError, DataMismatch, EngineError, MissingData, MissingError, StoreError, UsageError
from rerankbench.first_stages.anserini import Anserini
from rerankbench.first_stages.java import Java
from rerankbench.first_stages.lucene import LuceneBm25, LuceneOptions, read_anserini_run
from rerankbench.first_stages.lucene_index import ensure_index
from rerankbench.first_stages.prebuilt import IndexCorpus, cache_folder, locate, prebuilt_index, verify_checksum
from rerankbench.measures import measure
from rerankbench.records import CandidateList, Document, Query, Ranking
from rerankbench.trec import Run, read_qrels, read_run, write_run

SCIFACT = "beir-v1.0.0-scifact.flat"

ODD = (
    Document("d one", "salmon swims in the river", "Fish"),
    Document("dé/2", "naïve café salmon"),
    Document(" lead  two ", "salmon salmon"),
    Document("tab\there", "heron\nreads\ta \u2028 book", "x\ty"),
    Document("3", "same"),
    Document("10", "same"),
    Document("2", "same"),
    Document("stop words only", "the of and"),
    Document("title only", "", "lonely headline"),
    Document("empty", ""),
    Document("blank", " \n ", " "),
)


class Memory:
    """A corpus in memory that counts how often it is read."""

    def __init__(self, documents: Sequence[Document], name: str = "odd") -> None:
        self.name = name
        self.read = 0
        self._documents = tuple(documents)

    @property
    def fingerprint(self) -> str:
        return fingerprint([[d.id, d.title, d.text] for d in self._documents])

    def __len__(self) -> int:
        return len(self._documents)

    def documents(self) -> Iterator[Document]:
        self.read += 1
        yield from self._documents

    def subset(self, ids: Collection[str]) -> dict[str, Document]:
        return {d.id: d for d in self._documents if d.id in set(ids)}


QUICK = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""Dozens of short-lived JVMs: the quick compiler alone halves their time, and changes no result."""


@pytest.fixture(scope="session")
def anserini(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Anserini]:
    try:
        found = Anserini.find("1g")
    except MissingError as error:
        pytest.skip(f"Anserini cannot run here: {error}")
    with pytest.MonkeyPatch.context() as patch:
        archive = _archive_of_classes(found, tmp_path_factory.mktemp("classes"), patch)
        patch.setenv("JAVA_TOOL_OPTIONS", f"{QUICK} -Xshare:auto -XX:SharedArchiveFile={archive}")
        yield found


def _archive_of_classes(anserini: Anserini, folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """Anserini's classes as the JVM maps them into memory, which halves its start; without the archive it starts all the same."""
    (folder / "source").mkdir()
    (folder / "source" / "corpus.jsonl").write_text('{"_id": "d", "title": "", "text": "word"}\n')
    (folder / "queries.tsv").write_text("1\tword\n")
    patch.setenv("JAVA_TOOL_OPTIONS", f"{QUICK} -XX:DumpLoadedClassList={folder / 'indexing'}")
    anserini.index(folder / "source", folder / "index", "-storeRaw")
    patch.setenv("JAVA_TOOL_OPTIONS", f"{QUICK} -XX:DumpLoadedClassList={folder / 'searching'}")
    anserini.search(folder / "index", folder / "queries.tsv", folder / "run", "-bm25")
    lines = [line.partition(" id: ")[0] for name in ("indexing", "searching") for line in (folder / name).read_text().splitlines()]
    (folder / "classes").write_text("\n".join(dict.fromkeys(lines)))  # each once: their numbers belong to one list alone
    dump = [*QUICK.split(), "-Xshare:dump", f"-XX:SharedClassListFile={folder / 'classes'}", f"-XX:SharedArchiveFile={folder / 'archive'}"]
    patch.delenv("JAVA_TOOL_OPTIONS")
    subprocess.run([str(anserini.java.path), *dump, "-cp", str(anserini.jar)], capture_output=True, check=False)
    return folder / "archive"


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory, anserini: Anserini) -> Path:
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="session")
def scifact(data_dir: Path) -> BeirCorpus:
    return BeirCorpus(data_dir / "beir" / "scifact", "scifact")


def _queries(data_dir: Path) -> list[Query]:
    judged = read_qrels(data_dir / "topics_and_qrels" / "qrels.beir-v1.0.0-scifact.test.txt")
    return [q for q in read_beir_queries(data_dir / "beir" / "scifact") if q.id in judged]


def _run(lists: Sequence[CandidateList], folder: Path) -> Run:
    path = folder / "ours.trec"
    write_run(path, (Ranking(one.query.id, tuple(d.id for d in one.documents)) for one in lists), "ours")
    return read_run(path)


def _ids(lists: Sequence[CandidateList]) -> list[list[str]]:
    return [[d.id for d in one.documents] for one in lists]


def _bm25(workspace: Path, **options: object) -> LuceneBm25:
    return LuceneBm25.build(LuceneOptions.model_validate({"heap": "1g", **options}), workspace)


def test_scifact_gives_the_published_figures_query_by_query(workspace: Path, data_dir: Path, scifact: BeirCorpus, tmp_path: Path) -> None:
    stage = _bm25(workspace)
    queries = _queries(data_dir)
    lists = stage.retrieve(scifact, queries, 100)
    assert [one.query for one in lists] == queries
    assert max(len(one) for one in lists) == 100
    assert all(one.has_text for one in lists)
    qrels = read_qrels(data_dir / "topics_and_qrels" / "qrels.beir-v1.0.0-scifact.test.txt")
    measured = measure(_run(lists, tmp_path), qrels, ["nDCG@10", "R@100"])
    assert measured.means["nDCG@10"] == pytest.approx(0.6789, abs=5e-5)
    assert measured.means["R@100"] == pytest.approx(0.9253, abs=5e-5)
    reference = data_dir / "trec_eval_reference" / "run.beir.bm25-flat.scifact.eval"
    rows = (line.split() for line in reference.read_text().splitlines())
    expected = {query: float(value) for name, query, value in rows if name == "ndcg_cut_10" and query != "all"}
    assert measured.values("nDCG@10") == pytest.approx(expected, abs=5e-5)
    assert stage.facts["documents"] == {"given": 5183, "indexed": 5183, "empty": 0}


def test_a_multifield_index_is_another_bm25(workspace: Path, data_dir: Path, scifact: BeirCorpus, tmp_path: Path) -> None:
    lists = _bm25(workspace, fields="multifield").retrieve(scifact, _queries(data_dir), 100)
    qrels = read_qrels(data_dir / "topics_and_qrels" / "qrels.beir-v1.0.0-scifact.test.txt")
    means = measure(_run(lists, tmp_path), qrels, ["nDCG@10", "R@100"]).means
    # Anserini's regression beir-v1.0.0-scifact.multifield
    assert means == pytest.approx({"nDCG@10": 0.6647, "R@100": 0.9076}, abs=5e-5)


def test_cacm_gives_the_published_figures_in_its_own_formats(anserini: Anserini, data_dir: Path, tmp_path: Path) -> None:
    source = tmp_path / "cacm"
    source.mkdir()
    shutil.copy(data_dir / "trec" / "cacm" / "cacm.tar.gz", source)
    # Without the texts, each of which Anserini would load with its document for each of the 64,000 places in the lists.
    counts = anserini.index(source, tmp_path / "index", collection="HtmlCollection")
    assert (counts.indexed, counts.empty, counts.errors) == (3204, 0, 0)
    run = tmp_path / "run.trec"
    assert anserini.search(tmp_path / "index", data_dir / "trec" / "cacm" / "topics.cacm.txt", run, "-bm25", reader="Cacm") == 64
    qrels = read_qrels(data_dir / "trec" / "cacm" / "qrels.cacm.txt")
    means = measure(read_run(run), qrels, ["AP", "P@30"]).means
    assert means == pytest.approx({"AP": 0.3123, "P@30": 0.1942}, abs=5e-5)
    anserini.index(source, tmp_path / "with texts", "-storeRaw", collection="HtmlCollection")
    text = anserini.documents(tmp_path / "with texts", ["CACM-3078"])["CACM-3078"].text
    assert text is not None
    assert "Analysis of the Availability of Computer" in text


def test_odd_ids_texts_and_queries_survive(workspace: Path) -> None:
    queries = [
        Query("q 1", "salmon"),
        Query("a/b", "heron\r\n\tbook"),
        Query("10", "same"),
        Query("10", "café"),  # an id twice is the caller's business: lists come back by position
        Query("none", "zzzz"),
        Query("stop", "the of"),
        Query("blank", " \t\x01\n"),
        Query("empty", ""),
        Query("title", "headline"),
    ]
    stage = _bm25(workspace)
    corpus = Memory(ODD)
    lists = stage.retrieve(corpus, queries, 2)
    assert [one.query for one in lists] == queries
    assert _ids(lists) == [
        [" lead  two ", "dé/2"],  # by term frequency, then by length: 2 of 2 words, 1 of 3 (and 1 of 4, beyond the depth)
        ["tab\there"],
        ["2", "3"],  # equal scores: by document id as text; the query itself, first among them, takes no place
        ["dé/2"],
        [],
        [],
        [],
        [],
        ["title only"],
    ]
    assert {d.id: d for one in lists for d in one.documents} == {d.id: d for d in ODD if d.id in {i for one in _ids(lists) for i in one}}
    assert stage.facts["documents"] == {"given": 11, "indexed": 9, "empty": 2}  # "empty" and "blank" have nothing to index
    assert (stage.facts["queries_reworded"], stage.facts["queries_without_match"]) == (1, 4)


def test_multifield_leaves_out_a_document_that_is_but_a_title(workspace: Path) -> None:
    stage = _bm25(workspace, fields="multifield")
    (titled, untitled) = stage.retrieve(Memory(ODD), [Query("1", "fish"), Query("2", "headline")], 5)
    assert _ids([titled, untitled]) == [["d one"], []]
    assert stage.facts["documents"] == {"given": 11, "indexed": 8, "empty": 3}


def test_k1_b_and_whether_to_remove_the_query_are_heeded(workspace: Path) -> None:
    stage = _bm25(workspace, k1=2.0, b=0.0, remove_query=False)
    salmon, same = stage.retrieve(Memory(ODD), [Query("q", "salmon"), Query("10", "same")], 3)
    twice, once, also_once = salmon.scores
    # tf / (tf + k1), without length as b = 0: 2/(2+2) against 1/(1+2), to Anserini's four decimals.
    assert twice / once == pytest.approx(1.5, abs=1e-3)
    assert once - also_once == pytest.approx(1e-6, abs=1e-8)  # a tie falls by 1e-6
    assert _ids([same]) == [["10", "2", "3"]]


def _stand_in(folder: Path, script: str) -> Anserini:
    """An Anserini whose Java is a shell script."""
    java = folder / "java"
    java.write_text(f"#!/bin/sh\n{script}\n")
    java.chmod(0o755)
    return Anserini(Java(java, "21", has_vector=False, origin="a stand-in"), folder / "anserini-1.0-fatjar.jar")


def _indexing(indexed: int, empty: int) -> str:
    """A script that writes an index of one file and counts as Anserini does."""
    counts = "\\n".join(f"{k}: {n}" for k, n in {"indexed": indexed, "empty": empty, "unindexable": 0, "skipped": 0, "errors": 0}.items())
    return f"""while [ $# -gt 0 ]; do [ "$1" = -index ] && mkdir "$2" && echo data > "$2/_0.fdt"; shift; done; printf '{counts}\\n'"""


def test_an_index_is_built_once_and_again_only_when_it_must(tmp_path: Path) -> None:
    anserini, corpus = _stand_in(tmp_path, _indexing(9, 2)), Memory(ODD)
    index, manifest = ensure_index(tmp_path / "store", corpus, "flat", anserini)
    times = {f: f.stat().st_mtime_ns for f in index.parent.rglob("*")}
    again = ensure_index(tmp_path / "store", corpus, "flat", anserini)
    assert again == (index, manifest)
    assert corpus.read == 1
    assert {f: f.stat().st_mtime_ns for f in index.parent.rglob("*")} == times
    assert sorted(f.name for f in index.parent.rglob("*")) == ["_0.fdt", "index", "manifest.json"]  # no copy of the corpus

    # A build that was killed leaves no manifest and whatever it had written.
    (index.parent / "manifest.json").unlink()
    (index / "_torn.tmp").write_bytes(b"half")
    (index.parent / "corpus").mkdir()
    rebuilt, _ = ensure_index(tmp_path / "store", corpus, "flat", anserini)
    assert (rebuilt, corpus.read) == (index, 2)
    assert not (index / "_torn.tmp").exists()

    changed = Memory([*ODD[:-1], Document("blank", "", " ")])
    newer = replace(anserini, jar=anserini.jar.with_name("anserini-1.1-fatjar.jar"))
    built = [ensure_index(tmp_path / "store", *what)[0] for what in ((changed, "flat", anserini), (corpus, "flat", newer))]
    built.append(ensure_index(tmp_path / "store", corpus, "multifield", anserini)[0])
    assert len({index, *built}) == 4

    os.truncate(index / "_0.fdt", 2)
    with pytest.raises(StoreError, match=f"{index.parent}: the index is not as it was"):
        ensure_index(tmp_path / "store", corpus, "flat", anserini)


def test_two_that_want_one_index_build_it_once(tmp_path: Path) -> None:
    anserini, corpus = _stand_in(tmp_path, f"sleep 0.3; {_indexing(9, 2)}"), Memory(ODD)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: ensure_index(tmp_path / "store", corpus, "flat", anserini), range(2))
    assert first == second
    assert corpus.read == 1


_LOCKING = """
import fcntl, sys
from pathlib import Path
from rerankbench.first_stages.anserini import Anserini
from rerankbench.first_stages.java import Java
with open(sys.argv[2], "w") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    Anserini(Java(Path(sys.argv[1]), "21", False, "a stand-in"), Path("anserini-1-fatjar.jar")).run("x", hold=(lock.fileno(),))
"""


def test_the_lock_is_held_while_the_jvm_lives_though_its_parent_was_killed(tmp_path: Path) -> None:
    java, told, lock = tmp_path / "java", tmp_path / "pid", tmp_path / "lock"
    java.write_text(f"#!/bin/sh\necho $$ > {told}.part\nmv {told}.part {told}\nexec sleep 60\n")
    java.chmod(0o755)
    parent = subprocess.Popen([sys.executable, "-c", _LOCKING, str(java), str(lock)])
    try:
        while not told.exists():
            assert parent.poll() is None
            time.sleep(0.02)
    finally:
        parent.kill()
        parent.wait()
    with lock.open("w") as mine:
        with pytest.raises(BlockingIOError):
            fcntl.flock(mine, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.kill(int(told.read_text()), signal.SIGKILL)
        fcntl.flock(mine, fcntl.LOCK_EX)  # is given as soon as the child has ended


def test_what_anserini_says_with_exit_code_0_is_an_error_all_the_same(anserini: Anserini, tmp_path: Path) -> None:
    (tmp_path / "q.tsv").write_text("1\tword\n")
    with pytest.raises(EngineError, match=r"wrote no run(.|\n)*does not appear to be a valid index"):
        anserini.search(tmp_path / "nothing", tmp_path / "q.tsv", tmp_path / "run", "-bm25")


def test_a_query_longer_than_lucene_takes_is_named_not_dropped(workspace: Path) -> None:
    long = Query("a long one", " ".join(f"word{n}" for n in range(1100)))
    with pytest.raises(EngineError, match=r"1,024 different terms.*'a long one', with 1,100 different words"):
        _bm25(workspace).retrieve(Memory(ODD), [Query("1", "salmon"), long], 5)


@pytest.mark.parametrize(
    ("script", "expected", "hint"),
    [
        ("echo 2026 INFO started; echo 'the reason' >&2; exit 3", r"exit code 3(.|\n)*the reason", ""),
        ("echo 'java.lang.OutOfMemoryError: Java heap space'; exit 1", "OutOfMemoryError", "more than 4g"),
        ("echo all is well", "did not say what it counted", ""),
    ],
)
def test_a_failing_jvm_is_quoted(tmp_path: Path, script: str, expected: str, hint: str) -> None:
    with pytest.raises(EngineError, match=expected) as raised:
        _stand_in(tmp_path, script).index(tmp_path, tmp_path / "index")
    assert hint in raised.value.hint
    assert "INFO" not in raised.value.message


def test_documents_that_anserini_lost_are_missed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="11 documents were given to Anserini, which indexed 8, found 2 empty"):
        ensure_index(tmp_path / "store", Memory(ODD), "flat", _stand_in(tmp_path, _indexing(8, 2)))
    assert not list(tmp_path.rglob("manifest.json"))


def test_a_document_without_text_or_with_a_line_end_in_its_id_is_refused(tmp_path: Path) -> None:
    anserini = _stand_in(tmp_path, _indexing(1, 0))
    for document in (Document("d", None), Document("a\nb", "x")):
        with pytest.raises(DataError, match="cannot be indexed"):
            ensure_index(tmp_path, Memory([document]), "flat", anserini)


def test_a_depth_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="depth of 0"):
        _bm25(tmp_path).retrieve(Memory(ODD), [], 0)


@given(st.lists(st.tuples(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), min_size=1), st.floats(0, 1e4))))
def test_any_document_id_is_read_back_from_a_run(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, float]]) -> None:
    path = tmp_path_factory.mktemp("run") / "run.trec"
    lines = [f"7 Q0 {doc_id} {rank} {score:.6f} Anserini\n" for rank, (doc_id, score) in enumerate(rows, start=1)]
    path.write_bytes("".join(lines).encode())
    expected = [(7, [(doc_id, float(f"{score:.6f}")) for doc_id, score in rows])] if rows else []
    assert list(read_anserini_run(path)) == expected


def test_a_line_that_is_none_of_a_run_is_quoted(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("7 Q0 d 1 tag\n")
    with pytest.raises(DataError, match="7 Q0 d 1 tag"):
        list(read_anserini_run(tmp_path / "run"))


# ---- prebuilt indexes, in the cache layout of Pyserini


@pytest.fixture(scope="session")
def pyserini_cache(tmp_path_factory: pytest.TempPathFactory, anserini: Anserini, data_dir: Path) -> Path:
    """A cache as Pyserini's download leaves it: ``indexes/ARCHIVE.MD5``. The index is as the published one is built."""
    cache = tmp_path_factory.mktemp("cache")
    # Name and MD5 of the archive, as Anserini 1.7.1 lists them.
    index = cache / "indexes" / "lucene-inverted.beir-v1.0.0-scifact.flat.20221116.505594.59777038fe0539e600658591e322ea57"
    source = tmp_path_factory.mktemp("scifact")
    shutil.copy(data_dir / "beir" / "scifact" / "corpus.jsonl", source)
    anserini.index(source, index, "-storeRaw", "-storeDocvectors", "-storePositions")
    return cache


@pytest.fixture
def cached(pyserini_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYSERINI_CACHE", str(pyserini_cache))
    monkeypatch.delenv("ANSERINI_INDEX_CACHE", raising=False)
    return pyserini_cache


def _copy_of(cache: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(cache, folder)
    monkeypatch.setenv("PYSERINI_CACHE", str(folder))
    (index,) = (folder / "indexes").iterdir()
    return index


def test_a_prebuilt_index_gives_lists_and_texts_without_a_corpus(
    cached: Path, data_dir: Path, scifact: BeirCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = _bm25(tmp_path, prebuilt=SCIFACT)
    corpus = stage.index_corpus()
    queries = _queries(data_dir)
    lists = stage.retrieve(corpus, queries, 100)
    qrels = read_qrels(data_dir / "topics_and_qrels" / "qrels.beir-v1.0.0-scifact.test.txt")
    means = measure(_run(lists, tmp_path), qrels, ["nDCG@10", "R@100"]).means
    assert means == pytest.approx({"nDCG@10": 0.6789, "R@100": 0.9253}, abs=5e-5)
    found = {d.id: d for one in lists for d in one.documents}
    assert found == scifact.subset(list(found))  # title and text to the letter
    assert stage.facts["documents"] == {"indexed": 5183}

    # Checked once: checksums are not computed again until a file changes.
    monkeypatch.setattr("rerankbench.first_stages.prebuilt.verify_checksum", lambda _: pytest.fail("checked again"))
    assert _ids(stage.retrieve(scifact, queries[:3], 100)) == _ids(lists[:3])  # the texts from a corpus at hand


def test_an_index_serves_as_a_corpus(cached: Path, anserini: Anserini, scifact: BeirCorpus) -> None:
    corpus = IndexCorpus(locate(anserini.jar, SCIFACT), anserini)
    assert len(corpus) == 5183
    assert {d.id: d for d in corpus.documents()} == {d.id: d for d in scifact.documents()}
    assert set(corpus.subset(["4983", "no-such-id", "5836"])) == {"4983", "5836"}
    assert corpus.subset([]) == {}
    assert len(corpus.fingerprint) == 64


def test_ids_with_blanks_cannot_be_taken_out_of_an_index(anserini: Anserini, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="document id 'd one' holds white space"):
        anserini.documents(tmp_path, ["x", "d one"])


def test_an_index_without_stored_texts_says_so(anserini: Anserini, workspace: Path) -> None:
    index, _ = ensure_index(workspace / "indexes" / "lucene", Memory(ODD), "flat", anserini)
    with pytest.raises(MissingData, match="stores no text of document '10'"):
        anserini.documents(index, ["10"])


def test_what_is_not_in_the_cache_is_named_with_its_address_and_command(
    anserini: Anserini, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYSERINI_CACHE", str(tmp_path))
    with pytest.raises(MissingData, match=r"beir-v1\.0\.0-robust04\.flat \(528,036 documents, 1,728 MB to download\)") as raised:
        locate(anserini.jar, "beir-v1.0.0-robust04.flat")
    folder = tmp_path / "indexes" / "lucene-inverted.beir-v1.0.0-robust04.flat.20221116.505594.d508fc770002a99a5dc3da3d0fa001b7"
    assert str(folder) in raised.value.message
    for part in ("curl -fLO https://", "md5sum -c", "tar -xzf", str(folder)):
        assert part in raised.value.hint
    (tmp_path / "indexes").mkdir()
    torn = tmp_path / "indexes" / "lucene-inverted.beir-v1.0.0-robust04.flat.20221116.505594.tar.gz"
    torn.write_bytes(b"half of it")
    with pytest.raises(MissingData, match=f"{torn} lies there, an unfinished download"):
        locate(anserini.jar, "beir-v1.0.0-robust04.flat")
    assert LuceneBm25.provenance(LuceneOptions()) == {"anserini": anserini.version}
    with pytest.raises(MissingData):
        LuceneBm25.provenance(LuceneOptions(prebuilt="beir-v1.0.0-robust04.flat"))


def test_an_unknown_name_gets_its_nearest(anserini: Anserini) -> None:
    with pytest.raises(ConfigError, match=r"'beir-v1\.0\.0-scifact\.flt'.*Did you mean 'beir-v1\.0\.0-scifact\.flat'"):
        locate(anserini.jar, "beir-v1.0.0-scifact.flt")
    with pytest.raises(ConfigError, match="no prebuilt impact index"):
        prebuilt_index(anserini.jar, SCIFACT, "impact")


def test_the_cache_is_where_pyserini_has_it() -> None:
    assert cache_folder({"PYSERINI_CACHE": "/elsewhere"}) == Path("/elsewhere/indexes")
    assert cache_folder({}) == Path.home() / ".cache" / "pyserini" / "indexes"
    assert cache_folder({"PYSERINI_CACHE": ""}) == Path.home() / ".cache" / "pyserini" / "indexes"


@pytest.mark.parametrize("harm", ["cut", "change", "empty"])
def test_a_damaged_prebuilt_index_is_refused(
    cached: Path, anserini: Anserini, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    index = _copy_of(cached, tmp_path / "cache", monkeypatch)
    file = max(index.iterdir(), key=lambda f: f.stat().st_size)
    content = bytearray(file.read_bytes())
    if harm == "cut":
        file.write_bytes(content[:-100])
    elif harm == "change":
        content[1000] ^= 1
        file.write_bytes(content)
    else:
        file.write_bytes(b"")
    with pytest.raises(DataError, match=f"{file}: damaged or cut short"):
        _bm25(tmp_path, prebuilt=SCIFACT).index_corpus()


def test_a_prebuilt_index_with_a_file_less_or_of_another_size_is_refused(
    cached: Path, anserini: Anserini, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = _copy_of(cached, tmp_path / "cache", monkeypatch)
    jar = tmp_path / "anserini-1.7.1-fatjar.jar"
    with zipfile.ZipFile(anserini.jar) as archive, zipfile.ZipFile(jar, "w") as other:
        entries = orjson.loads(archive.read("prebuilt-indexes/beir-inverted-flat.json"))
        changed = [{**entry, "documents": 5184} if entry["name"] == SCIFACT else entry for entry in entries]
        other.writestr("prebuilt-indexes/beir-inverted-flat.json", orjson.dumps(changed))
    with pytest.raises(DataMismatch, match=r"holds 5,183 documents, but the catalogue's .* has 5,184"):
        locate(jar, SCIFACT).check(anserini, tmp_path / "checked")
    max(index.glob("*.doc")).unlink()
    with pytest.raises(EngineError, match=r"\.doc"):
        locate(anserini.jar, SCIFACT).check(anserini, tmp_path / "checked")
    for file in index.iterdir():
        file.unlink()
    with pytest.raises(DataError, match="holds no Lucene index"):
        _bm25(tmp_path, prebuilt=SCIFACT).index_corpus()


def test_an_index_of_other_fields_or_of_another_corpus_is_noticed(anserini: Anserini, workspace: Path) -> None:
    titled, _ = ensure_index(workspace / "indexes" / "lucene", Memory(ODD), "multifield", anserini)
    with pytest.raises(ConfigError, match=r"is a multifield index \(2 documents with a separate title\)"):
        _bm25(workspace, prebuilt=str(titled)).retrieve(Memory(ODD), [Query("1", "salmon")], 5)
    with pytest.raises(DataMismatch, match=r"query '1' finds 1 documents that the corpus lacks, e\.g\. 'd one'"):
        _bm25(workspace, prebuilt=str(titled), fields="multifield").retrieve(Memory(ODD[1:]), [Query("1", "swims")], 5)


def test_without_a_prebuilt_index_there_is_no_corpus_in_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'prebuilt' is empty"):
        _bm25(tmp_path).index_corpus()


def test_every_file_of_an_index_ends_with_its_checksum(anserini: Anserini, workspace: Path, tmp_path: Path) -> None:
    index, _ = ensure_index(workspace / "indexes" / "lucene", Memory(ODD), "flat", anserini)
    for file in index.glob("[_s]*"):
        verify_checksum(file)
    (tmp_path / "_x").write_bytes(b"\xc0\x28\x93\xe8" + bytes(4) + bytes(8))  # magic, algorithm, a CRC-32 that is not 0
    with pytest.raises(DataError, match="damaged"):
        verify_checksum(tmp_path / "_x")
