"""Figure 3 is made of the native scores that the journals of complete runs keep."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from laboratory import experiment, run, stored, write_mirror
from rerankbench.config import Experiment
from rerankbench.config.schema import ScoresChoice
from rerankbench.experiment import Result
from rerankbench.figures import figure_of
from rerankbench.figures.scores import scores_of
from rerankbench.report.marks import Figure
from rerankbench.store import read_rankings
from rerankbench.tables import table_of

ENGINE = "engine: {kind: scripted}"
MODES = f"{{name: x, ranker: {{kind: embedding}}, {ENGINE}, sweep: {{ranker.mode: [listwise, query-only]}}}}"


def _figure(asked: Experiment, results: list[Result], runs: Path) -> Figure:
    figure = figure_of(asked, table_of(asked, results, runs), results, runs)
    assert figure is not None
    return figure


def test_the_line_is_the_mean_of_the_journals_sorted_scores(tmp_path: Path) -> None:
    mirror, runs = write_mirror(tmp_path / "mirror"), tmp_path / "runs"
    asked = experiment(tmp_path, f"[{MODES}]", "depth: 5\nfigure: {kind: scores}")
    results = run(asked, mirror, runs)
    figure = _figure(asked, results, runs)
    assert figure.series == ["x: mode listwise", "x: mode query-only"]
    for result, series in zip(results, figure.series, strict=True):
        assert result.folder is not None
        scores = [sorted(ranked.ranking.scores or (), reverse=True) for ranked in read_rankings(result.folder)]
        assert len(scores) == 4  # every ranked query, judged or not
        expected = [sum(of[rank] for of in scores) / 4 for rank in range(5)]
        marks = figure.of("mini", series, "mean score")
        assert [float(mark.y or 0) for mark in marks] == pytest.approx(expected)
        assert [(int(mark.x or 0), mark.queries) for mark in marks] == [(rank, 4) for rank in range(1, 6)]
        assert {mark.run for mark in marks} == {result.folder.relative_to(runs).as_posix()}
        assert [m.part for m in figure.of("mini", series) if m.x is None] == ["first", "last", "spread", "slope"]
    assert figure.exit_code() == 0


def test_a_panel_may_be_a_system_with_its_variants_as_lines(tmp_path: Path) -> None:
    mirror, runs = write_mirror(tmp_path / "mirror"), tmp_path / "runs"
    asked = experiment(tmp_path, f"[{MODES}, {MODES.replace('name: x', 'name: y')}]", "depth: 5\nfigure: {kind: scores, panels: system}")
    figure = _figure(asked, run(asked, mirror, runs), runs)
    assert figure.panels == ["x, mini", "y, mini"]
    assert figure.series == ["mode listwise", "mode query-only"]
    assert figure.columns == 2


def test_a_ranker_without_scores_and_a_cell_without_a_run_say_why(tmp_path: Path) -> None:
    mirror, runs = write_mirror(tmp_path / "mirror"), tmp_path / "runs"
    asked = experiment(tmp_path, f"[RankGPT-lexical, {MODES}]", "depth: 5\nfigure: {kind: scores}")
    run(asked.only(systems=["RankGPT-lexical"]), mirror, runs)
    figure = _figure(asked, stored(asked, mirror, runs), runs)
    reasons = {mark.series: mark.reason for mark in figure.marks}
    assert reasons == {
        "RankGPT-lexical": "its rankings hold no finite native scores: it gives an order alone",
        "x: mode listwise": "This cell was not run yet.",
        "x: mode query-only": "This cell was not run yet.",
    }
    assert figure.exit_code() == 4
    assert "Bands" not in figure.caption


def test_shorter_lists_are_told_from_the_rank_on_where_they_end(tmp_path: Path) -> None:
    mirror, runs = write_mirror(tmp_path / "mirror"), tmp_path / "runs"
    lists = mirror / "retrieval_results" / "bm25" / "mini_top50.jsonl"
    first, *others = lists.read_text(encoding="utf-8").splitlines()
    import orjson

    shorter = orjson.loads(first)
    shorter["hits"] = shorter["hits"][:3]
    lists.write_text("\n".join([orjson.dumps(shorter).decode(), *others, ""]), encoding="utf-8")
    asked = experiment(tmp_path, f"[{MODES}]", "depth: 5\nfigure: {kind: scores}")
    figure = _figure(asked, run(asked, mirror, runs), runs)
    marks = [mark for mark in figure.of("mini", "x: mode listwise") if mark.x is not None]
    assert [(mark.part, mark.queries) for mark in marks] == [("mean score", 4)] * 3 + [("mean score, some queries", 3)] * 2
    assert "Dotted, from rank 4 on: not all lists are that long" in figure.caption


def test_runs_that_share_a_place_are_lines_of_their_own(tmp_path: Path) -> None:
    mirror, runs = write_mirror(tmp_path / "mirror"), tmp_path / "runs"
    asked = experiment(tmp_path, f"[{MODES}]", "depth: 5\nfigure: {kind: scores}")
    first, second = run(asked, mirror, runs)
    repeated = [first, replace(second, cell=first.cell)]
    figure = scores_of(cast("ScoresChoice", asked.file.figure), asked, repeated, runs)
    assert figure.series == ["x: mode listwise, run 1", "x: mode listwise, run 2"]
