"""Candidate lists of first stages that an experiment defines: built over a benchmark's corpus once, kept, found again.

A built file is named by a hash of all that decides it, as a run is. Knows first stages by their kinds alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from rerankbench import prompts, registry
from rerankbench.benchmarks import Benchmarks, Collection, OwnCollection
from rerankbench.config import Part, build_part, fingerprint
from rerankbench.errors import ConfigError, MissingData, MissingError, RerankbenchError
from rerankbench.first_stages.dense import DenseFirstStage, DenseOptions
from rerankbench.first_stages.formats import Form, open_listed
from rerankbench.first_stages.from_file import FileOptions
from rerankbench.first_stages.fusion_stage import FusionOptions
from rerankbench.first_stages.listfile import read_manifest, read_written, write_lists
from rerankbench.first_stages.texts import SLOT
from rerankbench.manifest import BEHAVIOUR
from rerankbench.protocols import BuildsFirstStage, Closes, Corpus, FirstStage, TextEmbedder
from rerankbench.records import CandidateList, Query

PUBLISHED = "published"
"""The kind that stands for a benchmark's published lists: ``{kind: published, first_stage: NAME}``."""


@dataclass(frozen=True)
class Definition:
    """A first stage over one benchmark at one depth."""

    name: str
    part: Part
    benchmark: str
    depth: int

    @cached_property
    def key(self) -> str:
        """Tells it from others, as long as the data is the same."""
        return fingerprint([self.name, self.part.as_data(), self.benchmark, self.depth])


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
    """Builds and finds lists. Every corpus and every model is hashed once in its life, and every file read once.

    Args:
        workspace: Lists go to ``lists/BENCHMARK/`` here; indexes and embeddings beside them.
    """

    benchmarks: Benchmarks
    workspace: Path
    _found: dict[str, Built] = field(default_factory=dict)
    _problems: dict[str, RerankbenchError] = field(default_factory=dict)
    _identities: dict[str, dict[str, Any]] = field(default_factory=dict)
    _provenances: dict[str, dict[str, str] | MissingError] = field(default_factory=dict)
    _corpora: dict[str, Corpus] = field(default_factory=dict)

    def build_all(self, definitions: Iterable[Definition]) -> Iterator[tuple[Definition, Built | RerankbenchError]]:
        """Build what is not there, one after the other. What cannot be built is remembered with its reason, and the others go on."""
        for definition in definitions:
            self._problems.pop(definition.key, None)
            try:
                yield definition, self.build(definition)
            except ConfigError:
                raise
            except RerankbenchError as problem:
                self._problems[definition.key] = problem
                yield definition, problem

    def require(self, definition: Definition) -> Built:
        """Lists that are there.

        Raises:
            MissingData: they are not built yet.
            RerankbenchError: they could not be built, for the reason that building gave.
        """
        if definition.key in self._problems:
            raise self._problems[definition.key]
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
        path = self._path(definition)
        if definition.key not in self._found:
            if not path.is_file() or read_manifest(path) is None:
                return None
            self._found[definition.key] = self._read(definition, path, reused=True)
        return self._found[definition.key]

    def build(self, definition: Definition) -> Built:
        """Lists, built where they are not there.

        Raises:
            MissingError: the corpus, or what the first stage needs, is not at hand.
            DataError: the file was damaged.
        """
        found = self.find(definition)
        if found is not None:
            return found
        path, queries = self._path(definition), self._queries(definition)
        with _closed_afterwards(self.stage(definition)) as stage:
            retrieved = stage.retrieve(self.corpus(definition), queries, definition.depth)
        source = f"first stage {definition.name} over {definition.benchmark}"
        write_lists(path, retrieved, source=source, options=self.identity(definition))
        self._found[definition.key] = self._read(definition, path, reused=False)  # what is ranked is what was written
        return self._found[definition.key]

    def stage(self, definition: Definition, *, engine: TextEmbedder | None = None) -> FirstStage:
        """The first stage itself, nothing loaded yet; a dense one on an engine that is loaded already, where one is given."""
        part = self._resolved(definition)
        if engine is not None and isinstance(part.options, DenseOptions):
            return DenseFirstStage(part.options, self.workspace, engine=engine)
        return _kind(part).build(part.options, self.workspace)

    def corpus(self, definition: Definition) -> Corpus:
        """What it searches: the benchmark's corpus, or the documents of the prebuilt index that the first stage names.

        Raises:
            MissingData: the documents are not at hand.
        """
        part = self._resolved(definition)
        prebuilt = getattr(part.options, "prebuilt", "")
        benchmark = self.benchmarks.open(definition.benchmark)
        if not prebuilt and not _reads_corpus(part):
            return _OnDemand(benchmark)
        key = fingerprint(part.as_data()) if prebuilt else definition.benchmark
        if key not in self._corpora:
            stage: Any = _kind(part).build(part.options, self.workspace) if prebuilt else None
            self._corpora[key] = stage.index_corpus() if prebuilt else benchmark.corpus()
        return self._corpora[key]

    def identity(self, definition: Definition) -> dict[str, Any]:
        """All that decides the lists.

        Raises:
            MissingError: see `find`.
        """
        if definition.key not in self._identities:
            self._identities[definition.key] = self._identity(definition)
        return self._identities[definition.key]

    def _identity(self, definition: Definition) -> dict[str, Any]:
        part = self._resolved(definition)
        facts = self._provenance(part)
        return {
            "behaviour": BEHAVIOUR,
            "first_stage": _without_folders(part.as_data(), facts),
            "facts": facts,
            "corpus": self.corpus(definition).fingerprint if _reads_corpus(part) else None,
            "queries": fingerprint([[query.id, query.text] for query in self._queries(definition)]),
            "depth": definition.depth,
        }

    def _provenance(self, part: Part) -> dict[str, str]:
        """What the first stage says of itself; what it lacks is found out once, for asking the hub takes its time."""
        data = {key: value for key, value in part.as_data().items() if key != "query_template"}  # worded for one benchmark
        key = fingerprint(data)
        if key not in self._provenances:
            try:
                self._provenances[key] = dict(_kind(part).provenance(part.options))
            except MissingError as problem:
                self._provenances[key] = problem
        found = self._provenances[key]
        if isinstance(found, MissingError):
            raise found
        return found

    def _path(self, definition: Definition) -> Path:
        name = f"{definition.name}-{fingerprint(self.identity(definition))[:12]}.jsonl"
        return self.workspace / "lists" / definition.benchmark / name

    def _read(self, definition: Definition, path: Path, *, reused: bool) -> Built:
        lists, manifest = read_written(path)
        return Built(path, self.identity(definition), lists, manifest.sha256, reused)

    def _resolved(self, definition: Definition) -> Part:
        """The definition with published lists replaced by their files, and prompts by their wording for the benchmark."""
        data = self._with_files(definition.part.as_data(), definition, definition.depth)
        return build_part("first_stage", data, lambda key: f"candidates.{definition.name}: {'.'.join(map(str, key))}")

    def _with_files(self, data: Mapping[str, Any], definition: Definition, depth: int) -> dict[str, Any]:
        if data["kind"] == PUBLISHED:
            path = self.benchmarks.open(definition.benchmark).list_path(data["first_stage"], depth)
            return {"kind": "file", "path": str(path)}
        if data.get("query_prompt"):
            return _worded(data, definition)
        if data["kind"] != "fusion":
            return dict(data)
        deep = max(depth, data["part_depth"] or depth)
        return {**data, "stages": [self._with_files(stage, definition, deep) for stage in data["stages"]]}

    def _queries(self, definition: Definition) -> list[Query]:
        """The judged queries, in the order of the benchmark's own file."""
        benchmark = self.benchmarks.open(definition.benchmark)
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


@contextmanager
def _closed_afterwards(stage: FirstStage) -> Iterator[FirstStage]:
    """Two models never lie in memory together: the next first stage, or a ranker, may need all of it."""
    try:
        yield stage
    finally:
        if isinstance(stage, Closes):
            stage.close()


def _worded(data: Mapping[str, Any], definition: Definition) -> dict[str, Any]:
    """The options of a dense first stage with its prompt as the template that it is for this benchmark.

    Raises:
        ConfigError: there is no such prompt, or it shows documents.
    """
    prompt = prompts.load(data["query_prompt"]).for_benchmark(definition.benchmark)
    if prompt.kind != "query":
        raise ConfigError(f"candidates.{definition.name}.query_prompt: {prompt.name!r} is a prompt of kind {prompt.kind!r}, not a query's.")
    template = prompt.render(SLOT, end_token=str(data["document_template"]).partition(SLOT)[2])
    return {**data, "query_prompt": "", "query_template": template}


def _kind(part: Part) -> type[BuildsFirstStage]:
    return cast("type[BuildsFirstStage]", registry.find("first_stage", part.kind))


def _reads_corpus(part: Part) -> bool:
    """Whether the corpus decides the lists: files that have texts, and fusions of nothing but such files, have all already."""
    options = part.options
    if isinstance(options, FusionOptions):
        return any(_reads_corpus(build_part("first_stage", stage, lambda _: "stages")) for stage in options.stages)
    return not isinstance(options, FileOptions) or _lacks_texts(options)


def _lacks_texts(options: FileOptions) -> bool:
    _, listed = open_listed(Path(options.path), Form(options.form) if options.form else None)
    first = next(iter(listed), None)
    return first is not None and any(document.text is None for document in first.documents)


def _without_folders(data: Any, facts: Mapping[str, str]) -> Any:
    """Without paths of files, which are known by their hashes, and without folders of models whose weights are hashed."""
    if isinstance(data, Mapping):
        hashed = any(name.endswith("weights_sha256") for name in facts)
        return {k: _without_folders(v, facts) for k, v in data.items() if k != "path" and not (k == "model" and hashed)}
    return [_without_folders(item, facts) for item in data] if isinstance(data, list) else data
