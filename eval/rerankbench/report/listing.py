"""A table of words, in every format that tables of numbers have: what versions are, say, not what scores are."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table as Grid
from rich.text import Text

from rerankbench.report import html, latex, markdown
from rerankbench.report.terminal import as_ascii

if TYPE_CHECKING:
    from markupsafe import Markup

_ROWS = 48
"""That a page of LaTeX takes."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Rows of words under a heading each.

    Attributes:
        id: What it is called in files.
        rows: As many words as there are columns.
        context: Lines above it.
    """

    id: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    context: tuple[str, ...] = ()

    def exit_code(self) -> int:
        """0: it lacks no number."""
        return 0


def listing_csv(listing: Listing) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([listing.columns, *listing.rows])
    return out.getvalue()


def listing_json(listing: Listing) -> dict[str, Any]:
    """A mapping with one mapping a row."""
    rows = [dict(zip(listing.columns, row, strict=True)) for row in listing.rows]
    return {"table": listing.id, "title": listing.title, "context": list(listing.context), "rows": rows}


def listing_markdown(listing: Listing) -> str:
    lines = [listing.columns, *listing.rows]
    head, *body = (f"| {' | '.join(map(markdown.escape, line))} |" for line in lines)
    table = "\n".join([head, "|" + " --- |" * len(listing.columns), *body])
    return "\n\n".join([f"### {markdown.escape(listing.title)}", *map(markdown.block, listing.context), table]) + "\n"


def listing_html(listing: Listing) -> str:
    """One page that stands alone."""
    return html.environment().get_template("page.html").render(title=listing.title, table=listing_fragment(listing))


def listing_fragment(listing: Listing) -> Markup:
    """The table without a heading; what it looks like is in ``table.css``."""
    from markupsafe import Markup

    return Markup(html.environment().get_template("listing.html").render(listing=listing))  # noqa: S704 the template has escaped it


def listing_latex(listing: Listing) -> str:
    """Table environments, as many as its rows need; for booktabs and graphicx."""
    parts = [listing.rows[start : start + _ROWS] for start in range(0, len(listing.rows), _ROWS)] or [()]
    lines = [r"% Needs \usepackage{booktabs,graphicx}."]
    for part in parts:
        body = [" & ".join(map(latex.escape, row)) + r" \\" for row in part]
        lines += [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{latex.escape(listing.title)}}}",
            r"\resizebox{\linewidth}{!}{%",
            rf"\begin{{tabular}}{{{'l' * len(listing.columns)}}}",
            r"\toprule",
            " & ".join(map(latex.escape, listing.columns)) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table}",
        ]
    lines += [rf"{{\footnotesize {latex.escape(line)}\par}}" for line in listing.context]
    return "\n".join(lines) + "\n"


def listing_terminal(listing: Listing) -> TerminalListing:
    """What a rich console prints for a listing."""
    return TerminalListing(listing)


@dataclass(frozen=True, slots=True)
class TerminalListing:
    """A listing that fits itself to the console: words that do not fit are broken, and none is left out."""

    listing: Listing

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        def text(string: str, style: str = "") -> Text:
            return Text(as_ascii(string) if options.ascii_only else string, style=style, overflow="fold")

        grid = Grid(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
        longest = max((len(row[0]) for row in self.listing.rows), default=0)
        for place, column in enumerate(self.listing.columns):
            grid.add_column(text(column, "bold"), overflow="fold", width=min(longest, options.max_width // 3) if place == 0 else None)
        for row in self.listing.rows:
            grid.add_row(*map(text, row))
        yield text(self.listing.title, "bold")
        yield from (text(line, "dim") for line in self.listing.context)
        yield from (Text(""), grid, Text(""))
