"""The running text against the tables, and against itself."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

from rerankbench.errors import DataError
from rerankbench.reference.audit.findings import Finding, Kind, Outcome, Sure, Tally
from rerankbench.reference.audit.known import Contradiction, Statement, Text
from rerankbench.reference.audit.spans import Span, Spans, around
from rerankbench.reference.paper import PaperCell, PaperNumbers
from rerankbench.reference.verdict import decimals_of


def text_against_tables(paper: PaperNumbers, text: Text) -> Outcome:
    """Each statement of the text computed from the cells that it speaks of; contradictions that were read by eye as they are.

    Raises:
        DataError: a statement names a cell that does not exist or holds no number.
    """
    tally = Tally(Kind.TEXT)
    spans = Spans(paper)
    for statement in text.statements:
        cells = [_cell(paper, name) for name in statement.cells]
        if _holds(statement, cells, spans):
            tally.right += 1
        else:
            tally.found(_false(statement, cells))
    tally.found(*map(_contradicted, text.contradictions), comparisons=len(text.contradictions))
    return tally.outcome()


def _cell(paper: PaperNumbers, name: str) -> PaperCell:
    table, system, rest = name.split("/", 2)
    variant, _, column = rest.rpartition("/")  # a variant may hold a slash itself: "w/ only Stage I"
    cell = paper.cell(table, system, column, variant)
    if cell is None or not cell.value:
        raise DataError(f"The audit's text.yaml speaks of the cell {name!r}, and the paper's tables have no number there")
    return cell


def _holds(statement: Statement, cells: Sequence[PaperCell], spans: Spans) -> bool:
    bounds = [spans.of(cell) for cell in cells]
    if statement.check == "rising":
        return all(low.low <= high.high for low, high in pairwise(bounds))
    if statement.check == "largest-ratio":
        first, *others = _ratios(bounds)
        return all(other.low <= first.high for other in others)
    computed = bounds[0] if statement.check == "equal" else bounds[0] - bounds[1]
    return around(Decimal(statement.value), decimals_of(statement.value)).meets(computed)


def _ratios(bounds: Sequence[Span]) -> list[Span]:
    return [above / below for above, below in zip(bounds[::2], bounds[1::2], strict=True)]


def _false(statement: Statement, cells: Sequence[PaperCell]) -> Finding:
    shown = [c.value for c in cells]
    if statement.check == "largest-ratio":
        shown = [f"{a.value} / {b.value} = {Decimal(a.value) / Decimal(b.value):.2f}" for a, b in zip(cells[::2], cells[1::2], strict=True)]
    tables = " and ".join(dict.fromkeys(f"Table {c.table}" for c in cells))
    return Finding(
        table=cells[0].table,
        row=", ".join(dict.fromkeys(f"{c.system} {c.variant}".strip() for c in cells)),
        column=cells[0].column,
        kind=Kind.TEXT,
        sure=Sure.CERTAIN,
        printed=", ".join(shown),
        other=f"“{statement.says}” ({statement.where})",
        evidence=f"By the numbers of {tables}, whatever they were before rounding.",
        means=statement.means or "Go by the table.",
    )


def _contradicted(entry: Contradiction) -> Finding:
    evidence = "Both places say it in words; read by eye."
    return Finding(entry.table, entry.row, entry.column, Kind.TEXT, Sure.CERTAIN, entry.printed, entry.other, evidence, entry.means)
