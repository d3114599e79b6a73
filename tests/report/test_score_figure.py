"""Scores by rank: a line of the means with their band, dotted beyond the ranks that all lists reach."""

from __future__ import annotations

from typing import Any

import pytest

from report.drawing import SCORES, lines, plotted


@pytest.fixture(autouse=True)
def matplotlib() -> None:
    pytest.importorskip("matplotlib")


def _axis(drawn: Any) -> Any:
    return next(axis for axis in drawn.findobj(lambda artist: hasattr(artist, "get_xlim")) if axis.axison)


def test_the_line_and_the_band_are_the_marks() -> None:
    with plotted(SCORES) as drawn:
        axis = _axis(drawn)
        assert lines(axis)["listwise"] == [(1.0, 0.8), (2.0, 0.7), (3.0, 0.6)]
        (band,) = axis.collections
        corners = {(float(x), round(float(y), 6)) for x, y in band.get_paths()[0].vertices}
        assert corners == {(1, 0.75), (1, 0.85), (2, 0.65), (2, 0.75), (3, 0.55), (3, 0.65)}


def test_ranks_of_fewer_queries_are_apart_from_the_line() -> None:
    with plotted(SCORES) as drawn:
        apart = [line for line in _axis(drawn).get_lines() if line.get_label().startswith("_")]
        assert [(list(line.get_xdata()), list(line.get_ydata())) for line in apart] == [([4.0], [0.65])]


def test_summaries_are_written_and_not_drawn() -> None:
    with plotted(SCORES) as drawn:
        assert all(y > 0 for line in _axis(drawn).get_lines() for y in line.get_ydata())
    assert [mark.part for mark in SCORES.marks if mark.part == "slope"] == ["slope"]


def test_ranks_begin_with_one() -> None:
    with plotted(SCORES) as drawn:
        assert min(_axis(drawn).get_xticks()) == 1


def test_a_system_without_scores_is_named_as_such() -> None:
    with plotted(SCORES) as drawn:
        assert lines(_axis(drawn))["query-only: not measured here"] == []
