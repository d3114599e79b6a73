"""``rerankbench site``: one folder of pages with every table, run and query, which opens from disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rerankbench.cli.options import DEFAULT_RUNS, Data, Json, Runs, Set, open_planner
from rerankbench.cli.output import print_json
from rerankbench.cli.reproduce import shipped

if TYPE_CHECKING:
    from rerankbench.config import Experiment, MtebTable
    from rerankbench.plan import Planner
    from rerankbench.site import Built
    from rerankbench.site.model import Contents

_INCOMPLETE = 4


def site(
    configs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CONFIG]...", help="Configurations besides the paper's tables and figures, which are always there."),
    ] = None,
    data: Data = None,
    runs: Runs = DEFAULT_RUNS,
    assignments: Set = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The site's folder; an older site there is replaced.")] = Path(
        "reports/site"
    ),
    only: Annotated[bool, typer.Option("--only", help="Leave the paper's tables out, where CONFIGs are named.")] = False,
    texts: Annotated[
        bool,
        typer.Option(
            "--texts/--no-texts",
            help="Copy documents' texts, prompts and answers into the site, or keep them out of one that is given away.",
        ),
    ] = True,
    as_json: Json = False,
) -> None:
    """Build a folder of pages from what is complete: tables, runs, candidate lists, queries. It opens without server and network.

    Nothing is ranked here. --set holds for the CONFIGs that are named. The exit code is 4 while a table lacks cells.

    Examples:

        rerankbench site --data DIR

        rerankbench site demo --only --out reports/demo-site
    """
    from rerankbench.site import build_site, collect

    found = collect(_sources(configs or [], data, runs, assignments, only=only), runs)
    built = build_site(found, runs, out, texts=texts)
    if as_json:
        print_json(_said(found, built))
    else:
        typer.echo(f"Written to {built.index}: {len(built.sizes):,} files, {sum(built.sizes.values()) / 1e6:.1f} MB")
        if built.incomplete:
            typer.echo(f"Incomplete: {', '.join(built.incomplete)}. The site's page 'Missing' says what is not there and how to get it.")
    raise typer.Exit(_INCOMPLETE if built.incomplete else 0)


def _sources(
    configs: list[str], data: str | None, runs: Path, assignments: list[str] | None, *, only: bool
) -> Iterator[tuple[Experiment | MtebTable, Planner]]:
    """Every configuration once, with its planner. All that define no benchmark of their own share one, and the files that it has read."""
    from rerankbench.config import MtebTable, find_config, load_config
    from rerankbench.errors import UsageError

    if only and not configs:
        raise UsageError("--only leaves the paper's tables out, and no CONFIG is named.", hint="Name a CONFIG, e.g. demo.")
    shared = open_planner(data, runs)
    paths = [] if only else [find_config(name).resolve() for name in shipped()]
    named = {find_config(config).resolve() for config in configs}
    for path in dict.fromkeys([*paths, *(find_config(config).resolve() for config in configs)]):
        asked = load_config(str(path), (assignments or []) if path in named else [])
        yield asked, shared if isinstance(asked, MtebTable) or not asked.file.own_benchmarks else open_planner(data, runs, asked)


def _said(found: Contents, built: Built) -> dict[str, object]:
    """What was written, for programs."""
    largest = max(built.sizes, key=lambda path: built.sizes[path])
    tables = [
        {
            "config": shown.config,
            "title": shown.title,
            "page": shown.page,
            "complete": shown.table.exit_code() == 0,
            "missing": len(shown.table.missing()),
            "verdicts": {verdict.value if verdict else "not compared": n for verdict, n in shown.table.verdicts().items()},
        }
        for shown in found.tables
    ]
    return {
        "site": str(built.index),
        "files": len(built.sizes),
        "bytes": sum(built.sizes.values()),
        "largest_file": {"path": largest, "bytes": built.sizes[largest]},
        "runs": len(found.runs),
        "lists": [{"page": shown.page, "queries": len(shown.lists), "runs": len(shown.runs)} for shown in found.lists],
        "tables": tables,
        "complete": not built.incomplete,
        "exit_code": _INCOMPLETE if built.incomplete else 0,
    }
