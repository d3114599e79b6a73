"""The figure of first stages has a line from each score to its ceiling, and rerankers on it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from report.drawing import STAGES, mark, plotted


@pytest.fixture(autouse=True)
def matplotlib() -> None:
    pytest.importorskip("matplotlib")


def _panels(drawn: Any) -> dict[str, Any]:
    return {a.get_title("left"): a for a in drawn.findobj(lambda artist: hasattr(artist, "get_xlim")) if a.axison}


def _values(axis: Any, label: str) -> list[float]:
    return [float(line.get_xdata()[0]) for line in axis.get_lines() if line.get_label() == label]


def test_scores_ceilings_and_rerankers_stand_at_their_values_from_the_bottom_up() -> None:
    with plotted(STAGES) as drawn:
        axis = _panels(drawn)["DL19"]
        assert [label.get_text() for label in axis.get_yticklabels()] == ["contriever", "bm25"]
        assert _values(axis, "first stage") == [60.0, 50.0]
        assert _values(axis, "ceiling") == [80.0, 90.0]
        assert _values(axis, "E2Rank") == [70.0]
        spans = [tuple(map(float, line.get_xdata())) for line in axis.get_lines() if len(line.get_xdata()) == 2]
        assert spans == [(60.0, 80.0), (50.0, 90.0)]


def test_a_first_stage_without_a_value_keeps_its_row() -> None:
    with plotted(STAGES) as drawn:
        axis = _panels(drawn)["DL20"]
        assert [label.get_text() for label in axis.get_yticklabels()] == ["bm25"]
        assert [text.get_text() for text in axis.texts] == ["nothing at hand"]
    assert "Not measured here: bm25 (DL20)" in STAGES.words()


def test_a_row_without_ceiling_has_its_score_alone() -> None:
    with plotted(replace(STAGES, marks=STAGES.marks[:1])) as drawn:
        (line,) = _panels(drawn)["DL19"].get_lines()
        assert line.get_label() == "first stage"


def test_a_missing_reranker_is_named() -> None:
    more = replace(STAGES, marks=(*STAGES.marks[:5], mark("DL19", "bm25", None, "RankQwen3")))
    assert "Not measured here: bm25 (DL19: RankQwen3)" in more.words()


def test_more_rerankers_than_colours_and_many_rows_are_drawn() -> None:
    marks = [mark(f"set {i}", "bm25", 40.0, "first stage") for i in range(15)]
    marks += [mark("set 0", "bm25", 50.0 + i, f"system {i}") for i in range(12)]
    with plotted(replace(STAGES, marks=tuple(marks))) as drawn:
        panels = _panels(drawn)
        assert list(panels) == [f"set {i}" for i in range(15)]
        assert [_values(panels["set 0"], f"system {i}") for i in range(12)] == [[50.0 + i] for i in range(12)]
