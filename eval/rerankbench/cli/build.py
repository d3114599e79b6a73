"""``rerankbench candidates build``: make candidate lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rerankbench.cli.options import DEFAULT_RUNS, Data, Json, Runs, Set, open_experiment, open_planner
from rerankbench.cli.output import print_json, print_table
from rerankbench.errors import MissingError, RerankbenchError, UsageError

if TYPE_CHECKING:
    from rerankbench.candidates import Built, Definition
    from rerankbench.plan import Planner

MISSING = 3
"""Exit code when all that could not be built lacks something."""
DEFAULT_DEPTH = 100


def build(
    config: Annotated[
        str, typer.Argument(metavar="CONFIG", help="A configuration with 'candidates', or nothing beside the options below.")
    ] = "",
    benchmark: Annotated[str, typer.Option("--benchmark", metavar="B", help="A benchmark, in place of CONFIG.")] = "",
    first_stage: Annotated[
        str, typer.Option("--first-stage", metavar="F", help="A kind of first stage with its defaults, e.g. lucene.")
    ] = "",
    depth: Annotated[
        int | None, typer.Option("--depth", metavar="K", min=1, help="Documents a list, 100 by default; a CONFIG says it itself.")
    ] = None,
    data: Data = None,
    runs: Runs = DEFAULT_RUNS,
    assignments: Set = None,
    as_json: Json = False,
) -> None:
    """Build candidate lists over a corpus, and say what they score where judgements are at hand. What is there is reused.

    Lists are kept below the folder of runs, with a manifest beside them; so are indexes and embeddings, which resume after a stop.

    Examples:

        rerankbench candidates build --benchmark scifact --first-stage lucene --data DIR

        rerankbench candidates build configs/first-stages.yaml --data DIR --json
    """
    asked = _asked_for(config, benchmark, first_stage, depth, data, runs, assignments)
    outcomes = list(asked.planner.candidates.build_all(asked.definitions))
    rows = [_facts(asked, definition, outcome) for definition, outcome in outcomes]
    if as_json:
        print_json({"lists": rows})
    else:
        _print(rows)
    problems = [outcome for _, outcome in outcomes if isinstance(outcome, RerankbenchError)]
    if problems:
        raise typer.Exit(MISSING if all(isinstance(p, MissingError) for p in problems) else 1)


@dataclass(frozen=True)
class _Asked:
    """What is to be built.

    Attributes:
        exclusions: When excluded documents are dropped: see `ExperimentFile`.
    """

    planner: Planner
    definitions: Sequence[Definition]
    exclusions: str = "after"


def _asked_for(
    config: str, benchmark: str, first_stage: str, depth: int | None, data: str | None, runs: Path, assignments: list[str] | None
) -> _Asked:
    if config and (benchmark or first_stage):
        raise UsageError("Name a configuration, or a benchmark and a first stage, not both.")
    if config and depth is not None:
        raise UsageError("--depth goes with --benchmark and --first-stage.", hint=f"--set depth={depth}")
    if config:
        return _from_config(config, data, runs, assignments)
    if not (benchmark and first_stage):
        raise UsageError("Name a configuration, or --benchmark and --first-stage.", hint="rerankbench candidates build --help")
    if assignments:
        raise UsageError("--set goes with a configuration, and none is named.")
    return _from_options(benchmark, first_stage, depth or DEFAULT_DEPTH, open_planner(data, runs))


def _from_config(config: str, data: str | None, runs: Path, assignments: list[str] | None) -> _Asked:
    experiment = open_experiment(config, assignments, "", "")
    planner = open_planner(data, runs, experiment)
    definitions = planner.definitions(experiment)
    if not definitions:
        raise UsageError(f"{config} defines no first stage of its own: it has no 'candidates' that 'first_stages' name.")
    return _Asked(planner, definitions, experiment.file.exclusions)


def _from_options(benchmark: str, first_stage: str, depth: int, planner: Planner) -> _Asked:
    from rerankbench.candidates import Definition
    from rerankbench.config import build_part

    part = build_part("first_stage", {"kind": first_stage}, lambda key: f"--first-stage {first_stage}: {'.'.join(map(str, key))}")
    return _Asked(planner, [Definition(first_stage, part, benchmark, depth)])


def _facts(asked: _Asked, definition: Definition, outcome: Built | RerankbenchError) -> dict[str, Any]:
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
        **_scores(asked, definition, outcome),
    }


def _scores(asked: _Asked, definition: Definition, built: Built) -> dict[str, Any]:
    """nDCG@10 and recall of the lists, less excluded documents; a judged query without a list counts as zero."""
    from rerankbench.benchmarks.exclusions import without_excluded
    from rerankbench.measures import measure
    from rerankbench.records import Ranking
    from rerankbench.trec import Run

    benchmark = asked.planner.benchmarks.open(definition.benchmark)
    try:
        excluded = benchmark.excluded() if asked.exclusions != "none" else None
    except MissingError as problem:
        return {"not_measured": problem.message}
    lists = without_excluded(built.lists, excluded)[0] if excluded else built.lists
    found = [Ranking(c.query.id, tuple(d.id for d in c.documents)) for c in lists if len(c)]
    if not found:
        return {"not_measured": "Every list is empty."}
    recall = f"R(rel={benchmark.relevant})@{definition.depth}" if benchmark.relevant > 1 else f"R@{definition.depth}"
    return dict(measure(Run.of(found), benchmark.qrels(), ["nDCG@10", recall], missing="zero").means)


def _print(rows: Sequence[dict[str, Any]]) -> None:
    shown = []
    for row in rows:
        if "problem" in row:
            typer.echo(
                f"{row['first_stage']} over {row['benchmark']}: {row['problem']}" + (f"\n  try: {row['hint']}" if row["hint"] else "")
            )
            continue
        scores = [f"{name} {value:.4f}" for name, value in row.items() if name.startswith(("nDCG", "R@", "R("))] or ["", ""]
        state = "reused" if row["reused"] else "built"
        shown.append([row["benchmark"], row["first_stage"], str(row["queries"]), str(row["documents"]), *scores, state, row["file"]])
    for row in rows:
        if "not_measured" in row:
            typer.echo(f"{row['first_stage']} over {row['benchmark']} was not measured: {row['not_measured']}")
    if shown:
        print_table(
            ("benchmark", "first stage", "queries", "documents", "nDCG@10", "recall", "state", "file"),
            shown,
            right=("queries", "documents"),
        )
