"""The words of a cell, the same in every output format. Knows no markup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rerankbench.reference.verdict import Verdict, as_printed
from rerankbench.report.appendix import Appendix, Note
from rerankbench.report.cells import Cell, Status
from rerankbench.report.table import Column, Row, Table

Shape = Literal["paper", "experiment"]
"""systems × benchmarks with the paper's numbers under ours, or one block a benchmark with all about each run in a line"""

ABSENT = "--"

MARKS: Mapping[Verdict | None, str] = {
    Verdict.MATCH: "=",
    Verdict.CLOSE: "≈",
    Verdict.DIFFERENT: "≠",
    Verdict.MISSING: "",
    Verdict.NOT_IN_PAPER: "",
    None: "?",
}
"""Verdict → the sign behind our number; None is a comparison that was refused."""

INTERVAL = "95 %"
"""Heads the line of intervals under a row."""

BETTER, WORSE = "▲", "▼"
"""Significantly better, worse than the default of its sweep."""

LEGEND = (
    ("=", "equal to the paper as printed"),
    ("≈", "within the noise"),
    ("≠", "different"),
    ("?", "not compared"),
    (BETTER, "significantly better than the default"),
    (WORSE, "significantly worse than the default"),
    ("d", "with defects"),
)


@dataclass(frozen=True, slots=True)
class Words:
    """A cell in words.

    Attributes:
        value: Ours, or why there is no number.
        mark: Sign of the verdict, then that of a significant distance to a default.
        flags: ``d`` when there were defects.
        note: Number of the note under the table, 0 for none.
        letters: Of the rows that it is significantly better than; a superscript where the format has one.
        paper: The paper's number, empty when it prints none.
        difference: Ours less the paper's, empty when they match.
        interval: Low and high, empty when there is none.
        spread: Lowest and highest repeat and how many there are, empty for fewer than two.
    """

    value: str
    mark: str
    flags: str
    note: int
    paper: str
    difference: str
    letters: str = ""
    interval: str = ""
    spread: str = ""

    @property
    def tail(self) -> str:
        """All that follows our number and its letters."""
        return self.mark + self.flags + (f"[{self.note}]" if self.note else "")


def words(cell: Cell, column: Column, under: Appendix) -> Words:
    """Put a cell into words."""
    note = under.note(cell)
    return Words(
        value=_value(cell, column),
        mark=(MARKS[cell.verdict] if cell.done and cell.is_compared else "") + _against_mark(cell),
        flags="d" if cell.done and cell.defects else "",
        note=note.number if note else 0,
        paper=cell.printed or "",
        difference=_difference(cell, column),
        letters=cell.letters,
        interval=interval_text(cell, column),
        spread=spread_text(cell, column),
    )


def beneath(said: Sequence[Words]) -> list[tuple[str, list[str]]]:
    """The lines under a row's numbers in the paper's layout: heading, and a text a cell. A line without any text is left out."""
    lines = [
        ("paper", [w.paper for w in said]),
        ("difference", [w.difference for w in said]),
        (INTERVAL, [w.interval for w in said]),
        ("repeats", [w.spread for w in said]),
    ]
    return [(heading, texts) for heading, texts in lines if any(texts)]


def legend(table: Table, under: Appendix, *, flags: bool = True, of: str = " of ") -> str:
    """The signs that a table uses, explained.

    Args:
        flags: Whether flags are shown; an experiment counts its defects instead.
        of: What stands between the numbers of an average that lacks members.
    """
    said = [words(cell, column, under) for _, column, cell in table.cells()]
    used = {sign for w in said for sign in w.mark + (w.flags if flags else "")}
    entries = [f"{sign} {meaning}" for sign, meaning in LEGEND if sign in used]
    lacking = next((cell.members for _, _, cell in table.cells() if cell.members and not cell.done), None)
    if lacking:
        entries.append(f"{lacking[0]}{of}{lacking[1]}: an average that lacks members is not printed")
    return "; ".join(entries)


def column_label(column: Column) -> str:
    """The printed heading, with the first stage where columns differ in it."""
    return f"{column.first_stage}/{column.label}" if column.first_stage else column.label


def counted(note: Note) -> str:
    """How many cells a note is about; averages are not counted, only named where nothing else is."""
    return f"{note.count} cells" if note.count > 1 else "1 cell" if note.count else "averages"


def interval_text(cell: Cell, column: Column) -> str:
    """Low and high as shown; empty when there is none."""
    if cell.interval_points is None:
        return ""
    low, high = (as_printed(number, column.decimals) for number in cell.interval_points)
    return f"{low}–{high}"


def spread_text(cell: Cell, column: Column) -> str:
    """Lowest and highest repeat, and how many there are, e.g. ``67.37–69.38 of 5``; empty for fewer than two."""
    if cell.spread_points is None:
        return ""
    low, high = (as_printed(number, column.decimals) for number in cell.spread_points)
    return f"{low}–{high} of {len(cell.repeats)}"


def against_text(cell: Cell, column: Column) -> str:
    """Difference to the default and its corrected p, e.g. ``-1.32, p 0.012``; empty where nothing was tested."""
    if cell.against is None:
        return ""
    difference = cell.in_points(cell.against.difference)
    p = "< 0.001" if cell.against.p < 0.001 else as_printed(cell.against.p, 3)
    return f"{as_printed(difference, column.decimals, sign=True)}, p {p}"


def row_label(row: Row) -> str:
    """What is printed for a row, behind its letter where it has one."""
    return f"{row.letter} {row.label}" if row.letter else row.label


def queries_text(cell: Cell) -> str:
    """``43``, or ``5 of 43`` when the mean is not over all."""
    if cell.queries is None:
        return ""
    if cell.expected_queries is None or cell.expected_queries == cell.queries:
        return str(cell.queries)
    return f"{cell.queries} of {cell.expected_queries}"


def seconds_text(cell: Cell) -> str:
    """Three figures are as much as a wall clock is good for; a star when a run was resumed; empty when nothing was timed."""
    if cell.seconds is None:
        return ""
    decimals = 0 if cell.seconds >= 100 else 1 if cell.seconds >= 10 else 2
    return as_printed(cell.seconds, decimals) + ("*" if cell.resumed else "")


def _against_mark(cell: Cell) -> str:
    if cell.against is None or not cell.against.is_significant:
        return ""
    return BETTER if cell.against.difference > 0 else WORSE


def _value(cell: Cell, column: Column) -> str:
    if cell.points is not None:
        return as_printed(cell.points, column.decimals)
    if cell.members is not None:
        return f"{cell.members[0]} of {cell.members[1]}"
    return {Status.MISSING: ABSENT, Status.FAILED: "failed", Status.REFUSED: "refused", Status.DONE: ABSENT}[cell.status]


def _difference(cell: Cell, column: Column) -> str:
    if cell.difference is None or cell.verdict is Verdict.MATCH:
        return ""
    return as_printed(cell.difference, column.decimals, sign=True)
