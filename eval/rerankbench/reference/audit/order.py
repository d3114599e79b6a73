"""Rows against published figures, and rows that were printed in another column order.

An order shows against a row's own figures (a first stage that others ran too), or against the other rows of its table, which rerank the
same lists. `exchange` is for rows of which only the first stage is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from statistics import median

from rerankbench.reference.audit.assignment import best_order, cycles, distance
from rerankbench.reference.audit.findings import Finding, Kind, Outcome, Sure, Tally
from rerankbench.reference.audit.known import Known, Peers, Published
from rerankbench.reference.audit.spans import Span, Spans, group_rows
from rerankbench.reference.paper import PaperCell, PaperNumbers

MOVE = 1.0
"""Squared points that each moved value must gain against its row's own figures, which fit to a point where nothing is wrong."""
PEER_MOVE = 25.0
"""The same against a table's medians, summed over its odd rows: good and bad rerankers differ by points, other data sets by tens."""
ODD_GAIN = 400.0
"""Squared points by which another order must fit a row better before the row is called odd: one value twenty points out of place."""

_MEANS = "Averages are unaffected. Compare data set by data set only after the values are put back: {places}."


def published(paper: PaperNumbers, known: Known) -> tuple[Outcome, Outcome]:
    """Rows with figures of their own: their order, and then each value where it belongs."""
    orders, values = Tally(Kind.ORDER), Tally(Kind.PUBLISHED)
    spans = Spans(paper)
    for entry in known.published:
        for table in entry.tables:
            cells = _cells(paper, table, entry)
            if cells:
                _one_row(entry, cells, spans, orders, values)
    return orders.outcome(), values.outcome()


def _cells(paper: PaperNumbers, table: str, entry: Published) -> list[PaperCell]:
    if table not in paper.tables:
        return []
    found = (paper.cell(table, entry.row, column, first_stage=entry.first_stage) for column in _in_order(paper, table, entry))
    return [c for c in found if c and c.value]


def _in_order(paper: PaperNumbers, table: str, entry: Published) -> list[str]:
    return [c.name for c in paper.columns(table) if c.first_stage == entry.first_stage and c.name in entry.figures]


def _one_row(entry: Published, cells: list[PaperCell], spans: Spans, orders: Tally, values: Tally) -> None:
    figures = [entry.figures[c.column] for c in cells]
    order = best_order([[float(c.value) for c in cells]], figures, MOVE)
    moved = cycles(order)
    orders.right += not moved
    for group in moved:
        orders.found(_moved(cells, group, order, figures, entry.source))
    for position, cell in enumerate(cells):
        figure = Decimal(str(figures[order[position]]))
        tolerance = Decimal(str(entry.tolerance))
        if spans.of(cell).meets(Span(figure - tolerance, figure + tolerance)):
            values.right += 1
        else:
            values.found(_unlike(cell, figure, entry))


def _moved(cells: Sequence[PaperCell], group: list[int], order: Sequence[int], figures: Sequence[float], source: str) -> Finding:
    places = ", ".join(f"{cells[p].value} is {cells[order[p]].column}" for p in group)
    return Finding(
        table=cells[0].table,
        row=f"{cells[0].system} {cells[0].variant}".strip(),
        column=", ".join(cells[p].column for p in group),
        kind=Kind.ORDER,
        sure=Sure.LIKELY,
        printed=", ".join(cells[p].value for p in group),
        other=", ".join(f"{figures[p]:.2f}" for p in group),
        evidence=f"{source}. Of all orders of the row's {len(cells)} values the one that fits best moves these.",
        means=_MEANS.format(places=places),
    )


def _unlike(cell: PaperCell, figure: Decimal, entry: Published) -> Finding:
    return Finding(
        table=cell.table,
        row=cell.system,
        column=" ".join(filter(None, (cell.first_stage, cell.column))),
        kind=Kind.PUBLISHED,
        sure=Sure.LIKELY,
        printed=cell.value,
        other=f"{figure:.2f}",
        evidence=f"{entry.source}; an honest repetition is within {entry.tolerance:g} points.",
        means="Another query set, index or query form was used: a faithful first stage gives the other value, and averages over it shift.",
    )


def peers(paper: PaperNumbers, known: Known) -> Outcome:
    """Rows of a table against the medians of its columns; the odd ones are taken to share one order."""
    tally = Tally(Kind.ORDER)
    for entry in known.peers:
        if entry.table in paper.tables:
            _one_table(paper, entry, known, tally)
    return tally.outcome()


def _one_table(paper: PaperNumbers, entry: Peers, known: Known, tally: Tally) -> None:
    averages = {c.name for c in paper.columns(entry.table) if c.members}
    rerankers = [c for c in paper.cells.values() if c.table == entry.table and c.system not in known.first_stages]
    cells = [c for c in rerankers if c.column not in averages]
    rows = list(group_rows(cells).values())
    whole = [row for row in rows if all(c.value for c in row)]
    tally.undecided += len(rows) - len(whole)
    columns = range(len(whole[0])) if whole else ()
    medians = [median(float(row[i].value) for row in whole) for i in columns]
    odd = [row for row in whole if _gain(row, medians) > ODD_GAIN]
    tally.right += len(whole) - len(odd)
    if not odd:
        return
    order = best_order([[float(c.value) for c in row] for row in odd], medians, PEER_MOVE)
    source = f"The medians of the table's {len(whole)} whole rows, the {len(odd)} odd rows taken together; {entry.source}"
    for row in odd:
        tally.found(*(_moved(row, group, order, medians, source) for group in cycles(order)))


def _gain(row: Sequence[PaperCell], figures: Sequence[float]) -> float:
    values = [float(c.value) for c in row]
    order = best_order([values], figures, PEER_MOVE)
    return distance(values, figures, range(len(values))) - distance(values, figures, order)
