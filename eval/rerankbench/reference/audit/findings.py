"""What an audit says: findings, and what was checked and is right. Knows no rule by which anything is found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What was checked. The value is its name in the output."""

    AVERAGE = "average of its row"
    SUM = "sum of its row"
    DIFFERENCE = "difference of two rows"
    TWO_TABLES = "same setting in two tables"
    REPEATED = "table that repeats another"
    FIRST_STAGE = "baseline of another first stage"
    PUBLISHED = "published figure"
    ORDER = "column order"
    TEXT = "text against tables"


class Sure(StrEnum):
    CERTAIN = "certain"  # by arithmetic on what is printed alone
    LIKELY = "likely"  # by evidence from elsewhere, which the finding names


@dataclass(frozen=True, slots=True)
class Finding:
    """Two values that cannot both be right.

    Attributes:
        table: Its number, or ``"text"``.
        row, column: As the paper's data names them; several are joined by commas.
        printed: What the cell prints.
        other: What stands against it, with its place.
        evidence: By which it was found.
        means: What follows for whoever compares a value with that cell.
    """

    table: str
    row: str
    column: str
    kind: Kind
    sure: Sure
    printed: str
    other: str
    evidence: str
    means: str


@dataclass(frozen=True, slots=True)
class Check:
    """How one kind of check went; the counts are of comparisons, and `right` counts what agrees as printed.

    Attributes:
        rounding: Comparisons that differ, but only by what rounding allows: never findings.
        wrong: Comparisons that became findings (several may stand in one finding).
        undecided: Comparisons whose evidence points to neither side, or that lack a number.
        notes: The rounding-only differences, in words.
    """

    kind: Kind
    right: int = 0
    rounding: int = 0
    wrong: int = 0
    undecided: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one kind of check gives."""

    check: Check
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """An audit.

    Attributes:
        findings: By table in the paper's order, then as found; those of the text alone come last.
    """

    findings: tuple[Finding, ...]
    checks: tuple[Check, ...]

    def only(self, table: str) -> Report:
        """The findings of one table (also those that name it as the other side); the counts stay those of the whole paper."""
        named = f"Table {table}:"
        return Report(tuple(f for f in self.findings if f.table == table or named in f.other), self.checks)

    def as_data(self) -> dict[str, Any]:
        return {"findings": [asdict(f) for f in self.findings], "checks": [asdict(c) for c in self.checks]}


class Tally:
    """Counts while a check runs."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.right = self.rounding = self.wrong = self.undecided = 0
        self.notes: list[str] = []
        self.findings: list[Finding] = []

    def rounded(self, note: str) -> None:
        self.rounding += 1
        self.notes.append(note)

    def found(self, *findings: Finding, comparisons: int = 1) -> None:
        self.wrong += comparisons
        self.findings.extend(findings)

    def outcome(self) -> Outcome:
        check = Check(self.kind, self.right, self.rounding, self.wrong, self.undecided, tuple(self.notes))
        return Outcome(check, tuple(self.findings))


def report(outcomes: Iterable[Outcome], tables: Iterable[str]) -> Report:
    place = {table: position for position, table in enumerate(tables)}
    done = list(outcomes)
    findings = sorted((f for o in done for f in o.findings), key=lambda f: place.get(f.table, len(place)))
    return Report(tuple(findings), tuple(o.check for o in done))
