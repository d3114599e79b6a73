"""Names stand beside their marks and cover nothing; what is hollow is the paper's."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from report.drawing import mark
from rerankbench.report.beside import Box, place_beside
from rerankbench.report.marks import Figure
from rerankbench.report.style import styled

WITHIN = Box(0, 0, 200, 150)


def _boxes(marks: list[tuple[float, float]], sizes: list[tuple[float, float]], lines: list[Box]) -> list[Box]:
    found = place_beside(marks, sizes, WITHIN, lines, 4)
    return [Box(x + dx, y + dy, x + dx + w, y + dy + h) for (x, y), (w, h), (dx, dy, _) in zip(marks, sizes, found, strict=True)]


def test_a_name_stands_right_of_its_mark_where_there_is_room_and_left_at_the_right_edge() -> None:
    # 4 for half a mark and 1.5 between; 8 high, so from 4 below the middle.
    assert place_beside([(50, 50)], [(40, 8)], WITHIN, [], 4) == [(5.5, -4, False)]
    assert place_beside([(190, 50)], [(40, 8)], WITHIN, [], 4) == [(-45.5, -4, False)]


def test_a_name_goes_round_a_line() -> None:
    (box,) = _boxes([(50, 50)], [(40, 8)], [Box(50, 49, 150, 51)])
    assert box.right < 50


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(20, 180), st.integers(20, 130)), min_size=1, max_size=5, unique=True))
def test_few_names_never_cover_each_other_nor_a_mark(at: list[tuple[int, int]]) -> None:
    marks = [(float(x), float(y)) for x, y in at]
    boxes = _boxes(marks, [(30.0, 8.0)] * len(marks), [])
    assert all(a.meets(b) < 0.01 for a, b in combinations(boxes, 2))
    assert all(box.meets(Box(x - 4, y - 4, x + 4, y + 4)) < 0.01 for box in boxes for x, y in marks)
    assert all(box.outside(WITHIN) < 0.01 for box in boxes)


FIGURE = Figure(
    "tradeoff", "Trade-off", "", "seconds a query", "nDCG@10",
    (
        mark("here", "one", 40.0, "cold", x=0.1, half=3),
        mark("here", "another", 40.5, "cold", x=0.11, half=3),
        mark("here", "third", 40.2, "cold", x=0.12, half=3),
        mark("here", "BM25", 38.0, "level"),
        mark("the paper", "fourth", 50.0, "cold", x=3, source="paper"),
        mark("here", "one", 40.0, "Pareto front, cold", x=0.1),
        mark("here", "another", 40.5, "Pareto front, cold", x=0.11),
    ),
)  # fmt: skip


def test_it_is_drawn_with_every_name_once_and_the_papers_hollow() -> None:
    pytest.importorskip("matplotlib", reason="the extra 'figures' is not installed")
    from matplotlib.colors import to_hex

    from rerankbench.report.tradeoff_figure import plot_tradeoff

    with styled():
        drawn = plot_tradeoff(FIGURE)
        drawn.draw_without_rendering()
        axes: list[Any] = [axis for half in drawn.subfigs for axis in half.axes]
        names = [[text for text in axis.texts if text.get_text()] for axis in axes]
        assert [[text.get_text() for text in of] for of in names] == [["one", "another", "third"], ["fourth"]]
        boxes = [text.get_window_extent() for text in names[0]]
        assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
        faces = [{to_hex(line.get_markerfacecolor()) for line in axis.lines if line.get_label() == "cold"} for axis in axes]
    assert faces == [{"#0072b2"}, {"#ffffff"}]
    assert [axis.get_xscale() for axis in axes] == ["log", "log"]
