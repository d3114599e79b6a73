"""What a run will take on this machine, from what runs on the same engine have taken. Ranks nothing and loads no model.

Every complete run keeps, batch by batch, what it asked of its engine and how long that took (``points`` of its manifest). Seconds are
fitted as a sum with no negative part::

    seconds = a · words + b · new tokens + c · inputs

so that another depth, window, step or document length, which changes these three counts, is predicted by one model. How far such a
prediction leads beyond what was timed is said with it: seconds need not grow in proportion.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from rerankbench.config import fingerprint
from rerankbench.errors import MissingExtra
from rerankbench.manifest import environment
from rerankbench.plan import Planned
from rerankbench.protocols import Doubles, Workload
from rerankbench.records import CandidateList, Span

FOLDS = 5
"""Of the cross-validation that tells a model's error."""
KEPT = 0.05
"""The share of answers that may have been kept from before; lists of one benchmark share some documents."""
FEWEST = 3
"""Points below which nothing is predicted."""
FAR = 1.5
"""How many times the most that was timed, or the least, a query's count may be before its prediction is an extrapolation."""
COUNTED = ("words", "new tokens", "inputs")
"""What `seconds` is a sum over."""


@dataclass(frozen=True, slots=True)
class Point:
    """One batch of queries that was timed; `run` tells the runs apart that the batches are of."""

    workload: Workload
    seconds: float
    run: str = ""
    queries: float = 1


@dataclass(frozen=True, slots=True)
class CostModel:
    """Seconds a word, a new token and an input (a prompt, or a text embedded on its own).

    Attributes:
        error: Median of what a prediction was off, as a share of the true seconds: for the points of a run from those of all others,
            or, where all are of one run, for a part of them from the rest, which says little about another depth or length.
        points, runs: How many it was made from; runs that time the same queries again, or in another state, are one.
        seen: Least and most of each count a query, in the order of `COUNTED`.
    """

    per_word: float
    per_new_token: float
    per_input: float
    error: float
    points: int
    runs: int
    seen: tuple[tuple[float, float], ...] = ()

    def beyond(self, workload: Workload, queries: int) -> tuple[str, ...]:
        """Each count a query that lies far from all that was timed, in words; empty for a prediction from queries of about that size."""
        each = _counts(workload) / max(1, queries)
        return tuple(
            f"{value:,.0f} {name} a query, timed were {_between(low, high)}"
            for name, value, (low, high) in zip(COUNTED, each, self.seen, strict=False)
            if value > FAR * high or FAR * value < low
        )

    def timed(self) -> str:
        """What it was made from, in words."""
        return ", ".join(f"{_between(low, high)} {name}" for name, (low, high) in zip(COUNTED, self.seen, strict=False) if high)

    def seconds(self, workload: Workload) -> float:
        """Of a workload on the engine and the machine that the points are from."""
        return float(_counts(workload) @ np.array([self.per_word, self.per_new_token, self.per_input]))


def _between(low: float, high: float) -> str:
    first, last = f"{low:,.0f}", f"{high:,.0f}"
    return first if first == last else f"{first}–{last}"


def points_of(
    spans: Sequence[Span], lists: Sequence[CandidateList], workload: Callable[[Sequence[CandidateList]], Workload]
) -> list[dict[str, float]]:
    """The points of a run, JSON-able.

    Args:
        spans: Of the run; those called ``rank`` are its batches.
        lists: All that it ranked.
        workload: What ranking some lists asks of the engine, see `BuildsRanker.workload`.
    """
    of = {candidates.query.id: candidates for candidates in lists}
    batches = [span for span in spans if span.name == "rank" and not span.warmup]
    return [
        {**asdict(workload([of[query] for query in span.query_ids])), "queries": len(span.query_ids), "seconds": span.seconds}
        for span in batches
    ]


def fit(points: Sequence[Point]) -> CostModel | None:
    """The model that is least off in proportion, or None where there are too few points.

    Raises:
        MissingExtra: scipy is not installed.
    """
    usable = [point for point in points if point.seconds > 0 and _counts(point.workload).any()]
    if len(usable) < FEWEST:
        return None
    counts = np.array([_counts(point.workload) for point in usable])
    seconds = np.array([point.seconds for point in usable])
    off: list[float] = []
    for held in _held_out([point.run for point in usable]):
        predicted = counts[held] @ _fitted(counts[~held], seconds[~held])
        off += list(np.abs(predicted - seconds[held]) / seconds[held])
    per_word, per_new_token, per_input = map(float, _fitted(counts, seconds))
    each = counts / np.array([[point.queries] for point in usable])
    seen = tuple(zip(map(float, each.min(axis=0)), map(float, each.max(axis=0)), strict=True))
    return CostModel(per_word, per_new_token, per_input, float(np.median(off)), len(usable), len({point.run for point in usable}), seen)


def _held_out(runs: Sequence[str]) -> Iterator[NDArray[np.bool_]]:
    """Which points a fold leaves out: those of a run, or every so many of a single one."""
    names = list(dict.fromkeys(runs))
    labels = np.array([names.index(run) for run in runs]) if len(names) > 1 else np.arange(len(runs)) % min(FOLDS, len(runs))
    yield from (labels == label for label in range(int(labels.max()) + 1))


class Costs:
    """Predicts planned cells from the complete runs in a folder.

    Only runs of the same engine, weights and hardware count, and of them only those whose answers all came from the engine.
    """

    def __init__(self, runs: Path) -> None:
        self._points: dict[str, list[Point]] = {}
        for file in sorted(runs.glob("*/*/*/manifest.json")):
            self._learn(orjson.loads(file.read_bytes()))
        self._models: dict[str, CostModel | None] = {}

    def of(self, planned: Planned) -> tuple[float, CostModel] | None:
        """Seconds of a planned cell's queries that are still to be ranked, and the model; None where nothing is known.

        Raises:
            MissingExtra: scipy is not installed.
        """
        if planned.identity is None or not planned.queries:
            return None
        key = _key(planned.identity, environment())
        if key not in self._models:
            self._models[key] = fit(self._points.get(key, ()))
        model = self._models[key]
        left = 1 - planned.done / planned.queries
        return None if model is None else (model.seconds(planned.workload) * left, model)

    def _learn(self, manifest: Mapping[str, Any]) -> None:
        if manifest.get("points") and not _was_kept(manifest):
            # Passes, and queries one at a time and at once, tell nothing of each other's error: they are of the same lists.
            run = fingerprint({**manifest["identity"], "timed": None})
            of_each = manifest["queries"] / len(manifest["points"])
            points = [_point(data, run, of_each) for data in manifest["points"]]
            self._points.setdefault(_key(manifest["identity"], manifest["environment"]), []).extend(points)


def _point(data: Mapping[str, Any], run: str, queries: float) -> Point:
    """`queries`: of its batch, where an older run has not kept that."""
    counts = {name: value for name, value in data.items() if name not in {"seconds", "queries"}}
    return Point(Workload(**counts), data["seconds"], run, data.get("queries", queries))


def _key(identity: Mapping[str, Any], machine: Mapping[str, Any]) -> str:
    """Engine and ranker kind on one kind of machine: what is alike in both takes alike for the same counts."""
    return fingerprint([identity["engine"], identity["ranker"]["kind"], machine["hardware"]])


def _was_kept(manifest: Mapping[str, Any]) -> bool:
    """Whether more than a few answers were at hand already: such times tell nothing about the engine."""
    return any(counts["asked"] - counts["computed"] > KEPT * counts["asked"] for counts in manifest["answers"].values())


def _counts(workload: Workload) -> Doubles:
    return np.array([workload.words, workload.new_tokens, workload.prompts + workload.texts], dtype=np.float64)


def _fitted(counts: Doubles, seconds: Doubles) -> Doubles:
    """Non-negative least squares of relative errors: a short batch counts as much as a long one."""
    try:
        from scipy.optimize import nnls  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtra("Predicting times", "statistics", str(error)) from error
    scale = counts.max(axis=0)
    scale[scale == 0] = 1  # a count that no point has stays out
    solution = np.asarray(nnls(counts / scale / seconds[:, np.newaxis], np.ones(len(seconds)))[0], dtype=np.float64)
    fitted: Doubles = solution / scale
    return fitted


def total(predicted: Iterable[tuple[float, CostModel]]) -> tuple[float, float]:
    """Seconds of all cells together, and the largest error of a model among them, as a share."""
    found = list(predicted)
    return sum(seconds for seconds, _ in found), max((model.error for _, model in found), default=0.0)
