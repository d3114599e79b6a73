"""``rerankbench explain``: two runs, or a run and the paper, field by field, with what each difference is worth."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rerankbench.cli.options import Data, Json
from rerankbench.cli.output import print_facts, print_json, print_table
from rerankbench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rerankbench.explaining import Explanation, Field, PaperExplanation

_QUERIES = 5


def explain(
    a: Annotated[str, typer.Argument(metavar="A", help="A complete run folder.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another one, or a cell of the paper: paper:TABLE:ROW:COLUMN.")],
    qrels: Annotated[
        list[Path] | None, typer.Option("--qrels", metavar="FILE", help="Judgements that a run was measured by. Repeatable.")
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Compare the protocols of two runs field by field, and measure what can be measured without ranking again.

    Examples:

        rerankbench explain runs/dl19/bm25/E2Rank-lexical-d23c5a10aa6f runs/dl19/bm25/BM25-cf83f2aa4be3 --data DIR

        rerankbench explain runs/dl19/bm25/BM25-cf83f2aa4be3 paper:1:BM25:dl19 --json
    """
    from rerankbench import explaining
    from rerankbench.benchmarks import Benchmarks, mirror_folder
    from rerankbench.scoring import judgements, read_stored

    if a.startswith(explaining.PAPER):
        a, b = b, a
    if a.startswith(explaining.PAPER):
        raise UsageError("Both are cells of the paper: one must be a run folder.")
    benchmarks = Benchmarks(mirror_folder(data))
    first = read_stored(Path(a))
    if b.startswith(explaining.PAPER):
        cell = explaining.paper_cell(b)
        beside = explaining.explain_paper(first, cell, judgements([first], benchmarks, qrels or ()))
        print_json(_paper_data(beside)) if as_json else _print_paper(beside)
        return
    second = read_stored(Path(b))
    found = explaining.explain(first, second, judgements([first, second], benchmarks, qrels or ()))
    print_json(_data(found)) if as_json else _print(found)


def _data(found: Explanation) -> dict[str, Any]:
    return asdict(found)


def _paper_data(found: PaperExplanation) -> dict[str, Any]:
    cell = found.cell
    return {
        "paper": found.printed_as,
        "printed": cell.printed,
        "value": None if cell.points is None else float(cell.points),
        "interval": None if cell.interval_points is None else [float(bound) for bound in cell.interval_points],
        "difference": None if cell.difference is None else float(cell.difference),
        "verdict": cell.verdict,
        "not_judged": cell.not_judged,
        "differing": [asdict(field) for field in found.differing],
        "equal": len(found.fields) - len(found.differing),
    }


def _print(found: Explanation) -> None:
    _print_fields(found.differing, "B")
    typer.echo(f"{len(found.differing)} fields differ, {found.equal} are equal.")
    print_facts(
        {
            "A": _value(found.a_mean),
            "B": _value(found.b_mean),
            f"B by A's rules ({found.measure})": _value(found.b_by_rules_of_a),
            "difference of the rankings": _difference(found.a_mean, found.b_by_rules_of_a),
        }
    )
    if found.effects:
        rows = [[e.rule, str(e.a), str(e.b), _value(e.a_otherwise), _value(e.b_otherwise)] for e in found.effects]
        headings = ("rule", "A", "B", "A by B's", "B by A's")
        print_table(headings, rows, right=headings[3:], title="What each rule of measurement is worth")
    tau = "" if found.tau is None else f"; Kendall's tau is {found.tau:.4f} on average over the judged ones"
    typer.echo(f"The rankings of {found.reordered} of {found.queries} queries differ{tau}.")
    if found.changes:
        rows = [[c.query_id, _value(c.a), _value(c.b), f"{c.b - c.a:+.4f}", _value(c.tau)] for c in found.changes[:_QUERIES]]
        headings = ("query", "A", "B", "difference", "tau")
        print_table(headings, rows, right=headings[1:], title=f"{found.measure} differs in {len(found.changes)} queries, most in")
    for note in found.notes:
        typer.echo(note)


def _print_paper(found: PaperExplanation) -> None:
    cell = found.cell
    _print_fields(found.differing, "paper")
    typer.echo(f"{len(found.differing)} of {len(found.fields)} known facts of the paper's protocol differ.")
    facts = {"paper": f"{cell.printed or '–'} ({found.printed_as})", "run": "–" if cell.points is None else f"{cell.points:.4f}"}
    if cell.interval_points is not None:
        facts["95 % interval"] = "{:.2f} to {:.2f}".format(*cell.interval_points)
    if cell.difference is not None:
        facts["difference"] = f"{cell.difference:+.4f}"
    facts["verdict"] = cell.verdict or f"not judged: {cell.not_judged}"
    print_facts(facts)


def _print_fields(fields: Sequence[Field], other: str) -> None:
    for decides, title in (
        ("ranking", "Decides the ranking"),
        ("measurement", "Decides the value"),
        ("circumstance", "Circumstances: decide nothing by themselves"),
    ):
        rows = [[field.name, str(field.a), str(field.b)] for field in fields if field.decides == decides]
        if rows:
            print_table(("field", "A", other), rows, title=title)


def _value(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _difference(a: float | None, b: float | None) -> str:
    return "–" if a is None or b is None else f"{b - a:+.4f}"
