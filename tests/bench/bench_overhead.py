"""What the harness itself costs: everything but the engine, with an engine that answers at once.

Not a test: nothing here asserts. Lists are made up with a fixed seed: 43 queries of 100 documents of 62 words, the mean of DL19's.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import ClassVar

import numpy as np

from rerankbench.clock import Clock
from rerankbench.measures.quality import measure
from rerankbench.prompts import load
from rerankbench.protocols import Floats, Parts, Ranker
from rerankbench.rankers.embedding import EmbeddingOptions, EmbeddingRanker
from rerankbench.rankers.listwise import ListwiseOptions, ListwiseRanker
from rerankbench.records import Call, CandidateList, Document, Prompt, Query, Ranked
from rerankbench.store import RunFolder
from rerankbench.trec import read_run

QUERIES, DEPTH, WORDS, BATCH, REPEATS = 43, 100, 62, 32, 7
ANSWER = " > ".join(f"[{i}]" for i in range(20, 0, -1))

Figures = dict[str, float | int]


class Instant:
    """Vectors of 1,024 floats and full answers, made beforehand."""

    name: ClassVar[str] = "instant"
    caveat: ClassVar[str] = ""

    def __init__(self, texts: int) -> None:
        self._vectors = np.random.default_rng(0).standard_normal((texts, 1024)).astype(np.float32)

    def embed(self, texts: Sequence[str]) -> Floats:
        return self._vectors[: len(texts)]

    def generate(self, prompts: Sequence[Prompt], *, max_tokens: int, stop: Sequence[str] = ()) -> list[Call]:
        return [Call(2000, 90, 0.0, len(prompts), ANSWER) for _ in prompts]

    def synchronise(self) -> None: ...

    def close(self) -> None: ...


def overhead() -> Figures:
    """Milliseconds a query: ranking alone, and with journal, run file and measurement as in a real run."""
    lists = _lists()
    clock = Clock()
    engine = Instant(QUERIES * DEPTH)
    embedding = EmbeddingRanker(engine, EmbeddingOptions(), load("e2rank-listwise"), clock)
    listwise = ListwiseRanker.build(ListwiseOptions(), Parts("dl19", engine, dict, clock))
    return {
        "queries": QUERIES,
        "documents_per_query": DEPTH,
        "words_per_document": WORDS,
        "repeats": REPEATS,
        "embedding_rank_ms": _rank_ms(embedding, lists),
        "embedding_all_ms": _all_ms(embedding, lists),
        "listwise_9_windows_rank_ms": _rank_ms(listwise, lists),
        "listwise_9_windows_all_ms": _all_ms(listwise, lists),
    }


def startup() -> Figures:
    """Seconds of ``rerankbench --help`` as a whole process, after one warm-up."""
    command = [sys.executable, "-m", "rerankbench", "--help"]
    seconds = []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        seconds.append(time.perf_counter() - start)
    return {"help_seconds": median(seconds[1:]), "repeats": REPEATS}


def _rank_ms(ranker: Ranker, lists: Sequence[CandidateList]) -> float:
    def once() -> None:
        for start in range(0, len(lists), BATCH):
            ranker.rank(lists[start : start + BATCH])

    return _ms_a_query(once)


def _all_ms(ranker: Ranker, lists: Sequence[CandidateList]) -> float:
    qrels = {c.query.id: {d.id: i % 4 for i, d in enumerate(c.documents)} for c in lists}

    def once() -> None:
        with tempfile.TemporaryDirectory() as path, RunFolder(Path(path), {"bench": True}) as folder:
            ranked: list[Ranked] = []
            for start in range(0, len(lists), BATCH):
                batch = ranker.rank(lists[start : start + BATCH])
                folder.append(batch, [], 0.0)
                ranked += batch
            run = folder.finish(ranked, "bench")
            folder.seal(measure(read_run(run), qrels, ["nDCG@10"]).measurements, {})

    return _ms_a_query(once)


def _ms_a_query(work: object) -> float:
    assert callable(work)
    seconds = []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return 1000 * median(seconds[1:]) / QUERIES


def _lists() -> list[CandidateList]:
    dice = random.Random(0)
    vocabulary = ["".join(dice.choices("abcdefghijklmnopqrstuvwxyz", k=dice.randint(2, 9))) for _ in range(20_000)]
    return [
        CandidateList(
            Query(str(q), "what is the daily life of thai people"),
            tuple(Document(f"{q}-{i}", " ".join(dice.choices(vocabulary, k=WORDS))) for i in range(DEPTH)),
            tuple(float(DEPTH - i) for i in range(DEPTH)),
        )
        for q in range(QUERIES)
    ]
