"""``rerankbench data audit``: what is wrong with a benchmark's data, and how much each first stage leaves to gain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rerankbench.cli.options import Data, Json, names
from rerankbench.cli.output import console, print_facts, print_json, print_table

if TYPE_CHECKING:
    from rerankbench.benchmarks.audit import Audited, AuditReport, Finding, ListAudit


def audit(
    benchmark: Annotated[str, typer.Argument(metavar="BENCHMARK", help="A benchmark, or a BEIR folder of your own.")],
    first_stages: Annotated[str, typer.Option("--first-stages", metavar="A,B", help="Only these; by default all that are known.")] = "",
    depth: Annotated[int, typer.Option("--depth", metavar="K", min=1, help="Documents a list; shallower lists as they are.")] = 100,
    fetch: Annotated[bool, typer.Option("--fetch", help="Fetch the documents where they are not here: it may be gigabytes.")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Audit a benchmark: missing, empty, repeated and long documents, excluded ids, and the ceiling of every first stage.

    The ceiling is the nDCG@10 of a first stage's candidates in their ideal order: what a perfect reranker would reach.

    Examples:

        rerankbench data audit dl19 --data DIR

        rerankbench data audit bright-leetcode --first-stages reasonir --json
    """
    from rerankbench.benchmarks.audit import audit as audited

    collection, stages = _opened(benchmark, data)
    report = audited(collection, names(first_stages) or stages, depth=depth, fetch=fetch)
    if as_json:
        print_json(report.as_data())
    else:
        _print(report)


def _opened(benchmark: str, data: str | None) -> tuple[Audited, list[str]]:
    """The benchmark, and the first stages that it may have lists of."""
    from rerankbench.benchmarks import Benchmarks, OwnBenchmark, OwnCollection, load_catalog, mirror_folder

    catalog = load_catalog()
    if benchmark not in catalog.benchmarks and Path(benchmark).is_dir():
        return OwnCollection(Path(benchmark).name, OwnBenchmark(folder=str(Path(benchmark).absolute())), Path()), []
    return Benchmarks(mirror_folder(data)).open(benchmark), list(catalog.first_stages)


def _print(report: AuditReport) -> None:
    print_facts(
        {"benchmark": f"{report.benchmark} ({report.title})", "licence": report.licence, "documents read": report.scanned or "none"}
    )
    print_table(("question", "found", "of", "which, and where"), map(_finding_row, report.findings), right=("found", "of"))
    at_hand = [each for each in report.lists if not each.problem]
    if at_hand:
        print_table(_LIST_HEADINGS, map(_list_row, at_hand), right=_LIST_HEADINGS[1:-1], title="Candidate lists, as they stand (points)")
    if report.not_audited:
        console().print("Not audited:", style="bold")
        for line in report.not_audited:
            console().print(f"  {line}", markup=False)


def _finding_row(finding: Finding) -> list[str]:
    shown = ", ".join(map(repr, finding.examples)) + (" …" if finding.count and finding.count > len(finding.examples) > 0 else "")
    note = finding.note if finding.count is not None else "not audited"
    return [
        finding.what,
        "?" if finding.count is None else f"{finding.count:,}",
        "" if finding.of is None else f"{finding.of:,}",
        "; ".join(part for part in (shown, note) if part),
    ]


_LIST_HEADINGS = ("first stage", "lists", "depth", "nDCG@10", "ceiling", "recall", "judged@10", "excluded", "no list", "what is there")


def _list_row(each: ListAudit) -> list[str]:
    measures = dict(each.measures or {})
    values = [measures.pop(name, None) for name in ("nDCG@10", "ceiling", "Judged@10")]
    recall = next(iter(measures.items()), None)
    quality, ceiling, judged = ("?" if value is None else f"{100 * value:.2f}" for value in values)
    return [
        each.first_stage,
        f"{each.lists:,}",
        str(each.depth),
        quality,
        ceiling,
        f"{100 * recall[1]:.2f}" if recall else "?",
        judged,
        "" if each.excluded is None else f"{each.excluded:,}",
        "?" if each.without_list is None else str(each.without_list),
        _what_is_there(each, recall[0] if recall else ""),
    ]


def _what_is_there(each: ListAudit, recall: str) -> str:
    said = ["with text" if each.has_text else "order alone"]
    if each.other_query_text:
        said.append(f"{each.other_query_text} query texts are not the benchmark's own")
    if recall.startswith("R(rel="):
        said.append(f"recall is {recall}")
    return "; ".join(said)
