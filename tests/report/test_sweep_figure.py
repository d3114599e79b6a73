"""A sweep's figure has its marks on its axes: points, bands, error bars, levels, and what differs from the default."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from report.drawing import SWEEP, lines, mark, plotted
from rerankbench.report.marks import Figure

TWO = replace(
    SWEEP,
    marks=(
        *SWEEP.marks,
        *(mark("DL19", "window", y, x=x, half=1) for x, y in ((1, 12.0), (2, 14.0), (3, 13.0))),
        mark("DL20", "window", 33.0, x=2, half=4),
        mark("DL20", "oracle", 90.0, "level"),
    ),
)


@pytest.fixture(autouse=True)
def matplotlib() -> None:
    pytest.importorskip("matplotlib")


def _axes(drawn: Any) -> list[Any]:
    return [axis for axis in drawn.findobj(lambda artist: hasattr(artist, "get_xlim")) if axis.axison]


def _markers(axis: Any, **face: str) -> list[float]:
    """The places of the unlabelled points with that face."""
    return [float(x) for line in axis.get_lines() if line.get_markerfacecolor() == face["face"] for x in line.get_xdata()]


def test_the_points_on_the_axis_are_the_marks() -> None:
    with plotted(SWEEP) as drawn:
        (axis,) = _axes(drawn)
        found = lines(axis)
        assert found["listwise"] == [(1.0, 10.0), (2.0, 20.0), (3.0, 40.0)]
        assert {y for _, y in found["BM25"]} == {15.0}
        low, high = axis.get_ylim()
        assert low < 8  # the whole band: 10 - 2 to 40 + 3
        assert high > 43


def test_points_are_joined_along_the_axis_whatever_their_order() -> None:
    with plotted(replace(SWEEP, marks=SWEEP.marks[::-1])) as drawn:
        assert lines(_axes(drawn)[0])["listwise"] == [(1.0, 10.0), (2.0, 20.0), (3.0, 40.0)]


def test_one_series_has_a_band_of_its_intervals() -> None:
    with plotted(SWEEP) as drawn:
        (band,) = _axes(drawn)[0].collections
        corners = {(float(x), float(y)) for x, y in band.get_paths()[0].vertices}
        assert corners == {(1, 8), (1, 12), (2, 18), (2, 22), (3, 37), (3, 43)}


def test_several_series_have_error_bars_that_stand_at_their_points() -> None:
    with plotted(TWO) as drawn:
        left, right = _axes(drawn)
        bars = {tuple(map(tuple, segment)) for bars in left.collections for segment in bars.get_segments()}
        assert bars >= {((1.0, 8.0), (1.0, 12.0)), ((1.0, 11.0), (1.0, 13.0)), ((3.0, 37.0), (3.0, 43.0))}
        assert lines(right)["window"] == [(2.0, 33.0)]
        assert right.get_ylim()[0] < 29 < 90 < right.get_ylim()[1]


def test_only_what_does_not_differ_from_the_default_is_hollow_and_only_the_default_is_ringed() -> None:
    with plotted(SWEEP) as drawn:
        axis = _axes(drawn)[0]
        assert _markers(axis, face="white") == [3.0]
        assert _markers(axis, face="none") == [2.0]
    untested = replace(SWEEP, marks=tuple(replace(m, against=None, is_default=False) for m in SWEEP.marks))
    with plotted(untested) as drawn:
        axis = _axes(drawn)[0]
        assert _markers(axis, face="white") == _markers(axis, face="none") == []


def test_the_legend_names_every_series_and_level_once_whichever_panel_has_it() -> None:
    with plotted(TWO) as drawn:
        names = [text.get_text() for text in _legend(drawn).get_texts()]
    assert names == ["listwise", "window", "BM25", "oracle"]


def test_a_series_without_a_value_is_in_the_legend_as_not_at_hand() -> None:
    more = replace(SWEEP, marks=(*SWEEP.marks, *(mark("DL19", "E2Rank", None, x=x) for x in (1, 2, 3))))
    with plotted(more) as drawn:
        assert [text.get_text() for text in _legend(drawn).get_texts()] == ["listwise", "E2Rank: not measured here", "BM25"]
    assert more.words() == "A caption. Not measured here: E2Rank; figure.csv says why, and how to get it."
    assert more.exit_code() == 4


def test_a_missing_point_leaves_a_gap_in_no_line_and_is_counted() -> None:
    less = replace(SWEEP, marks=(SWEEP.marks[0], replace(SWEEP.marks[1], y=None, low=None, high=None, reason="x"), *SWEEP.marks[2:]))
    with plotted(less) as drawn:
        assert lines(_axes(drawn)[0])["listwise"] == [(1.0, 10.0), (3.0, 40.0)]
    assert "Not measured here: listwise (DL19 1 of 3)" in less.words()


def test_a_wide_range_is_logarithmic_and_its_numbers_do_not_run_into_each_other() -> None:
    values = (1, 2, 5, 10, 15, 20, 25, 28, 30)
    figure = Figure("sweep", "t", "", "x", "y", tuple(mark("a", "s", 1.0 * x, x=x) for x in values))
    with plotted(figure) as drawn:
        (axis,) = _axes(drawn)
        assert axis.get_xscale() == "log"
        labels = [label for label in axis.get_xticklabels() if label.get_text()]
        boxes = [label.get_window_extent() for label in labels]
        assert labels[-1].get_text() == "30"
        assert len(labels) < len(values)
        assert all(one.x1 < two.x0 for one, two in pairwise(boxes))
    narrow = replace(figure, marks=figure.marks[3:6])
    with plotted(narrow) as drawn:
        assert _axes(drawn)[0].get_xscale() == "linear"


def _legend(drawn: Any) -> Any:
    from matplotlib.legend import Legend

    (legend,) = drawn.findobj(Legend)
    return legend
