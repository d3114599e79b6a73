"""A benchmark of four queries, engines and rankers that misbehave, and what runs them: shared by tests of the whole loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import orjson

from rerankbench.benchmarks import Benchmarks, load_catalog
from rerankbench.benchmarks.catalog import Counts
from rerankbench.config import Experiment, load_experiment
from rerankbench.engines.lexical import LexicalEngine
from rerankbench.engines.scripted import ScriptedEngine, ScriptedOptions
from rerankbench.errors import EngineError
from rerankbench.experiment import Laboratory, Result
from rerankbench.plan import Planned, Planner
from rerankbench.protocols import Floats
from rerankbench.rankers.identity import IdentityRanker
from rerankbench.records import CandidateList, Ranked, Ranking

QUERIES = ("q1", "q2", "q3", "q4")
QRELS = {"q1": {"d2": 1}, "q2": {"d1": 1}, "q3": {"d5": 1}}
"""In the lists' own order d1 … d5 the relevant document stands at rank 2, 1 and 5; q4 is not judged."""


def write_mirror(folder: Path, qrels: Mapping[str, Mapping[str, int]] = QRELS, queries: Sequence[str] = QUERIES) -> Path:
    """A local mirror with `mini` as a benchmark of five documents a query, two of which all queries share."""
    write_lists(folder, queries)
    (folder / "topics_and_qrels").mkdir(exist_ok=True)
    lines = [f"{q} 0 {d} {grade}\n" for q, grades in qrels.items() for d, grade in grades.items()]
    (folder / "topics_and_qrels" / "qrels.mini.txt").write_text("".join(lines), encoding="utf-8")
    topics = [f"{q}\twhat is {q}\n" for q in queries]
    (folder / "topics_and_qrels" / "topics.mini.tsv").write_text("".join(topics), encoding="utf-8")
    return folder


def write_lists(folder: Path, queries: Sequence[str] = QUERIES, first_stage: str = "bm25") -> Path:
    path = folder / "retrieval_results" / first_stage / "mini_top50.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(orjson.dumps(_record(q)) + b"\n" for q in queries))
    return path


def _record(query: str) -> dict[str, Any]:
    texts = {i: f"shared text {i}" if i < 3 else f"text {i} of {query}" for i in range(1, 6)}
    entries = [{"content": text, "qid": query, "docid": f"d{i}", "rank": i, "score": 10.0 - i} for i, text in texts.items()]
    return {"query": f"what is {query}", "hits": entries}


class TinyBenchmarks(Benchmarks):
    """`mini` read from a mirror, without pinned counts."""

    def __init__(self, mirror: Path) -> None:
        super().__init__(mirror)
        entry = self._catalog.benchmarks["mini"].model_copy(update={"embedded": False, "counts": Counts()})
        self._catalog = load_catalog().model_copy(update={"benchmarks": {**load_catalog().benchmarks, "mini": entry}})
        self._sources = self._sources[:1]  # no hub


EXCLUSIONS = "excluded.mini.txt"
"""Below the mirror's ``topics_and_qrels/``."""


class Excluding(TinyBenchmarks):
    """`mini`, with documents that it excludes; the mirror may also have its reasonir lists."""

    def __init__(self, mirror: Path) -> None:
        super().__init__(mirror)
        mini = self._catalog.benchmarks["mini"].model_copy(update={"exclusions": EXCLUSIONS})
        self._catalog = self._catalog.model_copy(update={"benchmarks": {**self._catalog.benchmarks, "mini": mini}})


class Watcher:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.queries: list[int] = []

    def cell_started(self, planned: Planned) -> None:
        self.started.append(planned.cell.system.name)

    def queries_done(self, count: int) -> None:
        self.queries.append(count)

    def cell_finished(self, result: Result) -> None:
        assert result.cell.system.name == self.started[-1]


def experiment(folder: Path, systems: str, more: str = "", name: str = "tiny") -> Experiment:
    """An experiment on `mini`, depth 5, whose systems are given as a YAML list."""
    path = folder / f"{name}.yaml"
    path.write_text(f"title: t\nbenchmarks: [mini]\n{more or 'depth: 5'}\nsystems: {systems}\n", encoding="utf-8")
    return load_experiment(str(path))


def plan(asked: Experiment, mirror: Path, runs: Path, limit: int | None = None) -> list[Planned]:
    return Planner(TinyBenchmarks(mirror), runs).plan(asked, limit)


def run(
    asked: Experiment, mirror: Path, runs: Path, limit: int | None = None, watcher: Watcher | None = None, cache: Path | None = None
) -> list[Result]:
    planner = Planner(TinyBenchmarks(mirror), runs)
    return Laboratory(planner, cache).run(planner.plan(asked, limit), asked, watcher or Watcher())


def stored(asked: Experiment, mirror: Path, runs: Path, limit: int | None = None) -> list[Result]:
    planner = Planner(TinyBenchmarks(mirror), runs)
    return Laboratory(planner).stored(planner.plan(asked, limit), asked)


class Watched(ScriptedEngine):
    """A scripted engine whose loading and closing is noted in `events`, and all that it was asked in `asked`."""

    name: ClassVar[str] = "watched"
    events: ClassVar[list[str]] = []
    asked: ClassVar[list[str]] = []

    def __init__(self, options: ScriptedOptions) -> None:
        super().__init__(options)
        self.events.append(f"load {options.seed}")

    def embed(self, texts: Sequence[str]) -> Floats:
        self.asked.extend(texts)
        return super().embed(texts)

    def close(self) -> None:
        self.events.append(f"close {self.options.seed}")

    @classmethod
    def reset(cls) -> None:
        cls.events.clear()
        cls.asked.clear()


class Failing(Watched):
    """Fails at the text that `fails_at` names, as long as that is set."""

    name: ClassVar[str] = "failing"
    fails_at: ClassVar[str] = ""

    def embed(self, texts: Sequence[str]) -> Floats:
        if self.fails_at and any(self.fails_at in text for text in texts):
            raise EngineError("the device is on fire", hint="put it out")
        return super().embed(texts)


class Remembering(LexicalEngine):
    """Notes that it works, and when it is told to forget what inputs had in common."""

    name: ClassVar[str] = "remembering"
    events: ClassVar[list[str]] = []

    def embed(self, texts: Sequence[str]) -> Floats:
        self.events.append("work")
        return super().embed(texts)

    def forget_inputs(self) -> None:
        self.events.append("forget")


class CannotLoad(ScriptedEngine):
    name: ClassVar[str] = "cannot-load"

    def __init__(self, options: ScriptedOptions) -> None:
        raise EngineError("not enough memory")


class Interrupted(Watched):
    """Control-C comes while it works."""

    name: ClassVar[str] = "interrupted"

    def embed(self, texts: Sequence[str]) -> Floats:
        raise KeyboardInterrupt


class NoOptions:
    """Neither an engine nor a ranker."""


class Losing(IdentityRanker):
    """Loses the last document."""

    name: ClassVar[str] = "losing"

    def rank(self, batch: Sequence[CandidateList]) -> list[Ranked]:
        return [Ranked(Ranking(c.query.id, tuple(d.id for d in c.documents[:-1]))) for c in batch]


class Doubling(IdentityRanker):
    """Names the first document in place of the last."""

    name: ClassVar[str] = "doubling"

    def rank(self, batch: Sequence[CandidateList]) -> list[Ranked]:
        return [Ranked(Ranking(c.query.id, (*(d.id for d in c.documents[:-1]), c.documents[0].id))) for c in batch]


class Swapping(IdentityRanker):
    """Returns the queries in another order than it was given them."""

    name: ClassVar[str] = "swapping"

    def rank(self, batch: Sequence[CandidateList]) -> list[Ranked]:
        return super().rank(batch)[::-1]


class Short(IdentityRanker):
    """Returns a result too few."""

    name: ClassVar[str] = "short"

    def rank(self, batch: Sequence[CandidateList]) -> list[Ranked]:
        return super().rank(batch)[:-1]
