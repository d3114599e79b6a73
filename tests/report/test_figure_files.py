"""Every kind of figure gives the same files for the same data, with its data beside it, and its words unharmed."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from report.drawing import ALL, plotted, rows
from report.making import NASTY
from rerankbench.errors import MissingExtra
from rerankbench.report.figure import draw
from rerankbench.report.marks import HEADER, Figure, Kind

FILES = ["figure.svg", "figure.pdf", "figure.png", "figure.csv"]
HARMFUL = f"{NASTY} <script>alert(1)</script> $x_1$ é ü"
KINDS = pytest.mark.parametrize("kind", ALL)


@pytest.fixture(autouse=True)
def matplotlib() -> None:
    pytest.importorskip("matplotlib")


def _renamed(figure: Figure, more: str) -> Figure:
    marks = tuple(replace(m, panel=m.panel and m.panel + more, series=m.series + more) for m in figure.marks)
    groups = tuple((heading and heading + more, tuple(name + more for name in names)) for heading, names in figure.groups)
    return replace(
        figure, title=figure.title + more, caption=figure.caption + more, x_label=figure.x_label + more, marks=marks, groups=groups
    )


def _texts(folder: Path) -> list[str]:
    root = ET.parse(folder / "figure.svg").getroot()
    assert not root.findall(".//{http://www.w3.org/2000/svg}script")
    return ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]


@KINDS
def test_the_same_data_gives_the_same_bytes_and_other_data_others(tmp_path: Path, kind: Kind) -> None:
    first = {path.name: path.read_bytes() for path in draw(ALL[kind], tmp_path)}
    assert list(first) == FILES
    assert {path.name: path.read_bytes() for path in draw(ALL[kind], tmp_path)} == first
    assert first["figure.pdf"].startswith(b"%PDF-")
    assert first["figure.png"].startswith(b"\x89PNG")
    changed = next(m for m in ALL[kind].marks if m.y is not None)
    marks = tuple(replace(m, y=m.y * 2) if m is changed and m.y else m for m in ALL[kind].marks)
    assert all(path.read_bytes() != first[path.name] for path in draw(replace(ALL[kind], marks=marks), tmp_path))
    # Nothing tells when it was made.
    assert b"CreationDate" not in first["figure.pdf"]
    assert b"dc:date" not in first["figure.svg"]


def test_bytes_depend_neither_on_the_hash_seed_nor_on_the_users_settings(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from report.drawing import ALL; from rerankbench.report.figure import draw\n"
        "for kind in ('bars', 'scores'): (Path(sys.argv[1]) / kind).mkdir(parents=True); draw(ALL[kind], Path(sys.argv[1]) / kind)"
    )
    (tmp_path / "matplotlibrc").write_text("font.size: 20\nsvg.fonttype: path\naxes.facecolor: red\n", encoding="utf-8")
    others = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONHASHSEED": "7", "MATPLOTLIBRC": str(tmp_path / "matplotlibrc")}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "there")], check=True, env={**os.environ, **others})
    for kind in ("bars", "scores"):
        (tmp_path / kind).mkdir()
        for path in draw(ALL[kind], tmp_path / kind):
            assert path.read_bytes() == (tmp_path / "there" / kind / path.name).read_bytes(), path.name


@KINDS
def test_the_csv_has_a_row_a_mark_with_all_its_digits(tmp_path: Path, kind: Kind) -> None:
    draw(ALL[kind], tmp_path)
    found = rows(tmp_path)
    assert list(found[0]) == list(HEADER)
    for mark, row in zip(ALL[kind].marks, found, strict=True):
        assert (row["panel"], row["series"], row["part"], row["source"]) == (mark.panel, mark.series, mark.part, mark.source)
        for name in ("x", "y", "low", "high"):
            assert (Decimal(row[name]) if row[name] else None) == getattr(mark, name)
        assert bool(row["reason"]) == (mark.y is None)


@KINDS
def test_text_of_others_stays_text(tmp_path: Path, kind: Kind) -> None:
    figure = _renamed(ALL[kind], HARMFUL)
    draw(figure, tmp_path)
    said = " ".join(_texts(tmp_path))
    assert "<script>alert(1)</script>" in said
    assert {row["series"] for row in rows(tmp_path)} == {mark.series for mark in figure.marks}


@KINDS
def test_very_long_names_are_broken_or_cut_and_stay_inside(kind: Kind) -> None:
    with plotted(_renamed(ALL[kind], " a-very-long-name" * 3 + "x" * 120)) as drawn:
        width, height = drawn.get_size_inches() * drawn.dpi
        for text in _all_text(drawn):
            box = text.get_window_extent()
            assert box.x0 >= -1, text.get_text()
            assert box.x1 <= width + 1, text.get_text()
            assert -1 <= box.y0 <= box.y1 <= height + 1, text.get_text()


@KINDS
def test_no_text_is_smaller_than_seven_points_at_a_width_of_a_column_or_page(kind: Kind) -> None:
    with plotted(ALL[kind]) as drawn:
        sizes = {text.get_fontsize() for text in _all_text(drawn)}
        assert min(sizes) >= 7
        assert drawn.get_figwidth() in {3.4, 6.9}


@KINDS
def test_words_do_not_lie_on_each_other(kind: Kind) -> None:
    with plotted(ALL[kind]) as drawn:
        boxes = [(t.get_text(), t.get_window_extent().shrunk(0.96, 0.8)) for t in _all_text(drawn)]
        clashes = [(a, b) for i, (a, box) in enumerate(boxes) for b, other in boxes[i + 1 :] if box.overlaps(other)]
    assert clashes == []


@KINDS
def test_a_figure_without_any_value_is_drawn_and_says_so(tmp_path: Path, kind: Kind) -> None:
    marks = tuple(replace(m, y=None, low=None, high=None, reason="gone") for m in ALL[kind].marks if m.source == "ours")
    assert [path.name for path in draw(replace(ALL[kind], marks=marks), tmp_path)] == FILES
    assert "Not measured here: " in " ".join(_texts(tmp_path))
    assert replace(ALL[kind], marks=marks).exit_code() == 4


@KINDS
def test_a_figure_without_marks_is_drawn(tmp_path: Path, kind: Kind) -> None:
    assert [path.name for path in draw(replace(ALL[kind], marks=(), groups=()), tmp_path)] == FILES
    assert rows(tmp_path) == []


@KINDS
def test_one_mark_is_a_figure(tmp_path: Path, kind: Kind) -> None:
    draw(replace(ALL[kind], marks=ALL[kind].marks[:1], groups=()), tmp_path)
    assert len(rows(tmp_path)) == 1


def test_without_matplotlib_the_extra_is_named_and_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra) as caught:
        draw(ALL["sweep"], tmp_path)
    assert caught.value.hint == "pip install 'rerankbench[figures]'"
    assert not list(tmp_path.iterdir())


def test_letters_that_the_font_lacks_are_no_warning_and_stay_in_the_text(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    draw(_renamed(ALL["sweep"], " 日本語"), tmp_path)
    assert not [str(w.message) for w in recwarn if "Glyph" in str(w.message)]
    assert any("日本語" in text for text in _texts(tmp_path))


def _all_text(drawn: Any) -> Iterator[Any]:
    """Every text that is seen: matplotlib also keeps ticks beyond the ends of an axis, and draws none of them."""
    from matplotlib.text import Text

    unseen = set()
    for axis in (axis for axes in _axes(drawn) for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        unseen |= {id(tick.label1) for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high}
    for text in drawn.findobj(Text):
        if text.get_text().strip() and text.get_visible() and id(text) not in unseen and (text.axes is None or text.axes.axison):
            yield text


def _axes(drawn: Any) -> Iterator[Any]:
    from matplotlib.axes import Axes

    yield from drawn.findobj(Axes)
