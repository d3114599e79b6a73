"""Means by task type, both averages, task by task, and which version each task had: beside a table of MTEB scores."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from mteb_folder import write_benchmark, write_meta, write_result
from rerankbench.config import MtebTable, load_config
from rerankbench.mteb_tables import Places, mteb_tables
from rerankbench.reference import mteb
from rerankbench.reference.paper import load as load_paper
from rerankbench.reference.verdict import Verdict
from rerankbench.report import Cell, Listing, Status, Table, render
from rerankbench.report.cells import TaskVersions

V1, V2 = "MTEB(eng, v1)", "MTEB(eng, v2)"
E2RANK = "Alibaba-NLP__E2Rank-0.6B"


def _asked(name: str, *assignments: str) -> MtebTable:
    found = load_config(name, assignments)
    assert isinstance(found, MtebTable)
    return found


def _made(name: str, tmp_path: Path, mirror: Path | None = None) -> dict[str, Table | Listing]:
    table, more = mteb_tables(_asked(name), Places(tmp_path / "runs", mirror))
    return {"table": table, **more}


def _own(tmp_path: Path, text: str) -> dict[str, Table | Listing]:
    (tmp_path / "own.yaml").write_text(f"layout: mteb\ntitle: t\n{text}", encoding="utf-8")
    return _made(str(tmp_path / "own.yaml"), tmp_path)


def _cells(table: Table | Listing, system: str = "E2Rank-0.6B", variant: str = "") -> dict[str, Cell]:
    assert isinstance(table, Table)
    return {column.name: cell for row, column, cell in table.cells() if (row.system, row.variant) == (system, variant)}


def _folder(tmp_path: Path, model: str = E2RANK) -> Path:
    folder = tmp_path / "runs" / "mteb_results" / "results" / model / "rev1"
    write_meta(folder, model.replace("__", "/"), "rev1", use_instructions=True)
    return folder


def _rows(listing: Table | Listing) -> dict[str, tuple[str, ...]]:
    assert isinstance(listing, Listing)
    return {row[0]: row[1:] for row in listing.rows}


# ---- means ----


def test_the_headings_count_the_tasks_as_the_paper_does(tmp_path: Path) -> None:
    means = _made("table4", tmp_path)["means"]
    assert isinstance(means, Table)
    assert [column.label for column in means.columns] == [
        "Retrieval (15)",
        "Reranking (4)",
        "Clustering (11)",
        "PairClassification (3)",
        "Classification (12)",
        "STS (10)",
        "Summarization (1)",
        "by dataset (56)",
        "by type (7)",
    ]


def _by_type(tmp_path: Path, **scores: float) -> None:
    tasks = mteb.load().tasks_of(V1)
    for type_, score in scores.items():
        write_benchmark(_folder(tmp_path), [name for name, task in tasks.items() if task.type == type_], score)


SCORES = {
    "Retrieval": 0.5174,
    "Reranking": 0.5,
    "Clustering": 0.4,
    "PairClassification": 0.8,
    "Classification": 0.7,
    "STS": 0.8,
    "Summarization": 0.3,
}


def test_both_averages_are_there_and_differ(tmp_path: Path) -> None:
    _by_type(tmp_path, **SCORES)
    cells = _cells(_made("table4", tmp_path)["means"])
    # (15 × 51.74 + 4 × 50 + 11 × 40 + 3 × 80 + 12 × 70 + 10 × 80 + 30) / 56 = 3326.1 / 56, and (51.74 + 50 + 40 + 80 + 70 + 80 + 30) / 7
    assert cells["by-dataset"].value == pytest.approx(0.593946, abs=1e-6)
    assert cells["by-type"].value == pytest.approx(0.573914, abs=1e-6)
    assert (cells["by-dataset"].members, cells["by-type"].members, cells["Retrieval"].members) == ((56, 56), (7, 7), (15, 15))


def test_a_mean_that_the_paper_prints_stands_beside_it_and_a_mean_by_type_beside_none(tmp_path: Path) -> None:
    _by_type(tmp_path, **SCORES)
    cells = _cells(_made("table4", tmp_path)["means"])
    assert (cells["Retrieval"].printed, cells["Retrieval"].verdict) == ("51.74", Verdict.MATCH)
    assert (cells["by-dataset"].printed, cells["by-dataset"].verdict) == ("61.25", Verdict.DIFFERENT)
    assert (cells["by-type"].printed, cells["by-type"].verdict) == (None, None)
    write_benchmark(_folder(tmp_path / "v2"), mteb.load().benchmarks[V2], 0.6341)
    cells = _cells(_made("table15", tmp_path / "v2")["means"], variant="stage2")
    assert (cells["by-dataset"].printed, cells["by-dataset"].verdict) == ("63.41", Verdict.MATCH)
    assert cells["Retrieval"].printed is None  # in no column of Table 15


def test_one_missing_task_takes_its_type_and_both_averages_with_it(tmp_path: Path) -> None:
    _by_type(tmp_path, **SCORES)
    (_folder(tmp_path) / "NQ.json").unlink()
    cells = _cells(_made("table4", tmp_path)["means"])
    absent = {name: cell.members for name, cell in cells.items() if cell.value is None}
    assert absent == {"Retrieval": (14, 15), "by-dataset": (55, 56), "by-type": (6, 7)}
    assert all(cells[name].verdict is Verdict.MISSING for name in ("Retrieval", "by-dataset"))
    assert "missing: NQ (Alibaba-NLP/E2Rank-0.6B has no result of this task.)" in cells["by-dataset"].reason
    assert "missing: Retrieval (only 14 of 15 members are there; missing: NQ" in cells["by-type"].reason


def test_types_that_are_all_in_part_there_are_counted_and_not_shown_as_one_of_them(tmp_path: Path) -> None:
    write_benchmark(_folder(tmp_path), ["NQ", "SciFact"], 0.5)
    text = f'benchmark: "{V1}"\ntask_types: [Retrieval]\nsystems: [E2Rank-0.6B]\n'
    cells = _cells(_own(tmp_path, text)["means"])
    assert {name: cell.members for name, cell in cells.items()} == {"Retrieval": (2, 15), "by-dataset": (2, 15), "by-type": (0, 1)}


def test_a_task_of_no_known_type_refuses_the_mean_by_type(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    write_benchmark(folder, ["SciFact"], 0.5)
    write_result(folder, "Elsewhere", 0.25)
    cells = _cells(_own(tmp_path, f'benchmark: "{V1}"\ntasks: [SciFact, Elsewhere]\nsystems: [E2Rank-0.6B]\n')["means"])
    assert (cells["Retrieval"].value, cells["of no known type"].value, cells["by-dataset"].value) == (0.5, 0.25, 0.375)
    assert (cells["by-type"].status, cells["by-type"].reason[:31]) == (Status.REFUSED, "the type of Elsewhere is not kn")


def test_other_tasks_than_the_papers_are_not_averaged_beside_its_average(tmp_path: Path) -> None:
    write_benchmark(_folder(tmp_path), ["ArguAna"], 0.6341)
    text = f'benchmark: "{V2}"\ntable: 15\ntasks: [ArguAna]\nsystems: [{{base: E2Rank-0.6B, instructions: true}}]\n'
    made = _own(tmp_path, text)
    cells = _cells(made["means"], variant="stage2")
    assert (cells["by-dataset"].value, cells["by-dataset"].printed, cells["by-dataset"].is_compared) == (0.6341, None, False)
    assert _cells(made["table"], variant="stage2")["ArguAna"].printed == "50.56"


def test_a_published_part_of_a_benchmark_has_means_where_its_types_are_whole(tmp_path: Path, data_dir: Path) -> None:
    cells = _cells(_made("mteb-qwen3-embedding", tmp_path, data_dir)["means"], "Qwen3-Embedding-0.6B")
    # AskUbuntuDupQuestions 65.131 and MindSmallReranking 31.231, by hand from their files
    assert cells["Reranking"].members == (2, 2)
    assert cells["STS"].value == pytest.approx(0.911304, abs=1e-4)
    assert cells["Retrieval"].members == (11, 11)  # nine of MTEB, and two of BRIGHT
    assert cells["by-dataset"].members == (18, 18)
    assert cells["by-dataset"].value != pytest.approx(cells["by-type"].value, abs=0.01)


# ---- task by task ----


def test_table_4_has_its_tasks_beside_it_in_the_order_of_the_papers_tables(tmp_path: Path) -> None:
    write_benchmark(_folder(tmp_path), ["ArguAna", "NQ"], 0.5056)
    tasks = _made("table4", tmp_path)["tasks"]
    assert isinstance(tasks, Table)
    names = [column.name for column in tasks.columns]
    assert sorted(names) == sorted(mteb.load().benchmarks[V1])
    # Table 14's first lines that are of v1; what no table prints comes behind, in mteb's order.
    assert names[:4] == ["AmazonCounterfactualClassification", "ArguAna", "AskUbuntuDupQuestions", "BIOSSES"]
    assert names[-3:] == ["TwentyNewsgroupsClustering", "MSMARCO", "STS22"]
    cells = _cells(tasks)
    assert (cells["ArguAna"].printed, cells["ArguAna"].verdict) == ("50.56", Verdict.MATCH)  # Table 15's
    assert (cells["NQ"].printed, cells["NQ"].is_compared) == (None, False)
    assert _cells(tasks, "E2Rank-0.6B", "only-stage1").keys() <= set(names)


def test_where_the_main_table_is_of_tasks_there_is_no_second(tmp_path: Path) -> None:
    assert list(_made("table15", tmp_path)) == ["table", "means", "versions"]
    assert list(_made("table4", tmp_path)) == ["table", "means", "tasks", "versions"]


# ---- versions ----


def test_each_task_says_what_it_was_and_is(tmp_path: Path) -> None:
    rows = _rows(_made("table4", tmp_path)["versions"])
    assert len(rows) == 56
    assert rows["AskUbuntuDupQuestions"][:4] == ("Reranking", "map → map_at_1000", "2000358 → c5691e3", "")
    assert rows["NFCorpus"] == ("Retrieval", "ndcg_at_10", "ec0fa4f", "", "")
    assert rows["STSBenchmark"][3] == "none → STSBenchmark.v2"
    assert rows["STS22"][3] == "STS22.v2"
    listing = _made("table4", tmp_path)["versions"]
    # Data: AmazonReviews, AmazonCounterfactual, MTOPDomain, MTOPIntent, SciFact, and all four of reranking.
    assert "of these 56 tasks changed: main score of 4, revision of the data set of 9, successor of 6" in listing.context[1]


def test_each_result_says_which_version_made_it_and_whether_the_task_was_that_of_then_or_now(tmp_path: Path) -> None:
    folder, ask = _folder(tmp_path), mteb.load().tasks["AskUbuntuDupQuestions"]
    write_benchmark(folder, ["NFCorpus", "SciFact", "MindSmallReranking"], 0.5)
    write_result(folder, "AskUbuntuDupQuestions", 0.5, measure="map_at_1000", revision=ask.later.revision, version="2.26.24")
    write_result(folder, "SciDocsRR", 0.5, measure="mrr", revision="0123456789", version="1.0.0")
    rows = {name: row[-1] for name, row in _rows(_made("table4", tmp_path)["versions"]).items()}
    assert rows["NFCorpus"] == "1.38.32: then and now"
    assert rows["SciFact"] == "1.38.32: then"
    assert rows["MindSmallReranking"] == "1.38.32: then"
    assert rows["AskUbuntuDupQuestions"] == "2.26.24: now"
    assert rows["SciDocsRR"] == "1.0.0: mrr, data 0123456"
    assert rows["NQ"] == ""


def test_results_of_several_systems_bear_their_names_where_they_differ(tmp_path: Path) -> None:
    for model, tasks in ((E2RANK, ["NFCorpus", "SciFact"]), ("Alibaba-NLP__E2Rank-4B", ["NFCorpus"])):
        write_benchmark(_folder(tmp_path, model), tasks, 0.5)
    rows = {name: row[-1] for name, row in _rows(_made("table4", tmp_path)["versions"]).items()}
    assert rows["NFCorpus"] == "1.38.32: then and now"
    assert rows["SciFact"] == "1.38.32: then (E²Rank-0.6B)"


def test_a_task_that_the_papers_version_lacks_says_so(tmp_path: Path, data_dir: Path) -> None:
    row = _rows(_made("mteb-qwen3-embedding", tmp_path, data_dir)["versions"])["BrightBiologyRetrieval"]
    assert row == ("Retrieval", "no such task → ndcg_at_10", "no such task → c26703e", "", "2.10.12: now")


def test_of_a_task_that_is_not_known_here_nothing_is_said_of_what_it_was(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    write_result(folder, "GermanDPR", 0.5, revision="5129d02422a66be600ac89cd3e8531b4f97d347d", version="2.26.24")
    write_benchmark(folder, ["NFCorpus"], 0.5)
    made = _own(tmp_path, f'benchmark: "{V1}"\ntasks: [NFCorpus, GermanDPR]\nsystems: [E2Rank-0.6B]\n')["versions"]
    assert isinstance(made, Listing)
    assert _rows(made)["GermanDPR"] == ("", "", "", "", "2.26.24: data 5129d02")
    assert made.context[1].startswith("of these 1 tasks changed: nothing")
    assert made.context[2] == "of 1 of the tasks it is not known what they were then: they stand as the evaluation found them"


def test_every_cell_of_a_task_says_which_version_it_is_of(tmp_path: Path) -> None:
    folder, ask = _folder(tmp_path), mteb.load().tasks["AskUbuntuDupQuestions"]
    write_result(folder, "AskUbuntuDupQuestions", 0.5, measure="map_at_1000", revision=ask.later.revision, version="2.26.24")
    for number, part in enumerate(mteb.load().tasks["CQADupstackRetrieval"].mean_of):
        write_result(folder, part, 0.5, revision=f"forum-{number}")
    tasks = _made("table4", tmp_path)["tasks"]
    assert isinstance(tasks, Table)
    cells = _cells(tasks)
    assert cells["AskUbuntuDupQuestions"].task == TaskVersions(
        "mteb 1.38.32: map, data 2000358", "mteb 2.26.24: map_at_1000, data c5691e3", "mteb 2.26.24: map_at_1000, data c5691e3"
    )
    absent = cells["STSBenchmark"]
    assert absent.task == TaskVersions(
        "mteb 1.38.32: cosine_spearman, data b0fddb5", "mteb 2.26.24: cosine_spearman, data b0fddb5, succeeded by STSBenchmark.v2"
    )
    mean = cells["CQADupstackRetrieval"].task
    assert mean is not None
    assert mean.here == "mteb 1.38.32: ndcg_at_10, data of its parts"
    lines = {(row["system"], row["benchmark"]): row for row in csv.DictReader(render(tasks, "csv").splitlines())}
    line = lines["E2Rank-0.6B", "AskUbuntuDupQuestions"]
    assert (line["task_then"], line["task_here"]) == ("mteb 1.38.32: map, data 2000358", "mteb 2.26.24: map_at_1000, data c5691e3")
    assert "<dt>task then</dt><dd>mteb 1.38.32: map, data 2000358</dd>" in render(tasks, "html")


# ---- rows ----


@pytest.mark.parametrize(("table", "rows"), [("4", 13), ("14", 6), ("15", 6), ("20", 6)])
def test_the_rows_are_those_of_the_paper_and_those_of_e2rank_are_evaluated_here(table: str, rows: int) -> None:
    asked, paper = _asked(f"table{table}"), load_paper().table(table)
    assert [system.name for system in asked.systems] == [row.system_of_ours for row in paper.rows]
    assert len(asked.systems) == rows
    for system in asked.systems:
        if not system.name.startswith("E2Rank"):
            assert system.system is None
            continue
        assert system.system is not None
        assert system.system.engine is not None
        options = system.system.engine.options.model_dump()
        # The protocol of the paper's MTEB: half precision, inputs of 8,192 tokens at most, and no listwise prompt even for reranking.
        assert (options["dtype"], options["max_tokens"]) == ("float16", 8192)
        assert (system.prompt, system.end_token, system.reranks) == ("e2rank-mteb", "<|endoftext|>", False)


def test_table_6_has_the_rows_of_table_20() -> None:
    paper = load_paper()
    assert [row.system_of_ours for row in paper.rows("6")] == [row.system_of_ours for row in paper.rows("20")]
    averages = [(paper.cell(t, r.system, "mteb-eng-v2-avg", r.variant)) for t in ("6", "20") for r in paper.rows(t)]
    assert [cell.value for cell in averages if cell] == ["63.41", "60.61", "61.92", "62.40", "63.31", "63.66"] * 2
