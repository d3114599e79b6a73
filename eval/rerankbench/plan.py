"""What an experiment would do: its cells, what is at hand for each, and the name of each run. Loads data, never a model.

A cell is one system on one benchmark's candidate lists. Its run is named by a hash of all that decides the result, so that
the same question finds the same folder, and another question never does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, cast

from rerankbench import registry
from rerankbench.benchmarks import Benchmarks, load_catalog
from rerankbench.benchmarks.exclusions import Exclusions, without_excluded
from rerankbench.candidates import CandidateBuilder, Definition
from rerankbench.config import Experiment, Options, Part, System, Timing, fingerprint, load_systems
from rerankbench.errors import ConfigError, MissingData, MissingError, MissingWeights, RerankbenchError
from rerankbench.manifest import BEHAVIOUR
from rerankbench.measures.quality import check_measure
from rerankbench.mteb_columns import check_mteb_columns
from rerankbench.protocols import AnswerForcer, BuildsEngine, BuildsRanker, EncodesDocuments, Workload
from rerankbench.records import CandidateList
from rerankbench.store import journal_length

State = Literal["complete", "unfinished", "new", "missing", "failed"]
DATA_FOLDER = "{data}"
"""In an option of a ranker: the folder that ``--data`` names."""
TIMED_AS: Mapping[Timing, str] = MappingProxyType(
    {"cold": "cold", "documents-warm": "documents at hand", "throughput": "all queries at once"}
)
"""Each timing in words."""
_LONGEST_NAME = 200
_FORCED = "Answers are forced to measure speed, on weights that are drawn: no order that comes of it is a model's."
"""Bytes of a folder's name before its id: file systems take 255 for all of it."""


@dataclass(frozen=True)
class Cell:
    """One system on one benchmark's candidate lists.

    Attributes:
        limit: Only the first so many queries; None is all of them, and the only thing that counts as a result.
        timing: How its queries are timed; None where their order alone is asked for.
        at_once: Queries that are ranked together where many are; None is all of them.
        number, passes: Which of how many runs that time the same queries over and over, from 1.
    """

    system: System
    benchmark: str
    first_stage: str
    depth: int
    limit: int | None = None
    timing: Timing | None = None
    at_once: int | None = None
    number: int = 1
    passes: int = 1

    @property
    def timed_as(self) -> str:
        """Its timing in words; a cell that is not timed has none."""
        if self.timing is None:
            return ""
        return f"{self.at_once} queries at once" if self.at_once else TIMED_AS[self.timing]

    def __str__(self) -> str:
        first = f", first {counted(self.limit)}" if self.limit else ""
        timed = f", {self.timed_as}" if self.timing else ""
        turn = f", pass {self.number} of {self.passes}" if self.passes > 1 else ""
        return f"{self.system.name} on {self.benchmark} ({self.first_stage} top {self.depth}{first}{timed}{turn})"


@dataclass(frozen=True)
class Planned:
    """A cell and what is known of it before it is run.

    Attributes:
        folder, identity: Where its run lies, and what decides its result; None where that cannot be known.
        documents: Candidates in all lists together.
        done: Queries that the folder holds already.
        problem: Why the cell cannot be run; None in the states ``complete``, ``unfinished`` and ``new``.
    """

    cell: Cell
    state: State
    folder: Path | None = None
    identity: Mapping[str, Any] | None = None
    queries: int = 0
    documents: int = 0
    done: int = 0
    workload: Workload = field(default_factory=Workload)
    problem: RerankbenchError | None = None


class Planner:
    """Plans experiments against the data that is at hand.

    Args:
        runs: Where run folders go.
    """

    def __init__(self, benchmarks: Benchmarks, runs: Path) -> None:
        self.benchmarks = benchmarks
        self.candidates = CandidateBuilder(benchmarks, runs / "work")
        self._own: Mapping[str, Part] = {}
        self._exclusions = "after"
        self._reuse_embeddings = False
        self._warmup = 0
        self._runs = runs
        self._engine_facts: dict[str, Mapping[str, str] | MissingError] = {}
        self._folders: dict[str, Path] = {}

    def plan(self, experiment: Experiment, limit: int | None = None) -> list[Planned]:
        """Every cell of the experiment, by system, depth, first stage and benchmark.

        A cell whose data or weights are not at hand is planned as missing, one whose data is damaged as failed, with the reason.

        Raises:
            ConfigError: a benchmark, first stage or measure does not exist, or a system's engine lacks what its ranker needs.
        """
        check(experiment)
        self._own = experiment.candidates
        self._exclusions = experiment.file.exclusions
        self._reuse_embeddings = experiment.file.reuse_embeddings
        self._warmup = experiment.file.warmup
        return [self._planned(cell) for cell in _cells(experiment, limit)]

    def ranker_options(self, system: System) -> Options:
        """The options of a system's ranker, with the data folder in place of ``{data}``. What is kept of a run has it unfilled.

        Raises:
            MissingData: an option holds ``{data}``, and no data folder was named.
        """
        options = system.ranker.options
        named = {name: value for name, value in options if isinstance(value, str) and DATA_FOLDER in value}
        if named and self.benchmarks.mirror is None:
            name, value = next(iter(named.items()))
            raise MissingData(
                f"System {system.name!r}: its {name} is {value!r}, and no data folder was named.", hint="--data DIR, or RERANKBENCH_DATA"
            )
        return options.model_copy(update={name: value.replace(DATA_FOLDER, str(self.benchmarks.mirror)) for name, value in named.items()})

    def lists(self, cell: Cell) -> Sequence[CandidateList]:
        """The candidate lists that the cell ranks.

        Raises:
            MissingData: they are not at hand, or only as bare runs while the ranker reads text.
        """
        lists = self._whole_lists(cell)[: cell.limit]
        if ranker_class(cell.system).reads_text and not all(candidates.has_text for candidates in lists):
            raise MissingData(
                f"Only the order of the {cell.first_stage} lists of {cell.benchmark} is at hand, not the documents' text,"
                " which this ranker reads.",
                hint="Put lists with text (.jsonl) into the data folder.",
            )
        return lists

    @staticmethod
    def definitions(experiment: Experiment) -> list[Definition]:
        """All lists that the experiment's own first stages have to make.

        Raises:
            ConfigError: as `plan`: what is wrong with an experiment is said before hours of building.
        """
        check(experiment)
        return [
            Definition(name, experiment.candidates[name], benchmark, depth)
            for benchmark in experiment.benchmarks
            for name in experiment.first_stages
            if name in experiment.candidates and any(name in experiment.first_stages_of(s, benchmark) for s in experiment.systems)
            for depth in experiment.depths
        ]

    def definition(self, cell: Cell) -> Definition | None:
        """The experiment's own first stage that the cell's lists come from; None for published lists."""
        part = self._own.get(cell.first_stage)
        return Definition(cell.first_stage, part, cell.benchmark, cell.depth) if part else None

    def reuses_embeddings(self, cell: Cell) -> bool:
        """Whether the cell's documents were embedded by its first stage on the engine that its ranker works on."""
        part, engine = self._own.get(cell.first_stage), cell.system.engine
        wanted = self._reuse_embeddings and part is not None and part.kind == "dense" and engine is not None
        return bool(wanted and part and engine and part.as_data()["engine"] == engine.as_data())

    def excluded(self, cell: Cell) -> Exclusions | None:
        """The documents that must not count in this cell; None where there are none, or its published lists were made without.

        Raises:
            MissingData: the benchmark excludes some, and no source says which.
        """
        if self._exclusions == "none" or (self.definition(cell) is None and made_without_excluded(cell.first_stage)):
            return None
        return self.benchmarks.open(cell.benchmark).excluded()

    def exclusions_sha256(self, cell: Cell) -> str | None:
        """SHA-256 of the file behind `excluded`. Raises: as that."""
        file = self.benchmarks.open(cell.benchmark).exclusions_file() if self.excluded(cell) else None
        return file.sha256 if file else None

    def _whole_lists(self, cell: Cell) -> Sequence[CandidateList]:
        definition, benchmark = self.definition(cell), self.benchmarks.open(cell.benchmark)
        lists = self.candidates.require(definition).lists if definition else benchmark.candidates(cell.first_stage, cell.depth)
        excluded = self.excluded(cell) if self._exclusions == "before" else None
        return without_excluded(lists, excluded)[0] if excluded else lists

    def _planned(self, cell: Cell) -> Planned:
        try:
            lists = self.lists(cell)
            identity = self._identity(cell)
            self.excluded(cell)  # what the measures will ask for: to be told now, and not after hours of ranking
        except MissingError as problem:
            if self.benchmarks.mirror is not None:  # it is told in tables, which read the same wherever they are made
                problem.message = problem.message.replace(str(self.benchmarks.mirror), DATA_FOLDER)
            return Planned(cell, "missing", problem=problem)
        except ConfigError:
            raise
        except RerankbenchError as problem:
            return Planned(cell, "failed", problem=problem)
        folder = self._folder(cell, identity)
        done = journal_length(folder)
        complete = (folder / "manifest.json").is_file()
        workload = self._workload(cell, lists)
        state: State = "complete" if complete else "unfinished" if done else "new"
        return Planned(cell, state, folder, identity, len(lists), sum(map(len, lists)), done, workload)

    def _workload(self, cell: Cell, lists: Sequence[CandidateList]) -> Workload:
        """Of all lists; where nothing is kept from one query to the next, a text that comes again is counted again."""
        size = 1 if cell.timing == "cold" else cell.at_once or max(1, len(lists))
        options = self.ranker_options(cell.system)
        each = [ranker_class(cell.system).workload(options, lists[start : start + size]) for start in range(0, len(lists), size)]
        return Workload(*map(sum, zip(*map(astuple, each), strict=True)))

    def _folder(self, cell: Cell, identity: Mapping[str, Any]) -> Path:
        """Where this question's run lies already, under whatever system name, else where it will be."""
        run_id = fingerprint(identity)
        parent = self._runs / cell.benchmark / cell.first_stage
        if run_id not in self._folders:
            own = parent / f"{folder_name(cell.system.name)}-{run_id[:12]}"
            known = sorted(
                parent.glob(f"*-{run_id[:12]}"), key=lambda path: (not (path / "manifest.json").is_file(), path != own, path.name)
            )
            self._folders[run_id] = known[0] if known else own
        return self._folders[run_id]

    def _identity(self, cell: Cell) -> dict[str, Any]:
        benchmark = self.benchmarks.open(cell.benchmark)
        options = self.ranker_options(cell.system)
        definition = self.definition(cell)
        if definition:
            lists_sha256 = self.candidates.require(definition).sha256
        else:
            lists_sha256 = benchmark.list_file(cell.first_stage, cell.depth).sha256
        identity = {
            "behaviour": BEHAVIOUR,
            "ranker": {
                **{k: v for k, v in cell.system.ranker.as_data().items() if k not in options.NEUTRAL},
                "prompts": dict(ranker_class(cell.system).provenance(options, cell.benchmark)),
            },
            "engine": self.engine_identity(cell.system),
            "benchmark": {"name": cell.benchmark, "qrels_sha256": benchmark.fingerprint},
            "candidates": {
                "first_stage": cell.first_stage,
                "depth": cell.depth,
                "sha256": lists_sha256,
            },
            "limit": cell.limit,
        }
        if self._exclusions == "before" and self.excluded(cell):
            identity["exclusions"] = self.exclusions_sha256(cell)
        if definition and self.reuses_embeddings(cell):
            identity["document_vectors"] = fingerprint(self.candidates.identity(definition))
        if cell.timing:  # the order is that of any other run; the times are not, so that neither stands in for the other
            identity["timed"] = self._timed(cell)
        return identity

    def _timed(self, cell: Cell) -> dict[str, Any]:
        """All queries at once, and the first pass, are what was there before there were others: they are not named."""
        several = {"at_once": cell.at_once, "pass": cell.number if cell.number > 1 else None}
        return {"as": cell.timing, "warmup": self._warmup, **{key: value for key, value in several.items() if value}}

    def engine_identity(self, system: System) -> dict[str, Any] | None:
        """The engine's options and weights. Raises: MissingError: the weights, or a package, are not at hand."""
        if system.engine is None:
            return None
        key = fingerprint(system.engine.as_data())
        if key not in self._engine_facts:
            self._engine_facts[key] = _engine_facts(system, system.engine)
        return _identity_of(system.engine, self._engine_facts[key])


def engine_identity(system: System) -> dict[str, Any] | None:
    """The options and weights of a system's engine: all that decides its answers; None for a system without one.

    Raises:
        MissingError: the weights, or a package, are not at hand.
    """
    return _identity_of(system.engine, _engine_facts(system, system.engine)) if system.engine else None


def _identity_of(engine: Part, facts: Mapping[str, str] | MissingError) -> dict[str, Any]:
    if isinstance(facts, MissingError):
        raise facts
    # The same weights in another folder are the same model.
    same = engine.options.NEUTRAL | ({"model"} if "weights_sha256" in facts else frozenset())
    return {k: v for k, v in {**engine.as_data(), **facts}.items() if k not in same}


def _engine_facts(system: System, engine: Part) -> Mapping[str, str] | MissingError:
    try:
        return cast("type[BuildsEngine]", registry.find("engine", engine.kind)).provenance(engine.options)
    except MissingWeights as error:
        if not _is_own(system, engine):
            return error  # the user named another model: how the system's own weights are had would not help
        had = {"published": "are published, but not at hand", "train": "are not published", "unavailable": "cannot be had"}
        status = had.get(system.weights.status)
        if status is None:
            return error
        return MissingWeights(f"The weights of {system.family} {status}.", hint=system.weights.how or error.hint)
    except MissingError as error:
        return error


def _is_own(system: System, engine: Part) -> bool:
    """Whether the engine's model is the one that `systems.yaml` names for this system, or the system stands in no such file."""
    known = load_systems().get(system.family)
    named = known.engine if known else None
    return named is None or getattr(named.options, "model", None) == getattr(engine.options, "model", None)


def made_without_excluded(first_stage: str) -> bool:
    """Whether the catalog says that a first stage's published lists were made without the documents that a benchmark excludes."""
    entry = load_catalog().first_stages.get(first_stage)
    return entry is not None and entry.excluded


def counted(queries: int) -> str:
    """``1 query``, ``2 queries``."""
    return f"{queries} {'query' if queries == 1 else 'queries'}"


def folder_name(name: str) -> str:
    """A system's name, as a part of a path and as the tag of a run file: without blanks, slashes and control characters, not too long."""
    safe = re.sub(r"[\s/\\\x00-\x1f\x7f]+", "_", name)
    return safe.encode()[:_LONGEST_NAME].decode(errors="ignore")


def ranker_class(system: System) -> type[BuildsRanker]:
    """The class of a system's ranker."""
    return cast("type[BuildsRanker]", registry.find("ranker", system.ranker.kind))


def encodes_documents(system: System) -> bool:
    """Whether its ranker embeds documents apart from its prompts."""
    return issubclass(ranker_class(system), EncodesDocuments)


def engine_class(system: System) -> type[BuildsEngine] | None:
    """The class of a system's engine; None for a ranker that works without.

    Raises:
        ConfigError: the ranker needs an engine and there is none, or this engine lacks a capability that it needs.
    """
    needs = ranker_class(system).needs(system.ranker.options)
    names = " and ".join(capability.__name__ for capability in needs)
    if system.engine is None:
        if needs:
            raise ConfigError(f"System {system.name!r}: a ranker {system.ranker.kind!r} needs an 'engine' that is a {names}.")
        return None
    found = registry.find("engine", system.engine.kind)
    if not _able(found, needs):
        able = [name for name in registry.ENGINES if _able(registry.find("engine", name), needs)]
        raise ConfigError(
            f"System {system.name!r}: a ranker {system.ranker.kind!r} needs an engine that is a {names}, and"
            f" {system.engine.kind!r} is none. Engines that are: {', '.join(able)}.",
            hint=_FORCED if AnswerForcer in needs else "",
        )
    return cast("type[BuildsEngine]", found)


def check(experiment: Experiment) -> None:
    """What a configuration says and only the layers above configurations can judge. Opens no data.

    Raises:
        ConfigError: see `Planner.plan`.
    """
    _check_names(experiment)
    check_mteb_columns(experiment)
    if "documents-warm" in experiment.timings and not any(map(encodes_documents, experiment.systems)):
        raise ConfigError(f"{experiment.place(('timings',))}: no system here encodes documents apart from its prompts")
    for system in experiment.systems:
        engine_class(system)  # a system that can never work is the configuration's error, not a missing cell


def _check_names(experiment: Experiment) -> None:
    catalog = load_catalog()
    own = experiment.file.own_benchmarks
    checks: tuple[tuple[str, Sequence[str], Callable[[str], object]], ...] = (
        ("benchmarks", experiment.file.benchmarks, lambda name: name in own or catalog.benchmark(name)),
        # Lists that an own benchmark brings along may have any name: what is not there is then missing, not unknown.
        ("first_stages", experiment.first_stages, lambda name: own or name in experiment.candidates or catalog.first_stage(name)),
        ("measures", experiment.file.measures, check_measure),
    )
    for key, names, check in checks:
        for i, name in enumerate(names):
            try:
                check(name)
            except ConfigError as error:
                raise ConfigError(f"{experiment.place((key, i))}: {error.message}", hint=error.hint) from error


def _able(engine: type, needs: Sequence[type]) -> bool:
    return all(issubclass(engine, capability) for capability in needs)


def _cells(experiment: Experiment, limit: int | None) -> Iterator[Cell]:
    for system in experiment.systems:
        for depth in experiment.depths:
            for first_stage in experiment.first_stages:
                for benchmark in experiment.benchmarks:
                    if first_stage in experiment.first_stages_of(system, benchmark):
                        cell = Cell(system, benchmark, first_stage, depth, limit, passes=experiment.passes)
                        yield from _runs(cell, experiment)


def _runs(cell: Cell, experiment: Experiment) -> Iterator[Cell]:
    """Pass after pass, so that what changes on the machine meanwhile is in every timing alike."""
    for number in range(1, experiment.passes + 1):
        for timing in _timings(experiment, cell.system):
            sizes = [None if size == "all" else size for size in experiment.file.at_once] if timing == "throughput" else [None]
            yield from (replace(cell, timing=timing, at_once=size, number=number) for size in sizes)


def _timings(experiment: Experiment, system: System) -> list[Timing | None]:
    """With documents at hand only what encodes them: all else would take as long as cold."""
    return [timing for timing in experiment.timings if timing != "documents-warm" or encodes_documents(system)]
