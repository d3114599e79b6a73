"""A benchmark whose every text tries to become markup or code, ranked by word counts, and the site of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import orjson

from laboratory import Watcher
from rerankbench.benchmarks import Benchmarks, OwnBenchmark
from rerankbench.config import Experiment, load_experiment
from rerankbench.experiment import Laboratory
from rerankbench.plan import Planner
from rerankbench.site import Built, build_site, collect
from rerankbench.site.model import Contents

SCRIPT = "<script>window.hacked=1</script>"
ESCAPING = f"</script>{SCRIPT}<!-- <img src=x onerror=window.hacked=1> \"'&amp; \u2028\u2029 ]]> ${{window.hacked=1}} end"
"""What closes a script element, opens one, starts a comment, fails to load an image, ends a line of a script, and fills a template."""
QUERIES = {
    "q1": f"what is {ESCAPING}",
    "<q>/2": "second query",
    "Q1": "third query, named like the first but for its case",
    "unjudged": "x",
}
SYSTEM = "<b>rank\"er'&<script>window.hacked=1"
"""Names of systems hold no blanks and slashes."""
DOCUMENTS = 12
GRADES = {"q1": {"d3": 3, "d7": 1, "d2": 0}, "<q>/2": {"d1": 2}, "Q1": {"d12": 1}}


@dataclass(frozen=True)
class Made:
    """A site, and what it was made from."""

    root: Path
    runs: Path
    experiment: Experiment

    def page(self, path: str) -> str:
        return (self.root / path).read_text(encoding="utf-8")

    def pages(self) -> list[str]:
        return sorted(path.relative_to(self.root).as_posix() for path in self.root.rglob("*.html"))


def document(query: str, number: int) -> str:
    """d1 holds everything nasty, d2 is empty, the rest are words; d5 is the same for all queries."""
    texts = {1: f"{ESCAPING} of {query}", 2: "", 5: "the same text in every list"}
    return texts.get(number, f"document {number} of {query} " + "word " * number)


def write_configuration(folder: Path, title: str = "Nasty") -> Path:
    """The benchmark's files and a configuration that names them."""
    lines = []
    for query, text in QUERIES.items():
        entries = [
            {"content": document(query, i), "qid": query, "docid": f"d{i}", "rank": i, "score": 20.0 - i} for i in range(1, DOCUMENTS + 1)
        ]
        lines.append(orjson.dumps({"query": text, "hits": entries}) + b"\n")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "lists.jsonl").write_bytes(b"".join(lines))
    qrels = [f"{q} 0 {d} {grade}\n" for q, grades in GRADES.items() for d, grade in grades.items()]
    (folder / "qrels.txt").write_text("".join(qrels), encoding="utf-8")
    experiment = {
        "title": f"{title} {SCRIPT}",
        "description": ESCAPING,
        "benchmarks": ["nasty"],
        "first_stages": ["own"],
        "depth": DOCUMENTS,
        "own_benchmarks": {"nasty": {"candidates": "lists.jsonl", "qrels": "qrels.txt", "title": f"nasty {SCRIPT}"}},
        "systems": [
            {"name": "BM25", "ranker": {"kind": "identity"}},
            {"name": SYSTEM, "ranker": {"kind": "embedding"}, "engine": "lexical"},
            {"name": "listwise", "ranker": {"kind": "listwise", "window": 4, "step": 2}, "engine": "lexical"},
            {"name": "oracle", "ranker": {"kind": "oracle"}},
            {"name": "absent", "ranker": {"kind": "run", "file": f"{folder}/nowhere/run.txt"}},
        ],
        "measures": ["nDCG@10", "R@5"],
    }
    path = folder / "nasty.yaml"
    path.write_bytes(orjson.dumps(experiment))  # JSON is YAML, and escapes what YAML does not take
    return path


def planner(experiment: Experiment, runs: Path) -> Planner:
    own = {name: OwnBenchmark.model_validate(data) for name, data in experiment.file.own_benchmarks.items()}
    return Planner(Benchmarks(None, own=own, base=experiment.folder), runs)


def run(configuration: Path, runs: Path) -> Experiment:
    experiment = load_experiment(str(configuration))
    made = planner(experiment, runs)
    Laboratory(made).run(made.plan(experiment), experiment, Watcher())
    return experiment


def contents(experiment: Experiment, runs: Path) -> Contents:
    return collect([(experiment, planner(experiment, runs))], runs)


def build(experiment: Experiment, runs: Path, out: Path, *, texts: bool = True) -> Built:
    return build_site(contents(experiment, runs), runs, out, texts=texts)
