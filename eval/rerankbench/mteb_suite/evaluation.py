"""The loop: every task for every system, engine by engine, through mteb. A task that fails is written down, and the others go on.

Systems of one engine share each task's texts: a text that two of them read alike is embedded once.
"""

from __future__ import annotations

import copy
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, cast

from rerankbench import manifest as facts
from rerankbench.clock import Clock
from rerankbench.config import MtebSystem, MtebTable, fingerprint
from rerankbench.engines.caching import CachedEngine
from rerankbench.errors import MissingData, RerankbenchError, UsageError
from rerankbench.holding import EngineHolder
from rerankbench.mteb_suite.cached_data import cached_configurations
from rerankbench.mteb_suite.data import ask_once, at_its_revision, begin_anew, quietly, unload, with_candidates
from rerankbench.mteb_suite.encoder import MtebEncoder
from rerankbench.mteb_suite.evaluated import Evaluated, evaluated
from rerankbench.mteb_suite.failures import failure_of
from rerankbench.mteb_suite.identity import model_meta
from rerankbench.mteb_suite.reranker import MtebReranker
from rerankbench.mteb_suite.results_folder import Ledger, check_whole, result_cache
from rerankbench.mteb_suite.sharing import taken
from rerankbench.mteb_suite.tasks import RERANKING, RETRIEVAL
from rerankbench.plan import engine_class, engine_identity, ranker_class
from rerankbench.protocols import Parts, Ranker, TextEmbedder, Tokens
from rerankbench.records import Qrels

Status = Literal["done", "reused", "failed", "missing"]
BATCH = 1024
"""Rows that mteb hands over at a time; engines choose their own batches."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one task of one system.

    Attributes:
        score: The main score, a fraction; None where there is none.
        seconds: Of this process; 0 for what was complete before.
        reason, hint: Why there is no score.
    """

    system: str
    task: str
    status: Status
    score: float | None = None
    seconds: float = 0.0
    reason: str = ""
    hint: str = ""


class Observer(Protocol):
    """Is told of the progress."""

    def task_started(self, system: str, task: str) -> None: ...

    def task_finished(self, outcome: Outcome) -> None: ...


class MtebLaboratory:
    """Evaluates systems on tasks, into a folder of results.

    Args:
        folder: Holds results and ledgers, see `results_folder`.
        cache: Where engines' answers are kept across runs; None keeps none.
    """

    def __init__(self, folder: Path, cache: Path | None = None) -> None:
        self._folder = folder
        self._engines = EngineHolder(engine_identity, cache)
        self._cache: Any = None
        self._models: dict[str, _Model] = {}
        self._beneath: set[str] = set()

    def run(self, asked: MtebTable, tasks: Sequence[Any], observer: Observer) -> list[Outcome]:
        """Evaluate what is not complete. What was stopped goes on behind the last split and subset that was written.

        Several processes may do so at one time, each with an accelerator of its own, say: what one is at, the others leave to it, do
        what else there is to do, and come back to it in the end.

        Returns:
            One outcome a system and task, by system, then task; of systems that are evaluated here.
        """
        rows = [system for system in asked.systems if system.system is not None]
        found: dict[tuple[str, str], Outcome] = {}
        self._beneath = {row.over.name for row in rows if row.over is not None}
        self._folder.mkdir(parents=True, exist_ok=True)
        with _undisturbed():
            self._cache = result_cache(self._folder)
            try:
                for wait in (False, True):
                    for system, task in self._in_order(rows, tasks):
                        if (key := (system.name, task.metadata.name)) not in found:
                            observer.task_started(*key)
                            outcome = self._outcome(system, asked.file.task_instructions, task, wait=wait)
                            if outcome is not None:
                                observer.task_finished(outcome)
                                found[key] = outcome
            finally:
                self._engines.close()
        return [found[system.name, task.metadata.name] for system in rows for task in tasks]

    def _in_order(self, rows: Sequence[MtebSystem], tasks: Sequence[Any]) -> Iterator[tuple[MtebSystem, Any]]:
        """Engine by engine, so that one is loaded once, and within task by task, so that its data is, and its texts are embedded once."""
        for group in _by_engine(rows):
            for task in tasks:
                yield from ((system, task) for system in group)
                unload(task)
            self._models.clear()

    def _outcome(self, system: MtebSystem, instructions: Mapping[str, str], task: Any, *, wait: bool) -> Outcome | None:
        """None where another process is at it, and we are not to wait for that."""
        name = task.metadata.name
        try:
            one = evaluated(system, instructions)
            with self._taken(one, task, wait=wait) as is_ours:
                return self._evaluated(one, task) if is_ours else None
        except RerankbenchError as problem:
            failure = failure_of(problem)
            return Outcome(system.name, name, failure.status, reason=failure.reason, hint=failure.hint)

    def _taken(self, one: Evaluated, task: Any, *, wait: bool) -> AbstractContextManager[bool]:
        return taken(self._folder, one.model, one.revision, task.metadata.name, wait=wait)

    def _evaluated(self, one: Evaluated, task: Any) -> Outcome:
        """The outcome of a task; with its rankings on the disk where others rank them again.

        Raises:
            RerankbenchError: of ours; what else a task raises is its outcome.
        """
        name = task.metadata.name
        ledger = Ledger(self._folder, self._facts(one))
        stored, predictions = self._stored(one, task), self._predictions(one, task)
        if stored is not None and (predictions is None or predictions.is_file()):
            return Outcome(one.system.name, name, "reused", score=stored)
        started = time.perf_counter()
        begin_anew(task)
        try:
            ask_once(task)
            with at_its_revision(task), cached_configurations():
                with_candidates(task)
                work = self._with_candidates(one, task) if one.system.reranks else task
                model = self._model(one)
                before = model.engine.counts() if model.engine else {}
                score = self._scored(model, work, predictions, again=self._is_stale(one, task))
        except RerankbenchError as problem:
            ledger.note(name, asdict(failure_of(problem)))
            raise
        except Exception as problem:  # noqa: BLE001  a task is code of others, which may raise anything: that is what its cell says
            failure = failure_of(problem)
            ledger.note(name, asdict(failure))
            return Outcome(one.system.name, name, failure.status, reason=failure.reason, hint=failure.hint)
        seconds = time.perf_counter() - started
        answers = model.engine.counts(since=before) if model.engine else {}
        ledger.note(
            name,
            {
                "status": "done",
                "main_score": score,
                "seconds": seconds,
                "answers": answers,
                "account": dict(model.mteb.account()),
                "dataset_revision": task.metadata.revision,
            },
        )
        return Outcome(one.system.name, name, "done", score=score, seconds=seconds)

    def _scored(self, model: _Model, task: Any, predictions: Path | None, *, again: bool) -> float:
        """Evaluate, and with `predictions` keep the rankings of all splits there, whole."""
        import mteb

        with tempfile.TemporaryDirectory(dir=self._folder, prefix=".predictions-") as beside:
            made = mteb.evaluate(
                model.mteb,
                task,
                cache=self._cache,
                co2_tracker=False,
                show_progress_bar=False,
                encode_kwargs={"batch_size": BATCH, "show_progress_bar": False},
                overwrite_strategy="always" if predictions or again else "only-missing",
                prediction_folder=Path(beside) if predictions else None,
            )
            if not made.task_results:  # mteb gives a data set that is not public back as an error, and does not raise it
                raise MissingData(f"{task.metadata.name}: {'; '.join(error.exception for error in made.exceptions or ())}")
            if predictions:
                predictions.parent.mkdir(parents=True, exist_ok=True)
                (Path(beside) / task.prediction_file_name).replace(predictions)
        return _main_score(made.task_results[0], task)

    def _predictions(self, one: Evaluated, task: Any) -> Path | None:
        """Where a system's rankings of a retrieval task lie, if others rank them again."""
        if one.system.name not in self._beneath or one.system.reranks or task.metadata.type not in RETRIEVAL:
            return None
        return self._folder / "predictions" / one.model.replace("/", "__") / one.revision / str(task.prediction_file_name)

    def _stored(self, one: Evaluated, task: Any) -> float | None:
        """The main score of a complete result of the same data; None where there is none."""
        meta = self._meta(one)
        check_whole(self._cache.get_task_result_path(task.metadata.name, meta))
        found = self._cache.load_task_result(task.metadata.name, meta)
        if found is None or not found.is_mergeable(task) or found.get_missing_evaluations(task):
            return None
        return _main_score(found, task)

    def _is_stale(self, one: Evaluated, task: Any) -> bool:
        """Whether what is there was made on another revision of the data: mteb would take it where it covers all splits."""
        found = self._cache.load_task_result(task.metadata.name, self._meta(one))
        return found is not None and not found.is_mergeable(task)

    def _with_candidates(self, one: Evaluated, task: Any) -> Any:
        """The task as a reranker meets it: its own candidates, or the best documents of another system."""
        if task.metadata.type not in (*RETRIEVAL, *RERANKING):
            raise MissingData(f"{one.system.name} ranks candidate lists, and {task.metadata.name} ({task.metadata.type}) has none.")
        if task.metadata.type in RERANKING:
            return task
        over = one.system.over
        if over is None:
            raise MissingData(
                f"{task.metadata.name} has no candidates for {one.system.name} to rank.",
                hint="Say 'over: SYSTEM' in its row: the best documents of that system become the candidates.",
            )
        beneath = evaluated(over, one.instructions)
        with self._taken(beneath, task, wait=True):  # whoever is at it waits for nobody who waits for this
            outcome, predictions = self._evaluated(beneath, task), self._predictions(beneath, task)
        if outcome.score is None or predictions is None:
            raise MissingData(f"{over.name}, whose best documents are the candidates, has no result: {outcome.reason}", hint=outcome.hint)
        return _reranking(task, predictions, one.system.depth)

    def _model(self, one: Evaluated) -> _Model:
        """The system for mteb, its engine loaded now if it was not."""
        engine = self._engines.load(one.own)
        key = one.revision
        if key not in self._models or self._models[key].engine is not engine:
            self._models[key] = _Model(self._made(one, engine), engine)
        return self._models[key]

    def _made(self, one: Evaluated, engine: CachedEngine | None) -> MtebEncoder | MtebReranker:
        if not one.system.reranks:
            if not isinstance(engine, TextEmbedder):
                raise UsageError(f"{one.system.name} is to embed texts, and its engine embeds none.")
            return MtebEncoder(engine, one.reading, self._meta(one, engine))
        clock = Clock(synchronise=engine.synchronise) if engine else Clock()
        parts = Parts("", engine, _no_qrels, clock)
        ranker = cast("Ranker", ranker_class(one.own).build(one.own.ranker.options, parts))
        return MtebReranker(ranker, self._meta(one, engine), order="given" if one.system.over else "shuffled")

    def _meta(self, one: Evaluated, engine: CachedEngine | None = None) -> Any:
        kind = "cross-encoder" if one.system.reranks else "dense"
        longest = engine.max_tokens if isinstance(engine, Tokens) else None
        instructed = one.system.reranks or bool(one.system.prompt)
        return model_meta(one.model, one.revision, has_instructions=instructed, max_tokens=longest, kind=kind)

    def _facts(self, one: Evaluated) -> dict[str, Any]:
        engine = engine_class(one.own)
        return {
            "system": one.system.name,
            "model": one.model,
            "revision": one.revision,
            "engine": one.engine,
            "use": one.use,
            "caveat": engine.caveat if engine else "",
            "environment": facts.environment(),
        }


@dataclass(frozen=True, slots=True)
class _Model:
    mteb: MtebEncoder | MtebReranker
    engine: CachedEngine | None


def _by_engine(rows: Sequence[MtebSystem]) -> Iterator[list[MtebSystem]]:
    """Rows of one engine together, in the order of their first; those whose documents others rank come before these."""
    groups: dict[str, list[MtebSystem]] = {}
    for row in sorted(rows, key=lambda row: row.over is not None):
        engine = row.system.engine if row.system else None
        groups.setdefault(fingerprint(engine.as_data()) if engine else "", []).append(row)
    yield from groups.values()


def _main_score(result: Any, task: Any) -> float:
    """Of the splits and subsets that the task evaluates."""
    return float(result.get_score(splits=list(task.eval_splits)))


def _reranking(task: Any, predictions: Path, depth: int) -> Any:
    """The task over the best documents of an earlier evaluation, as another object: this one is evaluated as it is by others."""
    if not task.data_loaded:
        task.load_data()
    made = copy.copy(task)
    made.dataset = {subset: {split: dict(data) for split, data in splits.items()} for subset, splits in task.dataset.items()}
    return made.convert_to_reranking(predictions, top_k=depth)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Without bars of other libraries, and without scikit-learn's remarks."""
    import warnings

    with quietly(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"sklearn\.")  # classes that a weak model never names, for one
        yield


def _no_qrels() -> Qrels:
    raise UsageError("The ranker asks for judgements, and mteb hands over none.")
