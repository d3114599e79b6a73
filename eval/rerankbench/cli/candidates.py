"""``rerankbench candidates``: files of candidate lists, looked over and compared."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rerankbench.cli.options import Json
from rerankbench.cli.output import print_facts, print_json, print_table

if TYPE_CHECKING:
    from rerankbench.first_stages.check import FileReport
    from rerankbench.first_stages.diff import ListsDiff, QueryDiff
    from rerankbench.measures import Measured
    from rerankbench.records import Qrels

_CUTOFFS = (10, 100)


def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Candidate lists of any published form, or a run file; gzip or not.")],
    qrels: Annotated[
        Path | None, typer.Option("--qrels", metavar="FILE", help="Judgements: every judged query needs a list. Adds what the lists score.")
    ] = None,
    sha256: Annotated[str | None, typer.Option("--sha256", metavar="H", help="What the file must hash to.")] = None,
    depth: Annotated[int | None, typer.Option("--depth", metavar="K", min=1, help="How deep the lists must be.")] = None,
    as_json: Json = False,
) -> None:
    """Look a file of candidate lists over. Exit code 1 if something is wrong; what is only worth knowing changes nothing.

    Examples:

        rerankbench candidates check bm25/dl19_top100.jsonl

        rerankbench candidates check bm25/dl19_top100.jsonl --qrels qrels.dl19-passage.txt --depth 100 --json
    """
    from rerankbench.first_stages.check import check as checked
    from rerankbench.trec import read_qrels

    judged = read_qrels(qrels) if qrels else None
    report = checked(file, queries=judged, expected_sha256=sha256, depth=depth)
    measured = _measured(file, report, judged) if judged else None
    if as_json:
        print_json(_report_data(report, measured))
    else:
        _print_report(report, measured)
    if not report.is_right:
        raise typer.Exit(1)


def diff(
    a: Annotated[Path, typer.Argument(metavar="A", help="Candidate lists of any published form, or a run file; gzip or not.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="The lists to compare with.")],
    queries: Annotated[int, typer.Option("--queries", metavar="N", min=0, help="How many of the queries that differ most are shown.")] = 10,
    as_json: Json = False,
) -> None:
    """Compare two files of candidate lists: overlap at a cutoff, rank-biased overlap (p = 0.9), Kendall's tau of shared documents.

    Examples:

        rerankbench candidates diff bm25/dl19_top100.jsonl splade++ed/dl19_top100.jsonl

        rerankbench candidates diff ours.jsonl theirs.trec --queries 3 --json
    """
    from rerankbench.first_stages.diff import diff_orders, read_orders

    found = diff_orders(read_orders(a), read_orders(b), _CUTOFFS)
    if as_json:
        print_json(_diff_data(found, queries))
    else:
        _print_diff(found, queries)


def _measured(file: Path, report: FileReport, judged: Qrels) -> Measured | None:
    """What the lists score, a judged query without a list counting as 0; None where something is wrong with them, or nothing is judged."""
    from rerankbench.first_stages.diff import read_orders
    from rerankbench.measures import measure
    from rerankbench.records import Ranking
    from rerankbench.trec import Run

    orders = {} if report.is_unusable else {query_id: documents for query_id, documents in read_orders(file).items() if documents}
    if not any(query_id in judged for query_id in orders):
        return None
    run = Run.of(Ranking(query_id, tuple(d.id for d in documents)) for query_id, documents in orders.items())
    return measure(run, judged, ["nDCG@10", f"R@{report.depth_max}", "Judged@10"], missing="zero")


def _report_data(report: FileReport, measured: Measured | None) -> dict[str, Any]:
    data: dict[str, Any] = {
        "file": str(report.path),
        "is_right": report.is_right,
        "form": report.form,
        "sha256": report.sha256,
        "bytes": report.bytes,
        "queries": report.queries,
        "documents": report.documents,
        "depth": {"min": report.depth_min, "max": report.depth_max},
        "findings": [
            {"what": f.what, "count": f.count, "is_wrong": f.is_wrong, "examples": list(f.examples)} for f in report.findings
        ],
    }  # fmt: skip
    if measured is not None:
        data |= {"measures": dict(measured.means), "measured_queries": measured.queries, "missing_queries": list(measured.missing)}
    return data


def _print_report(report: FileReport, measured: Measured | None) -> None:
    depth = f"{report.depth_min}" if report.depth_min == report.depth_max else f"{report.depth_min} to {report.depth_max}"
    facts = {
        "file": str(report.path),
        "form": report.form or "unknown",
        "SHA-256": report.sha256,
        "bytes": f"{report.bytes:,}",
        "queries": f"{report.queries:,}",
        "documents": f"{report.documents:,}",
        "depth": depth,
    }
    print_facts({**facts, **_scores(measured)})
    rows = [["wrong" if f.is_wrong else "note", f.what, f"{f.count:,}", "; ".join(f.examples[:3])] for f in report.findings]
    if rows:
        print_table(("", "finding", "count", "for example"), rows, right=("count",))
    typer.echo("Nothing is wrong." if report.is_right else "Something is wrong: this file cannot be relied on.")


def _scores(measured: Measured | None) -> Mapping[str, str]:
    if measured is None:
        return {}
    zero = f", {len(measured.missing)} of them without a list (0)" if measured.missing else ""
    return {name: f"{mean:.4f} over {measured.queries} judged queries{zero}" for name, mean in measured.means.items()}


def _diff_data(found: ListsDiff, count: int) -> dict[str, Any]:
    return {
        "queries": len(found.queries),
        "only_in_a": list(found.only_a),
        "only_in_b": list(found.only_b),
        "overlap": {str(k): found.mean_overlap(k) for k in _CUTOFFS},
        "rbo": found.mean_rbo,
        "tau": found.mean_tau,
        "compared_texts": found.compared_texts,
        "other_texts": list(found.other_texts),
        "most_different": [_query_data(query) for query in found.most_different(count)],
    }


def _query_data(query: QueryDiff) -> dict[str, Any]:
    overlaps = {str(k): value for k, value in query.overlap.items()}
    return {"query_id": query.query_id, "overlap": overlaps, "rbo": query.rbo, "tau": query.tau, "shared": query.shared}


def _print_diff(found: ListsDiff, count: int) -> None:
    headings = ("query", *(f"overlap@{k}" for k in _CUTOFFS), "RBO", "tau", "shared")
    mean = [f"mean of {len(found.queries)}", *(f"{found.mean_overlap(k):.4f}" for k in _CUTOFFS)]
    rows = [[*mean, f"{found.mean_rbo:.4f}", _or_dash(found.mean_tau), ""]]
    for query in found.most_different(count):
        overlaps = [f"{query.overlap[k]:.4f}" for k in _CUTOFFS]
        rows.append([query.query_id, *overlaps, f"{query.rbo:.4f}", _or_dash(query.tau), str(query.shared)])
    print_table(headings, rows, right=headings[1:], title="The queries that differ most" if count else "")
    for name, only in (("A", found.only_a), ("B", found.only_b)):
        if only:
            typer.echo(f"Only in {name}, in no mean ({len(only)}): {_some(only)}")
    texts = f"{len(found.other_texts)} of {found.compared_texts} documents that both have differ in title or text"
    typer.echo(f"{texts}: {_some(found.other_texts)}" if found.other_texts else f"{texts}.")


def _or_dash(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _some(ids: tuple[str, ...]) -> str:
    return ", ".join(ids[:10]) + (" …" if len(ids) > 10 else "")
