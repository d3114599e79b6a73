"""The figure of first stages shows what it was given, the same data gives the same file, and nothing gives no file."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from rerankbench.errors import MissingExtra
from rerankbench.report.stage_figure import StageFigure, StageRow, draw_stages

ROWS = (
    StageRow("DL19", "bm25", 50.0, 90.0, {"e2rank": 70.0, "other": 60.0}),
    StageRow("DL19", "contriever", 60.0, 80.0, {"e2rank": 65.0}),
    StageRow("DL20 $5", "bm25", 40.0, None, {}),
)
FIGURE = StageFigure("First stages of _x_", "nDCG@10", ROWS)


@pytest.fixture
def matplotlib() -> None:
    pytest.importorskip("matplotlib")


def _svg(figure: StageFigure, folder: Path) -> str:
    folder.mkdir(exist_ok=True)
    svg, png = draw_stages(figure, folder)
    assert (svg.name, png.name) == ("figure.svg", "figure.png")
    assert png.read_bytes().startswith(b"\x89PNG")
    return svg.read_text(encoding="utf-8")


@pytest.mark.usefixtures("matplotlib")
def test_the_same_data_gives_the_same_bytes(tmp_path: Path) -> None:
    assert _svg(FIGURE, tmp_path / "one") == _svg(FIGURE, tmp_path / "two")
    other = replace(FIGURE, rows=(replace(ROWS[0], score=51.0), *ROWS[1:]))
    assert _svg(other, tmp_path / "two") != _svg(FIGURE, tmp_path / "one")


@pytest.mark.usefixtures("matplotlib")
def test_all_words_are_text_and_every_name_stands_once_in_the_legend(tmp_path: Path) -> None:
    svg = _svg(FIGURE, tmp_path)
    for words, times in {
        "First stages of _x_": 1,
        "nDCG@10": 1,
        "DL19": 1,
        "DL20 $5": 1,
        "bm25": 2,
        "contriever": 1,
        "first stage": 1,
        "ceiling": 1,
        "e2rank": 1,
        "other": 1,
    }.items():
        assert svg.count(f">{words}</text>") == times, words


@pytest.mark.usefixtures("matplotlib")
def test_a_line_goes_from_the_score_to_the_ceiling(tmp_path: Path) -> None:
    svg = _svg(replace(FIGURE, rows=ROWS[:2]), tmp_path)
    lines = re.findall(r'<path d="M ([\d.]+) ([\d.]+) \nL ([\d.]+) ([\d.]+) \n"[^>]*style="[^"]*stroke: #bfbfbf; stroke-width: 3', svg)
    # The last row is drawn first, at the bottom: 60 to 80, then 50 to 90, which is twice as long.
    (low_left, low_y, low_right, _), (left, y, right, _) = (tuple(map(float, line)) for line in lines)
    assert right - left == pytest.approx(2 * (low_right - low_left), rel=1e-3)
    assert low_left - left == pytest.approx((right - left) / 4, rel=1e-3)
    assert y < low_y  # an SVG's y falls upwards


@pytest.mark.usefixtures("matplotlib")
def test_a_row_without_ceiling_has_its_score_alone(tmp_path: Path) -> None:
    svg = _svg(replace(FIGURE, rows=ROWS[2:]), tmp_path)
    assert "stroke: #bfbfbf; stroke-width: 3" not in svg
    assert ">ceiling</text>" not in svg
    assert ">first stage</text>" in svg


@pytest.mark.usefixtures("matplotlib")
def test_more_rerankers_than_colours_and_more_rows_than_a_screen_are_drawn(tmp_path: Path) -> None:
    many = {f"system {i}": 50.0 + i for i in range(12)}
    rows = tuple(StageRow(f"set {i}", "bm25", 40.0, 90.0, many) for i in range(15))
    svg = _svg(StageFigure("t", "x", rows), tmp_path)
    assert all(f">system {i}</text>" in svg for i in range(12))
    assert all(f">set {i}</text>" in svg for i in range(15))


def test_a_figure_without_rows_writes_nothing(tmp_path: Path) -> None:
    assert draw_stages(replace(FIGURE, rows=()), tmp_path) == []
    assert not list(tmp_path.iterdir())


def test_without_matplotlib_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra) as caught:
        draw_stages(FIGURE, tmp_path)
    assert caught.value.hint == "pip install 'rerankbench[figures]'"
