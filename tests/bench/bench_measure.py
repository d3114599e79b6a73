"""How fast and how lean reading and measuring a run is, beside the tools that people use for it.

Not a test: nothing here asserts. Every function makes its own data with a fixed seed and returns a plain dictionary; times are
medians of several repeats in one process, taken in turns so that a slow moment of the machine meets every tool.

    PYTHONPATH=tests python -m bench.bench_measure
"""

from __future__ import annotations

import gc
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

QUERIES, DEPTH, REPEATS = 1_000, 1_000, 5
MEMORY_QUERIES = 6_980  # the small development set of MS MARCO
_COLLECTION = 8_800_000

Figures = dict[str, float | int]

_MEASURE = """
import resource, sys
from rerankbench.measures import measure
from rerankbench.trec import read_qrels, read_run
result = measure(read_run(sys.argv[1]), read_qrels(sys.argv[2]), sys.argv[3:])
print(result.queries, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def reading() -> Figures:
    """Seconds to read a run file of 1,000,000 lines; ranx after its functions are compiled, pytrec_eval for comparison."""
    import ir_measures
    import pytrec_eval
    import ranx

    from rerankbench.trec import read_run

    def pytrec() -> object:
        with run.open() as lines:
            return pytrec_eval.parse_run(lines)

    with tempfile.TemporaryDirectory() as folder:
        run, _ = _write(Path(folder), QUERIES)
        ranx.Run.from_file(str(run), kind="trec")
        seconds = _medians(
            {
                "ours_seconds": lambda: read_run(run),
                "ir_measures_seconds": lambda: list(ir_measures.read_trec_run(str(run))),  # type: ignore[no-untyped-call]
                "pytrec_eval_seconds": pytrec,
                "ranx_warm_seconds": lambda: ranx.Run.from_file(str(run), kind="trec"),
            }
        )
    ratio = seconds["ir_measures_seconds"] / seconds["ours_seconds"]
    return {"lines": QUERIES * DEPTH, "repeats": REPEATS, **seconds, "times_faster_than_ir_measures": ratio}


def ndcg() -> Figures:
    """Seconds from files to nDCG@10 over 1,000 queries of 1,000 documents, qrels included."""
    import pytrec_eval

    from rerankbench.measures import measure
    from rerankbench.trec import read_qrels, read_run

    def pytrec() -> float:
        with qrels.open() as lines:
            evaluator = pytrec_eval.RelevanceEvaluator(pytrec_eval.parse_qrel(lines), {"ndcg_cut_10"})
        with run.open() as lines:
            values = evaluator.evaluate(pytrec_eval.parse_run(lines))
        return sum(v["ndcg_cut_10"] for v in values.values()) / len(values)

    def ours() -> float:
        return measure(read_run(run), read_qrels(qrels), ["nDCG@10"]).means["nDCG@10"]

    with tempfile.TemporaryDirectory() as folder:
        run, qrels = _write(Path(folder), QUERIES)
        seconds = _medians({"ours_seconds": ours, "pytrec_eval_seconds": pytrec})
        difference = abs(ours() - pytrec())
    ratio = seconds["ours_seconds"] / seconds["pytrec_eval_seconds"]
    return {"queries": QUERIES, "depth": DEPTH, "repeats": REPEATS, **seconds, "ratio": ratio, "difference": difference}


def memory() -> Figures:
    """Peak resident memory of a process of its own that reads and measures 6,980 queries of 1,000 documents."""
    with tempfile.TemporaryDirectory() as folder:
        run, qrels = _write(Path(folder), MEMORY_QUERIES)
        size = run.stat().st_size
        cutoff, whole = (_peak_bytes(run, qrels, measure) for measure in ("nDCG@10", "AP"))
    return {
        "queries": MEMORY_QUERIES,
        "depth": DEPTH,
        "run_file_bytes": size,
        "peak_bytes_ndcg_at_10": cutoff,
        "peak_bytes_ap": whole,
    }


def _write(folder: Path, queries: int) -> tuple[Path, Path]:
    """A BM25-like run and judgements of 50 documents a query, half of them retrieved."""
    generator = random.Random(1)
    run, qrels = folder / "bench.run", folder / "bench.qrels"
    with run.open("w") as run_file, qrels.open("w") as qrels_file:
        for query in range(1_000, 1_000 + queries):
            score = 30.0
            documents = generator.sample(range(_COLLECTION), DEPTH)
            for rank, document in enumerate(documents, start=1):
                score -= generator.random() * 0.02
                run_file.write(f"{query} Q0 {document} {rank} {score:.6f} bench\n")
            judged = [*generator.sample(documents, 25), *range(_COLLECTION, _COLLECTION + 25)]
            qrels_file.writelines(f"{query} 0 {document} {generator.choice((0, 0, 0, 1, 2, 3))}\n" for document in judged)
    return run, qrels


def _medians(work: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    gc.collect()
    gc.freeze()  # what was imported for one tool shall not slow the garbage collection of another
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(REPEATS):
        for name, function in work.items():
            gc.collect()
            start = time.perf_counter()
            result = function()
            seconds[name].append(time.perf_counter() - start)
            del result
    gc.unfreeze()
    return {name: median(values) for name, values in seconds.items()}


def _peak_bytes(run: Path, qrels: Path, measure: str) -> int:
    command = [sys.executable, "-c", _MEASURE, str(run), str(qrels), measure]
    queries, kibibytes = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    if int(queries) != MEMORY_QUERIES:
        raise RuntimeError(f"measured {queries} queries, expected {MEMORY_QUERIES}")
    return int(kibibytes) * 1024  # Linux counts in units of 1,024 bytes


if __name__ == "__main__":
    print(json.dumps({"reading": reading(), "ndcg": ndcg(), "memory": memory()}, indent=2))
