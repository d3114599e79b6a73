"""What stands under a table: missing cells by reason, defects, numbered notes, verdicts. The same for every output format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rerankbench.reference.verdict import Verdict, as_printed
from rerankbench.report.cells import Cell
from rerankbench.report.table import Column, Row, Table

Place = tuple[Row, Column, Cell]


@dataclass(frozen=True, slots=True)
class Note:
    """A numbered note.

    Attributes:
        number: What cells refer to, from 1.
        text: What is to be known.
        hint: The command or download that helps; empty where none does.
        count: How many cells it is about.
        where: Those cells, summed up, one line a set of systems.
    """

    number: int
    text: str
    hint: str
    count: int
    where: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Appendix:
    """All that is said under a table.

    Attributes:
        missing: Why cells have no number, one note a distinct reason and hint.
        remarks: What is not clean about the numbers that there are, one note a distinct combination of remarks.
        defects: One line a system with defects.
        repeats: One line a cell that several runs share, with the value of each.
        runs: One line a cell that has a run: row, column, and the run's folder below the folder of runs. For files, not for terminals.
        caveats: About the whole table.
        notes: The table's own notes.
        verdicts: Lines that count the verdicts; empty when nothing is compared.
        complete: One line that says whether cells are missing.
    """

    missing: tuple[Note, ...]
    remarks: tuple[Note, ...]
    defects: tuple[str, ...]
    repeats: tuple[str, ...]
    runs: tuple[str, ...]
    caveats: tuple[str, ...]
    notes: tuple[str, ...]
    verdicts: tuple[str, ...]
    complete: str

    def lists(self) -> Iterable[tuple[str, tuple[str, ...]]]:
        """Heading and lines of what is no numbered note, empty ones left out."""
        return [
            (heading, lines)
            for heading, lines in (
                ("Defects", self.defects),
                ("Repeats", self.repeats),
                ("Caveats", self.caveats),
                ("About this table", self.notes),
            )
            if lines
        ]

    def note(self, cell: Cell) -> Note | None:
        """The note about a cell. An average that is refused has none: it follows from its members."""
        if not cell.done and cell.members is not None:
            return None
        if cell.done:
            return next((n for n in self.remarks if n.text == "; ".join(cell.remarks)), None)
        return next((n for n in self.missing if (n.text, n.hint) == (reason_of(cell), cell.hint)), None)


def appendix(table: Table) -> Appendix:
    """Gather what is to be said under a table."""
    plain = list(table.cells(averages=False))
    absent: dict[tuple[str, str], list[Place]] = {}
    said: dict[tuple[str, str], list[Place]] = {}
    for place in plain:
        if not place[2].done:
            absent.setdefault((reason_of(place[2]), place[2].hint), []).append(place)
    for place in table.cells():
        if place[2].done and place[2].remarks:
            said.setdefault(("; ".join(place[2].remarks), ""), []).append(place)
    missing = _notes(absent, table, first=1)
    remarks = _notes(said, table, first=1 + len(missing))
    return Appendix(
        missing,
        remarks,
        tuple(_defect_lines(table)),
        tuple(_repeat_lines(table)),
        tuple(_run_lines(table)),
        table.caveats,
        (*table.notes, *_hardware(plain), *_resumed(plain, table)),
        tuple(_verdict_lines(table)),
        _complete(table, len(plain)),
    )


def reason_of(cell: Cell) -> str:
    """Why there is no number; a failure says that it is one."""
    return f"failed: {cell.reason}" if cell.status == "failed" else cell.reason


def summed_up(places: Iterable[Place], table: Table) -> tuple[str, ...]:
    """Cells in few words: systems with the same columns share a line, and a whole row is said to be one."""
    by_row: dict[str, list[Column]] = {}
    for row, column, _ in places:
        columns = by_row.setdefault(row.label, [])
        if column not in columns:  # rows of two groups may share their label
            columns.append(column)
    shared: dict[tuple[str, ...], list[str]] = {}
    for label, columns in by_row.items():
        shared.setdefault(tuple(_column_names(columns, table)), []).append(label)
    return tuple(f"{_row_names(labels, table)}: {', '.join(names)}" for names, labels in shared.items())


def _row_names(labels: list[str], table: Table) -> str:
    return "all rows" if len(labels) == len(table.rows) > 2 else ", ".join(labels)


def _column_names(columns: list[Column], table: Table) -> list[str]:
    plain = [c for c in table.columns if not c.is_average]
    named = [c for c in columns if not c.is_average]
    if len(named) == len(plain) > 2:
        return [f"all {len(plain)} columns"]
    return [c.key for c in named] or [c.key for c in columns]


def _notes(grouped: Mapping[tuple[str, str], list[Place]], table: Table, first: int) -> tuple[Note, ...]:
    return tuple(
        Note(number, text, hint, sum(not column.is_average for _, column, _ in places), summed_up(places, table))
        for number, ((text, hint), places) in enumerate(grouped.items(), start=first)
    )


def _defect_lines(table: Table) -> Iterable[str]:
    for row in table.rows:
        parts = []
        for column, cell in zip(table.columns, row.cells, strict=True):
            if cell.defects and not column.is_average:
                parts.append(f"{column.key} {', '.join(f'{count} {kind}' for kind, count in sorted(cell.defects.items()))}")
        if parts:
            yield f"{row.label}: {'; '.join(parts)}"


def _labels(table: Table) -> Mapping[int, str]:
    """Row → its label, with its group's where several rows have the same."""
    times = Counter(row.label for row in table.rows)
    named = ((group, row) for group in table.groups for row in group.rows)
    return {id(row): f"{row.label} ({group.label})" if times[row.label] > 1 and group.label else row.label for group, row in named}


def _repeat_lines(table: Table) -> Iterable[str]:
    labels = _labels(table)
    for row, column, cell in table.cells(averages=False):
        if len(cell.repeats) > 1:
            each = (f"{repeat.label} {as_printed(cell.in_points(repeat.value), column.decimals)}" for repeat in cell.repeats)
            yield f"{labels[id(row)]}: {column.key} {', '.join(each)}"


def _run_lines(table: Table) -> Iterable[str]:
    labels = _labels(table)
    for row, column, cell in table.cells(averages=False):
        runs = [(f" {repeat.label}", repeat.run) for repeat in cell.repeats] or [("", cell.run)]
        yield from (f"{labels[id(row)]}: {column.key}{label} {run}" for label, run in runs if run)


def _hardware(places: Iterable[Place]) -> tuple[str, ...]:
    """Seconds that were measured on different hardware must not be compared."""
    on: dict[str, list[str]] = {}
    for row, _, cell in places:
        if cell.seconds is not None:
            on.setdefault(cell.hardware or "unknown hardware", []).append(row.label)
    if len(on) < 2:
        return ()
    parts = "; ".join(f"{hardware}: {', '.join(dict.fromkeys(labels))}" for hardware, labels in on.items())
    return (f"Seconds were measured on different hardware and are not to be compared. {parts}",)


def _resumed(places: Iterable[Place], table: Table) -> tuple[str, ...]:
    resumed = [place for place in places if place[2].resumed]
    return (f"* Resumed after a stop, so that the seconds are a sum of parts. {'; '.join(summed_up(resumed, table))}",) if resumed else ()


def _verdict_lines(table: Table) -> Iterable[str]:
    if not table.is_compared:
        return
    yield f"Against the paper: {_counts(table, averages=False)}"
    if table.verdicts(averages=True):
        yield f"Averages: {_counts(table, averages=True)}"


def _counts(table: Table, *, averages: bool) -> str:
    counts = table.verdicts(averages=averages)
    always = (Verdict.MATCH, Verdict.CLOSE, Verdict.DIFFERENT, Verdict.MISSING)
    parts = [f"{verdict.value} {counts[verdict]}" for verdict in always]
    if counts[Verdict.NOT_IN_PAPER]:
        parts.append(f"not in the paper {counts[Verdict.NOT_IN_PAPER]}")
    if counts[None]:
        parts.append(f"not compared {counts[None]}")
    return ", ".join(parts)


def _complete(table: Table, cells: int) -> str:
    missing = len(table.missing())
    if not missing:
        return "" if table.exit_code() == 0 else "Incomplete: an average that the table prints is not there."
    return f"Incomplete: {missing} of {cells} cells have no number."
