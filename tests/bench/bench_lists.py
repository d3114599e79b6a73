"""How fast candidate lists are read, beside the loaders that people use for such files.

Not a test: nothing here asserts. DL19's BM25 lists of the local mirror (RERANKBENCH_DATA, else ``../shared/data``), or lists of
the same shape made up with a fixed seed where there is no mirror.

    PYTHONPATH=tests python -m bench.bench_lists
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from statistics import median

from rerankbench.first_stages.listfile import write_lists
from rerankbench.first_stages.published import read_lists
from rerankbench.records import CandidateList, Document, Query

QUERIES, DEPTH, WORDS, REPEATS = 43, 100, 62, 9
COPIES = 20
"""The lists of DL19 are read in 20 ms: read 20 times over, under other query ids, they give a steadier figure."""

Figures = dict[str, float | int]


def loading() -> Figures:
    """Megabytes a second; the ``json`` module line by line makes bare dictionaries and checks nothing."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lists.jsonl"
        lists = _lists()
        write_lists(
            path,
            (CandidateList(Query(f"{c.query.id}-{n}", c.query.text), c.documents, c.scores) for n in range(COPIES) for c in lists),
            source="bench",
        )
        size = path.stat().st_size / 1e6
        readers: dict[str, Callable[[], object]] = {"ours": lambda: read_lists(path), "json": lambda: _by_json(path)}
        figures: Figures = {"megabytes": size, "repeats": REPEATS, "queries": QUERIES * COPIES}
        figures |= {f"{name}_mb_per_s": size / seconds for name, seconds in _medians(readers, REPEATS).items()}
        if find_spec("datasets") is not None:
            figures |= {f"{name}_mb_per_s": size / seconds for name, seconds in _medians(_by_datasets(path, Path(folder)), 3).items()}
    return figures


def _by_json(path: Path) -> list[object]:
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _by_datasets(path: Path, folder: Path) -> dict[str, Callable[[], object]]:
    """Two figures: a file that is seen for the first time is turned into Arrow; after that it is only opened, and made into Python."""
    import datasets

    datasets.disable_progress_bars()
    runs = iter(range(sys.maxsize))

    def loaded(cache: str) -> object:
        return datasets.load_dataset("json", data_files=str(path), cache_dir=str(folder / cache), split="train")[:]

    loaded("warm")
    return {"datasets_first": lambda: loaded(f"cold{next(runs)}"), "datasets_again": lambda: loaded("warm")}


def _medians(readers: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """In turns, so that a slow moment of the machine meets every reader."""
    seconds: dict[str, list[float]] = {name: [] for name in readers}
    for _ in range(repeats):
        for name, read in readers.items():
            start = time.perf_counter()
            read()
            seconds[name].append(time.perf_counter() - start)
    return {name: median(values) for name, values in seconds.items()}


def _lists() -> list[CandidateList]:
    mirror = Path(os.environ.get("RERANKBENCH_DATA", Path(__file__).parents[3] / "shared" / "data"))
    real = mirror / "retrieval_results" / "bm25" / "dl19_top100.jsonl"
    if real.is_file():
        return read_lists(real)
    draw = random.Random(0)
    words = [f"word{n}" for n in range(5000)]
    documents = [Document(str(n), " ".join(draw.choices(words, k=WORDS))) for n in range(QUERIES * DEPTH)]
    scores = tuple(float(DEPTH - position) for position in range(DEPTH))
    return [CandidateList(Query(str(n), "query"), tuple(documents[n * DEPTH : (n + 1) * DEPTH]), scores) for n in range(QUERIES)]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(loading(), indent=2) + "\n")
