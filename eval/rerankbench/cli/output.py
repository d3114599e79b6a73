"""What commands print: one JSON object, or tables that fit the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from rerankbench.report import Listing, Table
    from rerankbench.reporting import Report


def print_json(data: Mapping[str, Any]) -> None:
    """One JSON object on standard output, in UTF-8 whatever the terminal's encoding is."""
    import orjson

    typer.echo(orjson.dumps(data, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS))


PIPED_WIDTH = 140
"""Columns of a table that goes to no terminal."""


def console() -> Console:
    """Standard output, for people."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[str] = (), title: str = "") -> None:
    """A plain table; headings, title and cells are text and never markup."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, title=Text(title) if title else None, title_justify="left", title_style="bold")
    for heading in headings:
        table.add_column(Text(heading), justify="right" if heading in right else "left", no_wrap=heading in right, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console().print(table)


def print_facts(facts: Mapping[str, str]) -> None:
    """Names and values under each other, long values wrapped beside their name."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(Text(name), Text(value))
    console().print(table)


def print_report(report: Report) -> None:
    """Every table of a report, for people."""
    from rerankbench.report import Listing, listing_terminal, render_terminal

    for table in report.tables.values():
        console().print(listing_terminal(table) if isinstance(table, Listing) else render_terminal(table, report.shape))


def report_json(report: Report) -> dict[str, Any]:
    """The main table, with further ones under ``more`` by their names."""
    more = {name: table_json(table) for name, table in report.more.items()}
    return {**table_json(report.table), **({"more": more} if more else {})}


def table_json(table: Table | Listing) -> dict[str, Any]:
    """A table as a program reads it."""
    from rerankbench.report import Listing, listing_json, to_json

    return listing_json(table) if isinstance(table, Listing) else to_json(table)
