"""A figure shows the points that it was given, the same data gives the same file, and matplotlib is asked for by name."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from rerankbench.errors import MissingExtra
from rerankbench.report.figure import Level, Point, SweepFigure, draw

POINTS = tuple(Point("DL19", "listwise", x, y, y - 2, y + 2) for x, y in ((1.0, 10.0), (2.0, 20.0), (3.0, 40.0)))
FIGURE = SweepFigure("A title of $5 and _x_", "A caption", "documents in prompt", "nDCG@10", POINTS, (Level("DL19", "BM25", 15.0),))


@pytest.fixture
def matplotlib() -> None:
    pytest.importorskip("matplotlib")


def _svg(figure: SweepFigure, folder: Path) -> str:
    folder.mkdir(exist_ok=True)
    svg, png = draw(figure, folder)
    assert (svg.name, png.name) == ("figure.svg", "figure.png")
    assert png.read_bytes().startswith(b"\x89PNG")
    return svg.read_text(encoding="utf-8")


@pytest.mark.usefixtures("matplotlib")
def test_the_same_data_gives_the_same_bytes(tmp_path: Path) -> None:
    assert _svg(FIGURE, tmp_path / "one") == _svg(FIGURE, tmp_path / "two")
    other = replace(FIGURE, points=(*POINTS[:2], replace(POINTS[2], y=41.0)))
    assert _svg(FIGURE, tmp_path / "one") != _svg(other, tmp_path / "two")


@pytest.mark.usefixtures("matplotlib")
def test_points_stand_where_their_values_are(tmp_path: Path) -> None:
    svg = _svg(FIGURE, tmp_path)
    # The line of the first series: one corner a point, in the first colour.
    (line,) = re.findall(r'<path d="M ([^"]*?)"[^>]*style="fill: none; stroke: #0072b2; stroke-width: 1.4', svg)[:1]
    corners = [tuple(map(float, corner.split())) for corner in line.replace("\n", "").split("L")]
    (x1, y1), (x2, y2), (x3, y3) = corners
    assert x3 - x2 == pytest.approx(x2 - x1, rel=1e-4)  # 1, 2, 3
    assert y3 - y2 == pytest.approx(2 * (y2 - y1), rel=1e-4)  # 10, 20, 40: twice the step
    assert y1 > y2 > y3  # an SVG's y falls upwards


@pytest.mark.usefixtures("matplotlib")
def test_points_are_joined_along_the_axis_whatever_their_order(tmp_path: Path) -> None:
    shuffled = replace(FIGURE, points=(POINTS[2], POINTS[0], POINTS[1]))
    assert _svg(FIGURE, tmp_path / "one") == _svg(shuffled, tmp_path / "two")


@pytest.mark.usefixtures("matplotlib")
def test_all_words_are_text_in_the_file(tmp_path: Path) -> None:
    svg = _svg(FIGURE, tmp_path)
    for words in ("A title of $5 and _x_", "A caption", "documents in prompt", "nDCG@10", "DL19", "BM25", "listwise"):
        assert f">{words}</text>" in svg, words


@pytest.mark.usefixtures("matplotlib")
def test_the_legend_names_what_only_the_second_panel_has(tmp_path: Path) -> None:
    more = replace(
        FIGURE, points=(*POINTS, replace(POINTS[0], panel="DL20", series="other")), levels=(*FIGURE.levels, Level("DL20", "oracle", 9.0))
    )
    svg = _svg(more, tmp_path)
    assert [svg.count(f">{name}</text>") for name in ("listwise", "other", "BM25", "oracle")] == [1, 1, 1, 1]


def test_a_figure_without_points_writes_nothing(tmp_path: Path) -> None:
    assert draw(replace(FIGURE, points=()), tmp_path) == []
    assert not list(tmp_path.iterdir())


def test_without_matplotlib_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra) as caught:
        draw(FIGURE, tmp_path)
    assert caught.value.hint == "pip install 'rerankbench[figures]'"
    assert not list(tmp_path.iterdir())
