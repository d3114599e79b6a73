"""Tables as HTML: one page that stands alone, or the fragment that the site puts into its own pages.

Every text goes through autoescaping templates. A verdict is a sign and a word before it is a colour.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from rerankbench.reference.verdict import Verdict, as_printed
from rerankbench.report.appendix import Appendix, Note, appendix
from rerankbench.report.cells import Cell
from rerankbench.report.sheet import experiment_sheets
from rerankbench.report.table import Column, Row, Table
from rerankbench.report.text import Shape, Words, column_label, counted, interval_text, legend, queries_text, seconds_text, words

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

TEMPLATES = Path(__file__).with_name("templates")
RunLink = Callable[[Cell], str]
"""Where a cell's run is looked at, as a URL from the page; empty for nowhere."""

_MEANINGS: Mapping[Verdict | None, str] = {
    Verdict.MATCH: "MATCH: equal to the paper as printed",
    Verdict.CLOSE: "CLOSE: within the noise",
    Verdict.DIFFERENT: "DIFFERENT: further off than the noise",
    Verdict.MISSING: "MISSING: the paper prints a number, and there is none of ours",
    Verdict.NOT_IN_PAPER: "the paper prints none",
}


@dataclass(frozen=True, slots=True)
class CellView:
    """A cell as a template shows it.

    Attributes:
        emphasis: ``bold``, ``underline`` or nothing, as in the paper.
        kind: The verdict as a class name: ``match``, ``close``, ``different``, ``refused``, ``missing`` or ``plain``.
        sort: What a column is sorted by: the value with all its digits, empty where there is none.
        href: The run; empty where there is none to go to.
        repeats: Label, value and run of each of several runs that share the cell.
        facts: Name and value of all that is known of the cell.
    """

    words: Words
    emphasis: str
    kind: str
    sort: str
    interval: str
    spread: str
    letters: str
    href: str
    repeats: tuple[tuple[str, str, str], ...]
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class RowView:
    """A row; `parts` are the further columns of an experiment's sheet."""

    label: str
    letter: str
    cells: tuple[CellView, ...]
    parts: tuple[str, ...] = ()

    @property
    def kinds(self) -> str:
        """The verdicts in the row, for a filter."""
        return " ".join(sorted({cell.kind for cell in self.cells}))


@dataclass(frozen=True, slots=True)
class GridView:
    """What becomes one table element: its caption, headings of numbers, headings of parts, and groups of rows."""

    caption: str
    columns: tuple[str, ...]
    parts: tuple[str, ...]
    groups: tuple[tuple[str, tuple[RowView, ...]], ...]


def render_html(table: Table, shape: Shape = "paper", *, base: str | None = None) -> str:
    """One page without anything outside of it.

    Args:
        base: The folder of runs as a URL from where the page will lie, see `base_of`. None links nothing: runs are named alone.
    """
    return environment().get_template("page.html").render(title=table.title, table=table_fragment(table, shape, runs_below(base)))


def table_fragment(table: Table, shape: Shape, link: RunLink, anchors: str = "") -> Markup:
    """The table and all that is said under it, without a heading; what it looks like is in ``table.css``.

    Args:
        anchors: What the names of its notes begin with, where a page holds several tables.
    """
    from markupsafe import Markup

    under = appendix(table)
    grids = [_paper(table, under, link)] if shape == "paper" else list(_sheets(table, under, link))
    shown = (
        environment()
        .get_template("table.html")
        .render(
            table=table,
            anchors=anchors,
            grids=grids,
            signs=legend(table, under, flags=shape == "paper"),
            statements=[line for line in (*under.verdicts, under.complete) if line],
            notes=[
                (heading, list(map(_note, notes))) for heading, notes in (("Missing", under.missing), ("Notes", under.remarks)) if notes
            ],
            lists=under.lists(),
        )
    )
    return Markup(shown)  # noqa: S704 the template has escaped it


def runs_below(base: str | None) -> RunLink:
    """Links to run folders below a URL; to nothing for None."""
    return lambda cell: f"{base}/{quote(cell.run)}/" if base is not None and cell.run else ""


def base_of(runs: Path, folder: Path) -> str | None:
    """The folder of runs as a URL from a page in `folder`.

    None where the way from one to the other leads over the root of the file system: such a link would hold for this machine alone, and
    tell its folders to whoever is sent the page.
    """
    # Not resolved: a browser goes through the names as they stand in the address, and knows no symbolic links.
    there, here = (Path(os.path.normpath(path.absolute())) for path in (runs, folder))
    if there.drive != here.drive or Path(os.path.commonpath([there, here])) == Path(here.anchor):
        return None
    return quote(Path(os.path.relpath(there, here)).as_posix())


@cache
def environment(*more: Path) -> Environment:
    """Templates of this package, and of further folders. What is not defined is an error, and all text is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader([*more, TEMPLATES]), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.globals["stylesheet"] = stylesheet
    return made


def stylesheet() -> Markup:
    """The rules that tables look by, in light and dark and on paper."""
    from markupsafe import Markup

    return Markup((TEMPLATES / "table.css").read_text(encoding="utf-8"))  # noqa: S704 our own file


def kind_of(cell: Cell) -> str:
    """The verdict as a class name."""
    if not cell.done:
        return "missing"
    if not cell.is_compared:
        return "plain"
    return {None: "refused", Verdict.NOT_IN_PAPER: "plain"}.get(cell.verdict, str(cell.verdict).lower())


def cell_facts(cell: Cell, column: Column) -> Iterator[tuple[str, str]]:
    """All that is known of a cell, by name; what is not known is left out."""
    said = (
        ("why", f"failed: {cell.reason}" if cell.status == "failed" else cell.reason),
        ("to get it", cell.hint),
        ("95 % interval", _interval(cell, column)),
        ("spread", _spread(cell, column)),
        ("paper", cell.printed or ""),
        ("difference", as_printed(cell.difference, column.decimals, sign=True) if cell.difference is not None else ""),
        ("verdict", cell.not_judged or _MEANINGS.get(cell.verdict, "")),
        ("better than", ", ".join(cell.letters.split(",") if "," in cell.letters else cell.letters)),
        ("against", _against(cell, column)),
        ("queries", queries_text(cell)),
        ("defects", ", ".join(f"{count} {kind}" for kind, count in sorted(cell.defects.items()))),
        ("seconds", _seconds(cell)),
        ("remarks", "; ".join(remark for remark in cell.remarks if remark != cell.not_judged)),
        *((f"task {when}", words) for when, words in (cell.task.said if cell.task else ())),
        ("run", cell.run),
    )
    yield from ((name, text) for name, text in said if text)


def _paper(table: Table, under: Appendix, link: RunLink) -> GridView:
    emphasis = table.emphasis()
    position = 0
    groups = []
    for group in table.groups:
        rows = []
        for row in group.rows:
            marks = [emphasis.get((position, c), "") for c in range(len(table.columns))]
            rows.append(_row(row, table, under, link, marks))
            position += 1
        groups.append((group.label, tuple(rows)))
    return GridView("", tuple(map(column_label, table.columns)), (), tuple(groups))


def _row(row: Row, table: Table, under: Appendix, link: RunLink, marks: Sequence[str]) -> RowView:
    cells = zip(row.cells, table.columns, marks, strict=True)
    views = (_view(row, cell, column, words(cell, column, under), link=link, emphasis=mark) for cell, column, mark in cells)
    return RowView(row.label, row.letter, tuple(views))


def _sheets(table: Table, under: Appendix, link: RunLink) -> Iterator[GridView]:
    for sheet, column in zip(experiment_sheets(table, under), table.columns, strict=True):
        rows = []
        for line, row in zip(sheet.lines, table.rows, strict=True):
            # The interval stands in a column of its own there.
            view = replace(_view(row, line.cell, column, line.said, link=link), interval="")
            rows.append(RowView(row.label, row.letter, (view,), line.parts))
        yield GridView(sheet.heading, (sheet.measure,), sheet.columns, (("", tuple(rows)),))


def _view(row: Row, cell: Cell, column: Column, said: Words, *, link: RunLink, emphasis: str = "") -> CellView:
    place = (f"{row.label} on {column_label(column)}", said.value)
    return CellView(
        words=said,
        emphasis=emphasis,
        kind=kind_of(cell),
        sort="" if cell.points is None else f"{cell.points:f}",
        interval=_interval(cell, column),
        spread=_spread(cell, column),
        letters=cell.letters,
        href=link(cell),
        repeats=tuple(_repeats(cell, column, link)),
        facts=(place, *cell_facts(cell, column)),
    )


def _interval(cell: Cell, column: Column) -> str:
    """Two negative numbers with a dash between them would be hard to read."""
    text = interval_text(cell, column)
    return text.replace("–", " to ") if "-" in text else text


def _spread(cell: Cell, column: Column) -> str:
    if cell.spread_points is None:
        return ""
    low, high = (as_printed(number, column.decimals) for number in cell.spread_points)
    return f"{low}–{high} over {len(cell.repeats)} runs"


def _repeats(cell: Cell, column: Column, link: RunLink) -> Iterator[tuple[str, str, str]]:
    for repeat in cell.repeats:
        yield repeat.label, as_printed(cell.in_points(repeat.value), column.decimals), link(replace(cell, run=repeat.run))


def _against(cell: Cell, column: Column) -> str:
    if cell.against is None:
        return ""
    found = cell.against
    difference = as_printed(cell.in_points(found.difference), column.decimals, sign=True)
    return f"{difference} to {found.reference}, p = {found.p:.3g}, {'significant' if found.is_significant else 'not significant'}"


def _seconds(cell: Cell) -> str:
    seconds = seconds_text(cell)
    where = f" on {cell.hardware}" if cell.hardware else ""
    return f"{seconds.removesuffix('*')}{where}{', resumed after a stop' if cell.resumed else ''}" if seconds else ""


def _note(note: Note) -> Mapping[str, object]:
    return {"number": note.number, "counted": counted(note), "text": note.text, "where": note.where, "hint": note.hint}
