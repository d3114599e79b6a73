"""The figure of latency under load: lines at their rates, open where a rate is not sustained, the target and the rate that holds it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from report.drawing import LOAD, lines, mark, plotted
from rerankbench.report.load_figure import HELD


@pytest.fixture(autouse=True)
def matplotlib() -> None:
    pytest.importorskip("matplotlib")


def _axes(drawn: Any) -> list[Any]:
    return [axis for axis in drawn.findobj(lambda artist: hasattr(artist, "get_xlim")) if axis.axison]


def _legend(drawn: Any) -> list[str]:
    return [text.get_text() for legend in drawn.findobj(lambda a: hasattr(a, "get_texts")) for text in legend.get_texts()]


def test_each_system_has_its_p50_and_p99_over_the_rates() -> None:
    with plotted(LOAD) as drawn:
        (axis,) = _axes(drawn)
        found = lines(axis)
        assert found["fast, p50"] == [(1.0, 0.1), (4.0, 0.2), (8.0, 5.0)]
        assert found["fast, p99"] == [(1.0, 0.3), (4.0, 0.9), (8.0, 20.0)]
        assert (axis.get_xscale(), axis.get_yscale()) == ("log", "log")
        assert {y for _, y in found["p99 target, 1 s"]} == {1.0}
        assert _legend(drawn) == ["fast, p99", "fast, p50", "slow: not measured here", "p99 target, 1 s"]


def test_points_of_a_rate_that_is_not_sustained_are_open_and_the_highest_that_holds_is_ringed() -> None:
    with plotted(LOAD) as drawn:
        (axis,) = _axes(drawn)
        hollow = [tuple(map(float, line.get_xydata()[0])) for line in axis.get_lines() if line.get_markerfacecolor() == "white"]
        assert hollow == [(8.0, 20.0), (8.0, 5.0)]
        rings = [tuple(map(float, xy)) for line in axis.get_lines() if line.get_markersize() == 9 for xy in line.get_xydata()]
        assert rings == [(4.0, 0.9)]


def test_without_a_rate_that_holds_nothing_is_ringed() -> None:
    with plotted(replace(LOAD, marks=tuple(m for m in LOAD.marks if m.part != HELD))) as drawn:
        (axis,) = _axes(drawn)
        assert not [xy for line in axis.get_lines() if line.get_markersize() == 9 for xy in line.get_xydata()]


def test_two_systems_and_two_lists_have_looks_and_panels_of_their_own() -> None:
    more = tuple(mark("other", "slow", y, "p99", x, unit="seconds") for x, y in ((2, 1.0), (4, 2.0)))
    marks = (*(replace(m, panel="one") for m in LOAD.marks if m.series != "slow"), *more)
    with plotted(replace(LOAD, marks=marks)) as drawn:
        one, other = _axes(drawn)
        assert lines(other)["slow, p99"] == [(2.0, 1.0), (4.0, 2.0)]
        colours = [next(line.get_color() for line in axis.get_lines() if line.get_label().endswith("p99")) for axis in (one, other)]
        assert colours[0] != colours[1]
