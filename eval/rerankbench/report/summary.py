"""Many tables in a few lines: how many cells of each have which verdict. Knows no rendering."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rerankbench.reference.verdict import Verdict
from rerankbench.report.table import INCOMPLETE, Table

SHOWN = (Verdict.MATCH, Verdict.CLOSE, Verdict.DIFFERENT, Verdict.MISSING)
"""The verdicts that every summary counts, zero or not."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Cells of one table or of all, averages apart: those follow from their members.

    Attributes:
        missing: Cells without a number of ours, whether the paper has one or not.
        not_compared: Cells that stand beside the paper's with a reason for no verdict.
    """

    name: str
    cells: int
    verdicts: tuple[int, ...]
    missing: int
    not_compared: int
    complete: bool

    @property
    def line(self) -> str:
        """``MATCH 17, CLOSE 0, DIFFERENT 2, MISSING 612``"""
        said = ", ".join(f"{verdict.value} {count}" for verdict, count in zip(SHOWN, self.verdicts, strict=True))
        return said + (f", not compared {self.not_compared}" if self.not_compared else "")


def counts(name: str, table: Table) -> Counts:
    """One table in one line."""
    verdicts: Counter[Verdict | None] = table.verdicts()
    return Counts(
        name,
        cells=sum(1 for _ in table.cells(averages=False)),
        verdicts=tuple(verdicts[verdict] for verdict in SHOWN),
        missing=len(table.missing()),
        not_compared=verdicts[None],
        complete=table.exit_code() != INCOMPLETE,
    )


def total(each: Sequence[Counts]) -> Counts:
    """All tables in one line."""
    return Counts(
        "all",
        cells=sum(one.cells for one in each),
        verdicts=tuple(sum(one.verdicts[i] for one in each) for i in range(len(SHOWN))),
        missing=sum(one.missing for one in each),
        not_compared=sum(one.not_compared for one in each),
        complete=all(one.complete for one in each),
    )
