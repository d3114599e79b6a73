"""A sweep's figure has the table's cells: the swept value, how sure the difference to the default is, and what is missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from laboratory import experiment, run, stored, write_mirror
from rerankbench.config import Experiment
from rerankbench.config.schema import SweepChoice
from rerankbench.experiment import Result
from rerankbench.figures import figure_of
from rerankbench.figures.sweep import SIGNIFICANCE, sweep_of
from rerankbench.report import Cell, Table
from rerankbench.report.cells import Significance
from rerankbench.report.marks import Figure
from rerankbench.tables import table_of

SYSTEM = "{name: x, ranker: {kind: embedding}, engine: {kind: scripted}, sweep: {ranker.documents_in_prompt: [1, 2, 3]}}"
KEY = "figure: ranker.documents_in_prompt"


def _figure(asked: Experiment, results: list[Result], runs: Path) -> Figure:
    figure = figure_of(asked, table_of(asked, results, runs), results, runs)
    assert figure is not None
    return figure


def _changed(table: Table, change: Callable[[Cell], Cell]) -> Table:
    groups = tuple(replace(g, rows=tuple(replace(r, cells=tuple(map(change, r.cells))) for r in g.rows)) for g in table.groups)
    return replace(table, groups=groups)


def test_the_swept_values_are_points_in_percent_and_the_rest_are_levels(tmp_path: Path) -> None:
    mirror = write_mirror(tmp_path / "mirror")
    swept = "sweep: {ranker.documents_in_prompt: [1, 2], ranker.mode: [listwise]}"
    system = f"{{name: x, ranker: {{kind: embedding}}, engine: {{kind: scripted}}, {swept}}}"
    asked = experiment(tmp_path, f"[BM25, {system}]", f"depth: 5\nmeasures: [P@1]\n{KEY}")
    results = run(asked, mirror, tmp_path / "runs")
    figure = _figure(asked, results, tmp_path / "runs")
    assert (figure.kind, figure.x_label, figure.y_label) == ("sweep", "documents in prompt", "P@1")
    points = [mark for mark in figure.marks if mark.part == "point"]
    assert [(m.panel, m.series, int(m.x or 0)) for m in points] == [("mini", "x: mode listwise", 1), ("mini", "x: mode listwise", 2)]
    means = [sum(m.value for m in r.measurements) / 3 for r in results[1:]]
    assert [float(m.y or 0) for m in points] == pytest.approx([100 * mean for mean in means])
    assert [m.run for m in points] == [str(r.folder.relative_to(tmp_path / "runs")) for r in results[1:] if r.folder]
    (level,) = [mark for mark in figure.marks if mark.part == "level"]
    assert level.series == "BM25"
    assert float(level.y or -1) == pytest.approx(100 / 3)  # q2 of q1, q2, q3
    assert figure.caption.startswith("Bands: 95 % bootstrap interval")
    assert figure.exit_code() == 0


def test_cells_without_a_value_keep_their_place(tmp_path: Path) -> None:
    mirror = write_mirror(tmp_path / "mirror")
    asked = experiment(tmp_path, f"[{SYSTEM}]", f"depth: 5\n{KEY}")
    figure = _figure(asked, stored(asked, mirror, tmp_path / "runs"), tmp_path / "runs")
    assert [(int(mark.x or 0), mark.reason) for mark in figure.missing()] == [(n, "This cell was not run yet.") for n in (1, 2, 3)]
    assert figure.exit_code() == 4
    assert "interval" not in figure.words()


def test_a_swept_depth_is_an_axis_or_tells_series_apart(tmp_path: Path) -> None:
    mirror = write_mirror(tmp_path / "mirror")
    system = "[{name: x, ranker: {kind: embedding}, engine: {kind: scripted}, sweep: {ranker.documents_in_prompt: [1, 2]}}]"
    series = []
    for key in ("depth", "ranker.documents_in_prompt"):
        asked = experiment(tmp_path, system, f"sweep: {{depth: [5, 3]}}\nfigure: {key}")
        figure = _figure(asked, run(asked, mirror, tmp_path / "runs"), tmp_path / "runs")
        series.append([(mark.series, int(mark.x or 0)) for mark in figure.marks])
    assert series == [
        [(f"x: documents_in_prompt {n}", depth) for n in (1, 2) for depth in (5, 3)],
        [(f"x: depth {depth}", n) for n in (1, 2) for depth in (5, 3)],
    ]


def test_what_was_tested_against_the_default_is_told_and_the_default_is_marked(tmp_path: Path) -> None:
    mirror = write_mirror(tmp_path / "mirror")
    asked = experiment(tmp_path, f"[BM25, {SYSTEM}]", f"depth: 5\n{KEY}")
    results = run(asked, mirror, tmp_path / "runs")
    better, same = (Significance("x (documents_in_prompt=2)", *rest) for rest in ((0.1, 0.01, True), (0.0, 1.0, False)))
    tested = {"documents_in_prompt=1": better, "documents_in_prompt=3": same}
    table = _changed(table_of(asked, results, tmp_path / "runs"), lambda cell: replace(cell, against=tested.get(cell.variant)))
    figure = sweep_of(cast("SweepChoice", asked.file.figure), asked, table)
    points = {int(mark.x or 0): mark for mark in figure.marks if mark.part == "point"}
    assert [n for n, mark in points.items() if mark.is_default] == [2]
    assert [mark.against for mark in points.values()] == [tested["documents_in_prompt=1"], None, tested["documents_in_prompt=3"]]
    assert not any(mark.is_default for mark in figure.marks if mark.part == "level")
    assert SIGNIFICANCE in figure.caption
    assert SIGNIFICANCE not in _figure(asked, results, tmp_path / "runs").caption


def test_several_series_are_said_to_have_error_bars_and_a_note_ends_the_caption(tmp_path: Path) -> None:
    mirror = write_mirror(tmp_path / "mirror")
    choice = "figure: {kind: sweep, key: ranker.documents_in_prompt, note: A note.}"
    asked = experiment(tmp_path, f"[{SYSTEM}, {SYSTEM.replace('name: x', 'name: y')}]", f"depth: 5\n{choice}")
    caption = _figure(asked, run(asked, mirror, tmp_path / "runs"), tmp_path / "runs").caption
    assert caption.startswith("Error bars: 95 %")
    assert caption.endswith("A note.")
