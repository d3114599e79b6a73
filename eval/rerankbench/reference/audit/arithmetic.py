"""Averages, sums and differences, computed again from the printed numbers beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from rerankbench.reference.audit.findings import Finding, Kind, Outcome, Sure, Tally
from rerankbench.reference.audit.known import Known
from rerankbench.reference.audit.spans import Span, Spans, weighted_mean
from rerankbench.reference.paper import PaperCell, PaperNumbers
from rerankbench.reference.verdict import decimals_of, rounded

Parts = tuple[PaperCell, list[PaperCell], list[int]]
"""A cell, those that it is made of, and their weights."""


@dataclass(frozen=True, slots=True)
class _Computed:
    """What a cell should be by its row.

    Attributes:
        allowed: Between what the rounding of the members leaves it.
        shares: By how much the value grows when a member grows by one.
    """

    what: str
    value: Decimal
    allowed: Span
    members: Sequence[PaperCell]
    shares: Sequence[Decimal]

    def restored(self, printed: Decimal) -> Iterator[tuple[PaperCell, Decimal]]:
        """For each member the number with which, if it alone is wrong, the row gives what is printed."""
        for member, share in zip(self.members, self.shares, strict=True):
            yield member, Decimal(member.value) + (printed - self.value) / share


def averages(paper: PaperNumbers, known: Known) -> Outcome:
    """Each average against the mean of its row's members, plain or weighted."""
    tally = Tally(Kind.AVERAGE)
    spans = Spans(paper)
    for cell, members, weights in [*_plain(paper), *_weighted(paper, known)]:
        if not cell.value or not all(m.value for m in members):
            tally.undecided += 1
            continue
        value = sum((Decimal(m.value) * w for m, w in zip(members, weights, strict=True)), Decimal(0)) / sum(weights)
        allowed = weighted_mean([spans.of(m) for m in members], weights)
        shares = [Decimal(w) / sum(weights) for w in weights]
        _compare(tally, cell, spans.of(cell), _Computed("mean", value, allowed, members, shares))
    return tally.outcome()


def _plain(paper: PaperNumbers) -> Iterator[Parts]:
    for id_, table in paper.tables.items():
        for row in table.rows:
            for column in table.columns:
                cell = paper.cell(id_, row.system, column.name, row.variant, column.first_stage)
                found = [paper.cell(id_, row.system, name, row.variant, column.first_stage) for name in column.members]
                members = [m for m in found if m]
                if cell and members and len(members) == len(found):
                    yield cell, members, [1] * len(members)


def _weighted(paper: PaperNumbers, known: Known) -> Iterator[Parts]:
    for rule in known.weighted:
        yield from _made_of(paper, rule.table, rule.column, rule.weights)


def _made_of(paper: PaperNumbers, table: str, column: str, weights: dict[str, int]) -> Iterator[Parts]:
    for row in paper.rows(table):
        cell = paper.cell(table, row.system, column, row.variant)
        members = [m for name in weights if (m := paper.cell(table, row.system, name, row.variant))]
        if cell and len(members) == len(weights):
            yield cell, members, list(weights.values())


def sums(paper: PaperNumbers, known: Known) -> Outcome:
    """Each sum against its parts."""
    tally = Tally(Kind.SUM)
    spans = Spans(paper)
    for rule in known.sums:
        for cell, parts, _ in _made_of(paper, rule.table, rule.column, dict.fromkeys(rule.parts, 1)):
            if not cell.value or not all(p.value for p in parts):
                tally.undecided += 1
                continue
            bounds = [spans.of(p) for p in parts]
            whole = Span(sum((s.low for s in bounds), Decimal(0)), sum((s.high for s in bounds), Decimal(0)))
            value = sum((Decimal(p.value) for p in parts), Decimal(0))
            _compare(tally, cell, spans.of(cell), _Computed("sum", value, whole, parts, [Decimal(1)] * len(parts)))
    return tally.outcome()


def _compare(tally: Tally, cell: PaperCell, printed: Span, computed: _Computed) -> None:
    if rounded(computed.value, decimals_of(cell.value)) == Decimal(cell.value):
        tally.right += 1
    elif printed.meets(computed.allowed):
        tally.rounded(f"Table {cell.table}, {row_name(cell)}, {cell.column}: {cell.value} for {computed.value:.4f}")
    else:
        tally.found(_off(tally.kind, cell, computed))


def _off(kind: Kind, cell: PaperCell, computed: _Computed) -> Finding:
    alone = "; ".join(f"{m.column} {m.value} → {v:.2f}" for m, v in computed.restored(Decimal(cell.value)))
    return Finding(
        table=cell.table,
        row=row_name(cell),
        column=cell.column,
        kind=kind,
        sure=Sure.CERTAIN,
        printed=cell.value,
        other=f"{computed.value:.4f} ({computed.what} of the row)",
        evidence=f"Whatever they were before rounding, the members allow {computed.allowed.low:.4f} to {computed.allowed.high:.4f}.",
        means=f"A faithful run cannot match both: the {computed.what} is wrong, or a member. One member alone would have to be: {alone}.",
    )


def row_name(cell: PaperCell) -> str:
    return f"{cell.system} {cell.variant}".strip()


def differences(paper: PaperNumbers, known: Known) -> Outcome:
    """Each printed difference of two rows against the two."""
    tally = Tally(Kind.DIFFERENCE)
    for rule in known.differences:
        for pair in rule.pairs:
            for column, printed in zip(rule.columns, pair.printed, strict=True):
                _difference(tally, paper.cell(rule.table, pair.row, column), paper.cell(rule.table, pair.minus, column), printed)
    return tally.outcome()


def _difference(tally: Tally, left: PaperCell | None, right: PaperCell | None, printed: str) -> None:
    if left is None or right is None or not left.value or not right.value:
        tally.undecided += 1
        return
    computed, unit = Decimal(left.value) - Decimal(right.value), Decimal(1).scaleb(-decimals_of(left.value))
    # Either the difference of the rounded values is printed, or the rounded difference, which is up to one printed unit away.
    if computed == Decimal(printed):
        tally.right += 1
    elif abs(computed - Decimal(printed)) <= unit:
        tally.rounded(f"Table {left.table}, {row_name(left)}, {left.column}: {printed} for {computed}")
    else:
        tally.found(
            Finding(
                table=left.table,
                row=f"{row_name(left)} less {row_name(right)}",
                column=left.column,
                kind=tally.kind,
                sure=Sure.CERTAIN,
                printed=printed,
                other=f"{computed} ({left.value} less {right.value})",
                evidence="Rounding moves a difference by one printed unit at most.",
                means="Take the difference from the two rows.",
            )
        )
