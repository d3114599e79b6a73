"""The loop: one cell after the other, ranked batch by batch into a run folder and measured from the run file that it wrote.

The file to read first. `plan` says what a cell is and names its run, `store` keeps it, a ranker orders the lists, an engine
does the work; this file holds them together and knows the insides of none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, cast

from rerankbench import manifest as facts
from rerankbench.benchmarks.exclusions import rankings_without_excluded
from rerankbench.clock import Clock
from rerankbench.config import Experiment, System, fingerprint
from rerankbench.costs import points_of
from rerankbench.engines.caching import CachedEngine, Counts
from rerankbench.errors import MissingData, MissingError, RankingError, RerankbenchError, StoreError, UsageError
from rerankbench.first_stages.dense import DenseFirstStage
from rerankbench.holding import EngineHolder
from rerankbench.measures.latency import WHOLE
from rerankbench.measures.quality import check_measure, measure
from rerankbench.plan import Cell, Planned, Planner, engine_class, folder_name, ranker_class
from rerankbench.protocols import Accounts, ForgetsInputs, Parts, Ranker, TextEmbedder
from rerankbench.records import CandidateList, Measurement, Qrels, Ranked, Ranking, Span
from rerankbench.store import RunFolder, read_manifest, read_measurements, read_spans
from rerankbench.timing import Meter, forget, prepared, queries_at_once
from rerankbench.trec import Run, read_run


@dataclass(frozen=True)
class Result:
    """A cell after it was run, or why it was not.

    Attributes:
        manifest, measurements: Of the complete run; None and empty where there is a problem.
        reused: Whether the run was complete before.
        runs: The folder of runs that it lies in, where that is another one than the laboratory's.
    """

    cell: Cell
    folder: Path | None = None
    manifest: Mapping[str, Any] | None = None
    measurements: tuple[Measurement, ...] = ()
    problem: RerankbenchError | None = None
    reused: bool = False
    runs: Path | None = None


class Observer(Protocol):
    """Is told of the progress."""

    def cell_started(self, planned: Planned) -> None: ...

    def queries_done(self, count: int) -> None: ...

    def cell_finished(self, result: Result) -> None: ...


class Laboratory:
    """Runs plans. Keeps one engine loaded at a time, and the documents that it has embedded for all cells that share it.

    Args:
        cache: Where engines' answers are kept across runs; None keeps none.
    """

    def __init__(self, planner: Planner, cache: Path | None = None) -> None:
        self._planner = planner
        self._cache = cache
        self._engines = EngineHolder(planner.engine_identity, cache)

    def run(self, plan: Sequence[Planned], experiment: Experiment, observer: Observer) -> list[Result]:
        """Run what is new, continue what was stopped, reuse what is complete.

        A cell that fails is a result with a problem; the others are still run.

        Returns:
            One result a planned cell, same order. Cells of one engine are run together.

        Raises:
            UsageError: queries are to be timed, and answers kept across runs: what is kept takes no time.
        """
        if experiment.times_queries and self._cache is not None:
            raise UsageError(
                "An answer that is kept takes no time, so that queries are not timed with a cache of answers.",
                hint="Leave --cache out, and RERANKBENCH_ANSWERS out of the environment.",
            )
        results: dict[int, Result] = {}
        try:
            for position in _by_engine(plan):
                observer.cell_started(plan[position])
                results[position] = self._result(plan[position], experiment, observer)
                observer.cell_finished(results[position])
        finally:
            self._engines.close()
        return [results[position] for position in range(len(plan))]

    def stored(self, plan: Sequence[Planned], experiment: Experiment, elsewhere: Sequence[Path] = ()) -> list[Result]:
        """What is complete already, without running anything; for the rest, how it can be had.

        Args:
            elsewhere: More folders of runs, of other hosts say. Complete runs of the same cells there are their repeats.

        Raises:
            MissingData: there is no such folder.
        """
        found = []
        for planned in plan:
            repeats = [again for folder in elsewhere for again in self._repeats(planned, folder, experiment)]
            own = self._stored(planned, experiment)
            found += [own] if own.manifest is not None or not repeats else []
            found += repeats
        return found

    def _repeats(self, planned: Planned, folder: Path, experiment: Experiment) -> Iterator[Result]:
        """The complete run of the same identity in another folder of runs."""
        if not folder.is_dir():
            raise MissingData(f"There is no folder of runs {folder}.")
        if planned.folder is None:
            return
        run_id, cell = planned.folder.name.rpartition("-")[2], planned.cell
        for path in sorted((folder / cell.benchmark / cell.first_stage).glob(f"*-{run_id}")):
            result = self._stored(replace(planned, folder=path), experiment)
            if result.manifest is not None:
                label = f"{cell.system.repeat} on {folder.name}".removeprefix(" on ")
                yield replace(result, cell=replace(cell, system=replace(cell.system, repeat=label)), runs=folder)

    def _result(self, planned: Planned, experiment: Experiment, observer: Observer) -> Result:
        if planned.state in {"complete", "missing", "failed"}:
            return self._stored(planned, experiment)
        try:
            return self._ranked_and_measured(planned, experiment, observer)
        except RerankbenchError as problem:
            return Result(planned.cell, planned.folder, problem=problem)

    def _stored(self, planned: Planned, experiment: Experiment) -> Result:
        if planned.problem is not None or planned.folder is None:
            return Result(planned.cell, problem=planned.problem)
        try:
            manifest = read_manifest(planned.folder)
            if manifest is None:
                return Result(planned.cell, planned.folder, problem=_not_run(planned, experiment))
            _check_id(manifest, planned)
            measurements = read_measurements(planned.folder)
            if manifest["measures"] != self._measures(planned.cell, experiment):
                measurements = self._measure(planned.cell, planned.folder / "run.trec", experiment)
        except RerankbenchError as problem:
            return Result(planned.cell, planned.folder, problem=problem)
        return Result(planned.cell, planned.folder, manifest, tuple(measurements), reused=True)

    def _ranked_and_measured(self, planned: Planned, experiment: Experiment, observer: Observer) -> Result:
        cell, lists = planned.cell, self._planner.lists(planned.cell)
        with RunFolder(cast("Path", planned.folder), cast("Mapping[str, Any]", planned.identity)) as folder:
            if folder.is_complete:  # since it was planned: by another process, or as a system of another name
                return self._stored(planned, experiment)
            ranked = folder.journal()
            _check_journal(ranked, lists, folder.path)
            observer.queries_done(len(ranked))
            resumed_at = len(ranked)
            if cell.timing and _remembers(cell.system):
                self._engines.close()
            engine = self._engines.load(cell.system, keeps=not experiment.times_queries)
            self._reuse_embeddings(cell, engine, lists[resumed_at:])
            ranker, clock = self._ranker(cell, engine)
            size = queries_at_once(cell.timing, lists, cell.at_once) or experiment.file.batch_queries
            if cell.timing:
                state: Any = {"timing": cell.timing, "at_once": cell.at_once, "warmup": experiment.file.warmup}
                folder.note(prepared(ranker, engine, clock, lists[resumed_at:], **state))
            before, meter = engine.counts() if engine else {}, Meter()
            for batch, spans, seconds in _batches(ranker, clock, lists[resumed_at:], size, _before(cell, ranker, engine)):
                folder.append(batch, spans, seconds)
                ranked.extend(batch)
                observer.queries_done(len(batch))
            run = folder.finish(ranked, tag=_tag(cell.system))
            measurements = self._measure(cell, run, experiment)
            kept = self._kept(cell, lists, ranked, measurements, experiment)
            manifest = {
                **self._facts(planned, experiment),
                "batch_queries": size,
                "queries": len(ranked),
                "queries_before_last_start": resumed_at,
                "seconds": folder.seconds(),
                "defects": _defect_counts(ranked),
                "kept": kept,
                "points": self._points(cell, lists, folder.path),
                "answers": _answers(engine, before),
                "engine_account": _account(engine),
                **(self._timed_facts(cell, engine, meter) if cell.timing else {}),
            }
            folder.seal(measurements, manifest)
        return Result(cell, planned.folder, manifest, tuple(measurements))

    def _ranker(self, cell: Cell, engine: CachedEngine | None) -> tuple[Ranker, Clock]:
        """The cell's ranker, and the clock that its phases are timed with."""
        clock = Clock(synchronise=engine.synchronise) if engine else Clock()
        parts = Parts(cell.benchmark, engine, self._planner.benchmarks.open(cell.benchmark).qrels, clock)
        return cast("Ranker", ranker_class(cell.system).build(self._planner.ranker_options(cell.system), parts)), clock

    def _reuse_embeddings(self, cell: Cell, engine: CachedEngine | None, lists: Sequence[CandidateList]) -> None:
        """Give the ranker the vectors that its first stage has of these documents, where the experiment asks for that."""
        definition = self._planner.definition(cell)
        if engine is None:
            return
        engine.forget_preloaded()  # what a cell gets must not depend on the cells before it
        if definition is None or not self._planner.reuses_embeddings(cell):
            return
        stage = cast("DenseFirstStage", self._planner.candidates.stage(definition, engine=cast("TextEmbedder", engine)))
        documents = list({document.id: document for candidates in lists for document in candidates.documents}.values())
        engine.preload(*stage.document_vectors(self._planner.candidates.corpus(definition), documents))

    def _kept(
        self, cell: Cell, lists: Sequence[CandidateList], ranked: Sequence[Ranked], ours: Sequence[Measurement], experiment: Experiment
    ) -> dict[str, Any]:
        """On how many queries the run is as its lists came: in the order of all documents, of the first ten, in the first measure."""
        incoming = Run.of([Ranking(c.query.id, tuple(d.id for d in c.documents)) for c in lists if len(c)])
        shown = check_measure(experiment.file.measures[0])
        theirs = {m.query_id: m.value for m in self._measured(cell, incoming, experiment) if m.measure == shown}
        orders = [(r.ranking.doc_ids, incoming.ranking(r.ranking.query_id)) for r in ranked if r.ranking.doc_ids]
        return {
            "queries": len(orders),
            "orders": sum(tuple(a) == tuple(b) for a, b in orders),
            "first_10": sum(tuple(a[:10]) == tuple(b[:10]) for a, b in orders),
            "measured": len(theirs),
            "values": sum(m.measure == shown and theirs.get(m.query_id) == m.value for m in ours),
            "measure": shown,
        }

    def _points(self, cell: Cell, lists: Sequence[CandidateList], folder: Path) -> list[dict[str, float]]:
        """What each batch asked of the engine and how long it took: what predictions of other runs are made from."""
        if cell.system.engine is None:
            return []
        options = self._planner.ranker_options(cell.system)
        return points_of(read_spans(folder), lists, lambda batch: ranker_class(cell.system).workload(options, batch))

    @staticmethod
    def _timed_facts(cell: Cell, engine: CachedEngine | None, meter: Meter) -> dict[str, Any]:
        """Which pass it is, what was used besides time, and whether earlier inputs were forgotten."""
        forgets = isinstance(engine, ForgetsInputs)
        return {"pass": cell.number, "passes": cell.passes, "resources": meter.read(), "inputs_forgotten": forgets}

    def _measure(self, cell: Cell, run: Path, experiment: Experiment) -> list[Measurement]:
        return self._measured(cell, read_run(run), experiment)

    def _measured(self, cell: Cell, run: Run, experiment: Experiment) -> list[Measurement]:
        qrels = self._planner.benchmarks.open(cell.benchmark).qrels()
        if cell.limit is not None:
            qrels = _restricted(qrels, self._planner.lists(cell))
        measured = self._without_excluded(cell, run, experiment)
        return list(measure(measured, qrels, experiment.file.measures, missing=experiment.file.missing).measurements)

    def _without_excluded(self, cell: Cell, run: Run, experiment: Experiment) -> Run:
        """The run without documents that the benchmark excludes, where the protocol drops them after reranking.

        Raises:
            MissingData: see `Planner.excluded`.
        """
        excluded = self._planner.excluded(cell) if experiment.file.exclusions == "after" else None
        if excluded is None:
            return run
        rankings = [Ranking(query_id, run.ranking(query_id)) for query_id in run.query_ids]
        return Run.of(rankings_without_excluded(rankings, excluded)[0])

    def _measures(self, cell: Cell, experiment: Experiment) -> dict[str, Any]:
        """What decides the measurements of a run, its judgements apart."""
        file = experiment.file
        excluded = self._planner.exclusions_sha256(cell) if file.exclusions == "after" else None
        said = {"names": list(file.measures), "missing": file.missing, "exclusions": file.exclusions}
        return {**said, "excluded_sha256": excluded} if excluded else said

    def _facts(self, planned: Planned, experiment: Experiment) -> dict[str, Any]:
        cell = planned.cell
        benchmark = self._planner.benchmarks.open(cell.benchmark)
        qrels = benchmark.qrels_file()
        files = {"qrels": {"place": qrels.place, "source": qrels.source, "sha256": qrels.sha256}, "candidates": self._list_facts(cell)}
        engine = engine_class(cell.system)
        return {
            "id": fingerprint(planned.identity),
            "identity": planned.identity,
            "system": {"name": cell.system.name, **cell.system.as_data()},
            "data": files,
            "measures": self._measures(cell, experiment),
            "caveat": engine.caveat if engine else "",
            "environment": facts.environment(),
        }

    def _list_facts(self, cell: Cell) -> dict[str, Any]:
        definition = self._planner.definition(cell)
        built = self._planner.candidates.find(definition) if definition else None
        if built is not None:
            return {"place": built.path.name, "source": f"built: {cell.first_stage}", "sha256": built.sha256, "made_with": built.identity}
        file = self._planner.benchmarks.open(cell.benchmark).list_file(cell.first_stage, cell.depth)
        return {"place": file.place, "source": file.source, "sha256": file.sha256}


def _remembers(system: System) -> bool:
    """Whether its engine keeps what it has read across calls and cannot forget it, so that a run would be timed on the one before it."""
    caches = system.engine is not None and bool(getattr(system.engine.options, "prefix_caching", False))
    return caches and not issubclass(cast("type", engine_class(system)), ForgetsInputs)


def _by_engine(plan: Sequence[Planned]) -> list[int]:
    """Positions of the plan with the cells of one engine together, else in the plan's order."""
    keys = [fingerprint(p.cell.system.engine.as_data()) if p.cell.system.engine else "" for p in plan]
    return sorted(range(len(plan)), key=lambda position: keys.index(keys[position]))


def _before(cell: Cell, ranker: Ranker, engine: CachedEngine | None) -> Callable[[Sequence[CandidateList]], None]:
    """What is done before a batch of a cell: nothing, but where it is timed."""
    timing = cell.timing
    return (lambda batch: forget(ranker, engine, batch, timing)) if timing else (lambda _: None)


def _batches(
    ranker: Ranker, clock: Clock, lists: Sequence[CandidateList], size: int, before: Callable[[Sequence[CandidateList]], None]
) -> Iterator[tuple[list[Ranked], list[Span], float]]:
    """Rank `size` lists at a time; yields what came out, the batch's spans and its wall time in seconds.

    Args:
        before: Called with every batch, outside its time.
    """
    remaining = iter(lists)
    while batch := list(islice(remaining, size)):
        before(batch)
        with clock.span(WHOLE, query_ids=[candidates.query.id for candidates in batch]):
            ranked = ranker.rank(batch)
        _check_batch(ranked, batch, ranker.name)
        spans = clock.drain()
        yield ranked, spans, spans[-1].seconds


def _check_batch(ranked: Sequence[Ranked], batch: Sequence[CandidateList], ranker: str) -> None:
    """Raises: RankingError: not one permutation of its own list for each list of the batch, in its order."""
    asked, given = [c.query.id for c in batch], [r.ranking.query_id for r in ranked]
    if asked != given:
        raise RankingError(f"Ranker {ranker!r} was given the queries {asked} and returned {given}.")
    for candidates, result in zip(batch, ranked, strict=True):
        if sorted(result.ranking.doc_ids) != sorted(d.id for d in candidates.documents):
            raise RankingError(f"Ranker {ranker!r}: its ranking of query {candidates.query.id!r} is not a permutation of the list.")


def _check_journal(ranked: Sequence[Ranked], lists: Sequence[CandidateList], folder: Path) -> None:
    """Raises: StoreError: the journal is not the beginning of these lists."""
    found = [(r.ranking.query_id, sorted(r.ranking.doc_ids)) for r in ranked]
    if found != [(c.query.id, sorted(d.id for d in c.documents)) for c in lists[: len(ranked)]]:
        raise StoreError(
            f"{folder}/rankings.jsonl holds other queries or documents than these lists begin with.",
            hint=f"Delete {folder} and run again.",
        )


def _check_id(manifest: Mapping[str, Any], planned: Planned) -> None:
    """Raises: StoreError: the folder holds the run of another question."""
    if manifest.get("id") != fingerprint(planned.identity):
        raise StoreError(f"{planned.folder}: holds another run than its name says.", hint=f"Delete {planned.folder} and run again.")


def _not_run(planned: Planned, experiment: Experiment) -> MissingError:
    so_far = f"was stopped after {planned.done} of {planned.queries} queries" if planned.done else "was not run yet"
    limit = f" --limit {planned.cell.limit}" if planned.cell.limit else ""
    return MissingError(f"This cell {so_far}.", hint=f"rerankbench run {experiment.name}{limit}, with the options of this report")


def _restricted(qrels: Qrels, lists: Sequence[CandidateList]) -> Qrels:
    """The judgements of these lists' queries only."""
    return {c.query.id: qrels[c.query.id] for c in lists if c.query.id in qrels}


def _defect_counts(ranked: Sequence[Ranked]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for result in ranked:
        for defect in result.defects:
            counts[defect.kind.value] += defect.count
    return dict(sorted(counts.items()))


def _tag(system: System) -> str:
    """The run file's last column: the system, and the engine's name where there is something to be said of that engine."""
    engine = engine_class(system)
    return folder_name(f"{system.name}~{engine.name}" if engine and engine.caveat else system.name)


def _account(engine: CachedEngine | None) -> dict[str, object]:
    """What the engine says of its work since it was loaded."""
    if engine is None:
        return {}
    own = dict(engine.inner.account()) if isinstance(engine.inner, Accounts) else {}
    return {**own, **({"damaged_answers": engine.disk.damaged} if engine.disk else {})}


def _answers(engine: CachedEngine | None, before: Counts) -> dict[str, dict[str, int]]:
    """What this cell asked of its engine, and where the answers came from."""
    return engine.counts(since=before) if engine else {}
