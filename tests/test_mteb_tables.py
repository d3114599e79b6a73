"""Tables of MTEB scores: the paper's layout filled from result files, means over all members or none, verdicts only where they are due."""

from __future__ import annotations

from pathlib import Path

import pytest

from mteb_folder import write_benchmark, write_meta, write_result
from rerankbench.config import MtebTable, load_config, load_experiment
from rerankbench.errors import ConfigError
from rerankbench.mteb_tables import Places, mteb_table
from rerankbench.reference import mteb
from rerankbench.reference.verdict import Verdict
from rerankbench.report import Cell, Status, Table, render

V1, V2 = "MTEB(eng, v1)", "MTEB(eng, v2)"
E2RANK = "Alibaba-NLP__E2Rank-0.6B"


def _shipped(name: str, *assignments: str) -> MtebTable:
    found = load_config(name, assignments)
    assert isinstance(found, MtebTable)
    return found


def _own(folder: Path, text: str) -> MtebTable:
    (folder / "own.yaml").write_text(f"layout: mteb\ntitle: t\n{text}", encoding="utf-8")
    return _shipped(str(folder / "own.yaml"))


def _table(asked: MtebTable, tmp_path: Path, mirror: Path | None = None) -> Table:
    return mteb_table(asked, Places(tmp_path / "runs", mirror))


def _cells(table: Table) -> dict[tuple[str, str, str], Cell]:
    return {(row.system, row.variant, column.name): cell for row, column, cell in table.cells()}


def _folder(tmp_path: Path, model: str = E2RANK, *, instructions: bool | None = True) -> Path:
    folder = tmp_path / "runs" / "mteb_results" / "results" / model / "rev1"
    write_meta(folder, model.replace("__", "/"), "rev1", use_instructions=instructions)
    return folder


@pytest.mark.parametrize(("config", "cells"), [("table4", 104), ("table14", 252), ("table15", 246), ("table20", 246)])
def test_without_results_every_cell_says_what_is_missing_and_what_makes_it(tmp_path: Path, config: str, cells: int) -> None:
    table = _table(_shipped(config), tmp_path)
    assert (len(table.missing()), table.exit_code()) == (cells, 4)  # an average of columns that are there is none of them
    assert all(cell.reason and cell.hint and cell.verdict is Verdict.MISSING for cell in table.missing())
    assert any("no result is at hand; the paper's with mteb 1.38.32" in line for line in table.context)


def test_the_hint_is_our_command_for_a_row_that_says_how_and_mtebs_own_for_published_results(tmp_path: Path) -> None:
    cells = _cells(_table(_shipped("table4"), tmp_path))
    ours = cells["E2Rank-0.6B", "", "mteb-eng-v1-sts"]
    assert ours.reason == "The weights of E2Rank-0.6B are published, but not at hand."
    assert ours.hint == "hf download Alibaba-NLP/E2Rank-0.6B; then: rerankbench mteb run table4 --systems E2Rank-0.6B"
    theirs = cells["Instructor-xl", "", "mteb-eng-v1-sts"].hint
    assert theirs.startswith(f"pip install mteb; mteb run -m hkunlp/instructor-xl -b '{V1}' --output-folder runs/mteb_results; or clone ")
    assert "embeddings-benchmark/results" in theirs
    gritlm = cells["GritLM-7B", "", "mteb-eng-v1-sts"]
    assert gritlm.reason == "The weights of GritLM-7B cannot be had."
    assert "no such checkpoint is known" in gritlm.hint
    ablation = _cells(_table(_shipped("table20"), tmp_path))["E2Rank-0.6B", "w/o Stage I", "ArguAna"]
    assert ablation.reason == "The weights of E2Rank-0.6B-no-stage1 are not published."
    assert ablation.hint.startswith("Stage II from Qwen/Qwen3-0.6B itself")
    assert ablation.hint.endswith("; then: rerankbench mteb run table20 --systems E2Rank-0.6B-no-stage1")


def test_tasks_that_are_named_are_the_ones_that_the_hint_runs(tmp_path: Path) -> None:
    asked = _own(tmp_path, f'benchmark: "{V2}"\ntasks: [SciFact, DBPedia]\nsystems: [E2Rank-0.6B]\n')
    assert "mteb run -m Alibaba-NLP/E2Rank-0.6B -t SciFact DBPedia --output-folder" in _table(asked, tmp_path).missing()[0].hint


def test_table_4_averages_by_type_and_over_all_datasets(tmp_path: Path) -> None:
    folder, tasks = _folder(tmp_path), mteb.load().tasks_of(V1)
    by_type = {"Retrieval": 0.5174, "Reranking": 0.56, "Clustering": 0.4, "PairClassification": 0.8, "Classification": 0.7, "STS": 0.8}
    for type_, score in {**by_type, "Summarization": 0.3}.items():
        write_benchmark(folder, [name for name, task in tasks.items() if task.type == type_], score)
    cells = _cells(_table(_shipped("table4"), tmp_path))
    row = {column: cell for (system, variant, column), cell in cells.items() if (system, variant) == ("E2Rank-0.6B", "")}
    retrieval = row["mteb-eng-v1-retrieval"]
    assert retrieval.value == pytest.approx(0.5174)
    assert (retrieval.members, retrieval.printed) == ((15, 15), "51.74")
    assert retrieval.verdict is Verdict.MATCH
    # By dataset, not by type: (15 × 51.74 + 4 × 56 + 11 × 40 + 3 × 80 + 12 × 70 + 10 × 80 + 30) / 56
    assert row["mteb-eng-v1-avg"].value == pytest.approx((15 * 0.5174 + 4 * 0.56 + 11 * 0.4 + 3 * 0.8 + 12 * 0.7 + 10 * 0.8 + 0.3) / 56)
    assert row["mteb-eng-v1-reranking"].verdict is Verdict.DIFFERENT  # 56.00 against 55.97: nothing says how much noise there is
    assert row["mteb-eng-v1-avg"].members == (56, 56)


def test_a_mean_over_fewer_tasks_is_refused_with_what_is_missing(tmp_path: Path) -> None:
    folder, tasks = _folder(tmp_path), mteb.load().tasks_of(V1)
    retrieval = [name for name, task in tasks.items() if task.type == "Retrieval"]
    write_benchmark(folder, [name for name in retrieval if name not in {"NQ", "FEVER", "SciFact"}], 0.5)
    table = _table(_shipped("table4"), tmp_path)
    cell = _cells(table)["E2Rank-0.6B", "", "mteb-eng-v1-retrieval"]
    assert (cell.status, cell.value, cell.members) == (Status.REFUSED, None, (12, 15))
    assert cell.reason.startswith("only 12 of 15 members are there; missing: FEVER, NQ, SciFact")
    assert cell.hint == "rerankbench mteb run table4 --systems E2Rank-0.6B"
    assert "12 of 15" in render(table, "markdown")
    assert table.exit_code() == 4


def test_table_15_shows_tasks_and_their_mean(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    write_benchmark(folder, mteb.load().benchmarks[V2], 0.5056)
    cells = _cells(_table(_shipped("table15"), tmp_path))
    argu = cells["E2Rank-0.6B", "stage2", "ArguAna"]
    assert (argu.printed, argu.verdict) == ("50.56", Verdict.MATCH)
    assert cells["E2Rank-0.6B", "stage2", "BIOSSES"].verdict is Verdict.DIFFERENT
    average = cells["E2Rank-0.6B", "stage2", "mteb-eng-v2-avg"]
    assert average.value == pytest.approx(0.5056)
    assert average.members == (41, 41)
    assert cells["E2Rank-0.6B", "stage1", "ArguAna"].status is Status.MISSING


def test_table_14_is_of_the_tasks_that_it_prints(tmp_path: Path) -> None:
    write_benchmark(_folder(tmp_path), mteb.load().benchmarks[V2], 0.6341)
    table = _table(_shipped("table14"), tmp_path)
    average = _cells(table)["E2Rank-0.6B", "stage2", "mteb-eng-v1-avg"]
    assert (average.value, average.members, average.printed, average.verdict) == (0.6341, (41, 41), "63.41", Verdict.MATCH)
    assert table.notes[0].startswith("Printed as v1, but its 41 tasks")


def test_the_whole_ablation_finds_its_rows(tmp_path: Path) -> None:
    asked = _shipped("table20")
    table = _table(asked, tmp_path)
    assert [(row.system, row.variant) for row in table.rows] == [
        ("E2Rank-0.6B", "full"),
        ("E2Rank-0.6B", "w/o Stage I"),
        ("E2Rank-0.6B", "w/o InfoNCE in Stage II"),
        ("E2Rank-0.6B", "w/ only Stage I"),
        ("E2Rank-0.6B", "w/o RankNet in Stage II"),
        ("E2Rank-0.6B", "w/o Listwise in Stage II"),
    ]
    write_benchmark(_folder(tmp_path, "Alibaba-NLP__E2Rank-0.6B-Embedding-Only"), ["ArguAna"], 0.5288)
    cell = _cells(_table(asked, tmp_path))["E2Rank-0.6B", "w/ only Stage I", "ArguAna"]
    assert (cell.printed, cell.verdict) == ("52.88", Verdict.MATCH)


def test_another_measure_under_the_same_name_is_not_compared_nor_is_a_mean_with_it(tmp_path: Path) -> None:
    folder, tasks = _folder(tmp_path), mteb.load().tasks_of(V1)
    write_benchmark(folder, [name for name, task in tasks.items() if task.type == "Reranking"], 0.5597)
    newer = mteb.load().tasks["MindSmallReranking"].later
    write_result(folder, "MindSmallReranking", 0.5597, measure=newer.main_score, revision=newer.revision, version="2.26.0")
    table = _table(_shipped("table4"), tmp_path)
    mean = _cells(table)["E2Rank-0.6B", "", "mteb-eng-v1-reranking"]
    assert (mean.printed, mean.verdict) == ("55.97", None)
    assert mean.not_judged == "another main score than map, which it was in mteb 1.38.32"
    assert "its data set at another revision than in mteb 1.38.32" in mean.remarks
    assert "made with mteb 1.38.32, 2.26.0; the paper's with mteb 1.38.32" in table.context
    about = next(note for note in table.notes if note.startswith("E²Rank-0.6B"))
    assert "4 of 56 tasks; mteb 1.38.32; mteb 2.26.0: MindSmallReranking" in about
    assert "0.04 hours of evaluation as recorded" in about  # four times 36 seconds


@pytest.mark.parametrize(
    ("instructions", "expected"),
    [
        (True, ""),
        (False, "made without instructions, by the paper with those of its Table 10"),
        (None, "model_meta.json does not say whether with instructions, by the paper with those of its Table 10"),
    ],
)
def test_scores_that_were_made_without_the_papers_instructions_are_not_compared(
    tmp_path: Path, instructions: bool | None, expected: str
) -> None:
    write_benchmark(_folder(tmp_path, instructions=instructions), ["ArguAna"], 0.5056)
    cell = _cells(_table(_shipped("table15"), tmp_path))["E2Rank-0.6B", "stage2", "ArguAna"]
    assert (cell.not_judged, cell.verdict) == (expected, None if expected else Verdict.MATCH)


def test_damaged_and_contradicting_results_fill_no_cell_and_name_no_place_of_this_machine(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    write_benchmark(folder, ["ArguAna"], 0.5)
    (folder / "BIOSSES.json").write_text("{", encoding="utf-8")
    cells = _cells(_table(_shipped("table15"), tmp_path))
    damaged = cells["E2Rank-0.6B", "stage2", "BIOSSES"]
    assert damaged.status is Status.FAILED
    assert damaged.reason.startswith(f"runs/mteb_results/results/{E2RANK}/rev1/BIOSSES.json: cannot be read")
    assert cells["E2Rank-0.6B", "stage2", "ArguAna"].done
    write_benchmark(folder.with_name("rev2"), ["ArguAna"], 0.6)
    two = _cells(_table(_shipped("table15"), tmp_path))["E2Rank-0.6B", "stage2", "ArguAna"]
    assert two.status is Status.REFUSED
    assert "2 revisions of Alibaba-NLP/E2Rank-0.6B: rev1 (2 tasks), rev2 (1 tasks)" in two.reason
    named = _shipped("table15", "systems.1.revision=rev2")
    assert _cells(_table(named, tmp_path))["E2Rank-0.6B", "stage2", "ArguAna"].value == 0.6


def test_another_model_under_the_name_of_a_system_is_not_compared(tmp_path: Path) -> None:
    write_benchmark(_folder(tmp_path, "org__m"), ["ArguAna"], 0.5056)
    asked = _own(tmp_path, f'benchmark: "{V2}"\ntable: 15\nsystems: [{{base: E2Rank-0.6B, model: org/m, instructions: true}}]\n')
    cell = _cells(_table(asked, tmp_path))["E2Rank-0.6B", "stage2", "ArguAna"]
    assert (cell.verdict, cell.not_judged) == (None, "another model than the paper's: org/m")


def test_results_may_lie_in_a_folder_that_is_named(tmp_path: Path) -> None:
    elsewhere = tmp_path / "else where"
    write_benchmark(elsewhere / E2RANK / "rev1", ["ArguAna"], 0.5056)
    table = _table(_shipped("table15", f"results={elsewhere}"), tmp_path)
    assert _cells(table)["E2Rank-0.6B", "stage2", "ArguAna"].value == 0.5056


def test_qwen3_embedding_stands_beside_what_the_paper_prints(tmp_path: Path, data_dir: Path) -> None:
    table = _table(_shipped("mteb-qwen3-embedding"), tmp_path, data_dir)
    cells = _cells(table)
    qwen = {column: cell for (system, _, column), cell in cells.items() if system == "Qwen3-Embedding-0.6B"}
    assert len(qwen) == 18
    assert all(cell.done and cell.printed is None and not cell.is_compared for cell in qwen.values())
    assert qwen["SciFact"].value == 0.69718  # the mirror's README
    e2rank = {column: cell.printed for (system, _, column), cell in cells.items() if system == "E2Rank-0.6B"}
    assert {column: number for column, number in e2rank.items() if number}.keys() == set(mteb.load().benchmarks[V2]) & qwen.keys()
    assert (e2rank["TRECCOVID"], e2rank["SciFact"]) == ("81.03", None)  # Table 15, and in no table
    assert "made with mteb 1.38.9, 2.10.12; the paper's with mteb 1.38.32" in table.context
    markdown = render(table, "markdown")
    assert "69.72" in markdown
    assert str(data_dir) not in markdown


# ---- configurations ----


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f'benchmark: "{V2}"\ntasks: [A, A]\nsystems: [E2Rank-0.6B]\n', "task 'A' stands there twice"),
        (f'benchmark: "{V2}"\ntable: 15\nsystems: [E2Rank-0.6]\n', "there is no system 'E2Rank-0.6'. Did you mean 'E2Rank-0.6B'"),
        (f'benchmark: "{V2}"\ntable: 15\nsystems: [E2Rank-0.6B, E2Rank-0.6B]\n', "two systems are called 'E2Rank-0.6B'"),
        (f'benchmark: "{V2}"\ntable: 15\nsystems: [{{}}]\n', "a system needs a 'name', or a 'base'"),
        (f'benchmark: "{V2}"\ntable: 15\nsystems: [{{name: x}}]\n', "'x' needs the name of its 'model' on the hub"),
        (f'benchmark: "{V2}"\ntable: 4\nsystems: [Instructor-xl]\n', "'Instructor-xl' needs the name of its 'model' on the hub"),
        (f'benchmark: "{V2}"\ntable: 15\ndepth: 5\nsystems: [E2Rank-0.6B]\n', "unknown key 'depth'"),
    ],
)
def test_a_configuration_that_is_wrong_says_where(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(ConfigError) as wrong:
        _own(tmp_path, text)
    assert expected in wrong.value.message
    assert "own.yaml" in wrong.value.message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("benchmark: x\nsystems: [E2Rank-0.6B]\n", "key 'benchmark': There is no MTEB benchmark 'x' here"),
        ('benchmark: "MTEB(deu)"\ntable: 15\nsystems: [E2Rank-0.6B]\n', "key 'benchmark': There is no MTEB benchmark 'MTEB(deu)' here"),
        (
            f'benchmark: "{V2}"\ntable: 15\nsystems: [E2Rank-0.6B-no-ranknet]\n',
            "Table 15 of the paper has no row for 'E2Rank-0.6B-no-ranknet'",
        ),
        (
            f'benchmark: "{V1}"\ntable: 15\nsystems: [E2Rank-0.6B]\n',
            "has a column 'ArXivHierarchicalClusteringP2P': no task of MTEB(eng, v1)",
        ),
        (f'benchmark: "{V2}"\ntable: 1\nsystems: [E2Rank-0.6B]\n', "has a column 'dl19': no task of MTEB(eng, v2)"),
    ],
)
def test_a_table_that_does_not_fit_its_benchmark_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    asked = _own(tmp_path, text)
    with pytest.raises(ConfigError) as wrong:
        _table(asked, tmp_path)
    assert expected in wrong.value.message


def test_a_table_of_scores_is_no_experiment() -> None:
    with pytest.raises(ConfigError, match="a table of MTEB scores is no experiment"):
        load_experiment("table15")


def test_rows_can_be_chosen_by_name() -> None:
    asked = _shipped("table15")
    assert [s.name for s in asked.only(["E2Rank-4B"]).systems] == ["E2Rank-4B"]
    with pytest.raises(ConfigError, match="This table has no system 'E2Rank-5B'"):
        asked.only(["E2Rank-5B"])


def test_every_system_of_the_shipped_tables_is_a_row_of_the_paper(tmp_path: Path) -> None:
    for config in ("table4", "table14", "table15", "table20"):
        asked = _shipped(config)
        assert len(asked.systems) == len(_table(asked, tmp_path).rows)


def test_what_the_papers_table_of_instructions_does_not_name_is_said(tmp_path: Path) -> None:
    # Of v2: seven clustering tasks, two forums, three of hard negatives, Touche2020Retrieval.v3, SummEvalSummarization.v2, STS22.v2, and
    # TwentyNewsgroupsClustering.v2.
    said = [line for line in _table(_shipped("table20"), tmp_path).context if "not in that table" in line]
    assert [line.split(",")[0] for line in said] == ["16 of the 41 tasks are not in that table"]
    assert not [line for line in _table(_shipped("table4"), tmp_path).context if "not in that table" in line]
