"""``rerankbench list``, ``show`` and ``prompt show``: look at systems, benchmarks, runs and prompts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from rerankbench.cli.options import DEFAULT_RUNS, Data, Json, Runs, open_planner
from rerankbench.cli.output import print_facts, print_json, print_table
from rerankbench.errors import UsageError, nearest

if TYPE_CHECKING:
    from rerankbench.benchmarks import Collection, OwnCollection
    from rerankbench.config import System

Kind = Literal["systems", "benchmarks", "first-stages", "rankers", "engines", "prompts", "configs"]


def list_(
    kind: Annotated[Kind, typer.Argument(help="What to list.")] = "systems",
    as_json: Json = False,
) -> None:
    """List what can be named: systems, benchmarks, first-stages, rankers, engines, prompts or configs.

    Examples:

        rerankbench list

        rerankbench list benchmarks --json
    """
    headings, rows = _LISTS[kind]()
    if as_json:
        print_json({kind: [dict(zip(headings, row, strict=True)) for row in rows]})
    else:
        print_table(headings, [_short(row) for row in rows] if kind == "systems" else rows)


def _short(row: list[str]) -> list[str]:
    """A system's row for a terminal: the plain download of the model beside it goes without saying."""
    *rest, model, status, how = row
    return [*rest, model, status, "" if how == f"hf download {model}" else how]


def _systems() -> tuple[tuple[str, ...], list[list[str]]]:
    from rerankbench.config import load_systems

    rows = [
        [name, s.ranker.kind, s.engine.kind if s.engine else "", _model(s), s.weights.status, s.weights.how]
        for name, s in load_systems().items()
    ]
    return ("system", "ranker", "engine", "model", "weights", "how they are had"), rows


def _model(system: System) -> str:
    return str(getattr(system.engine.options, "model", "")) if system.engine else ""


def _benchmarks() -> tuple[tuple[str, ...], list[list[str]]]:
    from rerankbench.benchmarks import load_catalog

    entries = load_catalog().benchmarks.items()
    rows = [[name, e.description, str(e.counts.judged_queries or ""), e.licence] for name, e in entries]
    return ("benchmark", "what it is", "judged queries", "licence"), rows


def _first_stages() -> tuple[tuple[str, ...], list[list[str]]]:
    from rerankbench import registry
    from rerankbench.benchmarks import load_catalog

    published = [[n, e.title, "published lists"] for n, e in load_catalog().first_stages.items()]
    built = [[kind, _first_line(registry.find("first_stage", kind)), "built by this program"] for kind in registry.FIRST_STAGES]
    return ("first stage", "what it is", "where its lists come from"), [*published, *built]


def _registered(kind: str) -> tuple[tuple[str, ...], list[list[str]]]:
    from rerankbench import registry

    table = registry.RANKERS if kind == "ranker" else registry.ENGINES
    return (kind, "what it does"), [[name, _first_line(registry.find(kind, name))] for name in table]


def _first_line(found: type) -> str:
    return (found.__doc__ or "").strip().split("\n")[0]


def _prompts() -> tuple[tuple[str, ...], list[list[str]]]:
    from rerankbench import prompts

    loaded = [prompts.load(name) for name in prompts.names()]
    return ("prompt", "kind", "hash", "source"), [[p.name, p.kind, p.hash[:12], p.file.source] for p in loaded]


def _configs() -> tuple[tuple[str, ...], list[list[str]]]:
    from rerankbench.config import load_config, shipped_configs

    found = [p for p in shipped_configs().rglob("*.yaml") if p.name != "systems.yaml"]
    paths = sorted(found, key=lambda p: (p.stem.rstrip("0123456789"), len(p.stem), p.stem))  # table2 before table11
    return ("configuration", "what it is"), [[p.stem, load_config(str(p)).file.title] for p in paths]


_LISTS = {
    "systems": _systems,
    "benchmarks": _benchmarks,
    "first-stages": _first_stages,
    "rankers": lambda: _registered("ranker"),
    "engines": lambda: _registered("engine"),
    "prompts": _prompts,
    "configs": _configs,
}


def show(
    name: Annotated[str, typer.Argument(metavar="SYSTEM|BENCHMARK|CELL", help="A system, a benchmark, or a run folder.")],
    data: Data = None,
    runs: Runs = DEFAULT_RUNS,
    as_json: Json = False,
) -> None:
    """Show all that is known of a system, a benchmark, or a cell by its run folder (or the beginning of its name).

    Examples:

        rerankbench show E2Rank-8B

        rerankbench show dl19 --data DIR

        rerankbench show runs/mini/bm25/E2Rank-lexical-0123456789ab
    """
    from rerankbench.benchmarks import load_catalog
    from rerankbench.config import load_systems

    systems, benchmarks = load_systems(), load_catalog().benchmarks
    if name in systems:
        facts = _system_facts(systems[name])
    elif name in benchmarks:
        facts = _benchmark_facts(open_planner(data, runs).benchmarks.open(name))
    else:
        facts = _cell_facts(_run_folder(name, runs, [*systems, *benchmarks]))
    if as_json:
        print_json(facts)
    else:
        print_facts({key: _readable(value) for key, value in facts.items()})


def _readable(value: Any) -> str:
    import yaml

    if isinstance(value, str):
        return value
    if value is None:
        return "none"
    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100)).strip().removesuffix("...").rstrip()


def _system_facts(system: System) -> dict[str, Any]:
    return {
        "system": system.name,
        **system.as_data(),
        "weights": {"status": system.weights.status, **system.weights.model_dump(exclude_defaults=True)},
        "note": system.note,
        "sources": list(system.sources),
    }


def _benchmark_facts(benchmark: Collection | OwnCollection) -> dict[str, Any]:
    from rerankbench.benchmarks import load_catalog
    from rerankbench.errors import RerankbenchError

    entry = load_catalog().benchmarks[benchmark.name]
    facts: dict[str, Any] = {"benchmark": benchmark.name, **entry.model_dump(exclude_defaults=True)}
    try:
        qrels = benchmark.qrels()
        file = benchmark.qrels_file()
        facts["judgements"] = f"{sum(map(len, qrels.values())):,} of {len(qrels)} queries, from {file.source}, SHA-256 {file.sha256}"
    except RerankbenchError as error:
        facts["judgements"] = str(error)
    for first_stage in load_catalog().first_stages:
        try:
            lists = benchmark.candidates(first_stage, 1)
            file = benchmark.list_file(first_stage, 1)
            facts[f"{first_stage} lists"] = f"{len(lists)} queries, {file.place} from {file.source}, SHA-256 {file.sha256}"
        except RerankbenchError as error:
            facts[f"{first_stage} lists"] = error.message
    return facts


def _run_folder(name: str, runs: Path, others: list[str]) -> Path:
    path = Path(name)
    if (path / "config.yaml").is_file():
        return path
    found = [p.parent for p in runs.rglob("config.yaml") if p.parent.name.startswith(name)]
    if len(found) == 1:
        return found[0]
    if found:
        some = ", ".join(sorted(map(str, found))[:5]) + (" …" if len(found) > 5 else "")
        raise UsageError(f"{name!r} begins the names of {len(found)} runs: {some}", hint="Name one of these folders.")
    raise UsageError(f"There is no system, benchmark or run {name!r}. {nearest(name, others)}")


def _cell_facts(folder: Path) -> dict[str, Any]:
    from rerankbench.store import journal_length, read_manifest, read_measurements

    manifest = read_manifest(folder)
    if manifest is None:
        return {"run": str(folder), "state": f"unfinished, {journal_length(folder)} queries ranked"}
    by_measure: dict[str, list[float]] = {}
    for measurement in read_measurements(folder):
        by_measure.setdefault(measurement.measure, []).append(measurement.value)
    means = {name: round(sum(values) / len(values), 6) for name, values in by_measure.items()}
    return {"run": str(folder), "state": "complete", "measures": means, **{k: v for k, v in manifest.items() if k != "measures"}}


def prompt_show(
    system: Annotated[str, typer.Argument(help="A system of systems.yaml.")],
    benchmark: Annotated[str, typer.Option("--benchmark", metavar="B", help="Whose candidate list is shown.")] = "mini",
    query: Annotated[str, typer.Option("--query", metavar="Q", help="Query id; the first query where none is named.")] = "",
    first_stage: Annotated[str, typer.Option("--first-stage", metavar="F")] = "bm25",
    depth: Annotated[int, typer.Option("--depth", metavar="K", min=1, help="Documents a list; mini has 50.")] = 100,
    tokenizer: Annotated[
        Path | None,
        typer.Option(
            "--tokenizer", metavar="DIR", help="Folder of the model's tokenizer: its chat template is applied, and tokens are counted."
        ),
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show the exact text that SYSTEM sends for one query, its tokens where a tokenizer is at hand, and its SHA-256.

    Examples:

        rerankbench prompt show E2Rank-0.6B

        rerankbench prompt show RankQwen3-8B --benchmark dl19 --query 264014 --data DIR --tokenizer DIR
    """
    from rerankbench.config import load_systems

    systems = load_systems()
    if system not in systems:
        raise UsageError(f"There is no system {system!r}. {nearest(system, systems)}")
    sent = _sent(systems[system], benchmark, query, first_stage, depth, tokenizer, data)
    if as_json:
        print_json(sent)
        return
    notes = {key: str(value) for key, value in sent.items() if key != "inputs"}
    print_facts(notes)
    for item in sent["inputs"]:
        tokens = f", {item['tokens']:,} tokens" if item["tokens"] is not None else ""
        typer.echo(f"\n--- {item['what']}{tokens}, SHA-256 {item['sha256'][:16]} ---")
        typer.echo(item["text"])


def _sent(
    system: System, benchmark: str, query: str, first_stage: str, depth: int, tokenizer: Path | None, data: str | None
) -> dict[str, Any]:
    from rerankbench.preview import preview

    collection = open_planner(data, DEFAULT_RUNS).benchmarks.open(benchmark)
    lists = {c.query.id: c for c in collection.candidates(first_stage, min(depth, 50) if benchmark == "mini" else depth)}
    if query and query not in lists:
        raise UsageError(f"{benchmark} has no candidate list for query {query!r}. {nearest(query, lists)}")
    candidates = lists[query] if query else next(iter(lists.values()))
    return dict(preview(system, collection, candidates, tokenizer))
