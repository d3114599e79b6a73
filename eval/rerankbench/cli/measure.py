"""``rerankbench measure``: any run file against any qrels file, by trec_eval's rules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from rerankbench.cli.options import Json
from rerankbench.cli.output import print_json, print_table
from rerankbench.errors import UsageError

if TYPE_CHECKING:
    from rerankbench.measures.quality import Measured


def measure(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run file, gzip or not, or a run folder.")],
    qrels: Annotated[Path, typer.Option("--qrels", metavar="FILE", help="TREC or BEIR judgements, gzip or not.")],
    measures: Annotated[str, typer.Option("--measures", metavar="M,N", help="As ir_measures writes them.")] = "nDCG@10",
    missing: Annotated[
        Literal["error", "zero", "skip"],
        typer.Option("--missing", help="A judged query without a ranking: stop, count 0 (trec_eval -c), or leave out (trec_eval)."),
    ] = "error",
    per_query: Annotated[bool, typer.Option("--per-query", help="Every query's value too.")] = False,
    as_json: Json = False,
) -> None:
    """Measure a run file from anywhere. trec_eval's numbers; document ids may hold spaces.

    Examples:

        rerankbench measure run.trec --qrels qrels.txt

        rerankbench measure run.trec.gz --qrels qrels/test.tsv --measures "nDCG@10, R@100, AP(rel=2)" --missing zero --json
    """
    from rerankbench.measures.quality import measure as measured_by
    from rerankbench.trec import read_qrels, read_run

    asked = _split(measures)
    if not asked:
        raise UsageError("--measures names no measure.", hint='e.g. --measures "nDCG@10, R@100"')
    file = run / "run.trec" if run.is_dir() else run
    result = measured_by(read_run(file), read_qrels(qrels), asked, missing=missing)
    if as_json:
        print_json(_data(result, missing, per_query))
    else:
        _print(result, missing, per_query)


def _split(measures: str) -> list[str]:
    """At the commas that stand outside brackets: ``nDCG(dcg='exp-log2', cutoff=10)`` is one measure."""
    from rerankbench.cli.options import names

    return names(measures)


def _data(result: Measured, missing: str, per_query: bool) -> dict[str, Any]:
    data: dict[str, Any] = {
        "measures": dict(result.means),
        "queries": result.queries,
        "missing_queries": list(result.missing),
        "missing_rule": missing,
        "unjudged_queries": list(result.unjudged),
    }
    if per_query:
        data["per_query"] = {name: result.values(name) for name in result.means}
    return data


def _print(result: Measured, missing: str, per_query: bool) -> None:
    from rerankbench.measures.interval import bootstrap_interval

    names = list(result.means)
    if per_query:
        columns = {name: result.values(name) for name in names}
        rows = [[query, *(f"{columns[name][query]:.4f}" for name in names)] for query in columns[names[0]]]
        print_table(("query", *names), rows, right=names)
    rows = []
    for name, mean in result.means.items():
        low, high = bootstrap_interval(list(result.values(name).values()))
        rows.append([name, f"{mean:.4f}", f"{low:.4f} to {high:.4f}", str(result.queries)])
    print_table(("measure", "mean", "95 % interval", "queries"), rows, right=("mean", "queries"))
    if result.missing:
        what = "count as zero" if missing == "zero" else "are left out"
        typer.echo(f"{len(result.missing)} judged queries have no ranking and {what}: {_some(result.missing)}")
    if result.unjudged:
        typer.echo(f"{len(result.unjudged)} queries of the run have no judgement and count nowhere: {_some(result.unjudged)}")


def _some(query_ids: tuple[str, ...]) -> str:
    return ", ".join(query_ids[:10]) + (" …" if len(query_ids) > 10 else "")
