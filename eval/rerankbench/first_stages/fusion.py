"""Several candidate lists of a query made into one. Pure; knows neither corpus nor first stage.

Reciprocal rank fusion is computed here, everything else by ranx. Why not ranx for all: its compiled functions cost 13 s the
first time and 5 s in every process after that (2 cores; the fusion itself takes milliseconds), for a formula of one line; and
it adds in the order of the lists, so that with three of them 1/61 + 1/62 + 1/63 is not always what 1/63 + 1/61 + 1/62 is, and
documents that are equal by the formula are told apart by rounding.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import fsum, isfinite
from typing import Any

from rerankbench.errors import ConfigError, DataError, MissingExtra, nearest
from rerankbench.records import CandidateList, Document, Query

RANK_METHODS: Mapping[str, tuple[str, ...]] = {"rrf": ("k",), "isr": (), "bordafuse": (), "w_bordafuse": ("weights",), "rbc": ("phi",)}
"""Methods that read the order alone, and their parameters. Names are ranx's."""

SCORE_METHODS: Mapping[str, tuple[str, ...]] = {
    "sum": ("norm",),
    "mnz": ("norm",),
    "gmnz": ("norm", "gamma"),
    "wsum": ("norm", "weights"),
    "max": ("norm",),
    "min": ("norm",),
    "med": ("norm",),
}
"""Methods that read native scores (CombSUM, CombMNZ …), and their parameters. Those of ranx that learn from judgements are left
out: they would see what is measured."""

NORMS = ("min-max", "max", "sum", "zmuv", "rank", "borda", "none")
"""What makes the scores of different first stages comparable, within each list."""

DEFAULTS: Mapping[str, Any] = {"k": 60, "norm": "min-max"}
"""60: Cormack, Clarke and Büttcher, Reciprocal rank fusion outperforms Condorcet (2009). The other parameters must be said."""

_Lists = Sequence[Mapping[str, CandidateList]]


def fuse(
    lists_by_stage: Sequence[Sequence[CandidateList]], method: str = "rrf", depth: int = 100, **parameters: Any
) -> list[CandidateList]:
    """Fuse the lists of several first stages, query by query.

    A document that a list lacks gets nothing from it (``borda`` methods: the mean of the places that are left). Its text is the
    one of the first list that has one, a query's text that of the first stage that has the query. Documents of equal fused
    score stand in the order of the first list, then, for those it lacks, of the second, and so on.

    Args:
        lists_by_stage: Two or more; a stage may lack queries, and lists may be empty.
        method: One of `RANK_METHODS` or `SCORE_METHODS`.
        depth: How long the fused lists are at most.
        parameters: What the method takes: ``k``, ``weights`` (one a stage), ``phi``, ``gamma``, ``norm``.

    Returns:
        One list for every query of any stage, in the order of the first stage and then of those after it. Scores are the fused
        ones.

    Raises:
        ConfigError: there is no such method, a parameter is missing, unknown or out of range, or there are fewer than two stages.
        DataError: a stage has two lists of one query.
        MissingExtra: the method needs ranx.
    """
    chosen = checked_parameters(method, len(lists_by_stage), parameters)
    if depth < 1:
        raise ConfigError(f"Fusion to a depth of {depth} keeps no document.")
    stages = [_by_query(number, lists) for number, lists in enumerate(lists_by_stage, start=1)]
    queries = {query_id: candidates.query for stage in reversed(stages) for query_id, candidates in stage.items()}
    order = dict.fromkeys(query_id for stage in stages for query_id in stage)
    documents = {query_id: _union(query_id, stages) for query_id in order}
    scores = _rrf(stages, documents, chosen["k"]) if method == "rrf" else _by_ranx(stages, documents, method, chosen)
    return [_fused(queries[query_id], documents[query_id], scores[query_id], depth) for query_id in order]


def checked_parameters(method: str, stages: int, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The method's parameters, defaults filled in.

    Raises:
        ConfigError: see `fuse`.
    """
    known = {**RANK_METHODS, **SCORE_METHODS}
    if method not in known:
        raise ConfigError(f"There is no fusion method {method!r}. {nearest(method, known)}")
    if stages < 2:
        raise ConfigError(f"Fusion needs the lists of two first stages or more, not of {stages}.")
    for name in parameters:
        if name not in known[method]:
            raise ConfigError(f"Fusion method {method!r} has no parameter {name!r}. {nearest(name, known[method])}")
    chosen = {name: parameters.get(name, DEFAULTS.get(name)) for name in known[method]}
    for name, value in chosen.items():
        expected, is_valid = _RANGES[name]
        if not is_valid(value):
            raise ConfigError(f"Fusion method {method!r}: parameter {name!r} is {expected}, not {value!r}.")
    if len(chosen.get("weights", range(stages))) != stages:
        raise ConfigError(f"Fusion method {method!r}: {len(chosen['weights'])} weights for {stages} first stages.")
    return chosen


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _are_weights(value: object) -> bool:
    return isinstance(value, Sequence) and all(_is_number(w) and w >= 0 for w in value) and any(value)


_RANGES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "k": ("a number from 0 up", lambda value: _is_number(value) and value >= 0),
    "weights": ("one number from 0 up a first stage, not all 0", _are_weights),
    "phi": ("a number between 0 and 1", lambda value: _is_number(value) and 0 < value < 1),
    "gamma": ("a number", _is_number),
    "norm": (f"one of {', '.join(NORMS)}", lambda value: value in NORMS),
}


def _by_query(number: int, lists: Iterable[CandidateList]) -> dict[str, CandidateList]:
    stage: dict[str, CandidateList] = {}
    for candidates in lists:
        if candidates.query.id in stage:
            raise DataError(f"First stage {number} of the fusion has two lists of query {candidates.query.id!r}.")
        stage[candidates.query.id] = candidates
    return stage


def _union(query_id: str, stages: _Lists) -> dict[str, Document]:
    """The documents of a query in the order that breaks ties, each with the first text there is."""
    found: dict[str, Document] = {}
    for stage in stages:
        for document in stage[query_id].documents if query_id in stage else ():
            if document.id not in found or (found[document.id].text is None and document.text is not None):
                found[document.id] = document
    return found


def _rrf(stages: _Lists, documents: Mapping[str, Mapping[str, Document]], k: float) -> dict[str, list[float]]:
    """Query id → Σ 1 / (k + rank) of every document, in the order of `documents`. Exact sums: see the module's docstring."""
    fused = {}
    for query_id, found in documents.items():
        parts: dict[str, list[float]] = {doc_id: [] for doc_id in found}
        for stage in stages:
            for rank, document in enumerate(stage[query_id].documents if query_id in stage else (), start=1):
                parts[document.id].append(1 / (k + rank))
        fused[query_id] = [fsum(part) for part in parts.values()]
    return fused


def _by_ranx(
    stages: _Lists, documents: Mapping[str, Mapping[str, Document]], method: str, chosen: Mapping[str, Any]
) -> dict[str, list[float]]:
    try:
        import ranx
    except ImportError as error:
        raise MissingExtra(f"fusion method {method!r}", "retrieval", str(error)) from error
    width = len(str(max(map(len, documents.values()), default=0)))
    codes = {query_id: {doc_id: f"{code:0{width}}" for code, doc_id in enumerate(found)} for query_id, found in documents.items()}
    guard = f"{0:0{width}}"
    runs = [ranx.Run(_ranx_run(stage, codes, guard, by_rank=method in RANK_METHODS)) for stage in stages]
    options = {name: value for name, value in chosen.items() if name != "norm"}
    if "weights" in options:
        options["weights"] = [float(weight) for weight in options["weights"]]
    norm = chosen.get("norm", "none")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "unsafe cast from uint64 to int64")  # numba about ranx's loop counter
        fused = ranx.fuse(runs, norm=None if norm == "none" else norm, method=method, params=options).run
    return {query_id: [float(fused[str(number)][c]) for c in code.values()] for number, (query_id, code) in enumerate(codes.items())}


def _ranx_run(
    stage: Mapping[str, CandidateList], codes: Mapping[str, Mapping[str, str]], guard: str, *, by_rank: bool
) -> dict[str, dict[str, float]]:
    """Every query and document by a number of its own, all documents by numbers of the same width.

    ranx 0.3.21 fuses runs without a norm after it has cut all ids to the length of the first run's longest: two documents can
    become one. It orders a run by score and breaks ties as it likes, so that a method that reads the order is given n, n-1 … 1.
    """
    run = {}
    for number, (query_id, code) in enumerate(codes.items()):
        candidates = stage.get(query_id)
        ids = [code[document.id] for document in candidates.documents] if candidates else []
        scores = range(len(ids), 0, -1) if by_rank or candidates is None else candidates.scores
        run[str(number)] = dict(zip(ids, map(float, scores), strict=True))
    return {**run, "guard": {guard: 1.0}}  # ranx cannot make a run that holds no document at all


def _fused(query: Query, documents: Mapping[str, Document], scores: Sequence[float], depth: int) -> CandidateList:
    ranked = sorted(zip(documents.values(), scores, strict=True), key=lambda pair: -pair[1])[:depth]  # stable
    return CandidateList(query, tuple(document for document, _ in ranked), tuple(score for _, score in ranked))
