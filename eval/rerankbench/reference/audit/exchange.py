"""Two columns exchanged in rows of which only the first stage is published.

A reranker moves all data sets of a benchmark by about its mean gain. So a row's two values are held against the first stage's two figures,
both moved by that gain: as printed, and exchanged. This is evidence, not proof: rows for which it is weak are counted as undecided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rerankbench.reference.audit.arithmetic import row_name
from rerankbench.reference.audit.findings import Finding, Kind, Outcome, Sure, Tally
from rerankbench.reference.audit.known import Exchange, Known
from rerankbench.reference.layout import PaperRow
from rerankbench.reference.paper import PaperNumbers

CLOSER = 0.5
"""One reading must bring a pair to half of the other's distance …"""
POINTS = 5.0
"""… and by this many points, before it is believed."""
GAP = 5.0
"""First-stage figures that are closer together than this cannot tell the two columns apart."""

Figures = Mapping[str, float]
"""Column → published value of one first stage, in percent points."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """What a row prints in two columns, and its average."""

    row: str
    left: float
    right: float
    average: float


def exchanged(paper: PaperNumbers, known: Known) -> Outcome:
    """Each row of each table with both columns, a finding for all rows of a table that read better exchanged."""
    tally = Tally(Kind.ORDER)
    profiles = {known.first_stages[p.row]: p.figures for p in known.published if p.row in known.first_stages}
    for exchange in known.exchanges:
        for table in paper.tables.values():
            held = list(profiles) if table.id in known.retrieval_tables else [f for f in profiles if f == table.first_stage]
            if held and {exchange.left, exchange.right} <= {c.name for c in table.columns}:
                against = {f: profiles[f] for f in held}
                pairs = [_pair(paper, table.id, r, known, exchange) for r in table.rows if r.system not in known.first_stages]
                _count(tally, table.id, pairs, exchange, against)
    return tally.outcome()


def _count(tally: Tally, table: str, pairs: Sequence[_Pair | None], exchange: Exchange, against: Mapping[str, Figures]) -> None:
    better: list[_Pair] = []
    for pair in pairs:
        readings = {_reading(pair, figures, exchange) for figures in against.values()} if pair else {0}
        if pair and readings == {-1}:
            better.append(pair)
        elif readings == {1}:
            tally.right += 1
        else:
            tally.undecided += 1
    if better:
        tally.found(_finding(table, better, exchange, against), comparisons=len(better))


def _pair(paper: PaperNumbers, table: str, row: PaperRow, known: Known, exchange: Exchange) -> _Pair | None:
    cells = [paper.cell(table, row.system, c, row.variant) for c in (exchange.left, exchange.right, known.average)]
    values = [float(c.value) for c in cells if c and c.value]
    named = next((c for c in cells if c), None)
    return _Pair(row_name(named), values[0], values[1], values[2]) if named and len(values) == len(cells) else None


def _reading(pair: _Pair, figures: Figures, exchange: Exchange) -> int:
    """1: as printed; -1: exchanged; 0: undecided."""
    if abs(figures[exchange.left] - figures[exchange.right]) < GAP:
        return 0
    members = [value for name, value in figures.items() if name.split("-")[0] == exchange.left.split("-")[0]]
    gain = pair.average - sum(members) / len(members)
    left, right = figures[exchange.left] + gain, figures[exchange.right] + gain
    printed = abs(pair.left - left) + abs(pair.right - right)
    swapped = abs(pair.right - left) + abs(pair.left - right)
    if abs(printed - swapped) < POINTS or min(printed, swapped) > CLOSER * max(printed, swapped):
        return 0
    return 1 if printed < swapped else -1


def _finding(table: str, rows: list[_Pair], exchange: Exchange, against: Mapping[str, Figures]) -> Finding:
    figures = "; ".join(f"{name} {f[exchange.left]:.2f}, {f[exchange.right]:.2f}" for name, f in against.items())
    return Finding(
        table=table,
        row=", ".join(r.row for r in rows),
        column=f"{exchange.left}, {exchange.right}",
        kind=Kind.ORDER,
        sure=Sure.LIKELY,
        printed="; ".join(f"{r.left:g}, {r.right:g}" for r in rows),
        other=figures,
        evidence="The published first-stage figures, both moved by the row's mean gain: exchanged, the pair comes at least twice as close.",
        means=f"Averages are unaffected. In these rows read what stands under {exchange.left} as {exchange.right} and the other way round, "
        "or compare averages only.",
    )
