"""Effectiveness over seconds: both of one run, random weights left out, the paper's points as printed, the front by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from laboratory import experiment, run, write_mirror
from rerankbench.config import Experiment, load_experiment
from rerankbench.engines.random_weights import CAVEAT
from rerankbench.errors import ConfigError
from rerankbench.experiment import Result
from rerankbench.figures import figure_of
from rerankbench.figures.tradeoff import PAPER_PANEL
from rerankbench.report.marks import Figure, Mark
from rerankbench.reporting import report_of

COLD = "depth: 5\nlayout: latency\nbatch_queries: 1\nwarmup: 0\nfigure: {kind: tradeoff"
SYSTEMS = "[BM25, E2Rank-lexical, RankGPT-lexical, oracle]"


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    return write_mirror(tmp_path / "mirror")


def _figure(asked: Experiment, results: Sequence[Result], runs: Path) -> Figure:
    found = figure_of(asked, report_of(asked, results, runs).table, results, runs)
    assert found is not None
    return found


def _scored(result: Result, seconds: float, value: float) -> Result:
    """The run as if each query took so long and was worth so much."""
    assert result.folder is not None
    spans = [{"name": "rank", "start_s": 0.0, "seconds": seconds, "query_ids": [f"q{n}"], "warmup": False} for n in (1, 2, 3, 4)]
    (result.folder / "spans.jsonl").write_bytes(b"".join(orjson.dumps(span) + b"\n" for span in spans))
    return replace(result, measurements=tuple(replace(m, value=value) for m in result.measurements))


def _places(marks: Sequence[Mark]) -> dict[str, tuple[float, float]]:
    return {m.series: (float(m.x or 0), float(m.y or 0)) for m in marks}


def test_seconds_and_quality_are_of_the_same_run_and_the_first_stage_is_a_level(tmp_path: Path, mirror: Path) -> None:
    asked = experiment(tmp_path, SYSTEMS, f"{COLD}, paper: false}}")
    results = run(asked, mirror, tmp_path / "runs")
    given = {"BM25": (1e-6, 0.5), "E2Rank-lexical": (0.25, 0.6), "RankGPT-lexical": (4.0, 0.4), "oracle": (1e-6, 1.0)}
    figure = _figure(asked, [_scored(r, *given[r.cell.system.name]) for r in results], tmp_path / "runs")
    (panel,) = figure.panels
    assert panel.startswith("mini, bm25 top 5; here, ")
    assert _places(figure.of(panel, part="cold")) == {"E2Rank-lexical": (0.25, 60.0), "RankGPT-lexical": (4.0, 40.0)}
    assert _places(figure.of(panel, part="level")) == {"BM25": (0.0, 50.0)}
    assert "Left out: oracle (the judgements' own order)." in figure.caption
    # RankGPT is slower and worse: the front is E2Rank alone.
    assert _places(figure.of(panel, part="Pareto front, cold")) == {"E2Rank-lexical": (0.25, 60.0)}
    assert all(m.interval is not None for m in figure.of(panel, part="cold"))
    assert "lexical is not a language model" in figure.words()
    assert figure.exit_code() == 0


def test_random_weights_and_drawn_text_have_no_quality(tmp_path: Path, mirror: Path) -> None:
    asked = experiment(tmp_path, SYSTEMS, f"{COLD}, paper: false}}")
    results = run(asked, mirror, tmp_path / "runs")
    drawn = [replace(r, manifest={**r.manifest, "caveat": CAVEAT}) if r.cell.system.engine and r.manifest else r for r in results]
    figure = _figure(asked, drawn, tmp_path / "runs")
    assert {mark.series for mark in figure.marks} == {"BM25"}
    assert f"Left out: E2Rank-lexical, RankGPT-lexical ({CAVEAT})." in figure.caption
    more = (
        "own_benchmarks: {synthetic-9: {synthetic: {queries: 2, documents: 5, mean_tokens: 20, seed: 0}}}\nfirst_stages: [drawn]\n"
        f"{COLD}, paper: false}}"
    )
    own = load_experiment(_written(tmp_path, "benchmarks: [synthetic-9]", more))
    text = _figure(own, [replace(r, cell=replace(r.cell, benchmark="synthetic-9")) for r in results], tmp_path / "runs")
    assert not text.marks
    assert "Left out: BM25, E2Rank-lexical, RankGPT-lexical, oracle (drawn text)." in text.caption


def _written(folder: Path, benchmarks: str, more: str) -> str:
    path = folder / "own.yaml"
    path.write_text(f"title: t\n{benchmarks}\n{more}\nsystems: {SYSTEMS}\n", encoding="utf-8")
    return str(path)


def test_what_was_not_run_is_missing_with_its_reason(tmp_path: Path, mirror: Path) -> None:
    asked = experiment(tmp_path, SYSTEMS, f"{COLD}, paper: false}}")
    results = run(asked, mirror, tmp_path / "runs")
    lacking = [replace(r, manifest=None) if r.cell.system.name == "RankGPT-lexical" else r for r in results]
    figure = _figure(asked, lacking, tmp_path / "runs")
    assert [(m.series, m.reason) for m in figure.missing()] == [("RankGPT-lexical", "This cell was not run yet.")]
    assert figure.exit_code() == 4


def test_the_papers_points_are_as_printed_with_a_front_for_each_timing(tmp_path: Path) -> None:
    asked = load_experiment("tradeoff")
    figure = _figure(asked, [], tmp_path)
    assert figure.panels == [PAPER_PANEL]
    # Tables 12 and 13 (overall), and TREC-COVID in Table 1.
    assert _places(figure.of(PAPER_PANEL, part="cold")) == {
        "E2Rank-0.6B": (0.63, 79.17), "E2Rank-4B": (2.17, 83.30), "E2Rank-8B": (3.40, 84.09),
        "RankQwen3-0.6B": (4.58, 78.35), "RankQwen3-4B": (11.25, 83.91), "RankQwen3-8B": (16.93, 85.37),
    }  # fmt: skip
    # Table 12's "others".
    at_hand = {"E2Rank-0.6B": (0.13, 79.17), "E2Rank-4B": (0.43, 83.30), "E2Rank-8B": (0.64, 84.09)}
    assert _places(figure.of(PAPER_PANEL, part="documents at hand")) == at_hand
    # RankQwen3-0.6B and 4B are slower and worse than E2Rank-0.6B and 8B; RankQwen3-8B encodes no documents, so that it stands in both.
    fronts = [list(_places(figure.of(PAPER_PANEL, part=f"Pareto front, {timing}"))) for timing in ("cold", "documents at hand")]
    assert fronts == [["E2Rank-0.6B", "E2Rank-4B", "E2Rank-8B", "RankQwen3-8B"]] * 2
    assert {mark.source for mark in figure.marks} == {"paper"}


def test_a_layout_without_seconds_has_no_such_figure(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="figure 'tradeoff' shows seconds a query, which layout 'latency' alone times"):
        experiment(tmp_path, SYSTEMS, "depth: 5\nfigure: {kind: tradeoff}")
