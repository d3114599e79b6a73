"""Quality of a run against judgements, by ir_measures: per query first, mean second. Knows no ranker and no benchmark."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rerankbench.errors import ConfigError, MeasureError, nearest
from rerankbench.records import Measurement, Qrels
from rerankbench.trec import Run

if TYPE_CHECKING:
    import ir_measures

Missing = Literal["error", "zero", "skip"]
_Scored = dict[str, dict[str, float]]

# Documents handed over at a time, as Python dictionaries of some 150 bytes a document.
_CHUNK = 100_000
# Those that compute inside this process, need nothing besides ir_measures and were checked: gdeval, for one, cannot read
# ids with spaces, and takes query ids that are no numbers for one and the same query.
_PROVIDERS = ("pytrec_eval", "judged", "msmarco", "compat")
# Measures that with a cutoff k look at the first k documents alone (unless `judged_only` drops some of those first).
_BY_CUTOFF = frozenset({"AP", "Judged", "P", "R", "RR", "Success", "nDCG"})
# trec_eval keeps a counter for every grade up to the highest.
_HIGHEST_GRADE = 1_000_000
_EXAMPLES = "Examples: nDCG@10, AP(rel=2), R@100, RR@10."


@dataclass(frozen=True, slots=True)
class Measured:
    """The measurements of one run.

    Attributes:
        measurements: Measure by measure in the order asked for, queries in the order of the qrels.
        means: Measure → arithmetic mean over all counted queries, a fraction.
        queries: How many queries each mean counts.
        missing: Judged queries without a ranking: counted as 0, or left out, as was asked for.
        unjudged: Queries of the run without a judgement; they count nowhere.
    """

    measurements: tuple[Measurement, ...]
    means: Mapping[str, float]
    queries: int
    missing: tuple[str, ...]
    unjudged: tuple[str, ...]

    def values(self, measure: str) -> dict[str, float]:
        """Query id → value of one measure, named as in `means`."""
        return {m.query_id: m.value for m in self.measurements if m.measure == measure}


def measure(run: Run, qrels: Qrels, measures: Sequence[str], *, missing: Missing = "error") -> Measured:
    """Measure a run.

    Documents are ordered by `trec_order` and handed over with falling whole numbers as scores, so that every provider sees
    the one order (some of ir_measures' break ties the other way round). A document without a grade counts as not relevant.

    Args:
        measures: As ir_measures writes them: ``nDCG@10``, ``AP(rel=2)``, ``R@100`` ….
        missing: What a judged query without a ranking does: raise, count as 0 (``trec_eval -c``), or not count.

    Raises:
        ConfigError: a measure is unknown, is no mean over queries, or cannot be computed here.
        MeasureError: a judged query has no ranking, or run and qrels share no query.
    """
    parsed = list(dict.fromkeys(map(_parsed, measures)))
    counted = [q for q in qrels if q in run]
    absent = tuple(q for q in qrels if q not in run)
    _check_queries(run, qrels, counted, absent, missing)
    values: dict[str, dict[str, float]] = {str(m): {} for m in parsed}
    depth = _depth(parsed)
    for chunk in _chunks(run, counted):
        judged = {q: _grades(qrels[q]) for q in chunk}
        ranked = {q: _falling(run.ranking(q, depth)) for q in chunk}
        for each in parsed:
            values[str(each)].update(_evaluated(each, judged, ranked))
    queries = list(qrels) if missing == "zero" else counted
    return Measured(
        measurements=tuple(Measurement(q, name, of.get(q, 0.0)) for name, of in values.items() for q in queries),
        means={name: math.fsum(of.values()) / len(queries) for name, of in values.items()},
        queries=len(queries),
        missing=absent,
        unjudged=tuple(q for q in run.query_ids if q not in qrels),
    )


def check_measure(text: str) -> str:
    """The measure as ir_measures prints it.

    Raises:
        ConfigError: it is unknown, is no mean over queries, or cannot be computed here.
    """
    return str(_parsed(text))


def _parsed(text: str) -> ir_measures.Measure:
    """Raises ConfigError for anything that could not be computed for every query and averaged."""
    import ir_measures
    from ir_measures.measures import MeanAgg

    try:
        parsed = ir_measures.parse_measure(text)
    except NameError as error:
        raise ConfigError(f"There is no measure {text!r}. {_nearest(text)}") from error
    except ValueError as error:
        raise ConfigError(f"Measure {text!r} cannot be read: {str(error).rstrip('.')}.", hint=_EXAMPLES) from error
    if not isinstance(parsed.aggregator(), MeanAgg):
        raise ConfigError(f"Measure {text!r} is a sum over queries, not a mean: it has no place beside means.")
    cutoff = parsed.params.get("cutoff")
    if isinstance(cutoff, int) and cutoff < 1:  # trec_eval would end the whole process
        raise ConfigError(f"Measure {text!r}: a cutoff is at least 1.", hint=_EXAMPLES)
    try:  # one document tells whether the parameters will do; ir_measures checks them by assertions
        list(_evaluated(parsed, {"q": {"d": 1}}, {"q": {"d": 1.0}}))
    except (AssertionError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"Measure {text!r} cannot be computed: {str(error).rstrip('.')}.", hint=_EXAMPLES) from error
    return parsed


def _nearest(text: str) -> str:
    from ir_measures.measures import registry

    name = text.partition("@")[0].partition("(")[0]
    same = [n for n in registry if n.casefold() == name.casefold()]
    return f"Did you mean {' or '.join(repr(n) for n in same)}?" if same else nearest(name, registry)


def _check_queries(run: Run, qrels: Qrels, counted: Sequence[str], absent: Sequence[str], missing: Missing) -> None:
    if not counted:
        raise MeasureError(
            f"Run and qrels share no query: the run has {_some(run.query_ids)}, the qrels have {_some(list(qrels))}.",
            hint="Do they belong to the same benchmark?",
        )
    if absent and missing == "error":
        raise MeasureError(
            f"{len(absent)} of {len(qrels)} judged queries have no ranking: {_some(absent)}.",
            hint="Every judged query counts. Say missing: zero (as trec_eval -c) or missing: skip where that is wanted.",
        )


def _some(query_ids: Sequence[str]) -> str:
    return ", ".join(map(repr, query_ids[:5])) + (", …" if len(query_ids) > 5 else "") if query_ids else "none"


def _chunks(run: Run, query_ids: Sequence[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    documents = 0
    for query_id in query_ids:
        chunk.append(query_id)
        documents += run.depth(query_id)
        if documents >= _CHUNK:
            yield chunk
            chunk, documents = [], 0
    if chunk:
        yield chunk


def _depth(measures: Sequence[ir_measures.Measure]) -> int | None:
    """How many documents of a ranking decide every measure; None for all of them."""
    if any(m.NAME not in _BY_CUTOFF or "cutoff" not in m.params or m.params.get("judged_only") for m in measures):
        return None
    return max((m.params["cutoff"] for m in measures), default=None)


def _falling(doc_ids: Sequence[str]) -> dict[str, float]:
    return dict(zip(doc_ids, map(float, range(len(doc_ids), 0, -1)), strict=True))


def _grades(grades: Mapping[str, int]) -> dict[str, int]:
    # trec_eval ends the whole process on a query with negative grades alone. Nothing is relevant there, whatever is done.
    return dict(grades) if max(grades.values(), default=0) >= 0 else dict.fromkeys(grades, 0)


def _evaluated(measure: ir_measures.Measure, qrels: dict[str, dict[str, int]], ranked: _Scored) -> Iterator[tuple[str, float]]:
    """The value of every query, of one measure.

    Each measure alone: where nDCG with gains and plain nDCG share one evaluation, ir_measures 0.4.3 loses one of them.
    """
    computable = _computable(measure, qrels)
    gains = computable.params.get("gains", {})
    highest = max((gains.get(g, g) for grades in qrels.values() for g in grades.values()), default=0)
    if highest > _HIGHEST_GRADE:
        raise MeasureError(f"Measure {str(measure)!r}: a gain of {highest} is more than trec_eval takes ({_HIGHEST_GRADE}).")
    values = {m.query_id: float(m.value) for m in _provider(computable).evaluator([computable], qrels).iter_calc(ranked)}
    if values.keys() != qrels.keys():
        raise MeasureError(f"Measure {str(measure)!r} gave {len(values)} values for {len(qrels)} queries.")
    yield from values.items()


def _computable(measure: ir_measures.Measure, qrels: Qrels) -> ir_measures.Measure:
    """The same measure in a form that a provider of ours computes.

    Exponential gain is linear gain over 2^grade - 1 (Burges et al., Learning to rank using gradient descent, 2005).
    """
    if measure.NAME != "nDCG" or measure["dcg"] != "exp-log2":
        return measure
    grades = {g for judged in qrels.values() for g in judged.values() if g > 0}
    linear: ir_measures.Measure = measure(dcg="log2", gains={g: 2**g - 1 for g in grades})
    return linear


def _provider(measure: ir_measures.Measure) -> ir_measures.Provider:
    from ir_measures.providers import registry

    for name in _PROVIDERS:
        if registry[name].supports(measure):
            return registry[name]
    raise ConfigError(f"Measure {str(measure)!r} cannot be computed here.", hint=f"Computed by ir_measures': {', '.join(_PROVIDERS)}.")
