"""Tables of words: every word is there in every format, whatever characters it has."""

from __future__ import annotations

import csv
import io
import json

import pytest
from rich.console import Console

from rerankbench.report import Listing, listing_terminal, render

NASTY = "<b>a_b|c</b> & 5 %"
LISTING = Listing("x-versions", "Which <i>version</i>", ("task", "main score"), (("A", "map → map_at_1000"), (NASTY, "")), ("then → now",))


def test_data_formats_hold_the_words_as_they_are() -> None:
    assert list(csv.reader(io.StringIO(render(LISTING, "csv")))) == [["task", "main score"], ["A", "map → map_at_1000"], [NASTY, ""]]
    data = json.loads(render(LISTING, "json"))
    assert data["rows"] == [{"task": "A", "main score": "map → map_at_1000"}, {"task": NASTY, "main score": ""}]


def test_markup_is_escaped() -> None:
    html = render(LISTING, "html")
    assert "&lt;b&gt;a_b|c&lt;/b&gt; &amp; 5 %" in html
    assert "<i>version" not in html
    assert r"\<b\>a\_b\|c\</b\> \& 5 %" in render(LISTING, "markdown")
    latex = render(LISTING, "latex")
    assert r"map $\rightarrow$ map\_at\_1000" in latex
    assert r"\& 5 \%" in latex


def test_latex_breaks_many_rows_into_tables_of_a_page() -> None:
    long = Listing("x", "t", ("n",), tuple((str(n),) for n in range(56)))
    latex = render(long, "latex")
    assert latex.count(r"\begin{table}") == latex.count(r"\end{table}") == 2  # 48 rows, and 8
    assert latex.count(r" \\") == 56 + 2


@pytest.mark.parametrize("width", [40, 140])
def test_a_narrow_terminal_loses_no_word(width: int) -> None:
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=False).print(listing_terminal(LISTING))
    shown = "".join(out.getvalue().split())
    assert "map_at_1000" in shown
    assert max(map(len, out.getvalue().splitlines())) <= width
