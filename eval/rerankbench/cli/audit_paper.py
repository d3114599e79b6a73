"""``rerankbench audit-paper``: the paper's printed numbers against each other, against published figures and against its text."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from rerankbench.cli.options import Json
from rerankbench.cli.output import console, print_json, print_table

if TYPE_CHECKING:
    from rerankbench.reference.audit import Check, Finding, Report

_FINDING = ("", "row", "column", "printed", "against it", "what, how sure")
_CHECK = ("checked", "right", "only rounding", "wrong", "undecided")


def audit_paper(
    table: Annotated[str, typer.Option("--table", metavar="N", help="Only what touches this table of the paper.")] = "",
    as_json: Json = False,
) -> None:
    """Audit the paper's printed numbers: averages, the same setting in two tables, column orders, published figures, the text.

    A difference that rounding explains is never a finding. Findings are the result: the exit code is 0 with them too.

    Examples:

        rerankbench audit-paper

        rerankbench audit-paper --table 11

        rerankbench audit-paper --json
    """
    from rerankbench.reference import load
    from rerankbench.reference.audit import audit_paper as audited

    report = audited()
    if table:
        report = report.only(load().table(table).id)
    if as_json:
        print_json(report.as_data())
    else:
        _print(report)


def _print(report: Report) -> None:
    for table, group in groupby(report.findings, key=lambda f: f.table):
        findings = list(enumerate(group, start=1))
        print_table(_FINDING, [_finding_row(n, f) for n, f in findings], title=f"Table {table}" if table.isdecimal() else f"The {table}")
        for n, finding in findings:
            console().print(f"  {n}. {finding.evidence} {finding.means}", markup=False)
        typer.echo()
    print_table(_CHECK, map(_check_row, report.checks), right=_CHECK[1:], title="Comparisons made in the whole paper")
    notes = [note for check in report.checks for note in check.notes]
    console().print(f"Differences that rounding explains: {len(notes)}", style="bold")
    for note in notes:
        console().print(f"  {note}", markup=False)
    sure = [f.sure for f in report.findings]
    counts = ", ".join(f"{sure.count(s)} {s}" for s in dict.fromkeys(sorted(sure)))
    console().print(f"{len(sure)} findings{f': {counts}' if counts else ''}.", style="bold")


def _finding_row(number: int, finding: Finding) -> list[str]:
    return [str(number), finding.row, finding.column, finding.printed, finding.other, f"{finding.kind}, {finding.sure}"]


def _check_row(check: Check) -> list[str]:
    return [check.kind, *map(str, (check.right, check.rounding, check.wrong, check.undecided))]
