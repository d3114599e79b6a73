"""A run of queries that were timed: what each took, in which state, and what keeps that from being clean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rerankbench.config import Experiment, Timing
from rerankbench.errors import MeasureError, RerankbenchError
from rerankbench.experiment import Result
from rerankbench.measures.latency import DOCUMENTS, QUANTITIES, QueryTime, query_times, seconds_together
from rerankbench.plan import TIMED_AS
from rerankbench.records import Ranked
from rerankbench.report.cells import Cell, Status
from rerankbench.store import read_rankings, read_spans
from rerankbench.tables import cell_of, other_question, title_of

PAPER_BENCHMARK = "trec-covid"
PAPER_SETTING = "one NVIDIA A100 80G with vLLM"
"""What the paper's seconds were measured on (section 4.2)."""


@dataclass(frozen=True)
class Timed:
    """One system's complete run on one candidate list, and what its queries took; `cell` is how it stands in a table of scores.

    Attributes:
        times: One a query, its mean over the passes; empty where `cell` says why there are none, and where all queries were ranked at once.
        together: Seconds of all queries at once, likewise; None where they were ranked one at a time.
        ranked: In the order of `times`; of the first pass.
        flaws: What keeps the times from being those of queries that were ranked alone, as `timing` says, and in one go.
        passes: The runs that this one is the mean of; empty for a single run.
    """

    result: Result
    cell: Cell
    times: tuple[QueryTime, ...] = ()
    together: float | None = None
    ranked: tuple[Ranked, ...] = field(default=(), repr=False)
    warmed_up: bool = False
    flaws: tuple[str, ...] = ()
    passes: tuple[Timed, ...] = field(default=(), repr=False)

    @property
    def each(self) -> tuple[Timed, ...]:
        """Its single runs."""
        return self.passes or (self,)

    @property
    def place(self) -> tuple[str, str, int]:
        """Benchmark, first stage, depth."""
        return self.result.cell.benchmark, self.result.cell.first_stage, self.result.cell.depth

    @property
    def timing(self) -> Timing:
        return self.result.cell.timing or "cold"

    @property
    def name(self) -> str:
        """Of the system."""
        return self.result.cell.system.name

    @property
    def tokens(self) -> tuple[float, float]:
        """In and out, of all queries together; 0 where the engine does not count. Documents at hand are not read again."""
        known = {DOCUMENTS} if self.timing == "documents-warm" else set()
        calls = [call for one in self.each for ranked in one.ranked for call in ranked.calls if call.phase not in known]
        sums = sum(c.prompt_tokens for c in calls), sum(c.completion_tokens for c in calls)
        return sums[0] / len(self.each), sums[1] / len(self.each)

    def seconds(self, quantity: str) -> list[float]:
        """Of each query."""
        return [QUANTITIES[quantity](time) for time in self.times]

    def every(self, quantity: str) -> list[float]:
        """Of each query in each pass: what percentiles are of, for the mean of several passes hides a pass that was slow."""
        return [seconds for one in self.each for seconds in one.seconds(quantity)]


def heading(timed: Timed, among: Sequence[Timed], experiment: Experiment) -> str:
    """What tells a run's row group from those of the others: its lists, its timing; empty where all are of one kind."""
    benchmark, first_stage, depth = timed.place
    lists = f"{title_of(benchmark, experiment)}, {first_stage} top {depth}"
    said = [lists] if len({t.place for t in among}) > 1 else []
    said += [timed.result.cell.timed_as or TIMED_AS[timed.timing]] if {t.timing for t in among} != {"cold"} else []
    return ", ".join(said)


def timed_run(result: Result, experiment: Experiment, runs: Path) -> Timed:
    """What a run's queries took. A run that tells no latency is a cell that says why."""
    # Of the measure there is nothing in a table of seconds, nor of what was done about queries without a ranking.
    scored = cell_of(result, experiment, runs)
    timing = result.cell.timing or "cold"
    variant = ", ".join(filter(None, [scored.variant, "" if timing == "cold" else result.cell.timed_as]))
    cell = replace(scored, unit="seconds", first_stage="", missing_rule="error", expected_queries=None, defects={}, variant=variant)
    if not cell.done or result.folder is None or result.manifest is None:
        return Timed(result, cell)
    refused = _not_timed(result.manifest, timing)
    if refused:
        return Timed(result, _without_value(cell, Status.REFUSED, refused, "rerankbench run without --cache, into another --runs"))
    try:
        return _measured(result, cell, result.folder, result.manifest, experiment)
    except MeasureError as error:
        hint = f"rerankbench run {experiment.name} with another --runs: batch_queries: 1 ranks them anew"
        return Timed(result, _without_value(cell, Status.REFUSED, error.message, hint))
    except RerankbenchError as error:
        hint = error.hint or f"Delete the run and run it again: {cell.run}"
        return Timed(result, _without_value(cell, Status.FAILED, error.message.replace(str(runs), runs.name), hint))


def _measured(result: Result, cell: Cell, folder: Path, manifest: Mapping[str, Any], experiment: Experiment) -> Timed:
    """Raises: MeasureError, DataError, StoreError: its spans are not those of queries that were ranked as its timing says."""
    spans, ranked = read_spans(folder), tuple(read_rankings(folder))
    query_ids = [r.ranking.query_id for r in ranked]
    at_once = result.cell.timing == "throughput"
    flaws = tuple(_flaws(manifest, warmup=experiment.file.warmup))
    made = replace(
        cell,
        queries=len(ranked),
        resumed=False,  # its mark speaks of the seconds of all queries together
        notes=(setting(manifest, cell.hardware), *flaws),
        not_judged=_not_judged(result, experiment, flaws) if experiment.file.table is not None else "",
    )
    return Timed(
        result,
        made,
        () if at_once else tuple(query_times(spans, query_ids)),
        seconds_together(spans, query_ids, result.cell.at_once) if at_once else None,
        ranked,
        any(span.warmup for span in spans),
        flaws,
    )


def _without_value(cell: Cell, status: Status, reason: str, hint: str) -> Cell:
    return replace(cell, status=status, value=None, interval=None, reason=reason, hint=hint, resumed=False, notes=(), not_judged="")


def _not_timed(manifest: Mapping[str, Any], timing: Timing) -> str:
    """Why a run tells no latency of this kind, by its manifest; empty where it does."""
    at_hand = timing == "documents-warm"
    kept, asked = _answers(manifest, "disk") if at_hand else _answers(manifest, "disk", "preloaded")
    if kept:
        return f"{kept:,} of {asked:,} answers were kept from elsewhere and took no time: what is left is no latency"
    preloaded, _ = _answers(manifest, "preloaded")
    prompts = manifest["queries"] - manifest["queries_before_last_start"]
    if at_hand and asked - preloaded > prompts:  # an embedding ranker asks for one vector a query besides its documents'
        return f"of {asked - prompts:,} documents {preloaded:,} alone were at hand: the times are neither cold nor warm"
    return ""


def _flaws(manifest: Mapping[str, Any], warmup: int) -> Iterator[str]:
    kept, asked = _answers(manifest, "memory")
    if kept:
        yield f"{kept:,} of {asked:,} texts were not encoded, for an earlier one was equal: the times are too short by as much"
    before = manifest["queries_before_last_start"]
    if before:
        yield f"stopped after {before} of {manifest['queries']} queries and continued: the model was loaded twice"
    if warmup and _caches_prefixes(manifest) and not manifest.get("inputs_forgotten"):
        yield f"prefix caching: the engine had read the {warmup} queries of the warm-up before it was timed on them"


def _caches_prefixes(manifest: Mapping[str, Any]) -> bool:
    return bool((manifest["system"]["engine"] or {}).get("prefix_caching"))


def _answers(manifest: Mapping[str, Any], *sources: str) -> tuple[int, int]:
    """How many answers came from these sources, of how many."""
    counts = manifest["answers"].values()
    return sum(c[source] for c in counts for source in sources), sum(c["asked"] for c in counts)


def setting(manifest: Mapping[str, Any], hardware: str) -> str:
    """Engine, type, longest input and hardware: seconds of another setting are other seconds."""
    engine = manifest["system"]["engine"] or {}
    said = [engine.get("kind", "no engine")]
    said += [f"shape {Path(engine['shape']).name}"] if "shape" in engine else []
    said += [f"dtype {engine['dtype']}"] if "dtype" in engine else []
    said += [f"at most {engine['max_tokens']:,} tokens"] if engine.get("max_tokens") else []
    if _caches_prefixes(manifest):
        said.append("prefix caching" + (", forgotten before every batch of queries" if manifest.get("inputs_forgotten") else ""))
    return f"{', '.join(said)}; on {hardware}"


def _not_judged(result: Result, experiment: Experiment, flaws: Sequence[str]) -> str:
    """Why seconds are not to be compared with the paper's; empty when they may be."""
    manifest = result.manifest or {}
    kind = (manifest["system"]["engine"] or {}).get("kind", "no engine")
    gpus = manifest["environment"]["hardware"]["gpus"]
    is_the_papers = kind == "vllm" and len(gpus) == 1 and "A100" in gpus[0] and "80G" in gpus[0]
    elsewhere = "" if is_the_papers else f"measured on {', '.join(gpus) or 'a CPU'} with {kind}, by the paper on {PAPER_SETTING}"
    lists = result.cell.benchmark
    other_lists = f"measured on {lists}, by the paper on {PAPER_BENCHMARK}" if lists != PAPER_BENCHMARK else ""
    return next(filter(None, (other_question(result, experiment), other_lists, *flaws, elsewhere)), "")
