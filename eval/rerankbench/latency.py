"""The layout `latency`: how long each system takes for one query, by what it does, beside the paper's seconds where it prints some.

From complete runs to a table; runs nothing and renders nothing. Seconds belong to a device, an engine and its settings, which stand in
notes; what can be compared across devices are ratios of systems.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rerankbench.config import Experiment
from rerankbench.errors import ConfigError, MeasureError, RerankbenchError
from rerankbench.experiment import Result
from rerankbench.measures.interval import bootstrap_interval, bootstrap_ratio_interval
from rerankbench.measures.latency import QUANTITIES, QueryTime, percentile, query_times
from rerankbench.reference.paper import load as load_paper
from rerankbench.reference.verdict import as_printed, mean
from rerankbench.report.build import paper_table
from rerankbench.report.cells import Cell, Status
from rerankbench.report.table import Column, Group, Row, Table
from rerankbench.store import read_rankings, read_spans
from rerankbench.tables import cell_of, other_question, title_of

PAPER_BENCHMARK = "trec-covid"
PAPER_SETTING = "one NVIDIA A100 80G with vLLM"
"""What the paper's seconds were measured on (section 4.2)."""
OVERALL = "overall-s"
PERCENTILES = {"overall-p50-s": 50.0, "overall-p90-s": 90.0}
"""Columns beside the paper's quantities where the table is not the paper's: what so many per cent of the queries do not exceed."""
NO_DOCUMENTS = "it encodes no document apart from its prompts"
LABELS = {
    "encode-documents-s": "encoding documents",
    "others-s": "others",
    OVERALL: "overall",
    "overall-p50-s": "p50",
    "overall-p90-s": "p90",
}


@dataclass(frozen=True)
class Timed:
    """One system's complete run on one candidate list, and what each query took; `cell` is how it stands in a table of scores.

    Attributes:
        times: One a query; empty where `cell` says why there are none.
        tokens: In and out, of all queries together, where the engine counts.
        flaws: What keeps the times from being those of queries that were ranked alone, cold and in one go.
    """

    result: Result
    cell: Cell
    times: tuple[QueryTime, ...] = ()
    tokens: tuple[int, int] = (0, 0)
    warmed_up: bool = False
    flaws: tuple[str, ...] = ()

    @property
    def place(self) -> tuple[str, str, int]:
        """Benchmark, first stage, depth."""
        return self.result.cell.benchmark, self.result.cell.first_stage, self.result.cell.depth

    def seconds(self, quantity: str) -> list[float]:
        """Of each query."""
        return [QUANTITIES[quantity](time) for time in self.times]


def latency_table(experiment: Experiment, results: Sequence[Result], runs: Path) -> Table:
    """Seconds a query: in the layout of the paper's table that the experiment names, else all quantities, grouped by candidate lists.

    Raises:
        ConfigError: the paper's table shows no seconds, or the experiment ranks more than one kind of candidate lists for it.
        MeasureError: a system of the experiment has no place in the paper's table.
    """
    timed = [timed_run(result, experiment, runs) for result in results]
    _refuse_repeats(timed, experiment)
    context, notes = tuple(_context(timed, experiment)), tuple(_about(timed, experiment))
    if experiment.file.table is not None:
        table = _in_the_papers_layout(timed, experiment)
        return replace(table, context=context, notes=(*table.notes, *notes))
    columns = _columns(timed, experiment)
    places = list(dict.fromkeys(t.place for t in timed))
    groups = [
        Group(_heading(place, experiment) if len(places) > 1 else "", tuple(_row(t, columns) for t in timed if t.place == place))
        for place in places
    ]
    return Table(experiment.name, experiment.file.title, columns, tuple(groups), context=context, notes=notes)


def _refuse_repeats(timed: Sequence[Timed], experiment: Experiment) -> None:
    """Raises: ConfigError: several runs would share a row, whose seconds would be those of different hosts, say."""
    rows = [(t.place, t.cell.system, t.cell.variant) for t in timed]
    twice = next((row for row in rows if rows.count(row) > 1), None)
    if twice:
        raise ConfigError(f"{experiment.place(('layout',))}: 'latency' shows one run of a system, and here are several of {twice[1]!r}")


def timed_run(result: Result, experiment: Experiment, runs: Path) -> Timed:
    """What a run's queries took. A run that tells no latency is a cell that says why."""
    # Of the measure there is nothing in a table of seconds, nor of what was done about queries without a ranking.
    scored = cell_of(result, experiment, runs)
    cell = replace(scored, unit="seconds", first_stage="", missing_rule="error", expected_queries=None, defects={})
    if not cell.done or result.folder is None or result.manifest is None:
        return Timed(result, cell)
    refused = _not_timed(result.manifest)
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
    """Raises: MeasureError, DataError, StoreError: its spans are not those of queries that were ranked alone."""
    spans, ranked = read_spans(folder), read_rankings(folder)
    times = tuple(query_times(spans, [r.ranking.query_id for r in ranked]))
    calls = [call for r in ranked for call in r.calls]
    flaws = tuple(_flaws(manifest))
    made = replace(
        cell,
        queries=len(times),
        resumed=False,  # its mark speaks of the seconds of all queries together
        notes=(_setting(manifest, cell.hardware), *flaws),
        not_judged=_not_judged(result, experiment, flaws) if experiment.file.table is not None else "",
    )
    tokens = sum(c.prompt_tokens for c in calls), sum(c.completion_tokens for c in calls)
    return Timed(result, made, times, tokens, any(span.warmup for span in spans), flaws)


def _without_value(cell: Cell, status: Status, reason: str, hint: str) -> Cell:
    return replace(cell, status=status, value=None, interval=None, reason=reason, hint=hint, resumed=False, notes=(), not_judged="")


def _not_timed(manifest: Mapping[str, Any]) -> str:
    """Why a run tells no latency, by its manifest; empty where it does."""
    kept, asked = _answers(manifest, "disk", "preloaded")
    return f"{kept:,} of {asked:,} answers were kept from elsewhere and took no time: what is left is no latency" if kept else ""


def _flaws(manifest: Mapping[str, Any]) -> Iterator[str]:
    kept, asked = _answers(manifest, "memory")
    if kept:
        yield f"{kept:,} of {asked:,} texts were not encoded, for an earlier one was equal: the times are too short by as much"
    before = manifest["queries_before_last_start"]
    if before:
        yield f"stopped after {before} of {manifest['queries']} queries and continued: the model was loaded twice"


def _answers(manifest: Mapping[str, Any], *sources: str) -> tuple[int, int]:
    """How many answers came from these sources, of how many."""
    counts = manifest["answers"].values()
    return sum(c[source] for c in counts for source in sources), sum(c["asked"] for c in counts)


def _setting(manifest: Mapping[str, Any], hardware: str) -> str:
    """Engine, type, longest input and hardware: seconds of another setting are other seconds."""
    engine = manifest["system"]["engine"] or {}
    said = [engine.get("kind", "no engine")]
    said += [f"dtype {engine['dtype']}"] if "dtype" in engine else []
    said += [f"at most {engine['max_tokens']:,} tokens"] if "max_tokens" in engine else []
    said += ["prefix caching"] if engine.get("prefix_caching") else []
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


def _in_the_papers_layout(timed: Sequence[Timed], experiment: Experiment) -> Table:
    paper, id_, names = load_paper(), str(experiment.file.table), _shown(experiment)
    other = [name for name in names if name not in QUANTITIES]
    if other:
        raise ConfigError(f"{experiment.place(('table',))}: Table {id_} of the paper has a column {other[0]!r}, which shows no seconds.")
    if len({t.place for t in timed}) > 1:
        raise ConfigError(f"{experiment.place(('table',))}: Table {id_} of the paper is of one benchmark, one first stage and one depth.")
    cells = [_cell(t, name) for t in timed for name in names]
    return paper_table(paper, id_, cells, hint=lambda *_: "name it in the configuration, or leave --systems out")


def _shown(experiment: Experiment) -> list[str]:
    """Names of the columns."""
    if experiment.file.table is None:
        return [*QUANTITIES, *PERCENTILES]
    return [column.name for column in load_paper().table(str(experiment.file.table)).columns]


def _columns(timed: Sequence[Timed], experiment: Experiment) -> tuple[Column, ...]:
    shortest = min((mean(t.seconds(OVERALL)) for t in timed if t.times), default=1.0)
    decimals = 2 if shortest >= 0.1 else 4
    return tuple(Column(name, LABELS[name], measure="latency per query", unit="seconds", decimals=decimals) for name in _shown(experiment))


def _row(timed: Timed, columns: Sequence[Column]) -> Row:
    return Row(timed.cell.system, timed.result.cell.system.name, tuple(_cell(timed, c.name) for c in columns), timed.cell.variant)


def _cell(timed: Timed, name: str) -> Cell:
    cell = replace(timed.cell, column=name)
    if not timed.times:
        return cell
    if name in PERCENTILES:
        return replace(cell, value=percentile(timed.seconds(OVERALL), PERCENTILES[name]), interval=None)
    values = timed.seconds(name)
    notes = (*cell.notes, NO_DOCUMENTS) if name == "encode-documents-s" and not any(values) else cell.notes
    return replace(cell, value=mean(values), interval=bootstrap_interval(values), notes=notes)


def _heading(place: tuple[str, str, int], experiment: Experiment) -> str:
    benchmark, first_stage, depth = place
    return f"{title_of(benchmark, experiment)}, {first_stage} top {depth}"


def _context(timed: Sequence[Timed], experiment: Experiment) -> Iterator[str]:
    yield "seconds a query, one query at a time: wall time from its texts to their order, mean over queries; nothing is kept between them"
    if "encode-documents-s" in _shown(experiment):
        yield "encoding documents: the engine's call for all documents of the list; others: the rest, checks of lengths included"
    places = dict.fromkeys(t.place for t in timed)
    if len(places) == 1:
        by_the_paper = f"; by the paper on {PAPER_SETTING}" if experiment.file.table is not None else ""
        yield f"the lists: {_heading(next(iter(places)), experiment)}{by_the_paper}"
    yield "95 % intervals: percentile bootstrap over queries, 10,000 resamples, seed 0"
    if any(t.times for t in timed):
        yield "warm-up is left out" if all(t.warmed_up for t in timed if t.times) else "no warm-up: the first query counts like any other"
    yield from _ratios(timed, experiment)


def _about(timed: Sequence[Timed], experiment: Experiment) -> Iterator[str]:
    """What a row's columns leave out."""
    several = len({t.place for t in timed}) > 1
    for t in timed:
        if not t.times:
            continue
        overall = t.seconds(OVERALL)
        low, high = bootstrap_interval(overall)
        slowest = max(t.times, key=lambda time: time.overall)
        name = t.result.cell.system.name + (f" on {_heading(t.place, experiment)}" if several else "")
        yield (
            f"{name}: {short(mean(overall))} s ({short(low)}–{short(high)}), p50 {short(percentile(overall, 50))},"
            f" p90 {short(percentile(overall, 90))}, slowest (query {slowest.query_id}) {short(slowest.overall)};"
            f" mean by phase: {', '.join(f'{phase} {short(seconds)}' for phase, seconds in _phases(t.times).items())}"
            + (f"; {t.tokens[0] / len(t.times):,.0f} tokens in and {t.tokens[1] / len(t.times):,.0f} out" if any(t.tokens) else "")
        )


def _phases(times: Sequence[QueryTime]) -> dict[str, float]:
    """Mean seconds by phase, and of what lies between the phases."""
    sums: dict[str, float] = defaultdict(float)
    for time in times:
        for phase, seconds in time.phases.items():
            sums[phase] += seconds
        sums["the rest"] += time.overall - math.fsum(time.phases.values())
    return {phase: seconds / len(times) for phase, seconds in sums.items()}


def _ratios(timed: Sequence[Timed], experiment: Experiment) -> Iterator[str]:
    """Embedding against generating rankers of one model size: E2Rank-8B and RankQwen3-8B, say. A ratio outlives its device."""
    for slow, fast in ((slow, fast) for fast in timed for slow in timed if _is_pair(slow, fast)):
        of_slow, of_fast = slow.result.cell.system.name, fast.result.cell.system.name
        on = f" on {_heading(fast.place, experiment)}" if len({t.place for t in timed}) > 1 else ""
        if _settings(slow) != _settings(fast):
            yield f"no ratio of {of_slow} to {of_fast}{on}: hardware or engine differ"
            continue
        above, below = slow.seconds(OVERALL), fast.seconds(OVERALL)
        low, high = bootstrap_ratio_interval(above, below)
        yield (
            f"{of_slow} takes {short(mean(above) / mean(below))} times as long as {of_fast}{on}"
            f" (95 % interval {short(low)}–{short(high)}{_printed_ratio(slow, fast)})"
        )


def _is_pair(slow: Timed, fast: Timed) -> bool:
    kinds = slow.result.cell.system.ranker.kind, fast.result.cell.system.ranker.kind
    sizes = [t.result.cell.system.name.partition("-")[2] for t in (slow, fast)]
    measured = all(t.times and not t.flaws for t in (slow, fast))
    return measured and slow.place == fast.place and kinds == ("listwise", "embedding") and sizes[0] == sizes[1] != ""


def _settings(timed: Timed) -> tuple[str, str]:
    engine = timed.result.cell.system.engine
    return timed.cell.hardware, engine.kind if engine else ""


def _printed_ratio(slow: Timed, fast: Timed) -> str:
    paper = load_paper()
    above, below = (paper.cell(table, t.cell.system, OVERALL) for table, t in (("13", slow), ("12", fast)))
    if above is None or below is None or above.number is None or below.number is None:
        return ""
    return f"; by the paper {as_printed(above.number / below.number, 2)}"


def short(seconds: float) -> str:
    """Three figures, without an exponent."""
    if seconds <= 0:
        return "0"
    return f"{seconds:.{max(0, 2 - math.floor(math.log10(seconds)))}f}"
