"""Columns of MTEB in a table of rerankers: Table 6's average is Table 20's, with its verdict, its refusals and its reasons."""

from __future__ import annotations

from pathlib import Path

import pytest

from laboratory import TinyBenchmarks, experiment, plan, run, write_mirror
from mteb_folder import write_benchmark, write_ledger, write_meta
from rerankbench.config import Experiment, MtebTable, find_config, load_config, load_experiment
from rerankbench.errors import ConfigError
from rerankbench.experiment import Laboratory
from rerankbench.mteb_suite.evaluated import evaluated
from rerankbench.mteb_tables import Places, mteb_table
from rerankbench.plan import Planner
from rerankbench.reference import mteb
from rerankbench.reference.verdict import Verdict
from rerankbench.report import Cell, Status, Table, render, render_terminal
from rerankbench.reporting import report_of

V2, COLUMN = "MTEB(eng, v2)", "mteb-eng-v2-avg"
FULL, ONLY_STAGE_1 = "Alibaba-NLP__E2Rank-0.6B", "Alibaba-NLP__E2Rank-0.6B-Embedding-Only"
Row = tuple[str, str]
STAGES, ONE_STAGE = ("E2Rank-0.6B", "full"), ("E2Rank-0.6B", "w/ only Stage I")


def _table6(tmp_path: Path, *assignments: str, systems: tuple[str, ...] = (), benchmarks: tuple[str, ...] = ()) -> Table:
    """With nothing ranked."""
    asked = load_experiment("table6", assignments).only(systems, benchmarks)
    planner = Planner(TinyBenchmarks(tmp_path / "nothing"), tmp_path / "runs")
    results = Laboratory(planner).stored(planner.plan(asked), asked)
    return report_of(asked, results, tmp_path / "runs").table


def _column(table: Table) -> dict[Row, Cell]:
    return {(row.system, row.variant): cell for row, column, cell in table.cells() if column.name == COLUMN}


def _table20(tmp_path: Path, config: str = "table20") -> Table:
    asked = load_config(config)
    assert isinstance(asked, MtebTable)
    return mteb_table(asked, Places(tmp_path / "runs", None))


def _same_as_table_20(tmp_path: Path, config: str = "table20", *assignments: str) -> dict[Row, Cell]:
    """Table 6's column, after every cell of it was found to say what Table 20's does."""
    six, twenty = _column(_table6(tmp_path, *assignments)), _column(_table20(tmp_path, config))
    assert len(six) == len(twenty) == 6
    for row, cell in six.items():
        own = twenty[row]
        assert (cell.status, cell.value, cell.members, cell.reason, cell.hint) == (own.status, own.value, own.members, own.reason, own.hint)
        assert (cell.printed, cell.verdict, cell.difference) == (own.printed, own.verdict, own.difference)
        assert (cell.caveat, cell.not_judged, cell.remarks) == (own.caveat, own.not_judged, own.remarks)
    return six


def _results(tmp_path: Path, model: str, score: float, last: float, *, revision: str = "rev1", instructions: bool | None = True) -> Path:
    """All 41 files: one score, and another one for the last task."""
    folder = tmp_path / "runs" / "mteb_results" / "results" / model / revision
    write_meta(folder, model.replace("__", "/"), revision, use_instructions=instructions)
    *names, other = mteb.load().benchmarks[V2]
    assert len(names) == 40
    write_benchmark(folder, names, score)
    write_benchmark(folder, [other], last)
    return folder


def test_the_average_is_that_of_the_41_tasks_with_the_verdict_against_the_number_of_table_6(tmp_path: Path) -> None:
    _results(tmp_path, FULL, 0.63, 0.7981)  # (40 × 63.00 + 79.81) / 41 = 2599.81 / 41 = 63.41, as printed
    _results(tmp_path, ONLY_STAGE_1, 0.62, 0.7882)  # (40 × 62.00 + 78.82) / 41 = 2558.82 / 41 = 62.4102…, printed 62.40
    cells = _same_as_table_20(tmp_path)
    full, one = cells[STAGES], cells[ONE_STAGE]
    assert (full.value, full.members, full.printed, full.verdict) == (0.6341, (41, 41), "63.41", Verdict.MATCH)
    assert one.value == pytest.approx(25.5882 / 41)
    assert (one.printed, one.verdict, round(float(one.difference or 0), 3)) == ("62.40", Verdict.DIFFERENT, 0.010)
    assert [cell.status for cell in cells.values()].count(Status.MISSING) == 4


def test_every_row_finds_the_results_of_its_own_system(tmp_path: Path) -> None:
    text = find_config("table20").read_text(encoding="utf-8")
    names = ["E2Rank-0.6B-no-stage1", "E2Rank-0.6B-no-infonce", "E2Rank-0.6B-no-ranknet", "E2Rank-0.6B-no-listwise"]
    for i, name in enumerate(names, start=1):
        assert f"base: {name}, " in text
        text = text.replace(f"base: {name}, ", f"base: {name}, model: org/m{i}, ")
        _results(tmp_path, f"org__m{i}", i / 10, i / 10)
    (tmp_path / "scores.yaml").write_text(text, encoding="utf-8")
    cells = _column(_table6(tmp_path, f"mteb_columns.{COLUMN}={tmp_path / 'scores.yaml'}"))
    variants = ["full", "w/o Stage I", "w/o InfoNCE in Stage II", "w/ only Stage I", "w/o RankNet in Stage II", "w/o Listwise in Stage II"]
    assert {variant: cells["E2Rank-0.6B", variant].value for variant in variants} == dict(
        zip(variants, [None, 0.1, 0.2, None, 0.3, 0.4], strict=True)
    )


def test_without_any_result_the_column_says_what_table_20_says(tmp_path: Path) -> None:
    cells = _same_as_table_20(tmp_path)
    assert {cell.status for cell in cells.values()} == {Status.MISSING}
    full = cells[STAGES]
    assert full.reason == "The weights of E2Rank-0.6B are published, but not at hand."
    assert full.hint == "hf download Alibaba-NLP/E2Rank-0.6B; then: rerankbench mteb run table20 --systems E2Rank-0.6B"
    assert full.verdict is Verdict.MISSING
    assert cells["E2Rank-0.6B", "w/o Stage I"].reason == "The weights of E2Rank-0.6B-no-stage1 are not published."


def test_one_task_that_is_missing_leaves_no_average_and_is_named(tmp_path: Path) -> None:
    (_results(tmp_path, FULL, 0.63, 0.63) / "SCIDOCS.json").unlink()
    cell = _same_as_table_20(tmp_path)[STAGES]
    assert (cell.status, cell.value, cell.members, cell.verdict) == (Status.REFUSED, None, (40, 41), Verdict.MISSING)
    assert cell.reason == ("only 40 of 41 members are there; missing: SCIDOCS (Alibaba-NLP/E2Rank-0.6B has no result of this task.)")
    assert cell.hint == "rerankbench mteb run table20 --systems E2Rank-0.6B"
    markdown = render(_table6(tmp_path), "markdown", "paper")
    assert "40 of 41" in markdown
    assert "missing: SCIDOCS" in markdown


@pytest.mark.parametrize(
    ("instructions", "said"), [(False, "made without instructions"), (None, "model_meta.json does not say whether with instructions")]
)
def test_results_without_the_papers_instructions_are_shown_and_not_compared(tmp_path: Path, instructions: bool | None, said: str) -> None:
    _results(tmp_path, FULL, 0.63, 0.7981, instructions=instructions)
    cell = _same_as_table_20(tmp_path)[STAGES]
    assert (cell.value, cell.verdict) == (0.6341, None)
    assert cell.not_judged == f"{said}, by the paper with those of its Table 10"


def test_another_main_score_is_not_compared(tmp_path: Path) -> None:
    folder, task = _results(tmp_path, FULL, 0.63, 0.63), mteb.load().tasks["AskUbuntuDupQuestions"]
    path = folder / "AskUbuntuDupQuestions.json"
    path.write_text(path.read_text(encoding="utf-8").replace(f'"{task.main_score}"', '"map_at_1000"'), encoding="utf-8")
    cell = _same_as_table_20(tmp_path)[STAGES]
    assert (cell.value, cell.verdict, cell.not_judged) == (0.63, None, "another main score than map, which it was in mteb 1.38.32")


def test_what_an_engine_says_about_itself_stands_in_table_6_too(tmp_path: Path) -> None:
    text = f'layout: mteb\ntitle: t\ntable: 20\nbenchmark: "{V2}"\nsystems: [{{base: E2Rank-0.6B, engine: {{kind: lexical}}}}]\n'
    (tmp_path / "scores.yaml").write_text(text, encoding="utf-8")
    asked = load_config(str(tmp_path / "scores.yaml"))
    assert isinstance(asked, MtebTable)
    made = evaluated(asked.systems[0], {})
    _results(tmp_path, made.model.replace("/", "__"), 0.63, 0.7981, revision=made.revision)
    write_ledger(tmp_path / "runs" / "mteb_results", made.model, made.revision, {}, caveat="weights are drawn: no result")
    table = _table6(tmp_path, f"mteb_columns.{COLUMN}={tmp_path / 'scores.yaml'}")
    cell, own = _column(table)[STAGES], _column(_table20(tmp_path, str(tmp_path / "scores.yaml")))[STAGES]
    assert (cell.value, cell.verdict, cell.caveat) == (0.6341, None, "weights are drawn: no result")
    assert cell.not_judged == own.not_judged == "weights are drawn: no result"
    assert "weights are drawn: no result" in render(table, "markdown", "paper")


def test_it_is_said_how_the_scores_came_about(tmp_path: Path) -> None:
    _results(tmp_path, FULL, 0.63, 0.7981)
    table = _table6(tmp_path)
    assert "MTEB(v2): as rerankbench report table20 shows it" in table.context
    assert "MTEB(v2): made with mteb 1.38.32; the paper's with mteb 1.38.32" in table.context
    (note,) = [note for note in table.notes if note.startswith("MTEB(v2): ")]
    assert note.startswith("MTEB(v2): E²Rank-0.6B: Alibaba-NLP/E2Rank-0.6B at rev1, 41 of 41 tasks; mteb 1.38.32; ")
    for format_ in ("markdown", "csv", "latex", "html"):
        assert "63.41" in render(table, format_, "paper")
    assert render_terminal(table, "paper") is not None


def test_results_in_the_local_mirror_are_found(tmp_path: Path) -> None:
    _results(tmp_path, FULL, 0.63, 0.7981)
    (tmp_path / "runs").rename(tmp_path / "data")
    asked = load_experiment("table6")
    planner = Planner(TinyBenchmarks(tmp_path / "nothing"), tmp_path / "runs")
    results = Laboratory(planner).stored(planner.plan(asked), asked)
    assert _column(report_of(asked, results, tmp_path / "runs", mirror=tmp_path / "data").table)[STAGES].value == 0.6341
    assert _column(report_of(asked, results, tmp_path / "runs").table)[STAGES].value is None


# ---- which rows and columns ----


def test_rows_that_are_not_asked_for_are_not_filled(tmp_path: Path) -> None:
    for model in (FULL, ONLY_STAGE_1):
        _results(tmp_path, model, 0.63, 0.7981)
    table = _table6(tmp_path, systems=("E2Rank-0.6B",))
    cells = _column(table)
    assert {row for row, cell in cells.items() if cell.done} == {STAGES}
    assert cells[ONE_STAGE].hint == "name it in the configuration, or leave --systems and --benchmarks out"
    assert len([note for note in table.notes if note.startswith("MTEB(v2): ")]) == 1


def test_where_benchmarks_are_named_the_column_is_left_out_as_all_others_are(tmp_path: Path) -> None:
    _results(tmp_path, FULL, 0.63, 0.7981)
    cells = _column(_table6(tmp_path, benchmarks=("dl20",)))
    assert {(cell.reason, cell.hint) for cell in cells.values()} == {
        ("not run", "name it in the configuration, or leave --systems and --benchmarks out")
    }


def test_a_system_that_the_scores_are_not_about_says_so(tmp_path: Path) -> None:
    _results(tmp_path, FULL, 0.63, 0.7981)
    cells = _column(_table6(tmp_path, f"mteb_columns.{COLUMN}=table15"))  # the same 41 tasks, of two of these systems
    assert {variant for (_, variant), cell in cells.items() if cell.done} == {"full"}
    assert cells[ONE_STAGE].reason == "The weights of E2Rank-0.6B-only-stage1 are published, but not at hand."
    absent = cells["E2Rank-0.6B", "w/o Stage I"]
    assert (absent.status, absent.reason) == (Status.MISSING, "table15 is not about E2Rank-0.6B-no-stage1")
    assert absent.hint == "name E2Rank-0.6B-no-stage1 among the systems of table15"


def test_without_the_key_the_column_says_which_one_fills_it(tmp_path: Path) -> None:
    cells = _column(_table6(tmp_path, "mteb_columns={}"))
    assert {cell.hint for cell in cells.values()} == {f"name under 'mteb_columns' the configuration of MTEB scores that has {COLUMN}"}


def test_the_column_is_no_part_of_a_runs_identity(tmp_path: Path) -> None:
    mirror, systems = write_mirror(tmp_path / "mirror"), "[BM25, {base: E2Rank-0.6B, engine: {kind: lexical}}]"
    without = experiment(tmp_path, systems, "depth: 5\ntable: 6", name="without")
    assert all(result.manifest for result in run(without, mirror, tmp_path / "runs"))
    with_it = experiment(tmp_path, systems, f"depth: 5\ntable: 6\nmteb_columns: {{{COLUMN}: table20}}", name="with")
    assert list(with_it.mteb_columns) == [COLUMN]
    made, planned = (plan(asked, mirror, tmp_path / "runs") for asked in (without, with_it))
    assert [p.state for p in planned] == ["complete", "complete"]
    assert [(p.folder, p.identity) for p in planned] == [(p.folder, p.identity) for p in made]


# ---- configurations ----


def _refused(tmp_path: Path, *assignments: str) -> str:
    with pytest.raises(ConfigError) as wrong:
        _table6(tmp_path, *assignments)
    return wrong.value.message


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        (f"mteb_columns.{COLUMN}=tabel20", f"key 'mteb_columns.{COLUMN}': there is no configuration 'tabel20'. Did you mean 'table20'"),
        (f"mteb_columns.{COLUMN}=table1", f"key 'mteb_columns.{COLUMN}': 'table1' is no table of MTEB scores (layout: mteb). Did you mean"),
        ("mteb_columns={mteb-eng-v2: table20}", "has no column 'mteb-eng-v2' of MTEB's scores. Did you mean 'mteb-eng-v2-avg'"),
        ("mteb_columns={ArguAna: table20}", "Table 6 of the paper has no column 'ArguAna' of MTEB's scores. Valid names: mteb-eng-v2-avg."),
        (f"mteb_columns.{COLUMN}=table4", f"'mteb_columns.{COLUMN}': table4: Table 4 of the paper has no column 'mteb-eng-v2-avg'"),
        (f"mteb_columns.{COLUMN}=mteb-local", "mteb-local names no 'table' of the paper"),
        ("mteb_columns={dl20: table20}", "'mteb_columns' would fill 'dl20', which this file has among its benchmarks or averages"),
        ("mteb_columns={beir-avg: table20}", "'mteb_columns' would fill 'beir-avg'"),
        ("table=null", "'mteb_columns' fills columns of a table of the paper: name it as 'table'"),
        ("mteb_colums={}", "unknown key 'mteb_colums'. Did you mean 'mteb_columns'"),
    ],
)  # fmt: skip
def test_a_key_that_is_wrong_says_where_and_what_was_meant(tmp_path: Path, assignment: str, expected: str) -> None:
    message = _refused(tmp_path, assignment)
    assert expected in message
    assert "table6.yaml" in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f'table: 20\nbenchmark: "{V2}"\ntasks: [ArguAna]\n', "scores.yaml is about some tasks of MTEB(eng, v2) only"),
        (f'table: 20\nbenchmark: "{V2}"\ntask_types: [STS]\n', "scores.yaml is about some tasks of MTEB(eng, v2) only"),
        ('table: 20\nbenchmark: "MTEB(eng, v1)"\n', "no task of MTEB(eng, v1)"),
        ('table: 20\nbenchmark: "MTEB(deu, v1)"\n', "which tasks MTEB(deu, v1) has is not known, and so no mteb-eng-v2-avg"),
        (f'benchmark: "{V2}"\n', "scores.yaml names no 'table' of the paper"),
    ],
)
def test_scores_of_other_tasks_never_pass_for_the_papers_average(tmp_path: Path, text: str, expected: str) -> None:
    systems = "systems: [{base: E2Rank-0.6B, instructions: true, engine: {dtype: float16}}]\n"
    (tmp_path / "scores.yaml").write_text(f"layout: mteb\ntitle: t\n{text}{systems}", encoding="utf-8")
    assert expected in _refused(tmp_path, f"mteb_columns.{COLUMN}={tmp_path / 'scores.yaml'}")


def test_a_file_is_found_beside_the_experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    scores = f'layout: mteb\ntitle: t\ntable: 20\nbenchmark: "{V2}"\nsystems: [E2Rank-0.6B]\n'
    (tmp_path / "mine" / "scores.yaml").write_text(scores, encoding="utf-8")
    own = f"title: t\ntable: 6\nbenchmarks: [dl20]\nsystems: [E2Rank-0.6B]\nmteb_columns: {{{COLUMN}: scores.yaml}}\n"
    (tmp_path / "mine" / "own.yaml").write_text(own, encoding="utf-8")
    for asked in (load_experiment("mine/own.yaml"), load_config("mine/own.yaml")):
        assert isinstance(asked, Experiment)
        assert asked.mteb_columns[COLUMN].called == "scores.yaml"
