"""First stages beside each other: scores, ceilings and gains by hand, and the paper's numbers where it prints them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from math import log2
from pathlib import Path
from typing import Any

import pytest

from beir_folder import QRELS, build_and_run, experiment, write_beir, write_lists
from cli.calling import Caller
from laboratory import Watcher
from rerankbench.benchmarks import Benchmarks
from rerankbench.config import Experiment, load_experiment
from rerankbench.errors import ConfigError, MissingData
from rerankbench.experiment import Laboratory
from rerankbench.plan import Planner
from rerankbench.report.table import Table
from rerankbench.stages import stages_figure, stages_table
from rerankbench.tables import title_of

REVERSE = "{name: reverse, ranker: {kind: listwise}, engine: {kind: scripted, mode: reverse}}"
ECHO = "{name: echo, ranker: {kind: listwise}, engine: {kind: scripted, mode: echo}}"
SYSTEMS = f"[{{base: BM25, name: itself}}, {REVERSE}, {ECHO}, {{base: oracle, name: ideal}}]"
LISTS = {"q1": ["a", "b", "c"], "q2": ["d", "c", "a"], "q3": ["e", "a", "b"]}
WORSE = {"q1": ["a", "c", "b"], "q2": ["a", "c", "d"], "q3": ["e", "d"]}
CANDIDATES = "good: {kind: file, path: good.jsonl}\n  worse: {kind: file, path: worse.jsonl}"
MORE = "layout: first-stages\nmeasures: [nDCG@10, R@3, Judged@3]"
SECOND, THIRD = 1 / log2(3), 1 / log2(4)
"""What a single relevant document is worth at rank 2 and 3."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Path:
    write_beir(tmp_path / "beir", qrels={**QRELS, "q1": {"b": 1, "a": 0}})
    write_lists(tmp_path / "good.jsonl", LISTS)
    write_lists(tmp_path / "worse.jsonl", WORSE)
    return tmp_path


def _table(asked: Experiment, runs: Path) -> Table:
    return stages_table(asked, build_and_run(asked, runs), runs)


def _cells(table: Table) -> dict[tuple[str, str], Any]:
    return {(row.label, column.name): cell for row, column, cell in table.cells()}


def test_every_number_of_the_table_is_that_by_hand(tmp_path: Path) -> None:
    table = _table(experiment(tmp_path, CANDIDATES, systems=SYSTEMS, more=MORE), tmp_path / "runs")
    assert [c.name for c in table.columns] == ["nDCG@10", "R@3", "Judged@3", "gain of reverse", "gain of echo", "ceiling"]
    values = {place: cell.value for place, cell in _cells(table).items()}
    assert values == pytest.approx(
        {
            # The relevant documents b, d and d stand at rank 2, rank 1 and nowhere.
            ("good", "nDCG@10"): (SECOND + 1 + 0) / 3,
            ("good", "R@3"): 2 / 3,
            ("good", "Judged@3"): (2 / 3 + 1 / 3 + 0) / 3,  # a and b; d; none
            ("good", "gain of reverse"): (0 + (THIRD - 1) + 0) / 3,  # c b a; a c d
            ("good", "gain of echo"): 0.0,
            ("good", "ceiling"): 2 / 3,
            # At rank 3, 3 and 2 of 2.
            ("worse", "nDCG@10"): (THIRD + THIRD + SECOND) / 3,
            ("worse", "R@3"): 1.0,
            ("worse", "Judged@3"): (2 / 3 + 1 / 3 + 1 / 2) / 3,
            ("worse", "gain of reverse"): ((1 - THIRD) + (1 - THIRD) + (1 - SECOND)) / 3,
            ("worse", "gain of echo"): 0.0,
            ("worse", "ceiling"): 1.0,
        }
    )
    assert table.exit_code() == 0


def test_the_interval_of_a_gain_is_that_of_the_differences_query_by_query(tmp_path: Path) -> None:
    cells = _cells(_table(experiment(tmp_path, CANDIDATES, systems=SYSTEMS, more=MORE), tmp_path / "runs"))
    # Unpaired resampling would spread a difference of nothing as widely as the queries themselves differ.
    assert cells["worse", "gain of echo"].interval == (0.0, 0.0)
    low, high = cells["good", "gain of reverse"].interval
    assert (low, high) == (THIRD - 1, 0.0)  # the resamples of {0, -0.5, 0} go from one end to the other
    low, high = cells["worse", "gain of reverse"].interval
    assert low == pytest.approx(1 - SECOND)
    assert high == pytest.approx(1 - THIRD)


def test_rows_are_grouped_by_benchmark_and_titled_as_the_configuration_says(tmp_path: Path) -> None:
    own = "own_benchmarks: {tiny: {folder: beir}, dl19: {folder: beir, title: My own set}}"
    experiment(tmp_path, CANDIDATES, systems="[BM25]", more=MORE)
    text = (tmp_path / "tiny.yaml").read_text(encoding="utf-8").replace("own_benchmarks: {tiny: {folder: beir}}", own)
    (tmp_path / "tiny.yaml").write_text(text.replace("benchmarks: [tiny]", "benchmarks: [tiny, dl19]"), encoding="utf-8")
    asked = load_experiment(str(tmp_path / "tiny.yaml"))
    table = _table(asked, tmp_path / "runs")
    assert [(group.label, [row.label for row in group.rows]) for group in table.groups] == [
        ("tiny", ["good", "worse"]),
        ("My own set", ["good", "worse"]),
    ]
    assert title_of("dl19", experiment(tmp_path, CANDIDATES)) != "My own set"


def test_a_set_of_ones_own_is_not_compared_with_the_papers_of_the_same_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rerankbench.stages.PAPER_DEPTH", 3)
    text = "title: t\nbenchmarks: [dl19]\nlayout: first-stages\nown_benchmarks: {dl19: {folder: beir, candidates: {bm25: good.jsonl}}}\n"
    (tmp_path / "dl.yaml").write_text(f"{text}depth: 3\nsystems: [BM25]\n", encoding="utf-8")
    cell = _cells(_table(load_experiment(str(tmp_path / "dl.yaml")), tmp_path / "runs"))["bm25", "nDCG@10"]
    assert (cell.done, cell.printed, cell.verdict) == (True, "50.58", None)
    assert cell.not_judged == "dl19 is a benchmark of your own here, not the paper's"


def test_depths_have_rows_of_their_own(tmp_path: Path) -> None:
    asked = experiment(tmp_path, CANDIDATES, systems="[BM25, oracle]", more=f"{MORE}\nsweep: {{depth: [1, 3]}}")
    cells = _cells(_table(asked, tmp_path / "runs"))
    assert {label for label, _ in cells} == {"good top 1", "good top 3", "worse top 1", "worse top 3"}
    assert cells["good top 1", "ceiling"].value == pytest.approx(1 / 3)


def test_what_is_missing_says_why_in_every_column(tmp_path: Path) -> None:
    (tmp_path / "worse.jsonl").unlink()
    asked = experiment(tmp_path, CANDIDATES, systems=SYSTEMS, more=MORE)
    table = _table(asked, tmp_path / "runs")
    lacking = {place: cell for place, cell in _cells(table).items() if place[0] == "worse"}
    assert len(lacking) == 6
    assert all(cell.status == "missing" and "There is no file" in cell.reason for cell in lacking.values())
    assert table.exit_code() == 4
    figure = stages_figure(asked, build_and_run(asked, tmp_path / "runs"), tmp_path / "runs")
    assert {mark.series for mark in figure.missing()} == {"worse"}
    assert all("There is no file" in mark.reason for mark in figure.missing())
    assert figure.exit_code() == 4


def test_a_gain_over_nothing_is_missing(tmp_path: Path) -> None:
    asked = experiment(tmp_path, CANDIDATES, systems=SYSTEMS, more=MORE)
    results = build_and_run(asked, tmp_path / "runs")
    gone = MissingData("no longer here")
    left = [replace(r, manifest=None, measurements=(), problem=gone) if r.cell.system.name == "itself" else r for r in results]
    cell = _cells(stages_table(asked, left, tmp_path / "runs"))["good", "gain of reverse"]
    assert (cell.status, cell.value, cell.reason) == ("missing", None, "the first stage itself has no value")


@pytest.mark.parametrize("systems", [f"[{REVERSE}]", "[BM25, {base: BM25, name: again}]", "[BM25, oracle, {base: oracle, name: again}]"])
def test_a_table_needs_the_first_stages_own_order_once_and_one_ceiling_at_most(tmp_path: Path, systems: str) -> None:
    asked = experiment(tmp_path, CANDIDATES, systems=systems, more=MORE)
    with pytest.raises(ConfigError, match=r"key 'layout': 'first-stages' needs one system with the ranker 'identity'"):
        _table(asked, tmp_path / "runs")


def test_the_figure_has_the_tables_numbers(tmp_path: Path) -> None:
    asked = experiment(tmp_path, CANDIDATES, systems=SYSTEMS, more=MORE)
    figure = stages_figure(asked, build_and_run(asked, tmp_path / "runs"), tmp_path / "runs")
    assert (figure.title, figure.x_label, figure.panels, figure.series) == ("t", "nDCG@10", ["tiny"], ["good", "worse"])
    good = {mark.part: float(mark.y) for mark in figure.of("tiny", "good") if mark.y is not None}
    assert good.keys() == {"first stage", "ceiling", "reverse", "echo"}  # whatever the oracle is called
    assert good["first stage"] == pytest.approx(100 * (SECOND + 1) / 3)
    assert good["ceiling"] == pytest.approx(100 * 2 / 3)
    assert good["reverse"] == pytest.approx(100 * (SECOND + THIRD) / 3)


def _reported(table: Any, column: str = "nDCG@10") -> dict[tuple[str, str], Any]:
    return {(cell["system"], cell["variant"]): cell for cell in table["cells"] if cell["benchmark"] == column}


@pytest.fixture
def call(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Caller:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "no-hub"))
    monkeypatch.delenv("RERANKBENCH_DATA", raising=False)
    return Caller(capsys, monkeypatch)


PRINTED = {
    ("bm25", "dl19"): 50.58,
    ("bm25", "dl20"): 47.96,
    ("splade-pp-ed", "dl19"): 73.08,
    ("splade-pp-ed", "dl20"): 71.97,
    ("contriever", "dl19"): 62.02,
    ("contriever", "dl20"): 63.42,
}


def test_the_papers_first_stages_come_out_and_the_others_say_what_is_missing(call: Caller, data_dir: Path) -> None:
    only = ("--data", data_dir, "--systems", "itself,oracle")
    assert call("run", "first-stages", *only).code == 4
    reported = call("report", "first-stages", *only, "--json")
    assert reported.code == 4
    cells = _reported(reported.data())
    done = {place: round(100 * cell["value"], 2) for place, cell in cells.items() if cell["status"] == "done"}
    assert done == PRINTED
    assert {cells[place]["verdict"] for place in PRINTED} == {"MATCH"}
    lacking = {place: cell for place, cell in cells.items() if place not in PRINTED}
    assert {stage for stage, _ in lacking} == {"bge-base", "qwen3-embedding-0.6b"}
    assert all(cell["verdict"] == "MISSING" and cell["reason"] and cell["hint"] for cell in lacking.values())
    ceilings = _reported(reported.data(), "ceiling")
    assert all(ceilings[place]["value"] > cells[place]["value"] for place in PRINTED)


REASONIR = {
    "biology": 43.49,
    "earth-science": 43.00,
    "economics": 32.65,
    "psychology": 39.57,
    "robotics": 20.82,
    "stackoverflow": 30.96,
    "sustainable-living": 27.34,
    "leetcode": 31.68,
    "pony": 19.55,
    "aops": 7.37,
    "theoremqa-questions": 33.93,
    "theoremqa-theorems": 36.68,
}
"""Published with the runs."""


def test_reasonirs_twelve_figures_on_bright_come_out(call: Caller, data_dir: Path) -> None:
    assert call("run", "first-stages-bright", "--data", data_dir).code == 0
    reported = call("report", "first-stages-bright", "--data", data_dir, "--json").data()
    found = {name.removeprefix("bright-"): round(100 * cell["value"], 2) for (_, name), cell in _reported(reported).items()}
    assert found == REASONIR
    verdicts = {name.removeprefix("bright-"): (cell["paper"], cell["verdict"]) for (_, name), cell in _reported(reported).items()}
    assert {name for name, (_, verdict) in verdicts.items() if verdict == "MATCH"} == {"biology", "earth-science", "sustainable-living"}
    # As printed, each of the two has the other's number: the paper's columns are not what their headings say.
    assert (verdicts["leetcode"], verdicts["pony"]) == (("19.6", "DIFFERENT"), ("31.6", "DIFFERENT"))


def test_one_first_stage_alone_has_its_benchmarks_in_one_panel(data_dir: Path, tmp_path: Path) -> None:
    asked = load_experiment("first-stages-bright").only(benchmarks=["bright-biology", "bright-pony"])
    planner = Planner(Benchmarks(data_dir), tmp_path)
    results = Laboratory(planner).run(planner.plan(asked), asked, Watcher())
    figure = stages_figure(asked, results, tmp_path)
    shown = [mark for mark in figure.marks if mark.part == "first stage"]
    assert [(mark.panel, mark.series) for mark in shown] == [("reasonir", "Bio."), ("reasonir", "Pony.")]
    # PROTOCOL, section 3: ReasonIR with GPT-4 queries.
    assert [round(mark.y or 0, 2) for mark in shown] == [Decimal("43.49"), Decimal("19.55")]
