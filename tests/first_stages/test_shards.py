"""Shards on disk: whole or not there, made once, made again when damaged, and never all in memory."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
import orjson
import pytest

from first_stages.corpora import ListedCorpus, numbered
from rerankbench.errors import DataError, EngineError, StoreError
from rerankbench.first_stages import shards
from rerankbench.first_stages.embedded import Dtype, EmbeddedCorpus
from rerankbench.first_stages.shards import ShardFolder
from rerankbench.protocols import Floats
from rerankbench.records import Document

ROOT = Path(__file__).parents[2]


class Encoder:
    """One direction of the plane a document, by the number in its id; notes whom it encoded."""

    def __init__(self) -> None:
        self.encoded: list[str] = []

    def __call__(self, documents: Sequence[Document]) -> tuple[Floats, dict[str, int]]:
        self.encoded += [d.id for d in documents]
        angles = np.array([int(d.id[1:]) for d in documents], dtype=np.float32)
        return np.stack([np.cos(angles), np.sin(angles)], axis=1), {"seen": len(documents)}


def _folder(path: Path, corpus: ListedCorpus, size: int) -> ShardFolder:
    return ShardFolder(path, {"corpus": corpus.fingerprint}, len(corpus), size)


def _make(path: Path, corpus: ListedCorpus, size: int = 4, dtype: Dtype = "float32") -> tuple[EmbeddedCorpus, list[str], list[str]]:
    """The embedded corpus, whom the encoder was asked for, and what was said."""
    encoder, said = Encoder(), list[str]()
    embedded = EmbeddedCorpus.make(_folder(path, corpus, size), corpus, encoder, dtype, say=said.append)
    return embedded, encoder.encoded, said


def _ids(first: int, end: int) -> list[str]:
    return [f"d{i}" for i in range(first, end)]


def _files(path: Path) -> dict[str, bytes]:
    return {f.name: f.read_bytes() for f in path.rglob("*") if f.is_file()}


def test_rows_come_back_in_the_corpus_order_across_shards(tmp_path: Path) -> None:
    embedded, encoded, said = _make(tmp_path, numbered(10))
    assert (len(embedded), embedded.dims) == (10, 2)
    assert encoded == _ids(0, 10)
    assert not said
    blocks = list(embedded.blocks(block_bytes=3 * 2 * 4))  # three rows of two floats: shards of 4, 4, 2 give 3 1 3 1 2
    assert [(first, len(rows)) for first, rows in blocks] == [(0, 3), (3, 1), (4, 3), (7, 1), (8, 2)]
    np.testing.assert_array_equal(np.concatenate([rows for _, rows in blocks]), Encoder()(list(numbered(10).documents()))[0])
    assert embedded.ids_at([9, 0, 4, 4]) == {0: "d0", 4: "d4", 9: "d9"}
    assert embedded.manifest["counts"] == {"seen": 10}


def test_what_is_there_is_not_encoded_again(tmp_path: Path) -> None:
    _make(tmp_path, numbered(10))
    corpus = numbered(10)
    _, encoded, said = _make(tmp_path, corpus)
    assert not encoded
    assert not said
    assert corpus.read == 0


def test_a_stop_loses_the_shard_that_was_being_made(tmp_path: Path) -> None:
    class Stops(Encoder):
        def __call__(self, documents: Sequence[Document]) -> tuple[Floats, dict[str, int]]:
            if documents[0].id == "d8":
                raise KeyboardInterrupt
            return super().__call__(documents)

    stopped = Stops()
    with pytest.raises(KeyboardInterrupt):
        EmbeddedCorpus.make(_folder(tmp_path, numbered(10), 4), numbered(10), stopped, "float32")
    assert stopped.encoded == _ids(0, 8)
    embedded, encoded, said = _make(tmp_path, numbered(10))
    assert encoded == ["d8", "d9"]
    assert not said
    assert len(np.concatenate([rows for _, rows in embedded.blocks()])) == 10


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("00001.npy", b"short"),
        ("00001.ids.json", b'["d4","d5","d6","d9"]'),
        ("00001.ids.json", None),
        ("00001.json", b"{"),
        ("00001.json", b"[]"),
        ("00001.npy", "flip"),
    ],
)
def test_a_damaged_shard_is_made_again_and_said(tmp_path: Path, name: str, content: bytes | str | None) -> None:
    first, _, _ = _make(tmp_path, numbered(10))
    before = _files(tmp_path)
    (file,) = tmp_path.rglob(name)
    if content is None:
        file.unlink()
    else:  # "flip": the same size, one bit changed
        whole = file.read_bytes()
        file.write_bytes(content if isinstance(content, bytes) else whole[:-1] + bytes([whole[-1] ^ 1]))
    _, encoded, said = _make(tmp_path, numbered(10))
    assert encoded == _ids(4, 8)
    assert len(said) == 1
    assert name in said[0]
    assert "documents 5 to 8" in said[0]
    assert _files(tmp_path) == before
    assert first.manifest["documents"] == 10


def test_damage_is_said_by_a_warning_where_nobody_listens(tmp_path: Path) -> None:
    _make(tmp_path, numbered(3))
    next(tmp_path.rglob("00000.npy")).write_bytes(b"")
    with pytest.warns(UserWarning, match="is made again"):
        EmbeddedCorpus.make(_folder(tmp_path, numbered(3), 4), numbered(3), Encoder(), "float32")


def test_the_size_of_the_shards_is_that_of_the_folder(tmp_path: Path) -> None:
    _make(tmp_path, numbered(10), size=4)
    embedded, encoded, _ = _make(tmp_path, numbered(10), size=3)
    assert not encoded
    assert [first for first, _ in embedded.blocks()] == [0, 4, 8]


def test_a_second_process_is_refused_while_one_encodes_and_welcome_afterwards(tmp_path: Path) -> None:
    folder = _folder(tmp_path, numbered(10), 4)
    folder.path.mkdir()
    with (folder.path / ".lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(StoreError, match="another process"):
            _make(tmp_path, numbered(10))
    _make(tmp_path, numbered(10))
    with (folder.path / ".lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        _make(tmp_path, numbered(10))


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    _make(tmp_path, numbered(3))
    (identity,) = tmp_path.rglob("identity.json")
    identity.write_bytes(orjson.dumps({"identity": {"corpus": "another"}, "shard_documents": 4}))
    with pytest.raises(StoreError, match="another identity"):
        _make(tmp_path, numbered(3))
    identity.write_bytes(b"{")
    with pytest.raises(StoreError, match="does not say"):
        _make(tmp_path, numbered(3))


def test_a_workspace_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be written"):
        _make(tmp_path / "file", numbered(3))


def test_a_corpus_that_ends_early_is_refused(tmp_path: Path) -> None:
    class Shrunk(ListedCorpus):
        def __len__(self) -> int:
            return 5

    with pytest.raises(DataError, match="fewer than the 5"):
        _make(tmp_path, Shrunk(list(numbered(3).documents())))


@pytest.mark.parametrize("vector", [[0.5, 0.5], [float("nan"), 0.0], [float("inf"), 0.0]])
def test_vectors_that_are_not_of_unit_length_are_refused(tmp_path: Path, vector: list[float]) -> None:
    def encode(documents: Sequence[Document]) -> tuple[Floats, dict[str, int]]:
        return np.array([vector] * len(documents), np.float32), {}

    with pytest.raises(EngineError, match="document 'd0' has length"):
        EmbeddedCorpus.make(_folder(tmp_path, numbered(2), 4), numbered(2), encode, "float32")


def test_vectors_of_some_documents_come_in_the_order_asked(tmp_path: Path) -> None:
    embedded, _, _ = _make(tmp_path, numbered(10))
    asked = ["d9", "d0", "d4", "d9"]
    expected = [[np.cos(np.float32(i)), np.sin(np.float32(i))] for i in (9, 0, 4, 9)]
    vectors = embedded.vectors(asked)
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, np.array(expected, np.float32))
    assert embedded.vectors([]).shape == (0, 2)
    with pytest.raises(DataError, match="1 of 2 documents are not in the embedded corpus"):
        embedded.vectors(["d1", "none"])


def test_float16_halves_the_disk_and_keeps_three_digits(tmp_path: Path) -> None:
    small, _, _ = _make(tmp_path / "a", numbered(10), dtype="float16")
    large, _, _ = _make(tmp_path / "b", numbered(10), dtype="float32")
    ids = _ids(0, 10)
    assert small.vectors(ids).dtype == np.float32
    np.testing.assert_allclose(small.vectors(ids), large.vectors(ids), atol=2**-11)  # half a unit in the last of 11 bits, below 1
    (file,) = (tmp_path / "a").rglob("00000.npy")
    assert np.load(file).dtype == np.float16


def test_progress_tells_of_what_was_there_already(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "CALL_DOCUMENTS", 2)
    _make(tmp_path, numbered(10))
    next(tmp_path.rglob("00001.json")).unlink()
    told: list[tuple[int, int]] = []
    EmbeddedCorpus.make(_folder(tmp_path, numbered(10), 4), numbered(10), Encoder(), "float32", progress=lambda *n: told.append(n))
    assert told == [(6, 10), (8, 10), (10, 10)]


MEMORY = """
import resource, sys
from pathlib import Path
import numpy as np
from first_stages.corpora import ListedCorpus
from rerankbench.config import validate
from rerankbench.first_stages.dense import DenseFirstStage, DenseOptions
from rerankbench.records import Document, Query

class Endless(ListedCorpus):
    def __init__(self, count): super().__init__([], str(count)); self.count = count
    fingerprint = property(lambda self: self.name)
    def __len__(self): return self.count
    def documents(self): return (Document(str(i), str(i)) for i in range(self.count))
    def subset(self, ids): return {i: Document(i, i) for i in ids}

def peak_mib(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
options = validate(DenseOptions, {"engine": {"kind": "scripted", "dims": 4096}, "shard_documents": 2000}, str)
queries = [Query(str(i), f"{i}") for i in range(30)]

drawn = np.random.default_rng(0).standard_normal(4096 + 60_000).astype(np.float32)

class Quick:
    def embed(self, texts):
        rows = np.stack([drawn[int(t) : int(t) + 4096] for t in texts])
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

def retrieve(count):
    stage = DenseFirstStage(options, Path(sys.argv[1]), engine=Quick())
    return stage.retrieve(Endless(count), queries, 50)

retrieve(12000)
before = peak_mib()
lists = retrieve(int(sys.argv[2]))
assert all(c.documents[0].id == c.query.id for c in lists)
print(peak_mib() - before)
"""


def test_memory_does_not_grow_with_the_corpus(tmp_path: Path) -> None:
    """48,000 vectors of 8 KiB are 375 MiB on disk, as float32 750; the peak is that of a corpus of a quarter of the size."""
    documents = 48_000
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(tmp_path), str(documents)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'eval'}:{ROOT / 'tests'}"},
    )
    assert done.returncode == 0, done.stderr
    on_disk = sum(f.stat().st_size for f in tmp_path.rglob("*.npy")) / 2**20
    assert on_disk > 450  # both corpora
    assert float(done.stdout) < 48  # a second corpus in memory would be 750


# Documents that a start may begin before it is killed; a shard is 20. Some starts finish none, and together they never finish all 600.
PROGRESS = (3, 27, 44, 12, 1, 61, 38)
WORK = """
import sys
from pathlib import Path
import orjson
from rerankbench.benchmarks.corpora import BeirCorpus, read_beir_queries
from rerankbench.config import validate
from rerankbench.first_stages.dense import DenseFirstStage, DenseOptions

folder, workspace, log = map(Path, sys.argv[1:])
engine = {"kind": "scripted", "dims": 8, "delay_s": 0.003, "log": str(log)}
options = validate(DenseOptions, {"engine": engine, "shard_documents": 20}, str)
lists = DenseFirstStage.build(options, workspace).retrieve(BeirCorpus(folder, "c"), read_beir_queries(folder), 15)
print(orjson.dumps([[c.query.id, [d.id for d in c.documents], c.scores] for c in lists]).decode())
"""


def _start(*arguments: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "eval"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", WORK, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def _asked(log: Path) -> list[str]:
    return [line.split()[1] for line in log.read_text(encoding="utf-8").splitlines()] if log.is_file() else []


def _finished(workspace: Path) -> set[str]:
    """Ids of the documents in shards whose record is there."""
    records = [f for f in workspace.rglob("[0-9]*.json") if f.name.count(".") == 1]
    return {i for f in records for i in orjson.loads(f.with_name(f.stem + ".ids.json").read_bytes())}


def test_an_encoding_killed_again_and_again_ends_like_one_that_was_never_stopped(tmp_path: Path) -> None:
    texts = {f"d{i}": f"text of document {i}" for i in range(600)}
    line_of = {i: sha256(text.encode()).hexdigest()[:16] for i, text in texts.items()}
    (tmp_path / "corpus.jsonl").write_bytes(b"".join(orjson.dumps({"_id": i, "text": t}) + b"\n" for i, t in texts.items()))
    (tmp_path / "queries.jsonl").write_bytes(b"".join(orjson.dumps({"_id": f"q{i}", "text": f"query {i}"}) + b"\n" for i in range(5)))
    log = tmp_path / "asked.log"  # the same file for both: the engine's options are part of what names the vectors
    undisturbed = _start(tmp_path, tmp_path / "undisturbed", log)
    expected, problem = undisturbed.communicate()
    assert undisturbed.returncode == 0, problem
    assert set(line_of.values()) <= set(_asked(log)), "the test's idea of a log line is not the engine's"
    log.unlink()

    dice, killed = random.Random(7), tmp_path / "killed"
    for progress in PROGRESS:
        finished, asked_before = _finished(killed), len(_asked(log))
        process = _start(tmp_path, killed, log)
        while len(_asked(log)) < asked_before + progress and process.poll() is None:
            time.sleep(0.002)
        time.sleep(dice.uniform(0.0, 0.01))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, process.communicate()
        again = {line_of[i] for i in finished} & set(_asked(log)[asked_before:])
        assert not again, "a document of a finished shard was encoded again"
    assert len(_finished(killed)) > 0, "no shard was finished between the kills"
    last = _start(tmp_path, killed, log)
    lists, problem = last.communicate()
    assert last.returncode == 0, problem
    assert lists == expected
    one, other = ({n: c for n, c in _files(tmp_path / w).items() if n != ".lock"} for w in ("undisturbed", "killed"))
    assert one == {n: c for n, c in other.items() if not n.endswith(".partial")}
