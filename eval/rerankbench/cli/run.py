"""``rerankbench run``: rank what a configuration asks for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rerankbench.cli.mteb import mteb_columns, mteb_columns_data, open_mteb, run_mteb, say_missing_columns
from rerankbench.cli.options import (
    DEFAULT_RUNS,
    Answers,
    BenchmarkNames,
    Config,
    Data,
    Json,
    Limit,
    Runs,
    Set,
    Systems,
    open_experiment,
    open_planner,
)
from rerankbench.cli.output import print_json, print_table
from rerankbench.errors import MissingError, MissingExtra, RerankbenchError

if TYPE_CHECKING:
    from pathlib import Path

    from rerankbench.config import Experiment
    from rerankbench.costs import CostModel
    from rerankbench.experiment import Result
    from rerankbench.mteb_tables import FilledColumn
    from rerankbench.plan import Planned, Planner

INCOMPLETE = 4
"""Exit code when a cell has no result."""
STOPPED = 130
"""Exit code after Control-C, as shells have it."""
TOKENS_PER_WORD = 1.38
"""Of the Qwen3 tokenizer on the DL19 and DL20 candidate lists (371,314 tokens of 269,372 words, 478,557 of 347,639)."""


def run(
    config: Config,
    data: Data = None,
    runs: Runs = DEFAULT_RUNS,
    assignments: Set = None,
    systems: Systems = "",
    benchmarks: BenchmarkNames = "",
    limit: Limit = None,
    cache: Answers = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Rank every cell of CONFIG that can be ranked here. The same command goes on after a stop, and reuses what is complete.

    Examples:

        rerankbench run demo

        rerankbench run configs/table1.yaml --data DIR --systems BM25 --benchmarks dl19,dl20

        rerankbench run untrained-embedder --data DIR --set engines.minilm.model=DIR --dry-run
    """
    from rich.console import Console

    from rerankbench.cli.progress import ProgressDisplay
    from rerankbench.experiment import Laboratory

    mteb = open_mteb(config, assignments, systems, unused={"--benchmarks": benchmarks, "--limit": limit, "--cache": cache})
    if mteb is not None:
        run_mteb(mteb, data, runs, as_json)
    experiment = open_experiment(config, assignments, systems, benchmarks)
    planner = open_planner(data, runs, experiment)
    if dry_run:
        plan = planner.plan(experiment, limit)
        _print_plan(plan, _expected(plan, runs), mteb_columns(experiment, planner.benchmarks.mirror, runs), as_json)
        return
    try:
        _build_lists(planner, experiment)
        plan = planner.plan(experiment, limit)
        with ProgressDisplay(Console(stderr=True), len(plan)) as progress:
            results = Laboratory(planner, cache).run(plan, experiment, progress)
    except KeyboardInterrupt:
        typer.echo("\nstopped. What was ranked is kept: the same command goes on from there.", err=True)
        raise typer.Exit(STOPPED) from None
    scores = mteb_columns(experiment, planner.benchmarks.mirror, runs)
    if as_json:
        print_json({"cells": [_result_data(r) for r in results], **mteb_columns_data(scores)})
    problems = [r.problem for r in results if r.problem is not None]
    if problems:
        typer.echo(_what_is_missing(problems, len(results)), err=True)
    if say_missing_columns(scores) or problems:
        raise typer.Exit(INCOMPLETE)


def _what_is_missing(problems: Sequence[RerankbenchError], cells: int) -> str:
    failed = sum(not isinstance(problem, MissingError) for problem in problems)
    lines = f"{len(problems)} of {cells} cells have no result" + (f", {failed} of them failed (see above)." if failed else ".")
    return lines + (" With 'report' in place of 'run', the same command says what is missing." if failed < len(problems) else "")


def _build_lists(planner: Planner, experiment: Experiment) -> None:
    """Lists of the experiment's own first stages; what cannot be built is a missing cell later, with the reason."""
    for definition, outcome in planner.candidates.build_all(planner.definitions(experiment)):
        if not isinstance(outcome, RerankbenchError) and not outcome.reused:
            typer.echo(f"built the {definition.name} lists of {definition.benchmark}, top {definition.depth}", err=True)


Expected = list[tuple[float, "CostModel"] | None]
"""Of each planned cell, its seconds on this machine and the model that says so; None where no run tells, or nothing is left to rank."""


def _expected(plan: Sequence[Planned], runs: Path) -> Expected:
    from rerankbench.costs import Costs

    costs = Costs(runs)
    try:
        return [costs.of(p) if p.state in {"new", "unfinished"} else None for p in plan]
    except MissingExtra as error:
        typer.echo(f"How long it will take is not told: {error.message} {error.hint}", err=True)
        return [None] * len(plan)


def _print_plan(plan: Sequence[Planned], expected: Expected, scores: Sequence[FilledColumn], as_json: bool) -> None:
    if as_json:
        cells = [{**_plan_data(p), **_expected_data(p, e)} for p, e in zip(plan, expected, strict=True)]
        print_json({"cells": cells, **mteb_columns_data(scores)})
        return
    rows = []
    for p, e in zip(plan, expected, strict=True):
        data = _plan_data(p)
        numbers = [f"{data[key]:,}" if p.problem is None else "" for key in _NUMBERS]
        state = f"{p.state}, {p.done} done" if p.state == "unfinished" else p.state
        rows.append([p.cell.system.name, f"{p.cell.benchmark}, {p.cell.first_stage} {p.cell.depth}", *numbers, _time(p, e), state])
    headings = ("queries", "documents", "prompts", "to embed", "≈ tokens in", "tokens out ≤", "≈ time")
    print_table(("system", "lists", *headings, "state"), rows, right=headings)
    for state, message, hint in dict.fromkeys((p.state, p.problem.message, p.problem.hint) for p in plan if p.problem):
        typer.echo(f"{state}: {message}" + (f"\n  try: {hint}" if hint else ""))
    reused = sum(p.state == "complete" for p in plan)
    typer.echo(f"{len(plan)} cells: {reused} complete and reused, {sum(p.problem is not None for p in plan)} missing or failed.")
    typer.echo(_in_all(plan, expected))
    for line in _told_from(plan, expected):
        typer.echo(line)
    typer.echo("Tokens are estimated from words. Documents that cells of one engine share are embedded once, and are counted in each.")
    say_missing_columns(scores, err=False)


_NUMBERS = ("queries", "documents", "prompts", "texts", "tokens_in", "tokens_out_at_most")


def _in_all(plan: Sequence[Planned], expected: Expected) -> str:
    """How long all of it will take, and how sure that is."""
    from rerankbench.costs import total

    left = sum(p.state in {"new", "unfinished"} for p in plan)
    known = [e for e in expected if e]
    if not left:
        return "Nothing is left to rank."
    if not known:
        return "How long it will take is not known: no run of these engines on this machine is complete. A trial with --limit tells."
    seconds, error = total(known)
    rest = f", {left - len(known)} more cells of engines that no run tells of" if len(known) < left else ""
    alike = " All that it is told from is of one setting: another depth or length may be off by more." if _of_one_run(known) else ""
    return f"About {duration(seconds)} on this machine, ± {100 * error:.0f} % by what such predictions were off (median){rest}.{alike}"


def _time(planned: Planned, expected: tuple[float, CostModel] | None) -> str:
    """With a star where it is an extrapolation."""
    if expected is None:
        return ""
    return duration(expected[0]) + ("*" if expected[1].beyond(planned.workload, planned.queries) else "")


def _told_from(plan: Sequence[Planned], expected: Expected) -> Iterator[str]:
    """The range that predictions come from, and which of them lie beyond it."""
    known = [(p, *e) for p, e in zip(plan, expected, strict=True) if e]
    ranges: dict[str, dict[str, None]] = {}
    for p, _, model in known:
        ranges.setdefault(model.timed(), {})[p.cell.system.name] = None
    for said, systems in ranges.items():
        yield f"Told from queries of {said}: {', '.join(systems)}."
    far = {p.cell.system.name: beyond for p, _, model in known if (beyond := model.beyond(p.workload, p.queries))}
    for system, beyond in far.items():
        yield f"* extrapolated, {system}: {'; '.join(beyond)}."
    if far:
        yield "  Seconds need not grow in proportion: such a time may be off by a factor of two. A trial with --limit tells."


def _of_one_run(known: Sequence[tuple[float, CostModel]]) -> bool:
    return any(model.runs == 1 for _, model in known)


def duration(seconds: float) -> str:
    """``12 s``, ``3 min``, ``2 h 05 min``; as rough as a prediction is."""
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 1 else "< 1 s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60:02d} min"


def _expected_data(planned: Planned, expected: tuple[float, CostModel] | None) -> dict[str, Any]:
    if expected is None:
        return {"expected_seconds": None, "expected_error": None, "extrapolated": []}
    seconds, model = expected
    return {
        "expected_seconds": seconds,
        "expected_error": model.error,
        "extrapolated": list(model.beyond(planned.workload, planned.queries)),
    }


def _plan_data(planned: Planned) -> dict[str, Any]:
    cell, work = planned.cell, planned.workload
    return {
        "system": cell.system.name,
        "benchmark": cell.benchmark,
        "first_stage": cell.first_stage,
        "depth": cell.depth,
        "limit": cell.limit,
        "state": planned.state,
        "queries": planned.queries,
        "done": planned.queries if planned.state == "complete" else planned.done,
        "documents": planned.documents,
        "prompts": work.prompts,
        "texts": work.texts,
        "tokens_in": round(work.words * TOKENS_PER_WORD),
        "tokens_out_at_most": work.new_tokens,
        "folder": str(planned.folder) if planned.folder else None,
        "reason": planned.problem.message if planned.problem else None,
        "hint": planned.problem.hint if planned.problem else None,
    }


def _result_data(result: Result) -> dict[str, Any]:
    return {
        "system": result.cell.system.name,
        "benchmark": result.cell.benchmark,
        "first_stage": result.cell.first_stage,
        "depth": result.cell.depth,
        "limit": result.cell.limit,
        "folder": str(result.folder) if result.folder else None,
        "reused": result.reused,
        "queries": result.manifest["queries"] if result.manifest else None,
        "reason": result.problem.message if result.problem else None,
        "hint": result.problem.hint if result.problem else None,
    }
