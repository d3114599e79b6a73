"""A cell of a table: a value apart from its text, with where it came from and all that is not clean about it.

Knows no rendering and loads no run: whoever has read the runs makes the cells.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

from rerankbench.errors import MeasureError
from rerankbench.reference.layout import Unit
from rerankbench.reference.paper import PaperCell
from rerankbench.reference.verdict import Verdict, exact, half_unit, judge, mean, model_noise, percent, refusal

LOST = "the paper's number is lost in its text extraction"


class Status(StrEnum):
    DONE = "done"
    MISSING = "missing"  # not run, because something is not at hand
    FAILED = "failed"  # run, and stopped by an error
    REFUSED = "refused"  # could be computed, but would mislead, e.g. an average over fewer sets


@dataclass(frozen=True, slots=True)
class Repeat:
    """One of several runs that share a cell: another seed, another engine, another host.

    Attributes:
        label: What tells it from the others.
        value: A fraction, or seconds.
        run: Path of its run folder, as in `Cell.run`.
    """

    label: str
    value: float
    run: str = ""


@dataclass(frozen=True, slots=True)
class Significance:
    """A cell against the one that its row is measured by, over the same queries.

    Attributes:
        reference: Label of the row that it is measured by.
        difference: Mean difference to it, a fraction.
        p: Of the paired randomisation test, two-sided, Holm-corrected over the rows that are measured by that one.
    """

    reference: str
    difference: float
    p: float
    is_significant: bool


@dataclass(frozen=True, slots=True)
class TaskVersions:
    """Which version of its task a number is of, in words: what changes between versions of a package is part of the number.

    Attributes:
        then: In the version that the paper used; empty where that is not known.
        now: In a later one.
        here: Where the number was made; empty where there is none.
    """

    then: str
    now: str
    here: str = ""

    @property
    def said(self) -> tuple[tuple[str, str], ...]:
        """Name and words of what is known."""
        return tuple((name, words) for name, words in (("then", self.then), ("now", self.now), ("here", self.here)) if words)


@dataclass(frozen=True, slots=True)
class Cell:
    """One system on one benchmark, or an average of such cells.

    Attributes:
        system, variant, column, first_stage: As in `reference`: the names that find the paper's cell.
        value: A fraction, or seconds in a column of seconds; None unless done.
        interval: Low and high of its confidence interval, in the unit of the value.
        queries: How many queries the mean is over.
        expected_queries: How many are judged.
        limit: The run's limit on queries; None for a full run.
        missing_rule: What was done with judged queries without a ranking.
        defects: Kind → how many.
        seconds: Wall time of ranking all queries. Compared only where `hardware` is the same.
        resumed: Whether the run was stopped and continued, so that its seconds are a sum of parts.
        deterministic: Whether a repetition must give the same digits (first stages): then the noise is half a printed digit.
        run: Path of the run folder, relative to the folder of runs.
        repeats: The runs that `value` is the mean of, where there are several; `run` is then the first one's.
        letters: Letters of the rows that this one is significantly better than in its column.
        against: How sure the difference to the default of its sweep is; None for the default itself and outside of sweeps.
        caveat: What the engine says about itself.
        other_model: The model that stood in for the paper's.
        reason, hint: Why there is no value, and the command or download that gets one.
        members: For an average: how many members are done, of how many.
        printed: The paper's number as printed; None when it prints none.
        verdict: None when the comparison is refused, and `not_judged` says why.
        notes: Anything else that must stand under the table.
        task: Which version of its task it is of, where tasks have versions; None elsewhere, and for a mean of tasks.
    """

    system: str
    column: str
    status: Status
    value: float | None = None
    variant: str = ""
    first_stage: str = ""
    unit: Unit = "percent"
    interval: tuple[float, float] | None = None
    queries: int | None = None
    expected_queries: int | None = None
    limit: int | None = None
    missing_rule: Literal["error", "zero", "skip"] = "error"
    defects: Mapping[str, int] = field(default_factory=dict)
    seconds: float | None = None
    hardware: str = ""
    resumed: bool = False
    deterministic: bool = False
    run: str = ""
    repeats: tuple[Repeat, ...] = ()
    letters: str = ""
    against: Significance | None = None
    caveat: str = ""
    other_model: str = ""
    reason: str = ""
    hint: str = ""
    members: tuple[int, int] | None = None
    printed: str | None = None
    verdict: Verdict | None = None
    not_judged: str = ""
    notes: tuple[str, ...] = ()
    task: TaskVersions | None = None

    def __post_init__(self) -> None:
        where = f"Cell {self.system!r} / {self.column!r}"
        if (self.status is Status.DONE) != (self.value is not None):
            raise MeasureError(f"{where} is {self.status}, and its value is {self.value}: a value and 'done' come together.")
        if self.status is not Status.DONE and not self.reason:
            raise MeasureError(f"{where} is {self.status} and says no reason.")
        for number in (self.value, self.seconds, *(self.interval or ()), *(repeat.value for repeat in self.repeats)):
            if number is not None and not math.isfinite(number):
                raise MeasureError(f"{where} holds {number}: expected a finite number.")

    @property
    def done(self) -> bool:
        return self.status is Status.DONE

    @property
    def is_compared(self) -> bool:
        """Whether this cell was put beside the paper's, with a verdict or a reason for none."""
        return self.verdict is not None or bool(self.not_judged)

    @property
    def points(self) -> Decimal | None:
        """The value in the unit of the paper's tables: percent points, or seconds."""
        return None if self.value is None else self.in_points(self.value)

    def in_points(self, value: float) -> Decimal:
        """A fraction in percent points; seconds as they are."""
        return percent(value) if self.unit == "percent" else exact(value)

    @property
    def interval_points(self) -> tuple[Decimal, Decimal] | None:
        """The interval in the unit of `points`."""
        return None if self.interval is None else (self.in_points(self.interval[0]), self.in_points(self.interval[1]))

    @property
    def spread_points(self) -> tuple[Decimal, Decimal] | None:
        """The lowest and the highest of the repeats, in the unit of `points`; None for fewer than two."""
        values = [repeat.value for repeat in self.repeats]
        return (self.in_points(min(values)), self.in_points(max(values))) if len(values) > 1 else None

    @property
    def difference(self) -> Decimal | None:
        """Ours, unrounded, less the paper's number; None where either is not there or they are not to be compared."""
        compared = self.verdict in {Verdict.MATCH, Verdict.CLOSE, Verdict.DIFFERENT}
        return self.points - Decimal(self.printed) if compared and self.points is not None and self.printed else None

    @property
    def remarks(self) -> tuple[str, ...]:
        """All that keeps the value from being clean, defects apart, worded so that equal things read equal in every cell."""
        rules = {
            "error": "",
            "zero": "judged queries without a ranking count as zero",
            "skip": "judged queries without a ranking are left out",
        }
        said = [
            f"first {self.limit} queries only" if self.limit is not None else "",
            rules[self.missing_rule],
            f"another model than the paper's: {self.other_model}" if self.other_model else "",
            self.caveat,
            *self.notes,
            self.not_judged,
        ]
        return tuple(dict.fromkeys(filter(None, said)))

    def judged(self, paper: PaperCell | None, floor: float = 0.0) -> Cell:
        """The same cell beside the paper's, with a verdict or the reason why there is none.

        Args:
            floor: The noise that repeated runs of one model were measured to have, in percent points; this cell's own repeats may
                show more.
        """
        if paper is not None and paper.absent == "lost":
            return replace(self, printed=None, verdict=None, not_judged=LOST)
        printed = paper.value if paper is not None and paper.value else None
        refused = self._refusal() if self.done and printed else ""
        if refused:
            return replace(self, printed=printed, verdict=None, not_judged=refused)
        return replace(self, printed=printed, verdict=judge(self.points, printed, self._noise(printed, floor)), not_judged="")

    def _refusal(self) -> str:
        return self.not_judged or refusal(
            limit=self.limit,
            queries=self.queries,
            expected_queries=self.expected_queries,
            caveat=self.caveat,
            other_model=self.other_model,
        )

    def _noise(self, printed: str | None, floor: float) -> Decimal:
        if printed and self.deterministic:
            return half_unit(printed)
        low, high = self.spread_points or (Decimal(0), Decimal(0))
        return model_noise(self.interval_points, max(exact(floor), high - low))


def average(system: str, column: str, members: Sequence[Cell], *, variant: str = "") -> Cell:
    """The plain mean of the members' unrounded values; refused as soon as one of them has none.

    Its interval takes the members as independent: half-widths add as squares. What is not clean about a member is not clean here.
    """
    done = [m for m in members if m.done]
    if not members or len(done) < len(members):
        absent = ", ".join(m.column for m in members if not m.done)
        reason = f"only {len(done)} of {len(members)} members are there; missing: {absent}"
        return Cell(system, column, Status.REFUSED, variant=variant, reason=reason, members=(len(done), len(members)))
    value = mean([m.value for m in done if m.value is not None])
    return Cell(
        system,
        column,
        Status.DONE,
        value,
        variant=variant,
        unit=done[0].unit,
        interval=_mean_interval(value, done),
        queries=_total([m.queries for m in done]),
        expected_queries=_total([m.expected_queries for m in done]),
        seconds=math.fsum(m.seconds for m in done if m.seconds is not None) if all(m.seconds is not None for m in done) else None,
        members=(len(done), len(members)),
        **unclean(done),
    )


def unclean(cells: Sequence[Cell]) -> dict[str, Any]:
    """The fields in which a cell that is made of others has all that is not clean about any of them."""
    limits = sorted({c.limit for c in cells if c.limit is not None})
    rules = {c.missing_rule for c in cells} - {"error"}
    defects: Counter[str] = Counter()
    for cell in cells:
        defects.update(cell.defects)
    return {
        "limit": limits[0] if limits else None,
        "missing_rule": next((rule for rule in ("skip", "zero") if rule in rules), "error"),
        "defects": defects,
        "hardware": " + ".join(dict.fromkeys(c.hardware for c in cells if c.hardware)),
        "resumed": any(c.resumed for c in cells),
        "deterministic": all(c.deterministic for c in cells),
        "caveat": "; ".join(dict.fromkeys(c.caveat for c in cells if c.caveat)),
        "other_model": "; ".join(dict.fromkeys(c.other_model for c in cells if c.other_model)),
        "not_judged": "; ".join(dict.fromkeys(c.not_judged for c in cells if c.not_judged)),
        "notes": tuple(dict.fromkeys(note for c in cells for note in c.notes)),
    }


def _mean_interval(value: float, members: Sequence[Cell]) -> tuple[float, float] | None:
    below, above = [], []
    for m in members:
        if m.interval is None or m.value is None:
            return None
        below.append(m.value - m.interval[0])
        above.append(m.interval[1] - m.value)
    return value - math.hypot(*below) / len(members), value + math.hypot(*above) / len(members)


def _total(counts: Sequence[int | None]) -> int | None:
    known = [n for n in counts if n is not None]
    return sum(known) if len(known) == len(counts) else None
