"""A table of words, in every format that tables of numbers have: what versions are, say, not what scores are."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table as Grid
from rich.text import Text

from rerankbench.report import html, latex, markdown

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
    from markupsafe import Markup

    body = Markup(html.environment().get_template("listing.html").render(listing=listing))  # noqa: S704 the template has escaped it
    return html.environment().get_template("page.html").render(title=listing.title, table=body)


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


def listing_terminal(listing: Listing) -> Group:
    """What a rich console prints: words that do not fit are broken, none is left out."""
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for column in listing.columns:
        grid.add_column(Text(column), overflow="fold")
    for row in listing.rows:
        grid.add_row(*map(Text, row))
    return Group(Text(listing.title, style="bold"), *(Text(line, style="dim") for line in listing.context), Text(""), grid, Text(""))
