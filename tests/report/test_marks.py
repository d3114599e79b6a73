"""A mark holds a value or says why not; a figure tells what it lacks and what is not clean."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from report.drawing import SWEEP, mark, sure
from report.making import NASTY, absent, done
from rerankbench.errors import MeasureError
from rerankbench.report.marks import Figure, Mark, mark_of, marks_csv


def test_a_mark_without_a_value_must_say_why() -> None:
    with pytest.raises(MeasureError, match="'DL19' / 'x' has no value and says no reason"):
        Mark("DL19", "x", None)


@pytest.mark.parametrize("broken", ["NaN", "Infinity"])
def test_numbers_are_finite(broken: str) -> None:
    with pytest.raises(MeasureError, match="expected a finite number"):
        Mark("DL19", "x", Decimal(broken))


def test_a_cell_becomes_a_mark_in_percent_points_without_losing_a_digit() -> None:
    cell = done("x", "dl19", 0.07, interval=(0.0612345678, 0.08), queries=43, run="dl19/bm25/x-1", caveat="no model", notes=("times",))
    made = mark_of(cell, "DL19", "x")
    assert (made.y, made.low, made.high) == (Decimal(7), Decimal("6.12345678"), Decimal(8))  # 0.07 × 100 is 7.000000000000001
    assert (made.queries, made.run, made.remarks) == (43, "dl19/bm25/x-1", ("no model",))


def test_a_missing_cell_becomes_a_mark_that_says_how_to_get_it() -> None:
    made = mark_of(absent("x", "dl19", "no weights", "download them"), "DL19", "x")
    assert (made.y, made.reason, made.hint) == (None, "no weights", "download them")


def test_the_caption_names_what_is_not_clean_once_with_all_it_is_about() -> None:
    marks = tuple(mark("DL19", name, 1.0, remarks=("first 5 queries only",)) for name in ("a", "b", "a"))
    assert Figure("sweep", "t", "c.", "x", "y", marks).words() == "c. a, b: first 5 queries only."


def test_many_missing_series_are_counted() -> None:
    marks = tuple(mark("DL19", f"s{i}", None) for i in range(9))
    assert Figure("sweep", "t", "", "x", "y", marks).words().startswith("Not measured here: s0, s1, s2, s3, s4, s5 and 3 more;")


def test_a_series_that_one_panel_lacks_names_that_panel() -> None:
    marks = (mark("DL19", "a", 1.0), mark("DL20", "a", None), mark("DL20", "b", 1.0))
    assert "Not measured here: a (DL20);" in Figure("sweep", "t", "", "x", "y", marks).words()


def test_the_papers_gaps_are_not_ours() -> None:
    marks = (mark("", "a", 1.0), Mark("", "a", None, source="paper", reason="the paper prints none"))
    figure = Figure("bars", "t", "", "x", "y", marks)
    assert (figure.exit_code(), figure.words()) == (0, "")


def test_the_csv_tells_significance_and_escapes_names() -> None:
    made = replace(SWEEP.marks[0], series=NASTY, against=sure(True), is_default=False)
    header, line = marks_csv([made]).splitlines()
    assert header.startswith("panel,series,part,x,y,low,high,unit,source,verdict,default,reference,difference,p,significant")
    assert f'"{NASTY}"' in line or f",{NASTY}," in line
    assert ",the default,-2,0.01,yes," in line.replace("-2.00", "-2").replace("-2.0", "-2")
