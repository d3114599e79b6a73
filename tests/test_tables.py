"""Results become cells with all that is not clean about them, and stand beside the paper's numbers only where they may."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from laboratory import TinyBenchmarks, experiment, run, stored, write_mirror
from rerankbench.config import Experiment, load_experiment
from rerankbench.errors import ConfigError, EngineError, MeasureError, MissingData, MissingWeights, StoreError
from rerankbench.experiment import Laboratory, Result
from rerankbench.plan import Cell, Planner
from rerankbench.records import Measurement
from rerankbench.reference.paper import load as load_paper
from rerankbench.reference.verdict import Verdict
from rerankbench.report import Cell as TableCell
from rerankbench.report import Status, Table
from rerankbench.tables import cell_of, table_of

RUNS = Path("runs")
HARDWARE = {"cpu": "a processor", "cores": 4, "memory_gib": 8.0, "gpus": []}
TABLE1 = "table: 1\ntitle: t\nbenchmarks: [dl19]\nsystems: [BM25, E2Rank-0.6B]\n"


def _manifest(**more: Any) -> Mapping[str, Any]:
    return {
        "queries": 43,
        "queries_before_last_start": 0,
        "seconds": 2.5,
        "defects": {},
        "identity": {},
        "answers": {},
        "caveat": "",
        "environment": {"hardware": HARDWARE},
        **more,
    }


def _experiment(tmp_path: Path, text: str = TABLE1, *assignments: str) -> Experiment:
    (tmp_path / "e.yaml").write_text(text, encoding="utf-8")
    return load_experiment(str(tmp_path / "e.yaml"), assignments)


def _result(asked: Experiment, system: int = 0, values: int = 43, value: float = 0.5058, **more: Any) -> Result:
    cell = Cell(asked.systems[system], asked.benchmarks[0], "bm25", asked.depths[0])
    measurements = tuple(Measurement(str(i), asked.file.measures[0], value) for i in range(values))
    return Result(cell, RUNS / "dl19" / "bm25" / "x-1", _manifest(**more), measurements)


def _place(table: Table, system: str, column: str = "dl19") -> TableCell:
    return next(cell for row, c, cell in table.cells() if (row.system, c.name) == (system, column))


def test_a_cell_has_the_mean_and_all_that_the_manifest_knows(tmp_path: Path) -> None:
    asked = _experiment(tmp_path)
    result = _result(asked, seconds=7.0, queries_before_last_start=3, defects={"shortened": 2})
    result = replace(result, measurements=tuple(Measurement(q, "nDCG@10", v) for q, v in (("1", 0.5), ("2", 0.25))))
    cell = cell_of(result, asked, RUNS)
    assert cell.value == 0.375
    assert (cell.queries, cell.expected_queries) == (2, 43)
    assert (cell.seconds, cell.resumed, cell.hardware) == (7.0, True, "a processor, 4 cores")
    assert cell.defects == {"shortened": 2}
    assert cell.run == "dl19/bm25/x-1"
    assert cell.deterministic


def test_only_the_first_measure_is_shown(tmp_path: Path) -> None:
    asked = _experiment(tmp_path, TABLE1 + "measures: ['nDCG@10', AP]\n")
    result = _result(asked)
    more = (*result.measurements, *(Measurement(str(i), "AP", 0.1) for i in range(43)))
    assert cell_of(replace(result, measurements=more), asked, RUNS).value == pytest.approx(0.5058)


def test_a_first_stage_equal_to_the_paper_matches_it(tmp_path: Path) -> None:
    asked = _experiment(tmp_path)
    table = table_of(asked, [_result(asked)], RUNS)
    cell = _place(table, "BM25")
    assert (cell.printed, cell.verdict) == ("50.58", Verdict.MATCH)
    assert table.exit_code() == 4  # all other cells of the paper's table
    other = _place(table, "E2Rank-8B", "dl20")
    assert (other.status, other.reason) == (Status.MISSING, "not run")
    assert "--systems" in other.hint


def test_a_mean_over_fewer_queries_than_are_judged_is_not_compared(tmp_path: Path) -> None:
    asked = _experiment(tmp_path, TABLE1 + "missing: skip\n")
    cell = _place(table_of(asked, [_result(asked, values=42)], RUNS), "BM25")
    assert cell.verdict is None
    assert cell.not_judged == "mean over 42 queries, not over all 43"


def test_another_measure_is_never_put_in_the_papers_columns(tmp_path: Path) -> None:
    asked = _experiment(tmp_path, TABLE1 + "measures: [AP, nDCG@10]\n")
    with pytest.raises(ConfigError, match=r"e\.yaml:5: key 'measures\.0': Table 1 of the paper shows nDCG@10, not AP"):
        table_of(asked, [_result(asked)], RUNS)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("depth: 50\n", "top 50 ranked, by the paper top 100"),
        ("systems: [BM25, {base: E2Rank-0.6B, ranker: {documents_in_prompt: 5}}]", "other options than the paper's: documents_in_prompt=5"),
        ("systems: [BM25, {base: E2Rank-0.6B, engine: {model: x/y}}]", "another model than the paper's: x/y"),
    ],
)
def test_another_question_than_the_papers_is_not_compared(tmp_path: Path, more: str, expected: str) -> None:
    text = TABLE1.partition("systems")[0] + more if more.startswith("systems") else TABLE1 + more
    asked = _experiment(tmp_path, text)
    cell = _place(table_of(asked, [_result(asked, system=1, value=0.7084)], RUNS), "E2Rank-0.6B")
    assert cell.printed == "70.84"
    assert cell.verdict is None
    assert cell.not_judged == expected


def test_a_limited_run_is_not_compared(tmp_path: Path) -> None:
    asked = _experiment(tmp_path)
    result = _result(asked, values=5)
    cell = _place(table_of(asked, [replace(result, cell=replace(result.cell, limit=5))], RUNS), "BM25")
    assert cell.not_judged == "first 5 queries only"


def test_a_system_that_the_papers_table_has_not_is_refused(tmp_path: Path) -> None:
    asked = _experiment(tmp_path, TABLE1.replace("BM25, E2Rank-0.6B", "oracle"))
    with pytest.raises(MeasureError, match="Table 1 of the paper has no place for oracle"):
        table_of(asked, [_result(asked)], RUNS)


def test_missing_and_failed_cells_are_told_apart_with_reason_and_hint(tmp_path: Path) -> None:
    asked = _experiment(tmp_path)
    problem = replace(_result(asked), manifest=None, measurements=())
    missing = cell_of(replace(problem, problem=MissingWeights("no weights", hint="get them")), asked, RUNS)
    assert (missing.status, missing.reason, missing.hint) == (Status.MISSING, "no weights", "get them")
    failed = cell_of(replace(problem, problem=EngineError("fire")), asked, RUNS)
    assert (failed.status, failed.reason) == (Status.FAILED, "fire")


def test_reports_do_not_name_the_places_of_a_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", "/mnt/models")
    asked, runs = _experiment(tmp_path), tmp_path / "runs"
    message = f"{runs}/dl19/x and /mnt/models and {Path.home()}/y"
    cell = cell_of(Result(_result(asked).cell, problem=StoreError(message, hint=f"Delete {runs}/dl19/x")), asked, runs)
    assert cell.reason == "runs/dl19/x and HF_HUB_CACHE and ~/y"
    assert cell.hint == "Delete runs/dl19/x"


def test_an_experiment_of_its_own_has_a_row_a_system_and_an_average_over_its_members(tmp_path: Path) -> None:
    mirror = write_mirror(tmp_path / "mirror")
    asked = experiment(tmp_path, "[BM25, oracle]", "depth: 5\nmeasures: [P@1]\naverages: {avg: [mini]}")
    run(asked, mirror, tmp_path / "runs")
    table = table_of(asked, stored(asked, mirror, tmp_path / "runs"), tmp_path / "runs")
    # Of q1, q2, q3 only q2 has its relevant document first; the oracle puts it first everywhere.
    assert [(row.label, column.name, cell.value) for row, column, cell in table.cells()] == [
        ("BM25", "mini", pytest.approx(1 / 3)),
        ("BM25", "avg", pytest.approx(1 / 3)),
        ("oracle", "mini", 1.0),
        ("oracle", "avg", 1.0),
    ]
    assert table.exit_code() == 0


def test_a_sweep_has_a_row_a_variant_and_says_what_was_shared(tmp_path: Path) -> None:
    mirror = write_mirror(tmp_path / "mirror")
    engine = "engine: {kind: scripted}, sweep: {ranker.documents_in_prompt: [1, 2]}"
    asked = experiment(tmp_path, f"[{{name: x, ranker: {{kind: embedding}}, {engine}}}]", "sweep: {depth: [5, 4]}")
    table = table_of(asked, run(asked, mirror, tmp_path / "runs"), tmp_path / "runs")
    assert [row.label for row in table.rows] == [f"x (documents_in_prompt={n}, depth={depth})" for n in (1, 2) for depth in (5, 4)]
    assert all(any("embedded once" in note for note in row.cells[0].notes) for row in table.rows[1:])


def test_averages_that_cannot_be_shown_are_said_to_be_left_out(tmp_path: Path) -> None:
    asked = _experiment(tmp_path, TABLE1.partition("\n")[2] + "first_stages: [bm25, contriever]\naverages: {a: [dl19]}\n")
    assert "averages are not shown: columns differ in their first stage" in table_of(asked, [_result(asked)], RUNS).context


def test_a_benchmark_that_the_paper_shows_in_an_average_alone_counts_there(tmp_path: Path) -> None:
    members = ["trec-covid", "nfcorpus", "touche2020", "dbpedia", "scifact", "signal1m", "trec-news", "robust04"]
    text = (
        f"table: 2\ntitle: t\nbenchmarks: [dl19, {', '.join(members)}]\nsystems: [BM25]\naverages: {{beir-avg: [{', '.join(members)}]}}\n"
    )
    asked = _experiment(tmp_path, text)
    (system,) = asked.systems
    results = [
        Result(Cell(system, b, "bm25", 100), tmp_path / "runs" / b, _manifest(), (Measurement("1", "nDCG@10", n / 100),))
        for n, b in enumerate(asked.benchmarks)
    ]
    row = table_of(asked, results, tmp_path / "runs").groups[0].rows[0]
    # (1 + 2 + … + 8) / 8 = 4.5
    assert {cell.column: cell.value for cell in row.cells if cell.done} == {"dl19": 0.0, "beir-avg": pytest.approx(0.045)}


def test_a_row_of_another_name_is_found_by_ours(tmp_path: Path) -> None:
    asked = _experiment(tmp_path, "table: 18\ntitle: t\nbenchmarks: [scifact]\nsystems: [E2Rank-0.6B-only-stage1]\n")
    (system,) = asked.systems
    ran = Result(Cell(system, "scifact", "bm25", 100), tmp_path / "runs" / "x", _manifest(), (Measurement("1", "nDCG@10", 0.5),))
    row = table_of(asked, [ran], tmp_path / "runs").groups[-1].rows[0]
    assert (row.label, [c.value for c in row.cells if c.done]) == ("w/ only Stage I", [0.5])


def test_runs_that_share_a_place_are_one_cell_with_their_spread(tmp_path: Path) -> None:
    mirror = write_mirror(tmp_path / "mirror")
    repeats = "repeats: [{label: seed 1, engine: {seed: 1}}, {label: seed 2, engine: {seed: 2}}, {engine: {seed: 3}}]"
    asked = experiment(
        tmp_path, f"[{{name: x, ranker: {{kind: embedding}}, engine: {{kind: scripted}}, {repeats}}}]", "depth: 5\nmeasures: [P@1]"
    )
    results = run(asked, mirror, tmp_path / "runs")
    assert [r.cell.system.name for r in results] == ["x@seed 1", "x@seed 2", "x@3"]
    table = table_of(asked, results, tmp_path / "runs")
    ((_, _, cell),) = table.cells()
    means = [sum(m.value for m in r.measurements) / 3 for r in results]
    assert cell.value == pytest.approx(sum(means) / 3)
    assert [repeat.label for repeat in cell.repeats] == ["seed 1", "seed 2", "3"]
    assert [repeat.value for repeat in cell.repeats] == pytest.approx(means)
    assert len({repeat.run for repeat in cell.repeats}) == 3


def test_runs_of_another_host_are_repeats_of_the_same_cells(tmp_path: Path) -> None:
    mirror = write_mirror(tmp_path / "mirror")
    asked = experiment(tmp_path, "[BM25, oracle]", "depth: 5\nmeasures: [P@1]")
    run(asked, mirror, tmp_path / "here")
    run(asked, mirror, tmp_path / "there")
    planner = Planner(TinyBenchmarks(mirror), tmp_path / "here")
    results = Laboratory(planner).stored(planner.plan(asked), asked, [tmp_path / "there"])
    cell = _place(table_of(asked, results, tmp_path / "here"), "BM25", "mini")
    assert [repeat.label for repeat in cell.repeats] == ["here", "there"]
    assert cell.value == pytest.approx(1 / 3)
    with pytest.raises(MissingData, match="There is no folder of runs"):
        Laboratory(planner).stored(planner.plan(asked), asked, [tmp_path / "nowhere"])


def test_a_run_of_another_host_alone_fills_the_cell(tmp_path: Path) -> None:
    mirror = write_mirror(tmp_path / "mirror")
    asked = experiment(tmp_path, "[BM25]", "depth: 5\nmeasures: [P@1]")
    run(asked, mirror, tmp_path / "there")
    planner = Planner(TinyBenchmarks(mirror), tmp_path / "here")
    results = Laboratory(planner).stored(planner.plan(asked), asked, [tmp_path / "there"])
    cell = _place(table_of(asked, results, tmp_path / "here"), "BM25", "mini")
    assert cell.value == pytest.approx(1 / 3)
    assert cell.spread_points is None


def test_a_sweep_is_tested_against_the_systems_own_value_and_depth(tmp_path: Path) -> None:
    mirror = write_mirror(tmp_path / "mirror")
    swept = "sweep: {ranker.documents_in_prompt: [1, 2]}"
    system = f"{{name: x, ranker: {{kind: embedding, documents_in_prompt: 2}}, engine: {{kind: scripted}}, {swept}}}"
    asked = experiment(tmp_path, f"[BM25, {system}]", "depth: 5\nsweep: {depth: [4, 5]}\nmeasures: [P@1]")
    table = table_of(asked, run(asked, mirror, tmp_path / "runs"), tmp_path / "runs")
    against = {row.label: row.cells[0].against.reference if row.cells[0].against else None for row in table.rows}
    assert against == {
        "BM25 (depth=4)": "BM25 (depth=5)",
        "BM25 (depth=5)": None,
        "x (documents_in_prompt=1, depth=4)": "x (documents_in_prompt=2, depth=5)",
        "x (documents_in_prompt=1, depth=5)": "x (documents_in_prompt=2, depth=5)",
        "x (documents_in_prompt=2, depth=4)": "x (documents_in_prompt=2, depth=5)",
        "x (documents_in_prompt=2, depth=5)": None,
    }
    assert any("▲ ▼" in line for line in table.context)


def test_letters_stand_in_an_experiment_and_in_a_table_of_the_papers_only_when_asked_for(tmp_path: Path) -> None:
    mirror = write_mirror(tmp_path / "mirror")
    asked = experiment(tmp_path, "[BM25, oracle]", "depth: 5\nmeasures: [P@1]")
    table = table_of(asked, run(asked, mirror, tmp_path / "runs"), tmp_path / "runs")
    assert [row.letter for row in table.rows] == ["a", "b"]
    none = _experiment(tmp_path)
    assert {row.letter for row in table_of(none, [_result(none)], RUNS).rows} == {""}
    wanted = _experiment(tmp_path, TABLE1 + "significance: letters\n")
    better = replace(_result(wanted, system=1), measurements=tuple(Measurement(str(i), "nDCG@10", 0.9) for i in range(43)))
    made = table_of(wanted, [_result(wanted), better], RUNS)
    assert {row.system: row.letter for row in made.rows if row.letter} == {"BM25": "a", "E2Rank-0.6B": "b"}
    assert _place(made, "E2Rank-0.6B").letters == "a"


KEPT = {"queries": 43, "orders": 0, "first_10": 5, "measured": 43, "values": 6, "measure": "nDCG@10"}


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        ({"orders": 43, "first_10": 43, "values": 43}, "identical to its first stage: the same documents in the same order for all 43"),
        ({"orders": 28, "first_10": 42, "values": 43}, "nDCG@10 of all 43 queries is its first stage's own: the first 10 documents of 42"),
        ({"first_10": 22}, "the first 10 documents of 22 of 43 queries are the first stage's, in its order"),
        ({"first_10": 21}, ""),
    ],
)
def test_a_rerank_that_scores_as_its_first_stage_is_said_to(tmp_path: Path, kept: dict[str, int], expected: str) -> None:
    asked = _experiment(tmp_path)
    said = [note for note in cell_of(_result(asked, system=1, kept={**KEPT, **kept}), asked, RUNS).notes if "first stage" in note]
    assert said == [] if not expected else [note.startswith(expected) for note in said] == [True]
    # The first stage's own row is its order, and nothing is to be said of that.
    itself = cell_of(_result(asked, kept={**KEPT, "orders": 43}), asked, RUNS)
    assert itself.notes == ()


def test_what_a_run_kept_of_its_lists_is_counted_when_it_is_ranked(tmp_path: Path) -> None:
    mirror = write_mirror(tmp_path / "mirror")
    asked = experiment(tmp_path, "[BM25, oracle]", "depth: 5\nmeasures: [P@1]")
    itself, oracle = run(asked, mirror, tmp_path / "runs")
    assert itself.manifest is not None
    assert oracle.manifest is not None
    all_kept = {"queries": 4, "orders": 4, "first_10": 4, "measured": 3, "values": 3, "measure": "P@1"}
    assert itself.manifest["kept"] == all_kept
    # Relevant documents stand at rank 2, 1 and 5, and q4 has none: q2 and q4 stay as they came, and q2 alone has the same P@1.
    assert oracle.manifest["kept"] == {**all_kept, "orders": 2, "first_10": 2, "values": 1}


def test_lists_of_a_benchmark_and_of_a_system_come_from_the_first_stage_that_is_named(tmp_path: Path) -> None:
    text = (
        "title: t\nbenchmarks: [dl19, dl20, scifact]\nfirst_stages: [bm25, contriever, splade-pp-ed]\n"
        "lists_from: {splade-pp-ed: [scifact]}\n"
        "systems: [{base: BM25, name: one, first_stages: [contriever, splade-pp-ed]}, {base: BM25, name: two, first_stages: [bm25]}]\n"
    )
    asked = _experiment(tmp_path, text)
    planned = Planner(TinyBenchmarks(tmp_path), tmp_path / "runs").plan(asked)
    assert [(p.cell.system.name, p.cell.first_stage, p.cell.benchmark) for p in planned] == [
        ("one", "contriever", "dl19"), ("one", "contriever", "dl20"), ("one", "splade-pp-ed", "scifact"),
        ("two", "bm25", "dl19"), ("two", "bm25", "dl20"),
    ]  # fmt: skip
    assert not asked.varies_first_stage
    context = table_of(asked, [_result(asked)], RUNS).context
    assert context[0].startswith("nDCG@10 of the top 100 of bm25 for two; contriever for one; splade-pp-ed on scifact, mean over")


@pytest.mark.parametrize("number", ["5", "6", "16", "17"])
def test_the_tables_over_several_first_stages_have_a_place_for_every_cell(number: str) -> None:
    asked = load_experiment(f"table{number}")
    cells = [Cell(s, b, f, 100) for s in asked.systems for b in asked.benchmarks for f in asked.first_stages_of(s, b)]
    missing = MissingWeights("none")
    table = table_of(asked, [Result(cell, problem=missing) for cell in cells], RUNS)
    assert len(list(table.cells())) == load_paper().table(number).cells
    # Not one plain cell is left to "not run": every cell of the paper's is planned, but for the average of MTEB.
    assert {c.column for _, _, c in table.cells(averages=False) if c.reason == "not run"} == (
        {"mteb-eng-v2-avg"} if number == "6" else set()
    )
