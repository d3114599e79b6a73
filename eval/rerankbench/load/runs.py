"""Load runs: one system under all of its rates, in a folder that is complete only when every rate was tried.

A stopped run begins again from its first rate: rates are compared with each other, and belong to one start of the model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, cast

import orjson

from rerankbench import manifest as facts
from rerankbench.config import Experiment, fingerprint
from rerankbench.errors import ConfigError, EngineError, RerankbenchError, StoreError, UsageError
from rerankbench.experiment import Result
from rerankbench.load.arrivals import Arrival, Served, schedule
from rerankbench.load.loop import Pace, WallPace, offer
from rerankbench.load.measure import Figures, figures_of
from rerankbench.load.search import rounded, search
from rerankbench.load.serving import Serving, serving, settings_for
from rerankbench.load.settings import Settings
from rerankbench.plan import Cell, Planned, Planner, engine_class, folder_name
from rerankbench.records import CandidateList
from rerankbench.store import RunFolder, read_manifest
from rerankbench.timing import Meter

ARRIVALS = "arrivals.jsonl"
BEHAVIOUR = 1
"""Part of every load run's identity. Raised whenever the same settings would let other queries come, or at other moments."""
FIRST_GUESS = 0.5
"""A search begins at this share of the rate that queries have which are ranked one after the other."""


class Watcher(Protocol):
    """Is told of the progress."""

    def rate_done(self, cell: Cell, figures: Figures) -> None: ...


class LoadLaboratory:
    """Puts the systems of an experiment under load, one after the other.

    Args:
        runs: Runs go to ``load/`` below it.
        settings: The workers among them are chosen for each system's engine.
        in_flight: Ranker calls under way at once, against a server.
        batch: Waiting queries that an engine in this process gets together at the most.
        watcher: Is told of every rate.
        pace: How arrivals are waited for.
    """

    def __init__(
        self, planner: Planner, runs: Path, settings: Settings, watcher: Watcher, *, in_flight: int, batch: int, pace: Pace | None = None
    ) -> None:
        self._planner, self._runs, self._settings, self._watcher = planner, runs / "load", settings, watcher
        self._in_flight, self._batch, self._pace = in_flight, batch, pace or WallPace()

    def run(self, experiment: Experiment, limit: int | None = None) -> list[Result]:
        """Run what is not complete yet. A cell that fails is a result with a problem; the others are still run.

        Returns:
            One a system and candidate list; its manifest has what the run was made with.

        Raises:
            ConfigError: the configuration times no queries.
        """
        if not experiment.times_queries:
            raise ConfigError(f"{experiment.name} times no queries.", hint="Say layout: latency in it.")
        cold = replace(experiment, file=experiment.file.model_copy(update={"timings": ("cold",)}))
        return [self._result(planned, cold.file.warmup) for planned in self._planner.plan(cold, limit)]

    def _result(self, planned: Planned, warmup: int) -> Result:
        if planned.problem is not None or planned.identity is None:
            return Result(planned.cell, problem=planned.problem)
        settings = self._own(planned)
        identity = {**planned.identity, "load": {"behaviour": BEHAVIOUR, **settings.as_data()}}
        path = self._folder(planned.cell, fingerprint(identity))
        try:
            reused = read_manifest(path)
            if reused is not None:
                return Result(planned.cell, path, reused, reused=True)
            manifest = self._loaded(planned.cell, path, identity, settings, warmup=warmup)
        except RerankbenchError as problem:
            return Result(planned.cell, path, problem=problem)
        return Result(planned.cell, path, manifest)

    def _own(self, planned: Planned) -> Settings:
        """No two arrivals of one query are ranked together: rankers tell the lists of a batch apart by their queries."""
        return settings_for(planned.cell.system, self._settings, in_flight=self._in_flight, batch=min(self._batch, planned.queries))

    def _folder(self, cell: Cell, run_id: str) -> Path:
        return self._runs / cell.benchmark / cell.first_stage / f"{folder_name(cell.system.name)}-{run_id[:12]}"

    def _loaded(self, cell: Cell, path: Path, identity: Mapping[str, Any], settings: Settings, *, warmup: int) -> Mapping[str, Any]:
        """Try every rate, and write all that came of it."""
        lists = self._planner.lists(cell)
        with RunFolder(path, identity) as folder:
            if folder.is_complete:  # by another process, since it was looked for
                return read_manifest(path) or {}
            (path / ARRIVALS).unlink(missing_ok=True)
            with serving(self._planner, cell, lists, settings, warmup=warmup) as system:
                meter = Meter()
                tried = self._try_rates(cell, lists, system, settings, folder)
                manifest = {
                    **_facts(cell, identity),
                    "settings": {**settings.as_data(), "drain_s": settings.drained(system.seconds_alone)},
                    "queries": len(lists),
                    "seconds_alone": system.seconds_alone,
                    "rates": [figures.rate for figures in tried],
                    "errors": sum(figures.failed for figures in tried),
                    "engine_account": system.account(),
                    "resources": meter.read(),
                }
            folder.complete(manifest, (ARRIVALS,))
        return cast("Mapping[str, Any]", read_manifest(path))

    def _try_rates(
        self, cell: Cell, lists: Sequence[CandidateList], system: Serving, settings: Settings, folder: RunFolder
    ) -> list[Figures]:
        tried: list[Figures] = []

        def attempt(rate: float) -> bool:
            arrivals = schedule(rate, [candidates.query.id for candidates in lists], settings)
            served = self._offered(arrivals, system, settings)
            folder.add(ARRIVALS, map(_record, served))  # after the rate: a disk is slow, and not what is measured
            alone = system.seconds_alone
            tried.append(figures_of(served, drain_s=settings.drained(alone), batch=settings.batch, seconds_alone=alone))
            self._watcher.rate_done(cell, tried[-1])
            return tried[-1].holds(settings.target_s)

        _refuse_the_impossible(settings, system.seconds_alone)
        start = rounded(FIRST_GUESS / system.seconds_alone)
        try_all(attempt, settings, start, is_hopeless=lambda: min(tried, key=lambda figures: figures.rate).is_idle)
        return tried

    def _offered(self, arrivals: Sequence[Arrival], system: Serving, settings: Settings) -> list[Served]:
        if not arrivals or arrivals[-1].warmup:
            raise UsageError(
                f"No arrival counts within --seconds {settings.seconds:g}: all that would come are warm-up.",
                hint="--seconds longer, --warmup less, or higher rates",
            )
        end_s = arrivals[-1].due_s + settings.drained(system.seconds_alone)
        return offer(arrivals, system.serves, self._pace, end_s=end_s, batch=settings.batch)


def _refuse_the_impossible(settings: Settings, seconds_alone: float) -> None:
    """Raises: EngineError: a search for what no rate can hold, which would end at rates of hours."""
    if settings.searches and settings.target_s is not None and seconds_alone > settings.target_s:
        raise EngineError(
            f"No rate can hold a p99 of {settings.target_s:g} s: a query that is ranked alone takes {seconds_alone:.3g} s.",
            hint="a longer --p99-target, or a shorter list; --rates with --steps 0 shows its latency all the same",
        )


def try_all(attempt: Callable[[float], bool], settings: Settings, start: float, is_hopeless: Callable[[], bool] = lambda: False) -> None:
    """The rates that are named, then those of the search between and beyond them."""
    known = {rate: attempt(rate) for rate in settings.rates}
    if settings.searches:
        search(attempt, start, steps=settings.steps, tried=known, is_hopeless=is_hopeless)


def served_arrivals(folder: Path) -> list[list[Served]]:
    """All arrivals of a complete run, a list a rate, in the order in which rates were tried.

    Raises:
        StoreError: a line is damaged.
    """
    file = folder / ARRIVALS
    by_rate: dict[float, list[Served]] = {}
    for number, line in enumerate(file.read_bytes().splitlines(), start=1):
        served = _read(file, number, line)
        by_rate.setdefault(served.arrival.rate, []).append(served)
    return list(by_rate.values())


def _record(served: Served) -> dict[str, Any]:
    arrival = served.arrival
    return {
        "rate": arrival.rate,
        "number": arrival.number,
        "query_id": arrival.query_id,
        "warmup": arrival.warmup,
        "due_s": arrival.due_s,
        "started_s": served.started_s,
        "finished_s": served.finished_s,
        "worker": served.worker,
        "error": served.error,
    }


def _read(file: Path, number: int, line: bytes) -> Served:
    try:
        record = orjson.loads(line)
        arrival = Arrival(*(record[key] for key in ("rate", "number", "query_id", "due_s", "warmup")))
        return Served(arrival, *(record[key] for key in ("started_s", "finished_s", "worker", "error")))
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise StoreError(f"{file}:{number}: not an arrival: {error}", hint=f"Delete {file.parent} and run again.") from error


def _facts(cell: Cell, identity: Mapping[str, Any]) -> dict[str, Any]:
    engine = engine_class(cell.system)
    return {
        "id": fingerprint(identity),
        "identity": identity,
        "system": {"name": cell.system.name, **cell.system.as_data()},
        "caveat": engine.caveat if engine else "",
        "environment": facts.environment(),
    }
