"""What a figure shows, mark by mark, and the same as CSV: what is drawn is what is written. Knows no drawing."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from rerankbench.errors import MeasureError
from rerankbench.reference.verdict import Verdict
from rerankbench.report.cells import Cell, Significance
from rerankbench.report.table import INCOMPLETE

Source = Literal["ours", "paper"]
Kind = Literal["sweep", "bars", "latency", "scores", "stages", "load", "tradeoff"]
NAMED = 6
"""How many series a caption names before it counts the rest."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One value of a figure, or the place where it would be.

    Attributes:
        panel, series: Where it stands: the part of the figure, and the line or bar.
        part: What it is of its series, e.g. ``point``, ``level``, ``others-s``.
        x: Its place on an axis of numbers; None for bars and levels.
        y: In the unit; None where there is no value, and `reason` says why.
        low, high: Of its interval, in the unit.
        verdict: Beside the paper's number, where it prints one.
        against: How sure its difference to the default of its sweep is.
        is_default: Whether it is what the others of its sweep are measured by.
        hardware: Of a time: what it was measured on.
        remarks: All that keeps the value from being clean and must be said under the figure.
    """

    panel: str
    series: str
    y: Decimal | None
    part: str = "point"
    x: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    unit: str = "percent"
    source: Source = "ours"
    verdict: Verdict | None = None
    against: Significance | None = None
    is_default: bool = False
    queries: int | None = None
    hardware: str = ""
    run: str = ""
    reason: str = ""
    hint: str = ""
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.y is None and not self.reason:
            raise MeasureError(f"Mark {self.panel!r} / {self.series!r} has no value and says no reason.")
        for number in (self.x, self.y, self.low, self.high):
            if number is not None and not number.is_finite():
                raise MeasureError(f"Mark {self.panel!r} / {self.series!r} holds {number}: expected a finite number.")

    @property
    def interval(self) -> tuple[float, float] | None:
        """Low and high; None unless both are known."""
        return None if self.low is None or self.high is None else (float(self.low), float(self.high))


def mark_of(cell: Cell, panel: str, series: str, part: str = "point", x: Decimal | None = None) -> Mark:
    """Our cell as a mark."""
    low, high = cell.interval_points or (None, None)
    return Mark(
        panel, series, cell.points, part, x, low, high, cell.unit, "ours", cell.verdict if cell.done else None, cell.against,
        queries=cell.queries, hardware=cell.hardware, run=cell.run, reason=cell.reason, hint=cell.hint, remarks=_spoiling(cell),
    )  # fmt: skip


def _spoiling(cell: Cell) -> tuple[str, ...]:
    """The remarks about the value; notes are about times and such, and stand under the table."""
    return tuple(remark for remark in cell.remarks if remark not in cell.notes)


@dataclass(frozen=True, slots=True)
class Figure:
    """Marks, and the words around them.

    Attributes:
        title, caption: Above and below the panels. What is missing and what is not clean is added to the caption when it is drawn.
        x_label, y_label: Names of the axes; of bars, `y_label` is along them.
        groups: Heading, which may be empty, and series that stand together, in order; empty: all in the order of their marks.
        columns: Panels beside each other, where that is not the drawing's to choose.
    """

    kind: Kind
    title: str
    caption: str
    x_label: str
    y_label: str
    marks: tuple[Mark, ...]
    groups: tuple[tuple[str, tuple[str, ...]], ...] = ()
    columns: int | None = None

    @property
    def panels(self) -> list[str]:
        """In the order of their marks; a mark without one belongs to none, unless no mark has one."""
        found = list(dict.fromkeys(mark.panel for mark in self.marks))
        return [panel for panel in found if panel] or [""]

    @property
    def series(self) -> list[str]:
        """Every series, levels apart."""
        return list(dict.fromkeys(mark.series for mark in self.marks if mark.part != "level"))

    def is_absent(self, series: str) -> bool:
        """Whether a series has no value in any panel."""
        return all(mark.y is None for mark in self.marks if mark.series == series)

    def of(self, panel: str, series: str = "", part: str = "", source: str = "") -> list[Mark]:
        """The marks of a panel, and of a series, part or source where one is named."""
        asked = {"panel": panel, "series": series, "part": part, "source": source}
        return [mark for mark in self.marks if all(getattr(mark, name) == value for name, value in asked.items() if value)]

    def missing(self) -> list[Mark]:
        """The places of ours that have no value."""
        return [mark for mark in self.marks if mark.source == "ours" and mark.y is None]

    def exit_code(self) -> int:
        """4 when a value of ours is missing, else 0."""
        return INCOMPLETE if self.missing() else 0

    def words(self) -> str:
        """All that stands below the panels."""
        return " ".join(filter(None, (self.caption, *self._remarks(), self._absent())))

    def _remarks(self) -> list[str]:
        of: dict[str, dict[str, None]] = {}
        for mark in self.marks:
            for remark in mark.remarks if mark.y is not None else ():
                of.setdefault(remark, {})[mark.series] = None
        return [f"{_named(series)}: {remark}." for remark, series in of.items()]

    def _absent(self) -> str:
        """Every series that lacks a value, with the panels where not all of its values or not all panels are concerned."""
        said = []
        for series in dict.fromkeys(mark.series for mark in self.missing()):
            places = [place for panel in self.panels if (place := self._lacking(panel, series))]
            whole = places == self.panels or not any(self.panels)
            said.append(series if whole or not places else f"{series} ({', '.join(places)})")
        return f"Not measured here: {_named(said)}; figure.csv says why, and how to get it." if said else ""

    def _lacking(self, panel: str, series: str) -> str:
        """The panel where all of a series is missing there, with how much of it where not all is; empty where nothing is."""
        own = self.of(panel, series, source="ours")
        lacking = [mark for mark in own if mark.y is None]
        if not lacking:
            return ""
        parts = "" if self.kind != "stages" else ": " + ", ".join(mark.part for mark in lacking)
        return panel if len(lacking) == len(own) else f"{panel}{parts}" if parts else f"{panel} {len(lacking)} of {len(own)}"


def _named(names: Iterable[str]) -> str:
    known = list(names)
    return ", ".join(known[:NAMED]) + (f" and {len(known) - NAMED} more" if len(known) > NAMED else "")


HEADER = (
    "panel", "series", "part", "x", "y", "low", "high", "unit", "source", "verdict", "default", "reference", "difference", "p",
    "significant", "queries", "hardware", "run", "reason", "hint", "remarks",
)  # fmt: skip


def marks_csv(marks: Sequence[Mark]) -> str:
    """One line a mark; numbers with all their digits, in the mark's unit (`difference` in percent points)."""
    out = io.StringIO()
    writer = csv.DictWriter(out, HEADER, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_fields(mark) for mark in marks)
    return out.getvalue()


def _fields(mark: Mark) -> Mapping[str, str]:
    sure = mark.against
    return {
        "panel": mark.panel,
        "series": mark.series,
        "part": mark.part,
        "x": _plain(mark.x),
        "y": _plain(mark.y),
        "low": _plain(mark.low),
        "high": _plain(mark.high),
        "unit": mark.unit,
        "source": mark.source,
        "verdict": mark.verdict.value if mark.verdict else "",
        "default": "yes" if mark.is_default else "",
        "reference": sure.reference if sure else "",
        "difference": _plain(Decimal(repr(sure.difference)).scaleb(2)) if sure else "",
        "p": repr(sure.p) if sure else "",
        "significant": ("yes" if sure.is_significant else "no") if sure else "",
        "queries": "" if mark.queries is None else str(mark.queries),
        "hardware": mark.hardware,
        "run": mark.run,
        "reason": mark.reason,
        "hint": mark.hint,
        "remarks": "; ".join(mark.remarks),
    }


def _plain(number: Decimal | None) -> str:
    return "" if number is None else f"{number:f}"
