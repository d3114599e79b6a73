"""Bars are as long as their values, ours and the paper's are told apart, and what is missing has its cross."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from report.drawing import BARS, mark, plotted, widths
from rerankbench.reference.verdict import Verdict
from rerankbench.report.style import PAPER_HATCH


@pytest.fixture(autouse=True)
def matplotlib() -> None:
    pytest.importorskip("matplotlib")


def _axis(drawn: Any) -> Any:
    return next(axis for axis in drawn.findobj(lambda artist: hasattr(artist, "get_xlim")) if axis.axison)


def test_bars_begin_at_zero_and_are_as_long_as_their_values() -> None:
    with plotted(BARS) as drawn:
        axis = _axis(drawn)
        # From the top: BM25 ours and the paper's, E2Rank the paper's alone, own ours alone.
        assert widths(axis) == [43.425, 43.43, 52.09, 30.0]
        assert {bar.get_x() for bar in axis.patches} == {0.0}
        assert axis.get_xlim()[0] == 0
        assert axis.get_xlim()[1] > 52.09


def test_the_papers_bars_are_hatched_and_ours_are_solid() -> None:
    with plotted(BARS) as drawn:
        bars = sorted(_axis(drawn).patches, key=lambda bar: bar.get_y())
        assert [bar.get_hatch() for bar in bars] == [None, PAPER_HATCH, PAPER_HATCH, None]


def test_error_bars_are_the_intervals() -> None:
    with plotted(BARS) as drawn:
        segments = [segment for bars in _axis(drawn).collections for segment in bars.get_segments()]
        assert [[float(x) for x, _ in segment] for segment in segments] == [[40.425, 46.425]]


def test_what_is_missing_has_a_cross_at_its_place() -> None:
    with plotted(BARS) as drawn:
        axis = _axis(drawn)
        crosses = sorted((float(line.get_ydata()[0]), line.get_label()) for line in axis.get_lines())
        assert [label for _, label in crosses] == ["no value here", "no number in the paper"]
        places = {label.get_text(): place for label, place in zip(axis.get_yticklabels(), axis.get_yticks(), strict=True)}
        assert places["BM25"] < crosses[0][0] < places["E2Rank"] < places["own"] < crosses[1][0]


def test_numbers_stand_behind_the_bars_the_papers_as_printed_and_ours_with_its_verdict() -> None:
    marks = (replace(BARS.marks[0], verdict=Verdict.MATCH), *BARS.marks[1:])
    with plotted(replace(BARS, marks=marks)) as drawn:
        said = [text.get_text() for text in _axis(drawn).texts]
    assert said == ["43.43=", "43.43", "Ours", "52.09", "30.00"]  # 43.425 is a tie, which goes up


def test_without_the_paper_there_is_one_bar_a_system() -> None:
    ours = replace(BARS, marks=tuple(mark("", name, value, "avg") for name, value in (("a", 2.0), ("b", 1.0))), groups=(("", ("a", "b")),))
    with plotted(ours) as drawn:
        assert widths(_axis(drawn)) == [2.0, 1.0]
