"""A table in any of the formats that are written to files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rerankbench.errors import UsageError, nearest
from rerankbench.report.data import render_csv, to_json
from rerankbench.report.html import render_html
from rerankbench.report.latex import render_latex
from rerankbench.report.listing import Listing, listing_csv, listing_html, listing_json, listing_latex, listing_markdown
from rerankbench.report.markdown import render_markdown
from rerankbench.report.table import Table
from rerankbench.report.text import Shape

SUFFIXES: Mapping[str, str] = {"markdown": ".md", "csv": ".csv", "latex": ".tex", "html": ".html", "json": ".json"}
"""Format → the suffix of its file."""


def render(table: Table | Listing, format_: str, shape: Shape = "paper", *, base: str | None = None) -> str:
    """The table as the text of a file; CSV and JSON hold every cell and know no shape, and a listing has none.

    Args:
        base: The folder of runs as a URL from where the file will lie, for a format with links; None links nothing.

    Raises:
        UsageError: the format is unknown.
    """
    writers = _writers_of_words(table) if isinstance(table, Listing) else _writers(table, shape, base)
    if format_ not in writers:
        raise UsageError(f"There is no format {format_!r} for a table. {nearest(format_, writers)}")
    return writers[format_]()


def _writers(table: Table, shape: Shape, base: str | None) -> Mapping[str, Callable[[], str]]:
    return {
        "markdown": lambda: render_markdown(table, shape),
        "csv": lambda: render_csv(table),
        "latex": lambda: render_latex(table, shape),
        "html": lambda: render_html(table, shape, base=base),
        "json": lambda: _json(to_json(table)),
    }


def _writers_of_words(listing: Listing) -> Mapping[str, Callable[[], str]]:
    return {
        "markdown": lambda: listing_markdown(listing),
        "csv": lambda: listing_csv(listing),
        "latex": lambda: listing_latex(listing),
        "html": lambda: listing_html(listing),
        "json": lambda: _json(listing_json(listing)),
    }


def _json(data: Mapping[str, Any]) -> str:
    import orjson

    return orjson.dumps(data, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()
