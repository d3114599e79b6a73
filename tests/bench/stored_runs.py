"""Runs to be looked at: benchmarks of made-up words with a fixed seed, ranked by shuffling, stored as any run is."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import orjson

from laboratory import Watcher
from rerankbench.benchmarks import Benchmarks, OwnBenchmark
from rerankbench.config import Experiment, Options, load_experiment
from rerankbench.experiment import Laboratory
from rerankbench.plan import Planner
from rerankbench.protocols import Parts
from rerankbench.rankers.base import BaseRanker
from rerankbench.records import CandidateList, Ranked, Ranking

WORDS = 62
"""The mean of DL19's passages."""


class ShufflingOptions(Options):
    seed: int


class Shuffling(BaseRanker):
    """Another order for every seed, at no cost."""

    Options: ClassVar[type[Options]] = ShufflingOptions
    name: ClassVar[str] = "shuffling"
    reads_text: ClassVar[bool] = False

    def __init__(self, seed: int) -> None:
        self._seed = seed

    @classmethod
    def build(cls, options: object, parts: Parts) -> Self:
        return cls(ShufflingOptions.model_validate(options).seed)

    def rank(self, batch: Sequence[CandidateList]) -> list[Ranked]:
        return [Ranked(Ranking.of(candidates, self._order(candidates))) for candidates in batch]

    def _order(self, candidates: CandidateList) -> list[int]:
        order = list(range(len(candidates)))
        random.Random(f"{self._seed} {candidates.query.id}").shuffle(order)
        return order


def write_experiment(
    folder: Path, *, benchmarks: int, queries: int, depth: int, systems: Sequence[dict[str, Any]], words: int = WORDS
) -> Path:
    """Benchmarks b0, b1 … with lists and judgements of their own, and a configuration over all of them."""
    own = {}
    for number in range(benchmarks):
        name = f"b{number}"
        _write_benchmark(folder, name, queries, depth, words)
        own[name] = {"candidates": f"{name}.jsonl", "qrels": f"{name}.qrels"}
    path = folder / "made-up.yaml"
    over = {"title": "Made up", "benchmarks": list(own), "first_stages": ["own"], "depth": depth}
    path.write_bytes(orjson.dumps({**over, "own_benchmarks": own, "systems": systems}))
    return path


def shuffling(count: int) -> list[dict[str, Any]]:
    return [{"name": f"shuffled-{seed}", "ranker": {"kind": "bench.stored_runs:Shuffling", "seed": seed}} for seed in range(count)]


def planner(experiment: Experiment, runs: Path) -> Planner:
    own = {name: OwnBenchmark.model_validate(data) for name, data in experiment.file.own_benchmarks.items()}
    return Planner(Benchmarks(None, own=own, base=experiment.folder), runs)


def store(path: Path, runs: Path) -> Experiment:
    """Rank and measure everything."""
    experiment = load_experiment(str(path))
    made = planner(experiment, runs)
    Laboratory(made).run(made.plan(experiment), experiment, Watcher())
    return experiment


def _write_benchmark(folder: Path, name: str, queries: int, depth: int, words: int) -> None:
    draws = random.Random(name)
    vocabulary = [f"w{draws.randrange(10**6)}" for _ in range(5_000)]
    with (folder / f"{name}.jsonl").open("wb") as lists, (folder / f"{name}.qrels").open("w") as qrels:
        for query in range(queries):
            texts = [" ".join(draws.choices(vocabulary, k=words)) for _ in range(depth)]
            entries = [
                {"content": text, "qid": str(query), "docid": f"d{query}-{i}", "rank": i, "score": 200.0 - i}
                for i, text in enumerate(texts, start=1)
            ]
            lists.write(orjson.dumps({"query": " ".join(draws.choices(vocabulary, k=6)), "hits": entries}) + b"\n")
            qrels.writelines(f"{query} 0 d{query}-{i} {draws.choice((0, 0, 1, 2, 3))}\n" for i in range(1, depth + 1, 2))
