"""``rerankbench mteb``: what it evaluates, prints and exits with."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.calling import Caller

pytest.importorskip("mteb")

FILE = """
layout: mteb
title: T
benchmark: local
tasks: [LocalSTS, LocalPairClassification]
systems:
  - {name: words, engine: {kind: lexical}}
  - {name: published, model: org/model}
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    (tmp_path / "t.yaml").write_text(FILE, encoding="utf-8")
    return "t.yaml"


def test_a_complete_evaluation_exits_with_0_and_the_report_shows_the_same_numbers(call: Caller, config: str) -> None:
    done = call("mteb", "run", config, "--systems", "words", "--json")
    assert done.code == 0
    made = {t["task"]: t["score"] for t in done.data()["tasks"]}
    assert made.keys() == {"LocalSTS", "LocalPairClassification"}
    report = call("mteb", "report", config, "--systems", "words", "--json")
    assert report.code == 0
    assert {cell["benchmark"]: cell["value"] for cell in report.data()["cells"]} == pytest.approx(made, abs=1e-6)
    again = call("mteb", "run", config, "--systems", "words", "--json").data()["tasks"]
    assert [t["status"] for t in again] == ["reused", "reused"]


def test_a_task_that_is_not_at_hand_exits_with_4_and_says_why(call: Caller, config: str) -> None:
    done = call("mteb", "run", config, "--set", "tasks=[LocalSciFactRetrieval]")
    assert done.code == 4
    assert "words on LocalSciFactRetrieval: " in done.err
    report = call("mteb", "report", config, "--set", "tasks=[LocalSciFactRetrieval]", "--systems", "words")
    assert report.code == 4


def test_a_dry_run_names_what_would_be_evaluated_and_writes_nothing(call: Caller, config: str, tmp_path: Path) -> None:
    done = call("mteb", "run", config, "--types", "STS", "--dry-run", "--json")
    assert done.data() == {
        "tasks": [{"system": "words", "task": "LocalSTS", "type": "STS", "splits": "test", "subsets": "default"}],
    }
    assert [path.name for path in tmp_path.iterdir()] == ["t.yaml"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("run", "table1"), 2, "table1 is no table of MTEB scores (layout: mteb)."),
        (("run", "t.yaml", "--systems", "published"), 2, "No system of t.yaml is evaluated here"),
        (("run", "t.yaml", "--tasks", "LocalST"), 2, "mteb has no task 'LocalST'. Did you mean 'LocalSTS'"),
        (("run", "t.yaml", "--types", "Clustering"), 2, "no task of local is left. Its types are PairClassification, STS"),
        (("run", "t.yaml", "--set", "benchmark=MTEB(eng)"), 2, "mteb has no benchmark 'MTEB(eng)'"),
    ],
)
def test_what_makes_no_sense_is_told(call: Caller, config: str, arguments: tuple[str, ...], code: int, said: str) -> None:
    done = call("mteb", *arguments)
    assert (done.code, said in done.err) == (code, True), done.err


def test_the_papers_tables_can_be_planned_without_weights(call: Caller) -> None:
    planned = call("mteb", "run", "table4", "--systems", "E2Rank-0.6B", "--dry-run", "--json").data()["tasks"]
    assert len(planned) == 56
    assert {t["type"] for t in planned} == {
        "Retrieval",
        "Reranking",
        "Clustering",
        "PairClassification",
        "Classification",
        "STS",
        "Summarization",
    }
