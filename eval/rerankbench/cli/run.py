"""``rerankbench run``: rank what a configuration asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rerankbench.cli.options import (
    DEFAULT_RUNS,
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

if TYPE_CHECKING:
    from rerankbench.experiment import Result
    from rerankbench.plan import Planned

INCOMPLETE = 4
"""Exit code when a cell has no result."""
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

    experiment = open_experiment(config, assignments, systems, benchmarks)
    planner = open_planner(data, runs)
    plan = planner.plan(experiment, limit)
    if dry_run:
        _print_plan(plan, as_json)
        return
    with ProgressDisplay(Console(stderr=True), len(plan)) as progress:
        results = Laboratory(planner).run(plan, experiment, progress)
    if as_json:
        print_json({"cells": [_result_data(r) for r in results]})
    missing = [r for r in results if r.problem is not None]
    if missing:
        typer.echo(f"{len(missing)} of {len(results)} cells have no result: rerankbench report {config} says why.", err=True)
        raise typer.Exit(INCOMPLETE)


def _print_plan(plan: Sequence[Planned], as_json: bool) -> None:
    if as_json:
        print_json({"cells": [_plan_data(p) for p in plan]})
        return
    rows = []
    for p in plan:
        data = _plan_data(p)
        numbers = [f"{data[key]:,}" if p.problem is None else "" for key in _NUMBERS]
        state = f"{p.state}, {p.done} done" if p.state == "unfinished" else p.state
        rows.append([p.cell.system.name, f"{p.cell.benchmark}, {p.cell.first_stage} {p.cell.depth}", *numbers, state])
    headings = ("queries", "documents", "prompts", "to embed", "≈ tokens in", "tokens out ≤")
    print_table(("system", "lists", *headings, "state"), rows, right=headings)
    for problem in dict.fromkeys(f"{p.problem.message}\n  try: {p.problem.hint}" for p in plan if p.problem):
        typer.echo(f"missing: {problem}")
    reused = sum(p.state == "complete" for p in plan)
    typer.echo(f"{len(plan)} cells: {reused} complete and reused, {sum(p.problem is not None for p in plan)} missing.")
    typer.echo("Tokens are estimated from words. Documents that cells of one engine share are embedded once, and are counted in each.")


_NUMBERS = ("queries", "documents", "prompts", "texts", "tokens_in", "tokens_out_at_most")


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
