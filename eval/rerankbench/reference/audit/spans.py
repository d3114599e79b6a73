"""What a printed number may have been before it was rounded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from rerankbench.reference.paper import PaperCell, PaperNumbers

FEW = 3
"""With fewer numbers in a row, that all end in a zero says nothing about how precise they are."""


@dataclass(frozen=True, slots=True)
class Span:
    """Both ends belong to it: which way a tie was rounded is not known of others' tables."""

    low: Decimal
    high: Decimal

    def meets(self, other: Span) -> bool:
        return self.low <= other.high and other.low <= self.high

    def __sub__(self, other: Span) -> Span:
        return Span(self.low - other.high, self.high - other.low)

    def __truediv__(self, other: Span) -> Span:
        """The quotient of two spans of positive numbers."""
        return Span(self.low / other.high, self.high / other.low)


def around(value: Decimal, decimals: int) -> Span:
    half = Decimal(5).scaleb(-decimals - 1)
    return Span(value - half, value + half)


def weighted_mean(spans: Sequence[Span], weights: Sequence[int]) -> Span:
    whole = sum(weights)
    low = sum((s.low * w for s, w in zip(spans, weights, strict=True)), Decimal(0)) / whole
    high = sum((s.high * w for s, w in zip(spans, weights, strict=True)), Decimal(0)) / whole
    return Span(low, high)


class Spans:
    """The span of each cell of a paper.

    A row taken from a paper that prints one decimal, with a zero appended to each number ("52.50" beside "71.80"), is as coarse as its
    source: the decimals of a row are the most that any of its numbers needs.
    """

    def __init__(self, paper: PaperNumbers) -> None:
        self._decimals: dict[tuple[str, str, str], int] = {}
        for id_, table in paper.tables.items():
            rows = group_rows(c for c in paper.cells.values() if c.table == id_)
            for (system, variant), cells in rows.items():
                self._decimals[id_, system, variant] = _decimals([c.value for c in cells if c.value], table.decimals)

    def of(self, cell: PaperCell) -> Span:
        """Of a cell that holds a number."""
        return around(Decimal(cell.value), self._decimals[cell.table, cell.system, cell.variant])


def group_rows(cells: Iterable[PaperCell]) -> dict[tuple[str, str], list[PaperCell]]:
    """Cells of one table by (system, variant), in printed order."""
    rows: dict[tuple[str, str], list[PaperCell]] = {}
    for cell in cells:
        rows.setdefault((cell.system, cell.variant), []).append(cell)
    return rows


def _decimals(values: Sequence[str], of_table: int) -> int:
    if len(values) < FEW:
        return of_table
    return max(len(value.partition(".")[2].rstrip("0")) for value in values)
