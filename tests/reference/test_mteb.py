"""The tasks of MTEB's English benchmarks: as the paper counts and prints them."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest

from rerankbench.errors import ConfigError
from rerankbench.reference import mteb
from rerankbench.reference.paper import load
from rerankbench.reference.verdict import rounded

V1, V2 = "MTEB(eng, v1)", "MTEB(eng, v2)"


def _types(benchmark: str) -> Counter[str]:
    return Counter(task.type for task in mteb.load().tasks_of(benchmark).values())


def test_v1_has_the_datasets_that_table_4_counts() -> None:
    # The second line of its heading, and the sum that it prints.
    counts = {
        "Retrieval": 15,
        "Reranking": 4,
        "Clustering": 11,
        "PairClassification": 3,
        "Classification": 12,
        "STS": 10,
        "Summarization": 1,
    }
    assert _types(V1) == counts
    assert sum(counts.values()) == 56


def test_v2_has_the_tasks_that_tables_14_15_and_20_print() -> None:
    for table in ("14", "15", "20"):
        *tasks, average = (column.name for column in load().columns(table))
        assert average.endswith("-avg")
        assert sorted(tasks) == sorted(mteb.load().benchmarks[V2])
    assert len(mteb.load().benchmarks[V2]) == 41


@pytest.mark.parametrize("row", [r for r in load().rows("4") if r.label != "E²Rank-8B (w/ only Stage I)"], ids=lambda r: r.label)
def test_the_papers_averages_are_those_of_its_columns_by_these_counts(row: object) -> None:
    assert abs(_recomputed(row) - _printed(row, "mteb-eng-v1-avg")) <= Decimal("0.03")  # the members are rounded


def test_one_average_of_table_4_is_not_that_of_its_columns() -> None:
    row = next(r for r in load().rows("4") if r.label == "E²Rank-8B (w/ only Stage I)")
    assert (rounded(_recomputed(row), 2), _printed(row, "mteb-eng-v1-avg")) == (Decimal("63.98"), Decimal("64.26"))


def _printed(row: object, column: str) -> Decimal:
    cell = load().cell("4", row.system, column, row.variant)  # type: ignore[attr-defined]
    assert cell is not None
    assert cell.number is not None
    return cell.number


def _recomputed(row: object) -> Decimal:
    return sum((_printed(row, mteb.load().columns[type_]) * n for type_, n in _types(V1).items()), Decimal(0)) / 56


def test_every_task_of_the_papers_version_has_one_split_and_english_alone() -> None:
    tasks = {name: task for name, task in mteb.load().tasks.items() if not task.is_new}
    assert {name for name, task in tasks.items() if task.split != "test"} == {"MSMARCO"}
    english = {"en": {"AmazonCounterfactualClassification", "AmazonReviewsClassification", "MTOPDomainClassification"}, "en-en": {"STS17"}}
    assert english["en"] < {name for name, task in tasks.items() if task.subset == "en"}
    assert {name for name, task in tasks.items() if task.subset == "en-en"} == english["en-en"]


def test_cqadupstack_counts_once_as_the_mean_of_its_forums() -> None:
    means = {name: task.mean_of for name, task in mteb.load().tasks.items() if task.mean_of}
    assert list(means) == ["CQADupstackRetrieval"]
    assert len(set(means["CQADupstackRetrieval"])) == 12


def test_only_reranking_has_another_main_score_since() -> None:
    changed = {name: task.type for name, task in mteb.load().tasks.items() if task.later.main_score}
    assert set(changed.values()) == {"Reranking"}
    assert set(changed) == {"AskUbuntuDupQuestions", "MindSmallReranking", "SciDocsRR", "StackOverflowDupQuestions"}


def test_an_unknown_benchmark_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"no MTEB benchmark 'MTEB\(eng\)' here\. Did you mean"):
        mteb.load().tasks_of("MTEB(eng)")


def test_what_evaluates_one_task_is_every_subset_of_every_split() -> None:
    assert mteb.load().tasks["STS17"].places == [("test", "en-en")]
    several = mteb.Task(type="STS", splits=("dev", "test"), subsets=("de", "en"))
    assert several.places == [("dev", "de"), ("dev", "en"), ("test", "de"), ("test", "en")]


def test_successors_came_with_later_versions() -> None:
    tasks = mteb.load().tasks
    assert (tasks["STS22"].successor, tasks["STS22"].successor_now) == ("STS22.v2", "STS22.v2")
    assert (tasks["STSBenchmark"].successor, tasks["STSBenchmark"].successor_now) == ("", "STSBenchmark.v2")
    assert (tasks["SciFact"].successor, tasks["SciFact"].successor_now) == ("", "")
