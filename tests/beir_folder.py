"""A BEIR folder of five documents over which a dense first stage on word counts can be followed by hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import orjson

from laboratory import Watcher
from rerankbench.benchmarks import Benchmarks, OwnBenchmark
from rerankbench.config import Experiment, load_experiment
from rerankbench.config.options import below, validate
from rerankbench.experiment import Laboratory, Result
from rerankbench.plan import Planner

DOCUMENTS = {"a": "salmon", "b": "salmon river", "c": "salmon river heron", "d": "heron", "e": "book"}
QUERIES = {"q1": "salmon", "q2": "heron", "q3": "book", "q4": "river"}
QRELS = {"q1": {"b": 1}, "q2": {"d": 1}, "q3": {"d": 1}}
DENSE = {"q1": ["a", "b", "c"], "q2": ["d", "c", "a"], "q3": ["e", "a", "b"]}
"""The best three of each judged query: a word among n different ones has a cosine of 1/√n; zeros come in the corpus's order."""


def write_beir(
    folder: Path,
    documents: Mapping[str, str] = DOCUMENTS,
    queries: Mapping[str, str] = QUERIES,
    qrels: Mapping[str, Mapping[str, int]] = QRELS,
) -> Path:
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    _write(folder / "corpus.jsonl", [{"_id": i, "title": "", "text": text} for i, text in documents.items()])
    _write(folder / "queries.jsonl", [{"_id": i, "text": text} for i, text in queries.items()])
    lines = [f"{query}\t{doc}\t{grade}\n" for query, judged in qrels.items() for doc, grade in judged.items()]
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(lines), encoding="utf-8")
    return folder


def _write(path: Path, records: list[dict[str, str]]) -> None:
    path.write_bytes(b"".join(orjson.dumps(record) + b"\n" for record in records))


def write_lists(path: Path, lists: Mapping[str, list[str]] = DENSE, queries: Mapping[str, str] = QUERIES) -> Path:
    """Lists in the authors' form, scores falling from 9."""
    records = []
    for query, ids in lists.items():
        entries = [{"content": DOCUMENTS[i], "qid": query, "docid": i, "rank": r, "score": 10.0 - r} for r, i in enumerate(ids, start=1)]
        records.append({"query": queries[query], "hits": entries})
    path.write_bytes(b"".join(orjson.dumps(record) + b"\n" for record in records))
    return path


def experiment(
    folder: Path, candidates: str, *, systems: str = "[BM25]", more: str = "", name: str = "tiny", assignments: tuple[str, ...] = ()
) -> Experiment:
    """An experiment on the own benchmark `tiny` (the folder ``beir`` beside the file), depth 3; its first stages are its candidates."""
    text = f"title: t\nbenchmarks: [tiny]\ndepth: 3\nown_benchmarks: {{tiny: {{folder: beir}}}}\ncandidates:\n  {candidates}\n"
    stages = "" if "first_stages:" in more else f"first_stages: [{', '.join(_names(candidates))}]\n"
    path = folder / f"{name}.yaml"
    path.write_text(f"{text}{stages}{more}\nsystems: {systems}\n", encoding="utf-8")
    return load_experiment(str(path), assignments)


def _names(candidates: str) -> list[str]:
    return [line.strip().partition(":")[0] for line in candidates.splitlines()]


def planner(asked: Experiment, runs: Path) -> Planner:
    """Over the experiment's own benchmarks."""
    written = asked.file.own_benchmarks.items()
    own = {name: validate(OwnBenchmark, data, below(asked.place, "own_benchmarks", name)) for name, data in written}
    return Planner(Benchmarks(None, own=own, base=asked.folder), runs)


def build_and_run(asked: Experiment, runs: Path) -> list[Result]:
    """What ``rerankbench run`` does."""
    planned = planner(asked, runs)
    list(planned.candidates.build_all(planned.definitions(asked)))
    return Laboratory(planned).run(planned.plan(asked), asked, Watcher())
