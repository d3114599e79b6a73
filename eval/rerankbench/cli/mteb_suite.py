"""``rerankbench mteb``: evaluate systems on tasks of mteb, and show what they scored beside the paper's numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rerankbench.cli.mteb import open_mteb, report_mteb
from rerankbench.cli.options import DEFAULT_RUNS, Answers, Config, Data, Json, Runs, Set, Systems, names
from rerankbench.cli.output import print_json, print_table
from rerankbench.cli.report import DEFAULT_REPORTS
from rerankbench.errors import UsageError

if TYPE_CHECKING:
    from rerankbench.config import MtebTable
    from rerankbench.mteb_suite.evaluation import Outcome

INCOMPLETE, STOPPED = 4, 130
"""Exit codes: a task has no score; Control-C, as shells have it."""
NAMED = 8
"""Tasks that are told by their names at most; the table above has them all."""

app = typer.Typer(no_args_is_help=True, help="Embedders and rerankers on the tasks of mteb: evaluate them, and show their scores.")

Tasks = Annotated[str, typer.Option("--tasks", metavar="A,B", help="Only these tasks, as mteb names them.")]
Types = Annotated[str, typer.Option("--types", metavar="A,B", help="Only tasks of these types, e.g. Retrieval,STS.")]
Languages = Annotated[str, typer.Option("--languages", metavar="A,B", help="Only these languages, by three letters, e.g. eng,deu.")]


@app.command("run")
def run(
    config: Config,
    data: Data = None,
    runs: Runs = DEFAULT_RUNS,
    assignments: Set = None,
    systems: Systems = "",
    tasks: Tasks = "",
    types: Types = "",
    languages: Languages = "",
    cache: Answers = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be evaluated, and evaluate nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Evaluate every system of CONFIG whose row says how, on every task. The same command goes on after a stop.

    Results lie in mteb's own layout in RUNS/mteb_results/results/; mteb loads them, and its repository of results takes them.
    Started several times at once, say once a GPU, the processes share the tasks. The exit code is 4 while a task has no score.

    Examples:

        rerankbench mteb run mteb-local --data DIR

        CUDA_VISIBLE_DEVICES=1 rerankbench mteb run table4

        rerankbench mteb run table4 --systems E2Rank-0.6B --types Retrieval,STS --cache DIR

        rerankbench mteb run table20 --tasks SciFact,NFCorpus --set results=DIR --dry-run
    """
    from rich.console import Console

    from rerankbench.benchmarks import mirror_folder
    from rerankbench.cli.mteb_progress import MtebProgress
    from rerankbench.mteb_suite import require
    from rerankbench.mteb_suite.evaluation import MtebLaboratory
    from rerankbench.mteb_suite.task_list import note_tasks
    from rerankbench.mteb_suite.tasks import select_tasks
    from rerankbench.mteb_tables import results_folder

    whole = _opened(config, assignments, systems)
    asked = _narrowed(whole, tasks, types, languages)
    rows = [system.name for system in asked.systems if system.system is not None]
    if not rows:
        raise UsageError(
            f"No system of {config} is evaluated here: their results are read where they are published.",
            hint=f"rerankbench mteb report {config}",
        )
    require()
    chosen = select_tasks(asked, mirror_folder(data))
    if dry_run:
        _say_plan(asked, chosen, as_json)
        return
    note_tasks(results_folder(asked, runs), whole, select_tasks(whole, mirror_folder(data)))
    try:
        with MtebProgress(Console(stderr=True), len(rows) * len(chosen)) as progress:
            outcomes = MtebLaboratory(results_folder(asked, runs), cache).run(asked, chosen, progress)
    except KeyboardInterrupt:
        typer.echo("\nstopped. What was evaluated is kept: the same command goes on from there.", err=True)
        raise typer.Exit(STOPPED) from None
    _say(outcomes, config, as_json)
    raise typer.Exit(INCOMPLETE if any(outcome.score is None for outcome in outcomes) else 0)


@app.command("report")
def report(
    config: Config,
    data: Data = None,
    runs: Runs = DEFAULT_RUNS,
    assignments: Set = None,
    systems: Systems = "",
    reports: Annotated[Path, typer.Option("--reports", metavar="DIR", help="Files go to DIR/CONFIG/.")] = DEFAULT_REPORTS,
    as_json: Json = False,
) -> None:
    """Print the scores of CONFIG's systems beside the paper's, from the result files that are at hand. Evaluates nothing.

    Examples:

        rerankbench mteb report mteb-local

        rerankbench mteb report table4 --data DIR --json
    """
    report_mteb(_opened(config, assignments, systems), data, runs, reports, as_json)


def _opened(config: str, assignments: list[str] | None, systems: str) -> MtebTable:
    found = open_mteb(config, assignments, systems, unused={})
    if found is None:
        raise UsageError(f"{config} is no table of MTEB scores (layout: mteb).", hint=f"rerankbench run {config}")
    return found


def _narrowed(asked: MtebTable, tasks: str, types: str, languages: str) -> MtebTable:
    """With only those tasks that the command line names."""
    from dataclasses import replace

    chosen: dict[str, Any] = {"tasks": tuple(names(tasks)), "task_types": tuple(names(types)), "languages": tuple(names(languages))}
    said = {key: value for key, value in chosen.items() if value}
    return replace(asked, file=asked.file.model_copy(update=said))


def _say_plan(asked: MtebTable, tasks: Sequence[Any], as_json: bool) -> None:
    rows = [
        (system.name, task.metadata.name, task.metadata.type, ",".join(task.eval_splits), ",".join(task.hf_subsets))
        for system in asked.systems
        if system.system is not None
        for task in tasks
    ]
    keys = ("system", "task", "type", "splits", "subsets")
    if as_json:
        print_json({"tasks": [dict(zip(keys, row, strict=True)) for row in rows]})
        return
    print_table(keys, [list(row) for row in rows])
    typer.echo(f"{len(rows)} evaluations; what is complete is not evaluated again.")


def _say(outcomes: Sequence[Outcome], config: str, as_json: bool) -> None:
    if as_json:
        keys = ("system", "task", "status", "score", "seconds", "reason", "hint")
        print_json({"tasks": [{key: getattr(outcome, key) for key in keys} for outcome in outcomes]})
        return
    from rerankbench.reference.verdict import as_printed, percent

    rows = [[o.system, o.task, "" if o.score is None else as_printed(percent(o.score), 2), f"{o.seconds:.1f}", o.status] for o in outcomes]
    print_table(("system", "task", "main score", "seconds", "state"), rows, right=("main score", "seconds"))
    for (system, reason, hint), tasks in _reasons(outcomes).items():
        where = ", ".join(tasks) if len(tasks) <= NAMED else f"{len(tasks)} tasks, {tasks[0]} to {tasks[-1]}"
        typer.echo(f"{system} on {where}: {reason}" + (f"\n  try: {hint}" if hint else ""), err=True)
    typer.echo(f"rerankbench mteb report {config} shows them beside the paper's, with their means.", err=True)


def _reasons(outcomes: Sequence[Outcome]) -> dict[tuple[str, str, str], list[str]]:
    """The tasks of a system that have no score, by why and what helps."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for outcome in outcomes:
        if outcome.score is None:
            found.setdefault((outcome.system, outcome.reason, outcome.hint), []).append(outcome.task)
    return found
