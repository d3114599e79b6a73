"""``rerankbench candidates build``: make candidate lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rerankbench.cli.options import DEFAULT_RUNS, Data, Json, Runs, Set, open_experiment, open_planner
from rerankbench.cli.output import print_json, print_table
from rerankbench.errors import MissingError, RerankbenchError, UsageError

if TYPE_CHECKING:
    from rerankbench.candidates import Built, Definition
    from rerankbench.config import Experiment
    from rerankbench.plan import Planner

MISSING = 3


def build(
    config: Annotated[
        str, typer.Argument(metavar="CONFIG", help="A configuration with 'candidates', or nothing beside the options below.")
    ] = "",
    benchmark: Annotated[str, typer.Option("--benchmark", metavar="B", help="A benchmark, in place of CONFIG.")] = "",
    first_stage: Annotated[
        str, typer.Option("--first-stage", metavar="F", help="A kind of first stage with its defaults, e.g. lucene.")
    ] = "",
    depth: Annotated[int, typer.Option("--depth", metavar="K", min=1, help="Documents a list.")] = 100,
    data: Data = None,
    runs: Runs = DEFAULT_RUNS,
    assignments: Set = None,
    as_json: Json = False,
) -> None:
    """Build candidate lists over a corpus, and say what they score where judgements are at hand. What is there is reused.

    Lists go to RUNS/work/lists/, with a manifest beside them; indexes and embeddings are kept beside them and resume after a stop.

    Examples:

        rerankbench candidates build --benchmark scifact --first-stage lucene --data DIR

        rerankbench candidates build configs/first-stages.yaml --data DIR --json
    """
    planner, definitions = _asked_for(config, benchmark, first_stage, depth, data, runs, assignments)
    outcomes = list(planner.candidates.build_all(definitions))
    rows = [_facts(planner, definition, outcome) for definition, outcome in outcomes]
    if as_json:
        print_json({"lists": rows})
    else:
        _print(rows)
    problems = [outcome for _, outcome in outcomes if isinstance(outcome, RerankbenchError)]
    if problems:
        raise typer.Exit(MISSING if all(isinstance(p, MissingError) for p in problems) else 1)


def _asked_for(
    config: str, benchmark: str, first_stage: str, depth: int, data: str | None, runs: Any, assignments: list[str] | None
) -> tuple[Planner, Sequence[Definition]]:
    from rerankbench.candidates import Definition
    from rerankbench.config import build_part

    if config and (benchmark or first_stage):
        raise UsageError("Name a configuration, or a benchmark and a first stage, not both.")
    if config:
        experiment: Experiment = open_experiment(config, assignments, "", "")
        planner = open_planner(data, runs, experiment)
        definitions = planner.definitions(experiment)
        if not definitions:
            raise UsageError(f"{config} defines no first stage of its own: it has no 'candidates' that 'first_stages' name.")
        return planner, definitions
    if not (benchmark and first_stage):
        raise UsageError("Name a configuration, or --benchmark and --first-stage.", hint="rerankbench candidates build --help")
    part = build_part("first_stage", {"kind": first_stage}, lambda key: f"--first-stage {first_stage}: {'.'.join(map(str, key))}")
    return open_planner(data, runs), [Definition(first_stage, part, benchmark, depth)]


def _facts(planner: Planner, definition: Definition, outcome: Built | RerankbenchError) -> dict[str, Any]:
    facts: dict[str, Any] = {"benchmark": definition.benchmark, "first_stage": definition.name, "depth": definition.depth}
    if isinstance(outcome, RerankbenchError):
        return {**facts, "problem": outcome.message, "hint": outcome.hint}
    return {
        **facts,
        "file": str(outcome.path),
        "sha256": outcome.sha256,
        "reused": outcome.reused,
        "queries": len(outcome.lists),
        "documents": sum(map(len, outcome.lists)),
        **_scores(planner, definition, outcome),
    }


def _scores(planner: Planner, definition: Definition, built: Built) -> dict[str, float]:
    """nDCG@10 and recall of the lists as they stand; a judged query without a list counts as zero."""
    from rerankbench.measures import measure
    from rerankbench.records import Ranking
    from rerankbench.trec import Run

    benchmark = planner.benchmarks.open(definition.benchmark)
    run = Run.of(Ranking(c.query.id, tuple(d.id for d in c.documents)) for c in built.lists if len(c))
    recall = f"R(rel={benchmark.relevant})@{definition.depth}" if benchmark.relevant > 1 else f"R@{definition.depth}"
    return dict(measure(run, benchmark.qrels(), ["nDCG@10", recall], missing="zero").means)


def _print(rows: Sequence[dict[str, Any]]) -> None:
    shown = []
    for row in rows:
        if "problem" in row:
            typer.echo(
                f"{row['first_stage']} over {row['benchmark']}: {row['problem']}" + (f"\n  try: {row['hint']}" if row["hint"] else "")
            )
            continue
        scores = [f"{name} {value:.4f}" for name, value in row.items() if name.startswith(("nDCG", "R@", "R("))]
        state = "reused" if row["reused"] else "built"
        shown.append([row["benchmark"], row["first_stage"], str(row["queries"]), str(row["documents"]), *scores, state, row["file"]])
    if shown:
        print_table(
            ("benchmark", "first stage", "queries", "documents", "nDCG@10", "recall", "state", "file"),
            shown,
            right=("queries", "documents"),
        )
