"""The pages about everything: index, tables, what is missing, all runs, effectiveness against time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from rerankbench.reference.verdict import Verdict, as_printed, mean
from rerankbench.report import Listing, Table
from rerankbench.report.appendix import appendix
from rerankbench.report.cells import Cell
from rerankbench.report.html import table_fragment
from rerankbench.report.listing import listing_fragment
from rerankbench.site import plot
from rerankbench.site.folder import Writer
from rerankbench.site.model import Contents, ShownTable
from rerankbench.site.pages import write_page

if TYPE_CHECKING:
    from markupsafe import Markup

SIGNS = (
    (Verdict.MATCH, "match", "="),
    (Verdict.CLOSE, "close", "≈"),
    (Verdict.DIFFERENT, "different", "≠"),
    (None, "refused", "?"),
    (Verdict.MISSING, "missing", "–"),
)
"""Verdict, its class name, its sign; refused comparisons have no verdict."""


@dataclass(frozen=True, slots=True)
class Count:
    """How often a verdict was given."""

    name: str
    kind: str
    sign: str
    cells: int


@dataclass(frozen=True, slots=True)
class Lack:
    """Something that is not at hand, and what lacks it."""

    text: str
    hint: str
    cells: int
    tables: tuple[ShownTable, ...]


def write(writer: Writer, contents: Contents) -> None:
    """Write them all."""
    lacks = missing(contents.tables)
    summaries = [(shown, counts([shown.table]), len(shown.table.missing()), cells_of(shown.table)) for shown in contents.tables]
    common: Mapping[str, Any] = {"contents": contents, "lacks": lacks}
    write_page(writer, "index.html", "index.html", summaries=summaries, total=counts(_counted(contents)), **common)
    write_page(writer, "missing.html", "missing.html", **common)
    write_page(writer, "runs.html", "runs.html", rows=_runs(contents), contents=contents)
    drawn = plot.points(contents)
    write_page(writer, "plot.html", "plot.html", points=drawn, lists=list(dict.fromkeys(p["list"] for p in drawn)), contents=contents)
    pages = {run.path: run.page for run in contents.runs}
    for shown in contents.tables:
        fragments = [(name, table.title, _fragment(name, table, shown, pages)) for name, table in shown.tables.items()]
        write_page(writer, shown.page, "table_page.html", shown=shown, fragments=fragments)


def _fragment(name: str, table: Table | Listing, shown: ShownTable, pages: Mapping[str, str]) -> Markup:
    """A table of a page that may hold several, each with notes of its own."""
    if isinstance(table, Listing):
        return listing_fragment(table)
    return table_fragment(table, shown.shape, lambda cell: _link(cell, pages), anchors="" if name == "table" else f"{name}-")


def _counted(contents: Contents) -> Iterable[Table]:
    """The tables whose cells are in no other table: a figure's are."""
    return (shown.table for shown in contents.tables if shown.figure is None)


def counts(tables: Iterable[Table]) -> list[Count]:
    """Verdicts over all cells that stand beside a number of the paper, averages apart."""
    total: Counter[Verdict | None] = Counter()
    for table in tables:
        if table.is_compared:
            total.update(table.verdicts())
    return [Count(verdict.value if verdict else "not compared", kind, sign, total[verdict]) for verdict, kind, sign in SIGNS]


def cells_of(table: Table) -> int:
    """How many cells there are, averages apart."""
    return sum(1 for _ in table.cells(averages=False))


def missing(tables: Iterable[ShownTable]) -> list[Lack]:
    """Why cells have no number, what most cells lack first."""
    found: dict[tuple[str, str], dict[str, tuple[ShownTable, int]]] = {}
    for shown in tables:
        for note in appendix(shown.table).missing:
            found.setdefault((note.text, note.hint), {})[shown.page] = (shown, note.count)
    lacks = [
        Lack(text, hint, sum(n for _, n in of.values()), tuple(shown for shown, _ in of.values())) for (text, hint), of in found.items()
    ]
    return sorted(lacks, key=lambda lack: -lack.cells)


def _link(cell: Cell, pages: Mapping[str, str]) -> str:
    return "../" + quote(pages[cell.run]) if cell.run in pages else ""


def _runs(contents: Contents) -> list[dict[str, Any]]:
    rows = []
    for shown in contents.lists:
        measure = shown.measures[0]
        for run in shown.runs:
            values = list(run.values.get(measure, {}).values())
            rows.append(
                {
                    "run": run,
                    "list": shown,
                    "measure": measure,
                    "value": as_printed(100 * mean(values), 2) if values else "",
                    "queries": len(values),
                    "defects": sum(run.manifest["defects"].values()),
                    "seconds": as_printed(run.manifest["seconds"], 2),
                }
            )
    return rows
