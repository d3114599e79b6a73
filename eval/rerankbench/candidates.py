"""Candidate lists of first stages that an experiment defines: built over a benchmark's corpus once, kept, found again.

A built file is named by a hash of all that decides it, as a run is. Knows first stages by their kinds alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from rerankbench import registry
from rerankbench.benchmarks import Benchmarks, Collection, OwnCollection
from rerankbench.config import Part, build_part, fingerprint
from rerankbench.errors import ConfigError, MissingData, RerankbenchError
from rerankbench.first_stages.dense import DenseFirstStage, DenseOptions
from rerankbench.first_stages.listfile import read_manifest, read_written, write_lists
from rerankbench.manifest import BEHAVIOUR
from rerankbench.protocols import BuildsFirstStage, Corpus, FirstStage, TextEmbedder
from rerankbench.records import CandidateList, Query

PUBLISHED = "published"
"""A part of a fusion that stands for published lists: ``{kind: published, first_stage: NAME}``."""


@dataclass(frozen=True)
class Definition:
    """A first stage over one benchmark at one depth."""

    name: str
    part: Part
    benchmark: str
    depth: int


@dataclass(frozen=True)
class Built:
    """A file of built lists.

    Attributes:
        identity: All that decides the lists; its hash is in the file's name.
        sha256: Of the file.
    """

    path: Path
    identity: Mapping[str, Any]
    lists: Sequence[CandidateList]
    sha256: str
    reused: bool


@dataclass
class CandidateBuilder:
    """Builds and finds lists.

    Args:
        workspace: Lists go to ``lists/BENCHMARK/`` here; indexes and embeddings beside them.
    """

    benchmarks: Benchmarks
    workspace: Path
    _found: dict[str, Built] = field(default_factory=dict)
    _problems: dict[tuple[str, str, int], RerankbenchError] = field(default_factory=dict)

    def build_all(self, definitions: Iterable[Definition]) -> Iterator[tuple[Definition, Built | RerankbenchError]]:
        """Build what is not there, one after the other. What cannot be built is remembered with its reason, and the others go on."""
        for definition in definitions:
            key = (definition.name, definition.benchmark, definition.depth)
            try:
                yield definition, self.build(definition)
            except ConfigError:
                raise
            except RerankbenchError as problem:
                self._problems[key] = problem
                yield definition, problem

    def require(self, definition: Definition) -> Built:
        """Lists that are there.

        Raises:
            MissingData: they are not built yet.
            RerankbenchError: they could not be built, for the reason that building gave.
        """
        problem = self._problems.get((definition.name, definition.benchmark, definition.depth))
        if problem is not None:
            raise problem
        found = self.find(definition)
        if found is None:
            raise MissingData(
                f"The {definition.name} lists of {definition.benchmark} are not built yet.", hint="rerankbench candidates build CONFIG"
            )
        return found

    def find(self, definition: Definition) -> Built | None:
        """Lists that are there already; None where they have to be built.

        Raises:
            MissingError: the corpus, or what the first stage needs, is not at hand, so that not even the name is known.
            DataError: the file was damaged.
        """
        identity = self.identity(definition)
        path = self._path(definition, identity)
        if str(path) not in self._found:
            if read_manifest(path) is None:
                return None
            lists, manifest = read_written(path)
            self._found[str(path)] = Built(path, identity, lists, manifest.sha256, reused=True)
        return self._found[str(path)]

    def build(self, definition: Definition) -> Built:
        """Lists, built where they are not there.

        Raises:
            MissingError: the corpus, or what the first stage needs, is not at hand.
        """
        found = self.find(definition)
        if found is not None:
            return found
        identity = self.identity(definition)
        path = self._path(definition, identity)
        path.parent.mkdir(parents=True, exist_ok=True)
        benchmark = self.benchmarks.open(definition.benchmark)
        retrieved = self.stage(definition).retrieve(self._corpus(definition), self._queries(benchmark), definition.depth)
        write_lists(path, retrieved, source=f"first stage {definition.name} over {definition.benchmark}", options=identity)
        lists, manifest = read_written(path)  # what is ranked is what was written
        self._found[str(path)] = Built(path, identity, lists, manifest.sha256, reused=False)
        return self._found[str(path)]

    def stage(self, definition: Definition, *, engine: TextEmbedder | None = None) -> FirstStage:
        """The first stage itself, nothing loaded yet; a dense one on an engine that is loaded already, where one is given."""
        part = self._resolved(definition)
        if engine is not None and isinstance(part.options, DenseOptions):
            return DenseFirstStage(part.options, self.workspace, engine=engine)
        return _kind(part).build(part.options, self.workspace)

    def corpus(self, definition: Definition) -> Corpus:
        """What it searches. Raises: MissingData: the documents are not at hand."""
        return self._corpus(definition)

    def identity(self, definition: Definition) -> dict[str, Any]:
        """All that decides the lists.

        Raises:
            MissingError: see `find`.
        """
        part = self._resolved(definition)
        facts = dict(_kind(part).provenance(part.options))
        benchmark = self.benchmarks.open(definition.benchmark)
        queries = [[query.id, query.text] for query in self._queries(benchmark)]
        data = {key: value for key, value in part.as_data().items() if key != "path"}  # a file is known by its hash
        return {
            "behaviour": BEHAVIOUR,
            "first_stage": _without_folders(data, facts),
            "facts": facts,
            "corpus": self._corpus(definition).fingerprint if _searches(part) else None,
            "queries": fingerprint(queries),
            "depth": definition.depth,
        }

    def _path(self, definition: Definition, identity: Mapping[str, Any]) -> Path:
        name = f"{definition.name}-{fingerprint(identity)[:12]}.jsonl"
        return self.workspace / "lists" / definition.benchmark / name

    def _corpus(self, definition: Definition) -> Corpus:
        """The benchmark's corpus, or the documents of the prebuilt index that the first stage searches."""
        part = self._resolved(definition)
        if getattr(part.options, "prebuilt", None):
            stage: Any = _kind(part).build(part.options, self.workspace)
            return cast("Corpus", stage.index_corpus())
        benchmark = self.benchmarks.open(definition.benchmark)
        return benchmark.corpus() if _searches(part) else _OnDemand(benchmark)

    def _resolved(self, definition: Definition) -> Part:
        """The definition with published parts of a fusion replaced by their files."""
        part = definition.part
        if part.kind != "fusion":
            return part
        data = part.as_data()
        stages = [self._file_of(stage, definition) if stage.get("kind") == PUBLISHED else stage for stage in data["stages"]]
        return build_part("first_stage", {**data, "stages": stages}, lambda key: f"candidates.{definition.name}: {key}")

    def _file_of(self, stage: Mapping[str, Any], definition: Definition) -> dict[str, Any]:
        benchmark = self.benchmarks.open(definition.benchmark)
        if not isinstance(benchmark, Collection):
            raise ConfigError(f"{definition.benchmark}: published lists are those of the catalog's benchmarks; name a file instead.")
        return {"kind": "file", "path": str(benchmark.list_path(str(stage["first_stage"]), definition.depth))}

    @staticmethod
    def _queries(benchmark: Collection | OwnCollection) -> list[Query]:
        """The judged queries, in the order of the benchmark's own file."""
        qrels = benchmark.qrels()
        return [query for query in benchmark.queries() if query.id in qrels]


class _OnDemand:
    """A corpus that is looked for only when a document is asked for: lists from files mostly bring their texts along."""

    def __init__(self, benchmark: Collection | OwnCollection) -> None:
        self._benchmark = benchmark
        self.name = benchmark.name

    @property
    def fingerprint(self) -> str:
        return self._benchmark.corpus().fingerprint

    def __len__(self) -> int:
        return len(self._benchmark.corpus())

    def documents(self) -> Any:
        return self._benchmark.corpus().documents()

    def subset(self, ids: Any) -> Any:
        return self._benchmark.corpus().subset(ids)


def _kind(part: Part) -> type[BuildsFirstStage]:
    return cast("type[BuildsFirstStage]", registry.find("first_stage", part.kind))


def _searches(part: Part) -> bool:
    """Whether the corpus decides the lists: files, and fusions of nothing but files, have theirs already."""
    if part.kind == "fusion":
        return any(stage["kind"] != "file" for stage in part.as_data()["stages"])
    return part.kind != "file"


def _without_folders(data: Any, facts: Mapping[str, str]) -> Any:
    """Without the folders of models that are known by their weights' hash."""
    if isinstance(data, Mapping):
        hashed = any(name.endswith("weights_sha256") for name in facts)
        return {k: _without_folders(v, facts) for k, v in data.items() if not (k in {"model", "path"} and hashed) and k != "path"}
    return [_without_folders(item, facts) for item in data] if isinstance(data, list) else data
