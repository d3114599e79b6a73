"""How fast and how lean BM25 on Lucene is on SciFact, beside Pyserini's own command line and bm25s on the same corpus.

Not a test: nothing here asserts. Every step runs in a process of its own that measures itself and the processes that it waited for,
so a peak is that step's alone. Seconds are wall time from the files of the BEIR folder to the finished index or to lists in memory or
in a file, the start of Python's packages and of the JVM included: that is what a person waits for. Each function returns a plain
dictionary; where something is missing it is ``{"skipped": reason}``.

    PYTHONPATH=tests python -m bench.bench_lucene
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from statistics import median

from rerankbench.errors import MissingError

DEPTH, THREADS, HEAP, REPEATS = 100, 2, "4g", 3
QRELS = "topics_and_qrels/qrels.beir-v1.0.0-scifact.test.txt"

Figures = dict[str, float | int | str]

_MEASURED = """
import json, resource, sys, time
start = time.perf_counter()
def done(**figures):
    own, children = (resource.getrusage(who).ru_maxrss * 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(json.dumps({"seconds": time.perf_counter() - start, "python_peak_bytes": own, "children_peak_bytes": children, **figures}))
"""

_OURS_INDEX = """
from pathlib import Path
from rerankbench.benchmarks.corpora import BeirCorpus
from rerankbench.first_stages.anserini import Anserini
from rerankbench.first_stages.lucene_index import ensure_index
folder, workspace, heap, threads = sys.argv[1:]
corpus = BeirCorpus(Path(folder), "scifact")
ensure_index(Path(workspace) / "indexes" / "lucene", corpus, "flat", Anserini.find(heap), int(threads))
done()
"""

_OURS_SEARCH = """
from pathlib import Path
from rerankbench.benchmarks.corpora import BeirCorpus, read_beir_queries
from rerankbench.first_stages.lucene import LuceneBm25, LuceneOptions
from rerankbench.records import Ranking
from rerankbench.trec import write_run
folder, workspace, heap, threads, depth, run = sys.argv[1:]
stage = LuceneBm25.build(LuceneOptions(heap=heap, threads=int(threads)), Path(workspace))
lists = stage.retrieve(BeirCorpus(Path(folder), "scifact"), read_beir_queries(Path(folder)), int(depth))
write_run(run, (Ranking(one.query.id, tuple(d.id for d in one.documents)) for one in lists), "ours")
done()
"""

_COMMAND = """
import subprocess
ended = subprocess.run(sys.argv[1:], capture_output=True, text=True)
if ended.returncode:
    sys.exit(ended.stderr[-2000:])
done()
"""

_BM25S_INDEX = """
import bm25s
from pathlib import Path
from rerankbench.benchmarks.corpora import BeirCorpus
folder, index = sys.argv[1:]
documents = list(BeirCorpus(Path(folder), "scifact").documents())
model = bm25s.BM25(method="lucene", k1=0.9, b=0.4)
model.index(bm25s.tokenize([d.contents for d in documents], stopwords="en", show_progress=False), show_progress=False)
model.save(index, corpus=[{"id": d.id} for d in documents])
done()
"""

_BM25S_SEARCH = """
import bm25s
from pathlib import Path
from rerankbench.benchmarks.corpora import read_beir_queries
folder, index, threads, depth, run = sys.argv[1:]
model = bm25s.BM25.load(index, load_corpus=True)
queries = read_beir_queries(Path(folder))
words = bm25s.tokenize([q.text for q in queries], stopwords="en", show_progress=False)
found, scores = model.retrieve(words, k=int(depth), n_threads=int(threads), show_progress=False)
with open(run, "w") as file:
    for query, documents, values in zip(queries, found, scores):
        for rank, (document, value) in enumerate(zip(documents, values), start=1):
            file.write(f"{query.id} Q0 {document['id']} {rank} {value:.6f} bm25s\\n")
done()
"""


def ours() -> Figures:
    """`LuceneBm25`: documents and queries a second, peak memory of the JVM, nDCG@10."""
    if missing := _missing("pyserini"):
        return {"skipped": missing}
    folder = _data() / "beir" / "scifact"
    with tempfile.TemporaryDirectory() as work:
        run = Path(work) / "run.trec"
        indexing = [_worker(_OURS_INDEX, folder, Path(work) / str(n), HEAP, THREADS) for n in range(REPEATS)]
        searching = [_worker(_OURS_SEARCH, folder, Path(work) / "0", HEAP, THREADS, DEPTH, run) for _ in range(REPEATS)]
        return _figures(indexing, searching, run)


def pyserini() -> Figures:
    """``python -m pyserini.index.lucene`` and ``pyserini.search.lucene``. Its JVM lives inside Python: one peak for both."""
    if missing := _missing("pyserini"):
        return {"skipped": missing}
    from rerankbench.benchmarks.corpora import read_beir_queries

    folder, environ = _data() / "beir" / "scifact", _pyserini_environ()
    with tempfile.TemporaryDirectory() as work:
        source, queries, run = (Path(work) / name for name in ("corpus", "queries.tsv", "run.trec"))
        source.mkdir()
        (source / "corpus.jsonl").symlink_to(folder.resolve() / "corpus.jsonl")
        queries.write_text("".join(f"{q.id}\t{q.text}\n" for q in read_beir_queries(folder)), encoding="utf-8")
        common = ["--threads", THREADS]
        index = ["--collection", "BeirFlatCollection", "--input", source, "--generator", "DefaultLuceneDocumentGenerator", *common]
        search = ["--topics", queries, "--output", run, "--bm25", "--remove-query", "--hits", DEPTH, "--batch-size", 128, *common]
        module = [sys.executable, "-m"]
        indexing = [
            _worker(_COMMAND, *module, "pyserini.index.lucene", *index, "--index", Path(work) / str(n), environ=environ)
            for n in range(REPEATS)
        ]
        searching = [
            _worker(_COMMAND, *module, "pyserini.search.lucene", *search, "--index", Path(work) / "0", environ=environ)
            for _ in range(REPEATS)
        ]
        return _figures(indexing, searching, run)


def bm25s() -> Figures:
    """bm25s with the same k1 and b, its own English tokens and stop words, without a stemmer; hence another nDCG@10."""
    if missing := _missing("bm25s"):
        return {"skipped": missing}
    folder = _data() / "beir" / "scifact"
    with tempfile.TemporaryDirectory() as work:
        run = Path(work) / "run.trec"
        indexing = [_worker(_BM25S_INDEX, folder, Path(work) / str(n)) for n in range(REPEATS)]
        searching = [_worker(_BM25S_SEARCH, folder, Path(work) / "0", THREADS, DEPTH, run) for _ in range(REPEATS)]
        return _figures(indexing, searching, run)


def _data() -> Path:
    return Path(os.environ.get("RERANKBENCH_DATA", Path(__file__).parents[3] / "shared" / "data"))


def _missing(package: str) -> str:
    if not (_data() / "beir" / "scifact").is_dir():
        return f"no beir/scifact at {_data()}: set RERANKBENCH_DATA to a local mirror"
    if find_spec(package) is None:
        return f"no package {package!r}"
    if package == "pyserini":
        from rerankbench.first_stages.anserini import Anserini

        try:
            Anserini.find()
        except MissingError as error:
            return str(error)
    return ""


def _pyserini_environ() -> dict[str, str]:
    """What lets Pyserini start: with a JRE that lacks the vector module it must not find the jar by itself, or it asks for it."""
    from rerankbench.first_stages.anserini import find_jar
    from rerankbench.first_stages.java import find_java

    java = find_java()
    environ = {**os.environ, "JAVA_HOME": str(java.path.resolve().parents[1]), "OPENAI_API_KEY": "none"}
    if not java.has_vector:
        environ |= {"CLASSPATH": str(find_jar()), "ANSERINI_CLASSPATH": "/nonexistent"}
    return environ


def _worker(code: str, *arguments: object, environ: Mapping[str, str] | None = None) -> dict[str, float]:
    command = [sys.executable, "-c", _MEASURED + code, *map(str, arguments)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, env=environ)
    if ended.returncode:
        raise RuntimeError(f"a step of this benchmark failed: {ended.stderr[-2000:]}")
    figures: dict[str, float] = json.loads(ended.stdout.splitlines()[-1])
    return figures


def _figures(indexing: list[dict[str, float]], searching: list[dict[str, float]], run: Path) -> Figures:
    from rerankbench.benchmarks.corpora import BeirCorpus, read_beir_queries
    from rerankbench.measures import measure
    from rerankbench.trec import read_qrels, read_run

    folder = _data() / "beir" / "scifact"
    documents, queries = len(BeirCorpus(folder, "scifact")), len(read_beir_queries(folder))
    index_seconds, search_seconds = (median(one["seconds"] for one in steps) for steps in (indexing, searching))
    return {
        "documents": documents,
        "queries": queries,
        "depth": DEPTH,
        "threads": THREADS,
        "repeats": REPEATS,
        "index_seconds": index_seconds,
        "documents_per_second": documents / index_seconds,
        "index_peak_bytes": max(_peak(one) for one in indexing),
        "search_seconds": search_seconds,
        "queries_per_second": queries / search_seconds,
        "search_peak_bytes": max(_peak(one) for one in searching),
        "search_python_peak_bytes": max(int(one["python_peak_bytes"]) for one in searching),
        "ndcg_at_10": measure(read_run(run), read_qrels(_data() / QRELS), ["nDCG@10"]).means["nDCG@10"],
    }


def _peak(step: Mapping[str, float]) -> int:
    """The largest process of a step: the JVM, where there was one (a Java's answer to what it is counts too, but is small)."""
    return int(step["children_peak_bytes"] or step["python_peak_bytes"])


if __name__ == "__main__":
    print(json.dumps({"ours": ours(), "pyserini": pyserini(), "bm25s": bm25s()}, indent=2))
